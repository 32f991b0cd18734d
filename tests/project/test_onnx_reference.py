"""The reference of `auditor.onnx` is complete, and what it shows works."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

import auditor.onnx
from auditor.onnx import Difference, Exported, GraphInfo, TensorInfo, first_difference, load_twin, registry
from tests.project.pages import ROOT, Block, blocks
from tests.target.onnx_files import linear, write

PAGE = ROOT / "docs" / "reference" / "onnx.md"
TEXT = PAGE.read_text(encoding="utf-8")


def run(block: Block) -> dict[str, Any]:
    """What a block of Python defines."""
    space: dict[str, Any] = {}
    exec(block.text, space)  # noqa: S102 - what the page shows, run as a reader would
    return space


def shown(part: str) -> Block:
    """The block with `part` in its title or its text."""
    return next(block for block in blocks(PAGE) if part in block.title or part in block.text)


def test_every_public_name_is_imported_and_explained() -> None:
    space = run(shown("from auditor.onnx import"))
    assert sorted(space.keys() - {"__builtins__"}) == sorted(auditor.onnx.__all__)
    for name in auditor.onnx.__all__:
        assert f"## {name}\n" in TEXT or f"**{name}**" in TEXT, name


@pytest.mark.parametrize("kind", [Exported, GraphInfo, TensorInfo, Difference])
def test_every_field_is_listed(kind: type) -> None:
    part = TEXT[TEXT.index(f"**{kind.__name__}**") :]
    table = re.findall(r"^\| (`.*?) \| ", part[: part.index("\n\n", part.index("| ---"))], re.MULTILINE)
    listed = re.findall(r"`(\w+)`", " ".join(table))
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(kind))


@pytest.mark.parametrize("name", ["load_twin", "inspect_graph", "float_form", "first_difference", "operator"])
def test_signatures_are_those_of_the_program(name: str) -> None:
    (arguments,) = re.findall(rf"^    {name}\((.*)\)", TEXT, re.MULTILINE)
    parameters = inspect.signature(getattr(auditor.onnx, name)).parameters
    assert re.findall(r"(\w+)(?:=|,|$)", re.sub(r"=[^,]+(?:\(\))?", "", arguments)) == list(parameters)


def test_every_attribute_of_a_twin_is_listed(tmp_path: Path) -> None:
    twin = load_twin(linear(tmp_path / "m.onnx").path)
    own = {name for name in vars(twin) if not name.startswith("_")} - set(vars(torch.nn.Module()))
    assert {name for name in own | {"weights"} if f"| `{name}` |" not in TEXT} == set()


def test_any_batch_goes_through_a_file_with_a_baked_one(tmp_path: Path) -> None:
    model = linear(tmp_path / "m.onnx", (3, 1, 4, 4), batch=3)
    in_groups = run(shown("def in_groups"))["in_groups"]
    x = torch.rand(7, 1, 4, 4, requires_grad=True)
    answer = in_groups(load_twin(model.path), x, 3)
    assert torch.allclose(answer, model.logits(x), atol=1e-5)
    (gradient,) = torch.autograd.grad(answer[:, 1].sum(), x)
    assert torch.allclose(gradient.flatten(1), model.weight[1].expand(7, 16), atol=1e-6)


def test_the_plugin_gives_the_twin_an_operator_that_onnx_runtime_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads(shown("pyproject.toml").text)
    (module,) = project["project"]["entry-points"]["auditor"].values()
    block = shown("__init__.py")
    assert block.title.endswith(f"{project['tool']['hatch']['build']['targets']['wheel']['packages'][0]}/__init__.py")
    assert module in block.title
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    assert ("com.microsoft", "ScaledSiLU") not in registry._REGISTRY
    run(block)["auditor_operators"]()
    node = helper.make_node("ScaledSiLU", ["x"], ["y"], domain="com.microsoft", alpha=1.5)
    spec = (TensorProto.FLOAT, (None, 3))
    path = write(tmp_path / "m.onnx", [node], {"x": spec}, {"y": spec}, domains={"com.microsoft": 1})
    x = torch.linspace(-3, 3, 12).reshape(4, 3)
    assert torch.allclose(load_twin(path)(x), 1.5 * x * (1.5 * x).sigmoid())
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception:
        pytest.skip("this ONNX Runtime has no ScaledSiLU")
    assert np.allclose(session.run(None, {"x": x.numpy()})[0], load_twin(path)(x).numpy(), atol=1e-6)
    assert first_difference(path, {"x": x}) is None
