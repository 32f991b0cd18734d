"""Reading weights from files and putting them into a module."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from auditor.errors import ModelError
from auditor.loaders import torch_weights


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def net(classes: int = 3) -> nn.Sequential:
    return nn.Sequential(OrderedDict(body=nn.Linear(4, 5), norm=nn.BatchNorm1d(5), head=nn.Linear(5, classes)))


def saved(path: Path, thing: object) -> Path:
    torch.save(thing, path)
    return path


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model_state_dict": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {f"_orig_mod.module.{name}": value for name, value in state.items()},
        lambda state: {f"module._orig_mod.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=[
        "plain",
        "state_dict",
        "model",
        "model_state_dict",
        "twice",
        "parallel",
        "compiled",
        "both",
        "nested parallel",
    ],
)
def test_checkpoints_as_people_save_them_are_understood(tmp_path: Path, wrap: Any) -> None:
    trained, fresh = net(), net()
    state = torch_weights.read(saved(tmp_path / "w.pt", wrap(trained.state_dict())))
    torch_weights.fill(fresh, state, "w.pt")
    for name, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value), name


def test_a_prefix_that_belongs_to_the_network_stays(tmp_path: Path) -> None:
    """Only when all names carry it is it a wrapper's."""
    state = {"module.weight": torch.ones(1), "scale": torch.ones(1)}
    assert torch_weights.read(saved(tmp_path / "w.pt", state)).keys() == state.keys()


def test_safetensors_are_read(tmp_path: Path) -> None:
    trained = net()
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    state = torch_weights.read(tmp_path / "w.safetensors")
    assert all(torch.equal(state[name], value) for name, value in trained.state_dict().items())


def test_a_pickle_in_a_checkpoint_is_not_run_without_trust_and_is_named(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = saved(tmp_path / "w.pt", {"weight": Touch(marker)})
    with pytest.raises(ModelError, match=r"wants more than tensors \(_?io.open\).*--trust"):
        torch_weights.read(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), "the plant does nothing"


def test_a_whole_module_is_refused_with_the_classes_that_it_wants(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pt", net())
    with pytest.raises(ModelError, match=r"torch\.nn\.modules\.batchnorm\.BatchNorm1d, .*model.state_dict\(\)"):
        torch_weights.read(path)
    assert torch_weights.read(path, trust=True).keys() == net().state_dict().keys()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_files_that_hold_no_weights_are_refused_in_a_sentence(tmp_path: Path, suffix: str) -> None:
    missing, empty, text = (tmp_path / f"{name}{suffix}" for name in ("missing", "empty", "text"))
    empty.touch()
    text.write_text("These are no weights, but a letter to whoever opens them.")
    with pytest.raises(ModelError, match="does not exist"):
        torch_weights.read(missing)
    with pytest.raises(ModelError, match="is empty"):
        torch_weights.read(empty)
    with pytest.raises(ModelError, match="damaged"):
        torch_weights.read(text)
    with pytest.raises(ModelError, match="is a directory"):
        torch_weights.require_file(tmp_path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_truncated_file_is_refused_in_a_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    if suffix == ".pt":
        torch.save(net().state_dict(), path)
    else:
        save_file(net().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError, match="damaged"):
        torch_weights.read(path)


@pytest.mark.parametrize("thing", [torch.ones(3), [1, 2], {"epoch": 3}, {}, "weights"])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, thing: object) -> None:
    with pytest.raises(ModelError, match="where a state dict"):
        torch_weights.read(saved(tmp_path / "w.pt", thing))


def without(state: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in names}


def test_missing_weights_are_named_with_a_reason() -> None:
    with pytest.raises(ModelError, match=r"w.pt does not fit .* lacks head.weight, head.bias\. .* only a part"):
        torch_weights.fill(net(), without(net().state_dict(), "head.weight", "head.bias"), "w.pt")


def test_weights_that_the_network_does_not_know_are_named_with_a_reason() -> None:
    state = net().state_dict() | {"auxiliary.weight": torch.ones(1)}
    with pytest.raises(ModelError, match=r"has auxiliary.weight, which the network does not know.*further parts"):
        torch_weights.fill(net(), state, "w.pt")


def test_names_that_differ_throughout_are_shown_from_both_sides() -> None:
    state = {f"net.{name}": value for name, value in net().state_dict().items()}
    with pytest.raises(ModelError, match=r"lacks body.weight, .* it has net.body.weight, .* and 6 more.*prefix"):
        torch_weights.fill(net(), state, "w.pt")


def test_another_number_of_classes_is_said_to_be_likely() -> None:
    with pytest.raises(ModelError, match=r"head.weight is 10x5 where the network has 3x5.*number of classes"):
        torch_weights.fill(net(), net(10).state_dict(), "w.pt")


def test_files_from_before_batch_norm_counted_its_steps_fit() -> None:
    torch_weights.fill(net(), without(net().state_dict(), "norm.num_batches_tracked"), "w.pt")
