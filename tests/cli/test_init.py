"""`auditor init`: what it proposes, asks and writes."""

from __future__ import annotations

import os
import pty
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.cli.init_guess import guess_data, guess_model
from tests.children import ctrl_c, started


def images(folder: Path) -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / name / "1.png")


def written(path: Path = Path("auditor.toml")) -> dict[str, object]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def test_it_proposes_the_model_and_the_data_that_are_here(auditor: Callable, tmp_path: Path) -> None:
    images(tmp_path / "data" / "train")
    images(tmp_path / "data" / "test")
    (tmp_path / "weights").mkdir()
    for name in ("weights/a.onnx", "b.pt2", ".hidden.onnx", "auditor-runs.onnx"):
        (tmp_path / name).touch()
    done = auditor("init")
    assert done.code == 0
    assert written()["models"] == ["weights/a.onnx"]
    assert written()["data"] == "data/test/"
    assert "is not here" not in done.out


def test_a_file_of_arrays_will_do_and_where_nothing_is_it_says_what_to_write(auditor: Callable, tmp_path: Path) -> None:
    (tmp_path / "digits.npz").touch()
    done = auditor("init")
    assert written()["data"] == "digits.npz"
    assert "model.onnx is not here; write in auditor.toml where it is." in done.out


def test_what_comes_next_can_be_typed_as_it_stands(auditor: Callable, tmp_path: Path) -> None:
    (tmp_path / "my model.onnx").touch()
    (tmp_path / "sub").mkdir()
    done = auditor("init", "--data", "d.npz", "--file", "sub/auditor.toml")
    said = "auditor doctor 'my model.onnx' --data d.npz, then auditor scan --config sub/auditor.toml"
    assert said in " ".join(done.out.split())


def test_folders_that_hold_no_classes_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "notes" / "a").mkdir(parents=True)
    images(tmp_path / "one")
    (tmp_path / "one" / "dog" / "1.png").unlink()
    assert guess_data(tmp_path) is None
    assert guess_model(tmp_path) is None


def test_what_it_writes_can_be_scanned(auditor: Callable, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes((demo / "plain.onnx").read_bytes())
    (tmp_path / "digits.npz").write_bytes((demo / "digits.npz").read_bytes())
    assert auditor("init", "--eps", "0.1,0.2", "--min-robust-accuracy", "99%").code == 0
    assert written()["min-robust-accuracy"] == 0.99
    done = auditor("scan", "--suite", "quick", "--samples", 20, "--format", "json", "--quiet")
    assert done.code == 1
    assert "99.0% is required" in done.out


@pytest.mark.parametrize(
    ("flag", "value"), [("--eps", "8"), ("--min-robust-accuracy", "40"), ("--model", ""), ("--data", " ")]
)
def test_a_value_that_makes_no_sense_is_refused_and_nothing_is_written(
    auditor: Callable, flag: str, value: str
) -> None:
    assert auditor("init", flag, value).code == 2
    assert not Path("auditor.toml").exists()


def test_a_file_that_is_there_is_left_as_it_is(auditor: Callable) -> None:
    Path("auditor.toml").write_text("# mine")
    assert auditor("init").code == 2
    assert Path("auditor.toml").read_text() == "# mine"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_it_asks_and_asks_again_where_an_answer_makes_no_sense(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "auditor", "init"]
    with started(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, b"\nphotos/\n8\n4/255\n40%\n")
        assert process.wait(60) == 0
        said = os.read(ours, 65536).decode()
        os.close(ours)
    assert "Model file [net.onnx]:" in said
    assert "Did you mean 8/255?" in said
    found = written(tmp_path / "auditor.toml")
    assert (found["models"], found["data"]) == (["net.onnx"], "photos/")
    assert (found["eps"], found["min-robust-accuracy"]) == (["4/255"], 0.4)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("pressed", "code", "said"),
    [(False, 2, "The answers ended too early"), (True, 130, "stopped; nothing was written")],
)
def test_answers_that_end_are_a_sentence_and_nothing_is_written(
    tmp_path: Path, pressed: bool, code: int, said: str
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "auditor", "init"]
    with started(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, b"\n")
        seen = b""
        while b"Labelled samples" not in seen:
            seen += os.read(ours, 4096)
        if pressed:
            ctrl_c(process, again=5.0)
        else:
            os.write(ours, b"\x04")  # Ctrl-D
        assert process.wait(60) == code
        seen += os.read(ours, 65536)
        os.close(ours)
    assert said in " ".join(seen.decode().split())
    assert b"Aborted" not in seen
    assert not (tmp_path / "auditor.toml").exists()
