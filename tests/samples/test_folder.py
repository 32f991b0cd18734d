"""A folder of class folders."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor import DataError, Samples

Open = Callable[..., Samples]
MakeFolder = Callable[..., Path]
Pictures = NDArray[np.uint8]


def _three(pictures: Pictures) -> dict[str, Any]:
    return {"cat/b.png": pictures[0], "ant/deep/er/c.PNG": pictures[1], "cat/a.png": pictures[2]}


def test_images_are_read_at_any_depth_in_order_of_their_paths(
    load: Open, make_folder: MakeFolder, pictures: Pictures, as_fetched: Callable[[Pictures], NDArray[np.float32]]
) -> None:
    samples = load(make_folder(_three(pictures)))
    assert samples.names(range(3)) == ["ant/deep/er/c.PNG", "cat/a.png", "cat/b.png"]
    assert samples.labels.tolist() == [0, 1, 1]
    assert samples.classes == ("ant", "cat")
    assert samples.shape == (3, 6, 7)
    assert samples.eight_bit
    np.testing.assert_array_equal(samples.fetch([2, 0]).numpy(), as_fetched(pictures[[0, 1]]))


def test_folders_that_are_numbers_are_labels_by_value(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    samples = load(make_folder({f"{n}/{n}.png": pictures[n] for n in (0, 1, 2, 10, 11)}))
    names = samples.names(range(5))
    assert dict(zip(names, samples.labels.tolist(), strict=True)) == {f"{n}/{n}.png": n for n in (0, 1, 2, 10, 11)}


def test_an_empty_class_folder_keeps_its_place_and_is_named(
    load: Open, make_folder: MakeFolder, pictures: Pictures
) -> None:
    samples = load(make_folder({"bee/a.png": pictures[0], "dog/a.png": pictures[1]}, empty=["cat"]))
    assert samples.labels.tolist() == [0, 2]
    assert samples.classes == ("bee", "cat", "dog")
    assert [skipped.name for skipped in samples.skipped] == ["cat"]


def test_damaged_images_are_named_and_left_out(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    whole = make_folder({"a/good.png": np.repeat(pictures[0], 20, axis=0)}, name="whole")
    good = (whole / "a/good.png").read_bytes()
    files = {"a/0.png": good, "a/cut.png": good[: len(good) // 2], "a/empty.png": b"", "b/text.jpg": b"no image"}
    samples = load(make_folder(files))
    assert samples.names(range(len(samples))) == ["a/0.png"]
    assert [skipped.name for skipped in samples.skipped] == ["a/cut.png", "a/empty.png", "b/text.jpg"]
    reasons = [skipped.reason for skipped in samples.skipped]
    assert "cut short" in reasons[0]
    assert reasons[1] == "is empty"
    assert "no image" in reasons[2]


def test_data_without_one_good_image_is_refused(load: Open, make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"None of the 2 samples.*a/0.png is empty"):
        load(make_folder({"a/0.png": b"", "a/1.png": b"xyz"}))


def test_the_digest_follows_pixels_labels_and_nothing_else(
    load: Open, make_folder: MakeFolder, pictures: Pictures
) -> None:
    first = load(make_folder(_three(pictures)))
    again = load(make_folder(dict(reversed(_three(pictures).items())), name="again"))
    renamed = load(make_folder({k.replace("cat", "dog"): v for k, v in _three(pictures).items()}, name="renamed"))
    assert first.sha256 == again.sha256 == renamed.sha256
    swapped = load(make_folder(_three(pictures)), classes=("cat", "ant"))
    assert swapped.sha256 != first.sha256
    other = {**_three(pictures), "cat/a.png": pictures[3]}
    moved = {"ant/b.png": pictures[0], "ant/deep/er/c.PNG": pictures[1], "cat/a.png": pictures[2]}
    assert (
        len({first.sha256, load(make_folder(other, name="o")).sha256, load(make_folder(moved, name="m")).sha256}) == 3
    )


def test_a_folder_may_be_given_in_the_models_order(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    samples = load(make_folder(_three(pictures)), classes=("cat", "dog", "ant"))
    assert samples.labels.tolist() == [2, 0, 0]
    assert samples.classes == ("cat", "dog", "ant")


def test_a_number_beyond_the_classes_is_refused_with_its_file(
    load: Open, make_folder: MakeFolder, pictures: Pictures
) -> None:
    with pytest.raises(DataError, match=r"2/a\.png with 2, but there are only 2 class names"):
        load(make_folder({"0/a.png": pictures[0], "2/a.png": pictures[1]}), classes=("no", "yes"))


def test_hidden_and_other_files_are_ignored_and_loose_images_named(
    load: Open, make_folder: MakeFolder, pictures: Pictures
) -> None:
    files = {"a/0.png": pictures[0], "a/.1.png": b"", "a/notes.txt": b"", ".git/x.png": b"", "loose.png": pictures[0]}
    samples = load(make_folder(files))
    assert len(samples) == 1
    assert [(s.name, s.reason) for s in samples.skipped] == [("loose.png", "lies in no class folder")]


def test_one_image_of_one_class_is_data(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    samples = load(make_folder({"cat/a.png": pictures[0]}))
    assert (len(samples), samples.labels.tolist(), samples.classes) == (1, [0], ("cat",))


def test_a_folder_without_class_folders_says_what_it_holds(
    load: Open, make_folder: MakeFolder, pictures: Pictures, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="holds 1 images but no class folders"):
        load(make_folder({"a.png": pictures[0]}))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        load(tmp_path / "nothing")


def test_class_folders_without_images_are_refused(load: Open, make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"no usable sample.*cat is a class folder without images"):
        load(make_folder({}, empty=["cat"]))


def test_the_parts_of_a_data_set_are_not_taken_for_classes(
    load: Open, make_folder: MakeFolder, pictures: Pictures
) -> None:
    with pytest.raises(DataError, match="the parts test, train of a data set"):
        load(make_folder({"train/cat/a.png": pictures[0], "test/cat/a.png": pictures[0]}))


def test_links_are_followed_and_circles_end(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    root = make_folder(_three(pictures))
    (root / "cat/circle").symlink_to(root / "cat", target_is_directory=True)
    (root / "cat/up").symlink_to(root, target_is_directory=True)
    (root / "cow").symlink_to(root / "ant", target_is_directory=True)
    samples = load(root)
    assert samples.names(range(len(samples))) == ["ant/deep/er/c.PNG", "cat/a.png", "cat/b.png", "cow/deep/er/c.PNG"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_is_left_out(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    root = make_folder(_three(pictures))
    os.mkfifo(root / "cat/pipe.png")
    (root / "cat/dangling.png").symlink_to(root / "gone.png")
    samples = load(root)
    assert len(samples) == 3
    assert [(s.name, s.reason) for s in samples.skipped] == [
        ("cat/dangling.png", "cannot be read (is not there)"),
        ("cat/pipe.png", "cannot be read (is not a regular file)"),
    ]


def test_names_that_steer_a_terminal_are_escaped(load: Open, make_folder: MakeFolder, pictures: Pictures) -> None:
    samples = load(make_folder({"a/\x1b[2J.png": pictures[0]}))
    assert samples.names([0]) == ["a/\\x1b[2J.png"]


def test_a_file_that_changes_during_the_audit_is_noticed(
    load: Open, make_folder: MakeFolder, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.samples.images._KEEP_BYTES", 0)
    root = make_folder(_three(pictures))
    samples = load(root)
    samples.fetch([0, 1, 2])
    time.sleep(0.02)
    (root / "cat/a.png").write_bytes((root / "cat/b.png").read_bytes())
    with pytest.raises(DataError, match=r"cat/a\.png was changed"):
        samples.fetch([1])
    (root / "cat/b.png").unlink()
    with pytest.raises(DataError, match=r"cat/b\.png .* cannot any more"):
        samples.fetch([2])
    assert samples.fetch([0]).shape == (1, 3, 6, 7)


def test_kept_and_decoded_pixels_agree(
    load: Open, make_folder: MakeFolder, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({f"a/{i}.png": picture for i, picture in enumerate(pictures)})
    kept = load(root).fetch(range(20))
    monkeypatch.setattr("auditor.samples.images._KEEP_BYTES", 5 * pictures[0].nbytes)
    assert load(root).fetch(range(20)).equal(kept)
