"""Class names: read from files, and mapped to the model's order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor import DataError
from auditor.samples.classes import class_file, numbering, whole_number


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("\ufeffcat\r\n\n# a comment\n  dog  \n", ("cat", "dog")),
        ('["cat", "dog"]', ("cat", "dog")),
        ('{"1": "dog", "0": "cat"}', ("cat", "dog")),
        ("{1: 'dog, Canis',\n 0: \"cat's\"}", ("cat's", "dog, Canis")),
        ('{"0": ["n01", "cat"], "1": ["n02", "cat"]}', ("n01", "n02")),
    ],
    ids=["lines", "list", "dictionary", "python dictionary", "ImageNet index"],
)
def test_a_class_file_may_be_lines_or_json(tmp_path: Path, content: str, names: tuple[str, ...]) -> None:
    file = tmp_path / "classes"
    file.write_text(content, encoding="utf-8")
    assert class_file(file) == names


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "names no class"),
        (b"# only\n", "names no class"),
        (b"[]", "names no class"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'["cat", 3]', "holds 3"),
        (b'{"0": "cat", "2": "dog"}', "without gaps"),
        (b'{"cat": 0}', "numbers of the model's outputs"),
        (b"[__import__('os')]", "begins like JSON"),
        (b"[" * 100_000, "begins like JSON"),
    ],
)
def test_a_class_file_that_is_none_is_refused_with_a_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "classes"
    file.write_bytes(content)
    with pytest.raises(DataError, match=says):
        class_file(file)


def test_a_class_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.txt cannot be read"):
        class_file(tmp_path / "nowhere.txt")


@given(st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1), min_size=1, unique=True))
def test_lines_and_json_say_the_same(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("classes")
    (folder / "lines").write_text("\n".join(names), encoding="utf-8")
    (folder / "json").write_text(json.dumps(names), encoding="utf-8")
    assert class_file(folder / "lines") == class_file(folder / "json")


@given(st.sets(st.integers(0, 10_000), min_size=1))
def test_numbers_are_labels_by_value_never_by_rank(values: set[int]) -> None:
    numbers, classes = numbering(map(str, values), None, "data")
    assert numbers == {str(value): value for value in values}
    assert classes is None


def test_names_count_in_sorted_order_where_no_order_is_given() -> None:
    assert numbering(["dog", "cat", "10"], None, "data") == ({"10": 0, "cat": 1, "dog": 2}, ("10", "cat", "dog"))


@given(st.permutations(["ant", "bee", "cat", "dog"]))
def test_the_models_order_decides_where_it_is_given(order: list[str]) -> None:
    numbers, classes = numbering(["dog", "ant"], tuple(order), "data")
    assert numbers == {"dog": order.index("dog"), "ant": order.index("ant")}
    assert classes == tuple(order)


def test_names_are_the_same_however_their_accents_are_written() -> None:
    assert numbering(["cafe\u0301"], ("bar", "caf\u00e9"), "data")[0] == {"cafe\u0301": 1}


def test_numbered_folders_keep_their_value_beside_names_of_classes() -> None:
    assert numbering(["0", "2"], ("zero", "one", "two"), "data") == ({"0": 0, "2": 2}, ("zero", "one", "two"))


def test_numbers_that_are_themselves_class_names_follow_the_models_order() -> None:
    assert numbering(["3", "7"], ("7", "3"), "data")[0] == {"3": 1, "7": 0}


def test_an_unknown_class_is_named_with_its_nearest() -> None:
    with pytest.raises(DataError, match=r"images has the class 'tabbycat'.*the nearest is 'Tabby Cat'"):
        numbering(["dog", "tabbycat"], ("dog", "Tabby Cat", "fox"), "images")


def test_a_class_name_that_stands_twice_is_refused_only_where_it_is_used() -> None:
    assert numbering(["dog"], ("crane", "dog", "crane"), "data")[0] == {"dog": 1}
    with pytest.raises(DataError, match="'crane' twice"):
        numbering(["crane"], ("crane", "dog", "crane"), "data")


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("007", 7), ("3.0", 3), ("3.", 3), ("3.5", None), ("²", None)])
def test_a_label_as_text_is_a_number_only_if_it_is_whole(text: str, number: int | None) -> None:
    assert whole_number(text) == number
