from __future__ import annotations

from auditor.formats.json import Json
from auditor.result.record import Result
from auditor.result.run import Run


def test_it_is_the_record_again(run: Run) -> None:
    text = Json().render(run)
    assert Result.model_validate_json(text) == run.result
    assert text == (run.path / "result.json").read_text(encoding="utf-8")
