"""Networks that code builds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from auditor.errors import ModelError
from auditor.loaders import factory

SOURCE = """
import torch

class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 3)

def make():
    return Net()

class Zoo:
    small = Net

ready = Net()
number = 3

def broken():
    raise KeyError("the config")

def wants(width):
    return Net()

def lazy():
    import {name}_more
    return Net()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module in the working directory, which is not on `sys.path`."""
    name = f"module_of_{request.node.name.partition('[')[0]}"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(name=name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    return name


@pytest.mark.parametrize("attribute", ["make", "Net", "ready", "Zoo.small"])
def test_functions_classes_and_ready_modules_in_the_working_directory_are_built(module: str, attribute: str) -> None:
    assert isinstance(factory.build(f"{module}:{attribute}"), torch.nn.Linear)


def test_a_module_of_a_package_is_found(tmp_path: Path, module: str) -> None:
    package = tmp_path / "package_of_nets"
    package.mkdir()
    (package / "nets.py").write_text(SOURCE.format(name=module))
    assert isinstance(factory.build("package_of_nets.nets:make"), torch.nn.Linear)


def test_a_missing_module_is_answered_with_where_it_was_sought(module: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"no module nowhere.nets for nowhere.nets:make; looked in {tmp_path}, "):
        factory.build("nowhere.nets:make")


def test_a_missing_attribute_is_answered_with_those_that_are_close(module: str) -> None:
    with pytest.raises(ModelError, match=f"{module} has no mak; did you mean make"):
        factory.build(f"{module}:mak")


def test_what_a_module_needs_and_lacks_is_told_from_the_module_itself(module: str, tmp_path: Path) -> None:
    (tmp_path / "needs_more_here.py").write_text("import surely_not_installed")
    with pytest.raises(ModelError, match="No module named 'surely_not_installed'; install what it needs"):
        factory.build("needs_more_here:make")


def test_a_module_that_raises_is_quoted(module: str, tmp_path: Path) -> None:
    (tmp_path / "broken_here.py").write_text("this is no Python")
    with pytest.raises(ModelError, match="Importing broken_here raised SyntaxError: invalid syntax"):
        factory.build("broken_here:make")


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("broken", "raised KeyError: 'the config'"),
        ("wants", r"raised TypeError: .*missing 1 required positional argument: 'width'.*without arguments"),
        ("lazy", "raised ModuleNotFoundError"),
        ("number", "gave a int; it has to give a torch.nn.Module"),
    ],
)
def test_a_factory_that_gives_no_network_is_answered_with_why(module: str, attribute: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        factory.build(f"{module}:{attribute}")


@pytest.mark.parametrize("source", ["a:b", "package.module:factory", "torchvision:resnet18", "_a.b1:Zoo.small"])
def test_names_of_factories_are_told_from_paths(source: str) -> None:
    assert factory.is_name(source)


@pytest.mark.parametrize("source", ["model.pt", "C:\\models\\net.pt", "a/b:c", ":a", "a:", "a b:c", "http://a", "1:2"])
def test_paths_are_told_from_names_of_factories(source: str) -> None:
    assert not factory.is_name(source)


@pytest.mark.parametrize("classes", [7, 1000])
@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_torchvision_classifiers_are_sized_for_their_weights(name: str, classes: int) -> None:
    import torchvision

    make: Callable[..., torch.nn.Module] = getattr(torchvision.models, name)
    state = make(num_classes=classes).state_dict()
    factory.build_torchvision(name, state).load_state_dict(state)


def test_an_unknown_torchvision_name_is_answered_with_those_that_are_close() -> None:
    with pytest.raises(ModelError, match="has no classifier resnet19; did you mean resnet1"):
        factory.build_torchvision("resnet19", {})


def test_torchvision_models_that_are_no_classifiers_are_refused() -> None:
    with pytest.raises(ModelError, match="no classifier fasterrcnn_resnet50_fpn"):
        factory.build_torchvision("fasterrcnn_resnet50_fpn", {})
