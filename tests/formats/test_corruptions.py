"""What reports say of corruptions: the mean error in a sentence, and the table, darker where more goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from auditor.formats.html import Html
from auditor.formats.views.numbers import corruption_text, forecasts
from auditor.result.measures import CorruptionResult
from auditor.result.record import Result, ThreatResult
from auditor.result.run import Run
from auditor.types import Norm
from tests.formats.html.reading import Reading
from tests.formats.test_terminal import printed

CELLS = {("fog", 1): 0.9, ("fog", 2): 0.45, ("shot_noise", 1): 1.0, ("shot_noise", 2): 0.65}


def threat(relative: float = 0.15) -> ThreatResult:
    return ThreatResult(
        norm=Norm.CORRUPTION,
        eps=2.0,
        robust_accuracy=0.4,
        robust_interval=(0.28, 0.53),
        robust_upper_bound=0.4,
        corruptions=tuple(
            CorruptionResult(name=name, severity=severity, accuracy=share, interval=(share, share))
            for (name, severity), share in CELLS.items()
        ),
        mean_corruption_error=0.25,
        relative_corruption_error=relative,
    )


@pytest.fixture
def corrupted(changed: Callable[[Callable[[Result], Result]], Run]) -> Run:
    def how(result: Result) -> Result:
        first, *others = result.models
        return result.model_copy(update={"models": (first.model_copy(update={"threats": (threat(),)}), *others)})

    return changed(how)


def test_the_mean_error_is_said_beside_the_clean_one_and_the_worst() -> None:
    text = (
        "Mean corruption error over severities 1 to 2: 25.0%, 15.0 points above that on clean samples; "
        "worst: fog 2 (45.0% right, 45.0–45.0%)."
    )
    assert corruption_text(threat()) == text
    assert "2.0 points below" in corruption_text(threat(relative=-0.02))
    assert corruption_text(threat().model_copy(update={"mean_corruption_error": None})) == ""


def test_several_budgets_say_over_which_severities_each_mean_is_and_the_same_is_said_once(corrupted: Run) -> None:
    model = corrupted.result.models[0]
    mild = threat().model_copy(update={"eps": 1.0, "corruptions": threat().corruptions[::2]})
    every = threat().model_copy(update={"eps": math.inf})
    said = list(forecasts(model.model_copy(update={"threats": (every, mild, threat())})))
    means = [line.partition(": ")[0] for line in said if line.startswith("Mean corruption error")]
    assert means == ["Mean corruption error over severities 1 to 2", "Mean corruption error over severity 1"]


def test_the_terminal_says_it(corrupted: Run) -> None:
    text = " ".join(printed(corrupted).split())
    assert "under corruption 2 40.0%" in text
    assert "Mean corruption error over severities 1 to 2: 25.0%, 15.0 points above that on clean samples" in text


def test_the_page_has_a_line_for_each_corruption_with_its_mean(corrupted: Run) -> None:
    page = Html().render(corrupted)
    assert "fog 90.0% 45.0% 67.5%" in " ".join(Reading(page).text.split())
    assert '<td class="heat-1">90.0%</td><td class="heat-3">45.0%</td>' in page
    assert '<td class="heat-0">100.0%</td><td class="heat-2">65.0%</td>' in page


def test_other_threats_have_no_such_table(run: Run) -> None:
    assert "Accuracy under each corruption" not in Html().render(run)
