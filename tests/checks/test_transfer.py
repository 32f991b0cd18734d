"""Examples of one model are tried on the next one of the scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from auditor import Severity
from auditor.engine.inquiry import Inquiry
from auditor_checks.transfer import TransferBeatsWhiteBox
from tests.checks.conftest import Trained
from tests.checks.inquiries import asked, inquiry_into
from tests.checks.scenes import target_of

LONG = ("apgd", {"loss": "margin", "steps": 30})


def second(gray: Trained, run: Path, network: object, *attacks: tuple[str, dict[str, object]]) -> Inquiry:
    """Into attacks on a network, after examples of a model named `first` were found in the same run."""
    earlier = inquiry_into(gray.network, gray.x, gray.y, run, LONG, target=target_of(gray.network, name="first"))
    earlier.batches.store.close()
    target = target_of(network, name="second")  # type: ignore[arg-type]
    return inquiry_into(gray.network, gray.x, gray.y, run, *attacks, target=target)


def test_what_transfers_counts_and_where_gradients_hid_it_the_doubt_is_told(gray: Trained, tmp_path: Path) -> None:
    def masked(x: Tensor) -> Tensor:
        return gray.network(x.detach() + 0.0 * x)

    inquiry = second(gray, tmp_path, masked, ("apgd", {"loss": "margin", "steps": 3, "start": "clean"}))
    before = len(inquiry.standing)
    (finding,), run = asked(TransferBeatsWhiteBox, inquiry)
    assert run.tried[0] == "transfer"
    assert run.broken > 0.1 * len(gray.x)
    assert len(inquiry.standing) == before - run.broken
    first = next(run for run in inquiry.runs if run.name == "transfer")
    assert (first.access, first.parameters) == ("transfer", {"source": "first"})
    # From the closest points nothing moves either, so no more falls and the doubt is settled by what transferred.
    assert finding.severity in (Severity.INFO, Severity.INCONCLUSIVE)


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
