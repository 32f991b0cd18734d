"""Examples of one model are tried on the next one of the scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from auditor import Norm, Severity, Threat
from auditor.engine.inquiry import Inquiry
from auditor.engine.surrogates.attack import FromSurrogates
from auditor_checks import _ways
from auditor_checks.transfer import TransferBeatsWhiteBox
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into, make
from tests.checks.scenes import target_of

FEW = 32
WIDE = Threat(norm=Norm.LINF, eps=0.14)
LONG = ("apgd", {"loss": "margin", "steps": 30})


@pytest.fixture(autouse=True)
def few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_SQUARE", "_FROM_THERE"):
        way = getattr(_ways, name)
        monkeypatch.setattr(_ways, name, replace(way, parameters={**way.parameters, "queries": 100}))


def second(gray: Trained, run: Path, network: object, *attacks: tuple[str, dict[str, object]]) -> Inquiry:
    """Into attacks on a network, after examples of a model named `first` were found in the same run."""
    x, y = gray.x[:FEW], gray.y[:FEW]
    earlier = inquiry_into(gray.network, x, y, run, LONG, threat=WIDE, target=target_of(gray.network, name="first"))
    earlier.batches.store.close()
    target = target_of(network, name="second")  # type: ignore[arg-type]
    return inquiry_into(gray.network, x, y, run, *attacks, threat=WIDE, target=target)


def test_what_transfers_counts_and_where_gradients_hid_it_the_doubt_is_told(gray: Trained, tmp_path: Path) -> None:
    def masked(x: Tensor) -> Tensor:
        return gray.network(x.detach() + 0.0 * x)

    inquiry = second(gray, tmp_path, masked, ("apgd", {"loss": "margin", "steps": 3, "start": "clean"}))
    before = len(inquiry.standing)
    (finding,), run = asked(TransferBeatsWhiteBox, inquiry)
    assert run.tried[0] == "transfer"
    assert run.broken > 0.1 * FEW
    assert len(inquiry.standing) == before - run.broken
    first = next(run for run in inquiry.runs if run.name == "transfer")
    assert (first.access, first.parameters) == ("transfer", {"source": "first"})
    honest = inquiry_into(gray.network, gray.x[:FEW], gray.y[:FEW], tmp_path / "honest", LONG, threat=WIDE)
    assert len(inquiry.standing) <= len(honest.standing) + 1
    assert (finding.severity, run.outcome) == (Severity.INFO, "mended")


def test_without_further_attacks_the_doubt_stays_and_without_gradients_there_is_none(
    gray: Trained, tmp_path: Path
) -> None:
    def masked(x: Tensor) -> Tensor:
        return gray.network(x.detach() + 0.0 * x)

    inquiry = second(gray, tmp_path / "a", masked, ("apgd", {"loss": "margin", "steps": 3, "start": "clean"}))
    with pytest.MonkeyPatch.context() as patch:
        # What other models broke counts; nothing else finds an example.
        patch.setattr(_ways, "following_gradients", lambda norm: ())
        patch.setattr(_ways.Way, "run", lambda way, inquiry: inquiry.runs[0].model_copy(update={"status": "skipped"}))
        (finding,), run = asked(TransferBeatsWhiteBox, inquiry)
    assert (finding.severity, run.outcome) == (Severity.INCONCLUSIVE, "doubtful")
    inquiry = second(gray, tmp_path / "b", gray.network, ("noise", {"draws": 1}))
    findings, run = asked(TransferBeatsWhiteBox, inquiry)
    assert (findings, run.outcome, run.broken > 3) == ([], "clear", True)


def test_what_surrogates_break_after_gradients_is_doubted_and_they_make_examples_again(
    gray: Trained, tmp_path: Path
) -> None:
    def blind(x: Tensor) -> Tensor:
        return gray.network(x.detach() + 0.0 * x)

    def through(steps: int) -> FromSurrogates:
        other = target_of(gray.network, name="other")
        made = make("mifgsm", {"loss": "margin", "steps": steps})
        return FromSurrogates(surrogate="other", attack="mifgsm", made_with=made, members=(other,))

    x, y = gray.x[:24], gray.y[:24]
    climb = make("apgd", {"loss": "margin", "steps": 5})
    sound = inquiry_into(gray.network, x, y, tmp_path / "a", climb, through(1), threat=WIDE)
    first = inquiry_into(blind, x, y, tmp_path / "b", through(1), climb, threat=WIDE)
    masked = inquiry_into(blind, x, y, tmp_path / "c", climb, through(1), threat=WIDE)
    for inquiry in (sound, first, masked):
        inquiry.surrogates = (through(1),)
    # Sound gradients leave them nothing, and what was broken before gradients were followed, these did not miss.
    assert asked(TransferBeatsWhiteBox, sound)[1].outcome == "clear"
    assert asked(TransferBeatsWhiteBox, first)[1].outcome == "clear"
    honest = inquiry_into(gray.network, x, y, tmp_path / "d", LONG, threat=WIDE)
    (finding,), run = asked(TransferBeatsWhiteBox, masked)
    again = next(made for made in masked.runs if made.because and made.attack == "surrogate")
    assert (again.parameters["attack"], again.name) == ("mifgsm:steps=2,loss=margin", "surrogate:other#2")
    assert again.surrogate_backwards > 0
    assert run.outcome == "mended", finding.detail
    assert len(masked.standing) <= len(honest.standing) + 1


def test_who_was_attacked_well_has_nothing_to_fear_from_others(gray: Trained, tmp_path: Path) -> None:
    inquiry = second(gray, tmp_path, gray.network, LONG)
    findings, run = asked(TransferBeatsWhiteBox, inquiry)
    assert (findings, run.outcome) == ([], "clear")
    assert run.broken <= 2


def test_a_scan_of_one_model_has_nothing_to_try(gray: Trained, tmp_path: Path) -> None:
    inquiry = inquiry_into(gray.network, gray.x, gray.y, tmp_path, LONG)
    findings, run = asked(TransferBeatsWhiteBox, inquiry)
    assert (findings, run.tried, run.forwards) == ([], (), 0)


def test_examples_outside_the_budget_of_the_second_do_not_count(gray: Trained, tmp_path: Path) -> None:
    inquiry = second(gray, tmp_path, gray.network, ("noise", {"draws": 1}))
    inquiry.batches.ring = replace(inquiry.batches.ring, threat=replace(inquiry.threat, eps=0.01))
    _, run = asked(TransferBeatsWhiteBox, inquiry)
    assert run.broken == 0
