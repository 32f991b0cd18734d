"""Zip archives that may be hostile."""

from __future__ import annotations

import struct
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


def test_members_inside_members_that_add_up_to_more_than_the_file_are_refused(tmp_path: Path) -> None:
    """One member's bytes can be a whole other member, and so on: each layer unpacks to the size of the file."""
    inner = write(tmp_path / "inner.zip", {"m/b": bytes(5_000)}).read_bytes()
    entry, directory = inner[: inner.index(b"PK\x01\x02")], inner[inner.index(b"PK\x01\x02") :]
    outer = bytearray(write(tmp_path / "bomb.zip", {"m/a": entry}).read_bytes())
    end = outer.rindex(b"PK\x05\x06")
    listed = bytearray(directory[: directory.index(b"PK\x05\x06")])
    listed[42:46] = struct.pack("<I", outer.index(entry))
    outer[end + 8 : end + 16] = struct.pack("<HHI", 2, 2, 2 * len(listed))
    outer[end:end] = listed
    path = tmp_path / "bomb.zip"
    path.write_bytes(outer)
    with zipfile.ZipFile(path) as bomb:
        # Their sizes, not their bytes: newer patch releases of Python refuse to read such members themselves.
        assert sum(member.file_size for member in bomb.infolist()) > path.stat().st_size
    with pytest.raises(ModelError, match="zip bomb"):
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
