"""What `load` makes of what a user names."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from auditor.errors import ModelError, UsageError
from auditor.loaders.torch_models import load
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from tests.loaders.torch_archives import PLANTS, Small, changed, export

CPU = torch.device("cpu")
SOURCE = """
from tests.loaders.torch_archives import Small

def small():
    return Small()
"""


@pytest.fixture
def trained() -> Small:
    torch.manual_seed(1)
    module = Small()
    for _ in range(3):  # BatchNorm that is not at its start, or eval mode would not show
        module(3 * torch.rand(8, 3, 8, 8))
    return module.eval()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_networks.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def loaded(path: str | Path, **options: object) -> Target:
    target = load(str(path), ModelOptions(**options), CPU)
    assert target is not None
    return target


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_is(target: Target, module: Small) -> None:
    """The target answers as the module does at rest, any number of samples, with gradients."""
    x = torch.rand(5, 3, 8, 8)
    bind_to(target, x)
    with target.frozen():
        torch.testing.assert_close(target.answer(x), module(x).detach())
        y = x.clone().requires_grad_()
        target.differentiable(y).sum().backward()
    z = x.clone().requires_grad_()
    module(z).sum().backward()
    assert y.grad is not None
    torch.testing.assert_close(y.grad, z.grad)
    assert target.num_classes == 5
    assert target.twin is target.deployed
    assert target.gradients == "native"


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_a_factory_with_weights_is_the_trained_network(directory: Path, trained: Small, suffix: str) -> None:
    weights = directory / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(trained.state_dict(), weights)
    else:
        torch.save({"state_dict": trained.state_dict()}, weights)
    target = loaded("my_networks:small", weights=str(weights))
    assert (target.name, target.format, target.sha256) == ("small", "state_dict", digest(weights))
    assert target.input_shape is None
    assert_is(target, trained)


def test_a_factory_without_weights_is_named_by_its_tensors(directory: Path, trained: Small) -> None:
    torch.save(trained.state_dict(), directory / "w.pt")
    (directory / "my_trained.py").write_text(
        "import torch\nfrom tests.loaders.torch_archives import Small\nnet = Small()\n"
        "net.load_state_dict(torch.load('w.pt'))\nother = Small()\n"
    )
    target = loaded("my_trained:net")
    assert target.format == "torch"
    assert target.sha256 == loaded("my_trained:net").sha256 != loaded("my_trained:other").sha256
    assert_is(target, trained)


def test_a_torchvision_name_with_weights_takes_their_number_of_classes(directory: Path) -> None:
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.mobilenet_v3_small(num_classes=4).eval()
    torch.save(module.state_dict(), directory / "w.pth")
    target = loaded("torchvision:mobilenet_v3_small", weights="w.pth")
    x = torch.rand(2, 3, 32, 32)
    bind_to(target, x)
    with target.frozen():
        torch.testing.assert_close(target.answer(x), module(x).detach())
    assert target.name == "mobilenet_v3_small"


@pytest.mark.parametrize("source", ["torchvision:resnet18", "torchvision.models:resnet18"])
def test_torchvision_without_weights_is_refused_because_they_would_be_random(source: str) -> None:
    with pytest.raises(ModelError, match=r"audited with random ones; .*--weights FILE"):
        loaded(source)


@pytest.mark.parametrize("batch", [1, 2])
def test_an_archive_with_a_baked_batch_takes_any(directory: Path, trained: Small, batch: int) -> None:
    path = export(trained, directory / "net.pt2", torch.rand(batch, 3, 8, 8))
    target = loaded(path)
    assert (target.name, target.format, target.sha256) == ("net", "pt2", digest(path))
    assert target.input_shape == (batch, 3, 8, 8)
    assert_is(target, trained)


def test_an_archive_with_a_free_batch_says_so(directory: Path, trained: Small) -> None:
    path = export(trained, directory / "net.pt2", torch.rand(2, 3, 8, 8), dynamic={0: torch.export.Dim("batch")})
    target = loaded(path)
    assert target.input_shape == (None, 3, 8, 8)
    assert_is(target, trained)
    assert target.batching == "native"


def test_an_archive_is_known_by_its_content_whatever_it_is_called(directory: Path, trained: Small) -> None:
    path = export(trained, directory / "net.pt2", torch.rand(2, 3, 8, 8))
    renamed = path.rename(directory / "net.pt")
    assert loaded(renamed).format == "pt2"


@pytest.mark.parametrize("name", ["net.pt2", "net.pt"])
def test_a_planted_archive_is_refused_under_any_name(directory: Path, trained: Small, name: str) -> None:
    path = export(trained, directory / "clean.pt2", torch.rand(2, 3, 8, 8))
    marker = directory / "ran"
    planted = changed(path, lambda members: PLANTS["sample inputs"](members, marker)).rename(directory / name)
    with pytest.raises(ModelError, match="--trust"):
        loaded(planted)
    assert not marker.exists()


def script(module: torch.nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), path)
    return path


@pytest.mark.parametrize("name", ["net.pt", "net.ts", "net.torchscript"])
def test_torchscript_needs_trust_and_then_loads_without_a_warning(directory: Path, trained: Small, name: str) -> None:
    path = script(trained, directory / name)
    with pytest.raises(ModelError, match=r"TorchScript.* may read and write files .*--trust"):
        loaded(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        target = loaded(path, trust=True)
    assert target.format == "torchscript"
    assert_is(target, trained)


def test_torchscript_really_writes_files_when_it_runs(directory: Path) -> None:
    """Why it needs trust."""

    class Writer(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, "written")
            return x

    loaded(script(Writer(), directory / "net.pt"), trust=True).deployed(torch.rand(2, 3))
    assert (directory / "written").exists()


def test_a_pickled_module_needs_trust(directory: Path, trained: Small) -> None:
    torch.save(trained, directory / "net.pt")
    with pytest.raises(ModelError, match=r"wants more than tensors .*Small.*--trust"):
        loaded("net.pt")
    target = loaded("net.pt", trust=True)
    assert (target.format, target.sha256) == ("torch", digest(directory / "net.pt"))
    assert_is(target, trained)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_alone_are_answered_with_how_to_name_their_network(
    directory: Path, trained: Small, suffix: str
) -> None:
    path = directory / f"net{suffix}"
    save_file(trained.state_dict(), path) if suffix == ".safetensors" else torch.save(trained.state_dict(), path)
    with pytest.raises(ModelError, match=r"9 tensors .* conv.weight \(4x3x3x3\), .*factory .*: --weights .*net"):
        loaded(path)


def test_weights_for_a_file_that_has_its_own_are_a_mistake(directory: Path, trained: Small) -> None:
    path = export(trained, directory / "net.pt2", torch.rand(2, 3, 8, 8))
    with pytest.raises(UsageError, match="--weights goes with a factory"):
        loaded(path, weights="w.pt")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pt2", ".ts", ".safetensors"])
def test_files_that_are_missing_empty_or_something_else_get_a_sentence(directory: Path, suffix: str) -> None:
    (directory / f"empty{suffix}").touch()
    (directory / f"text{suffix}").write_text("no model " * 100)
    for name, said in (("missing", "does not exist"), ("empty", "is empty"), ("text", "damaged")):
        with pytest.raises(ModelError, match=said):
            loaded(f"{name}{suffix}")


@pytest.mark.parametrize("kind", ["pt2", "torchscript", "state dict"])
def test_truncated_files_get_a_sentence(directory: Path, trained: Small, kind: str) -> None:
    path = directory / ("net.pt2" if kind == "pt2" else "net.pt")
    if kind == "pt2":
        export(trained, path, torch.rand(2, 3, 8, 8))
    elif kind == "torchscript":
        script(trained, path)
    else:
        torch.save(trained.state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match="damaged"):
        loaded(path)


@pytest.mark.parametrize("source", ["model.onnx", "images", "model", "model.keras"])
def test_what_is_not_pytorch_s_is_left_to_others(source: str) -> None:
    assert load(source, ModelOptions(), CPU) is None


def test_class_names_that_the_user_gave_are_the_target_s() -> None:
    assert loaded("my_networks:small", classes=("a", "b", "c", "d", "e")).classes == ("a", "b", "c", "d", "e")


def test_a_target_is_frozen_and_restored(directory: Path) -> None:
    (directory / "my_ready.py").write_text(
        "from tests.loaders.torch_archives import Small\nnet = Small().train()\nnet.norm.eval()\n"
    )
    target = loaded("my_ready:net")
    from my_ready import net  # type: ignore[import-not-found]

    with target.frozen():
        assert not net.training
        assert not any(parameter.requires_grad for parameter in net.parameters())
    assert net.training
    assert not net.norm.training
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_the_example_of_the_documentation_loads(directory: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-model-pytorch.md"
    code = page.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    (directory / "networks.py").write_text(code)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    torch.save(module.state_dict(), directory / "weights.pt")
    target, x = loaded("networks:small", weights="weights.pt"), torch.rand(2, 1, 28, 28)
    bind_to(target, x)
    torch.testing.assert_close(target.answer(x), module(x).detach())
