"""What `.pt2` archives may do to the machine that loads them, and what they answer."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch._export.serde.serialize import serialize

from auditor.errors import ModelError
from auditor.loaders import torch_pt2
from tests.loaders.torch_archives import PLANTS, PROGRAM, WEIGHTS, Members, Small, changed, export

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def module() -> Small:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module")
def archive(module: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    return export(module, path, torch.rand(2, 3, 8, 8), dynamic={0: torch.export.Dim("batch", min=2, max=64)})


@pytest.fixture
def importable(archive: Path) -> Iterator[None]:
    """Modules beside the archive can be imported, as those in the working directory can."""
    sys.path.append(str(archive.parent))
    yield
    sys.path.remove(str(archive.parent))


def run_plainly(path: Path) -> None:
    """As PyTorch's documentation says, whatever may come of it."""
    try:
        torch.export.load(str(path)).module()(torch.rand(2, 3, 8, 8))
    except Exception:  # much of what is planted breaks the model after it ran
        return


def run_checked(path: Path) -> None:
    torch_pt2.load(path, CPU, trust=False).module(check_guards=False)(torch.rand(2, 3, 8, 8))


@pytest.mark.usefixtures("importable")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", PLANTS)
def test_code_planted_in_an_archive_runs_in_pytorch_and_not_here(place: str, archive: Path) -> None:
    marker = archive.parent / f"ran_{place.replace(' ', '_')}"
    planted = changed(archive, lambda members: PLANTS[place](members, marker))

    if place == "guards":  # they are dropped: nothing else in the archive depends on them
        run_checked(planted)
    else:
        with pytest.raises(ModelError, match=r"could run code of its author's .* --trust"):
            run_checked(planted)
    assert not marker.exists()

    run_plainly(planted)
    assert marker.exists(), "the plant does nothing, so that it was not run here proves nothing"


@pytest.mark.filterwarnings("ignore")
def test_with_trust_an_archive_is_loaded_as_it_stands(archive: Path) -> None:
    marker = archive.parent / "trusted"
    planted = changed(archive, lambda members: PLANTS["sample inputs"](members, marker))
    torch_pt2.load(planted, CPU, trust=True)
    assert marker.exists()


def test_a_checked_archive_answers_as_the_module_it_was_exported_from(module: Small, archive: Path) -> None:
    x = torch.rand(7, 3, 8, 8)
    answer = torch_pt2.load(archive, CPU, trust=False).module(check_guards=False)(x)
    torch.testing.assert_close(answer, module(x), rtol=0, atol=0)


def test_sizes_that_vary_together_load(tmp_path: Path) -> None:
    batch, side = torch.export.Dim("batch"), torch.export.Dim("side", min=8, max=64)
    path = export(Small().eval(), tmp_path / "m.pt2", torch.rand(2, 3, 9, 9), dynamic={0: batch, 2: side, 3: side})
    assert "expr_str" in zipfile.ZipFile(path).read("m/models/model.json").decode()
    assert torch_pt2.load(path, CPU, trust=False).module(check_guards=False)(torch.rand(3, 3, 20, 20)).shape == (3, 5)


def test_an_archive_from_a_gpu_loads_on_the_cpu(archive: Path, module: Small) -> None:
    def on_gpu(members: Members) -> None:
        for name, content in members.items():
            if name.endswith(".json"):
                members[name] = content.replace(b'"type": "cpu", "index": null', b'"type": "cuda", "index": 0')

    x = torch.rand(2, 3, 8, 8)
    answer = torch_pt2.load(changed(archive, on_gpu), CPU, trust=False).module(check_guards=False)(x)
    torch.testing.assert_close(answer, module(x))


def test_an_archive_without_values_for_a_weight_is_refused_rather_than_read_as_zeros(archive: Path) -> None:
    emptied = changed(archive, lambda members: members.update({"data/weights/weight_0": b""}))
    with pytest.raises(ModelError, match=r"no values for the tensor 'conv.weight'"):
        torch_pt2.load(emptied, CPU, trust=False)


