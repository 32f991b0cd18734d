from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from auditor.formats.html import Html
from auditor.result.evidence import Shard, transfer_folder, write_shard
from auditor.result.run import Run
from auditor.result.transfer import Travelled, TravelledAnswer
from tests.formats.conftest import Change
from tests.formats.html.reading import Reading
from tests.formats.transferred import matrix, result

RATES = {(a, b): 0.4 for a in "abcd" for b in "abcd"}
ANSWERS = {"a": (7, True), "b": (7, True), "c": (2, True), "d": (1, False)}


def travelled(index: int = 5, source: str = "a") -> Travelled:
    told = tuple(TravelledAnswer(model=name, label=label, fooled=fooled) for name, (label, fooled) in ANSWERS.items())
    return Travelled(source=source, index=index, label=1, answers=told)


@pytest.fixture
def page(changed: Callable[[Change], Run]) -> Callable[..., Reading]:
    def read(*examples: Travelled) -> Reading:
        record = result(matrix(RATES).model_copy(update={"travelled": examples}))
        return Reading(Html().render(changed(lambda r: r.model_copy(update={"transfer": record}))))

    return read


def keep(run: Path, shape: tuple[int, ...] = (1, 8, 8), source: str = "a") -> None:
    """Examples of samples 3, 5 and 8, as a scan writes them."""
    original = np.full((3, *shape), 0.5, np.float32)
    shard = Shard(np.array([3, 5, 8]), np.array([1, 1, 1]), original, original + 0.1)
    write_shard(
        transfer_folder(run, source, "linf", 8 / 255, "mifgsm") / "00000003-ab.safetensors", shard, eight_bit=False
    )


def test_a_picture_says_who_was_fooled_into_what(run: Run, page: Callable[..., Reading]) -> None:
    keep(run.path)
    text = " ".join(page(travelled()).text.split())
    assert "Some that travelled" in text
    said = text[text.index("Some that travelled") :]
    assert "taken for 7 by b" in said
    assert "by c Made on a , which takes it for 7 ; not fooled: d ; change magnified 5×; sample 5 (" in said


def test_a_source_that_is_not_fooled_itself_is_told(run: Run, page: Callable[..., Reading]) -> None:
    keep(run.path, source="d")
    assert "Made on d , which still has it right" in " ".join(page(travelled(source="d")).text.split())


def test_what_was_deleted_or_damaged_or_is_no_image_is_a_sentence(run: Run, page: Callable[..., Reading]) -> None:
    assert "The examples are not in the run directory." in page(travelled()).text
    keep(run.path, shape=(64,))
    assert "The samples are not images." in page(travelled()).text
    next(run.path.glob("transfer/**/*.safetensors")).write_bytes(b"nothing")
    assert "is damaged" in page(travelled()).text


def test_where_nothing_travelled_nothing_is_said_of_pictures(page: Callable[..., Reading]) -> None:
    assert "Some that travelled" not in page().text
