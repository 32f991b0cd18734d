"""Zip archives that may be hostile."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from auditor.errors import ModelError
from auditor.loaders import archive


def write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_members_are_read_by_their_name_below_the_one_root_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"model/data/a": b"1", "model/b": b"22"})
    assert archive.read(path) == {"data/a": b"1", "b": b"22"}
    assert set(archive.names(path)) == {"data/a", "b"}


def test_members_of_an_archive_without_one_root_folder_keep_their_names(tmp_path: Path) -> None:
    assert archive.names(write(tmp_path / "a.zip", {"one/a": b"", "two/a": b""})) == ("one/a", "two/a")


@pytest.mark.parametrize("name", ["../outside", "model/../../outside", "/outside", "model\\..\\outside", "C:/outside"])
def test_members_outside_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="outside the archive"):
        archive.read(write(tmp_path / "a.zip", {name: b"x"}))


def test_a_compressed_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.zip", {"model/zeros": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    with pytest.raises(ModelError, match="compressed member"):
        archive.read(path)


def test_overlapping_members_that_add_up_to_more_than_the_file_are_refused(tmp_path: Path) -> None:
    """Entries of one directory may all point to the same bytes."""
    content = bytes(5_000)
    path = write(tmp_path / "bomb.zip", {f"m/{i}": content if i == 0 else b"" for i in range(9)})
    raw = path.read_bytes()
    directory = raw.index(b"PK\x01\x02")
    first = raw[directory : directory + 46]
    entries = b"".join(first + f"m/{i}".encode() for i in range(9))
    assert len(entries) == len(raw[directory : raw.index(b"PK\x05\x06")])
    path.write_bytes(raw[:directory] + entries + raw[raw.index(b"PK\x05\x06") :])
    with pytest.raises(ModelError, match=r"zip bomb|damaged"):
        archive.read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_for_two_members_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/a", b"harmless")
        file.writestr("m/a", b"harmful!")
    with pytest.raises(ModelError, match="'m/a' more than once"):
        archive.read(path)


def test_a_truncated_or_changed_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"m/a": b"some content"})
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(ModelError, match="is damaged"):
        archive.read(path)
    path.write_bytes(whole.replace(b"some content", b"same content"))
    with pytest.raises(ModelError, match="is damaged"):
        archive.read(path)


def test_what_is_no_archive_has_no_members(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"no archive")
    assert archive.names(path) == ()