def test_compiled_code_in_an_archive_is_refused(archive: Path) -> None:
    compiled = changed(archive, lambda members: members.update({"data/aotinductor/model/model.so": b"\x7fELF"}))
    with pytest.raises(ModelError, match=r"compiled machine code \(data/aotinductor/model/model.so\)"):
        torch_pt2.load(compiled, CPU, trust=False)


def test_custom_objects_are_refused(archive: Path) -> None:
    def add(members: Members) -> None:
        program = json.loads(members[PROGRAM])
        program["graph_module"]["graph"]["custom_obj_values"] = {"x": {"name": "x", "class_fqn": "Stack"}}
        members[PROGRAM] = json.dumps(program).encode()

    with pytest.raises(ModelError, match="a custom object"):
        torch_pt2.load(changed(archive, add), CPU, trust=False)


def test_members_of_unknown_use_are_refused_and_files_of_the_user_s_are_not(archive: Path) -> None:
    unknown = changed(archive, lambda members: members.update({"data/weights/more.pkl": b"\x80\x02."}))
    with pytest.raises(ModelError, match=r"a member of unknown use \(data/weights/more.pkl\)"):
        torch_pt2.load(unknown, CPU, trust=False)
    noted = changed(archive, lambda members: members.update({"extra/notes.txt": b"trained in May"}))
    torch_pt2.load(noted, CPU, trust=False)


@pytest.mark.filterwarnings("ignore")
def test_the_layout_before_pytorch_2_8_needs_trust(tmp_path: Path, module: Small) -> None:
    x = torch.rand(2, 3, 8, 8)
    artifact = serialize(torch.export.export(module, (x,)))
    path = tmp_path / "old.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("version", "8.20")
        archive.writestr("serialized_exported_program.json", artifact.exported_program)
        archive.writestr("serialized_state_dict.pt", artifact.state_dict)
        archive.writestr("serialized_constants.pt", artifact.constants)
        archive.writestr("serialized_example_inputs.pt", artifact.example_inputs)
    with pytest.raises(ModelError, match=r"before PyTorch 2.8.*--trust"):
        torch_pt2.load(path, CPU, trust=False)
    torch.testing.assert_close(torch_pt2.load(path, CPU, trust=True).module(check_guards=False)(x), module(x))


@pytest.mark.parametrize("member", [PROGRAM, WEIGHTS])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b'{"config": 1}', b"\xff"])
def test_documents_that_are_not_pytorch_s_are_refused_in_a_sentence(archive: Path, member: str, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"Export the model again"):
        torch_pt2.load(changed(archive, lambda members: members.update({member: content})), CPU, trust=False)


def test_a_program_that_pytorch_cannot_read_is_refused_in_a_sentence_and_nothing_is_logged(
    archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(members: Members) -> None:
        members[PROGRAM] = members[PROGRAM].replace(b'"inputs"', b'"entries"')

    with pytest.raises(ModelError, match=r"cannot be read by PyTorch .* Export the model again"):
        torch_pt2.load(changed(archive, unknown), CPU, trust=False)
    assert not caplog.records


def test_a_program_of_two_inputs_is_refused(tmp_path: Path) -> None:
    class Two(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    path = tmp_path / "two.pt2"
    torch.export.save(torch.export.export(Two(), (torch.rand(2, 3), torch.rand(2, 3))), path)
    program = torch_pt2.load(path, CPU, trust=False)
    with pytest.raises(ModelError, match="takes 2 inputs"):
        torch_pt2.input_of(program, path)


def test_buffers_of_a_checked_archive_are_written_anew(archive: Path) -> None:
    """What PyTorch reads is not the file that was checked, so a file that changes in between changes nothing."""
    rebuilt = zipfile.ZipFile(io.BytesIO(torch_pt2._rebuilt(archive, CPU)))
    assert {name.partition("/")[2] for name in rebuilt.namelist()} >= {PROGRAM, WEIGHTS, "archive_format"}
    assert rebuilt.read(next(name for name in rebuilt.namelist() if name.endswith("sample_inputs/model.pt"))) == b""
