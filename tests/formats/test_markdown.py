from __future__ import annotations

from auditor.formats.markdown import Markdown
from auditor.result.run import Run
from tests.formats.finished import CLASSES, HOSTILE


def test_the_verdict_and_its_reason_come_first(run: Run) -> None:
    lines = Markdown().render(run).splitlines()
    assert lines[0] == "# auditor: fail"
    assert lines[2] == "small: robust accuracy under linf 8/255 is too low."


def test_accuracies_are_stated_with_interval_and_denominator(run: Run) -> None:
    text = Markdown().render(run)
    assert "| small | clean | 90.0% | 79.9–95.3% | 54 of 60 samples |" in text
    assert "| small | linf 8/255 | 40.0% | 28.6–52.6% | 24 of 60 samples |" in text
    assert "upper bound" in text


def test_what_was_not_evaluated_is_not_called_robust(run: Run) -> None:
    line = next(line for line in Markdown().render(run).splitlines() if "| l2 0.5 |" in line and "bold" in line)
    assert "not evaluated" in line
    assert "at most 60.0%" in line


def test_no_name_becomes_markup(run: Run) -> None:
    text = Markdown().render(run)
    assert HOSTILE not in text
    assert "\\<script\\>" in text
    assert not set("\u202e\u202c") & set(text)
    assert all(line.count(" | ") == 4 for line in text.splitlines() if line.startswith("| small | "))


def test_a_pipe_in_a_name_adds_no_column(run: Run) -> None:
    from auditor.formats.markdown import plain

    assert plain(CLASSES[2]) == 'a "quoted" \\& \\|piped\\| \\`name\\`'
    assert plain("two\nlines") == "two lines"


def test_it_says_how_to_repeat_the_run(run: Run) -> None:
    text = Markdown().render(run)
    assert "- command: auditor scan small.onnx" in text
    assert f"- model sha256: {'a' * 64}" in text
    assert "- seed: 7" in text


def test_attacks_that_had_nothing_to_do_are_a_sentence_below_the_table(run: Run) -> None:
    lines = Markdown().render(run).splitlines()
    assert lines.count(r"Not run: apgd-dlr \(nothing was left to attack\).") == 6
    assert not [line for line in lines if line.startswith("| apgd-dlr")]
