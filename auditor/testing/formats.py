"""Questions for formats: a pure function of a finished run, that copes with any."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from auditor.formats.base import Format
from auditor.result.run import Run
from auditor.result.samples_csv import write_rows
from auditor.testing.kit import Question, demand
from auditor.testing.records import result_of, rows_of


def format_questions(form: Format) -> Iterator[Question]:
    """About its name and file, and about runs that passed, failed, found nothing out, or bear hostile names."""
    ask = partial(Question, form.name)
    yield ask("its file has a plain name, and it says what it is for", partial(_named, form))
    yield ask("the same run gives the same text, and the run is left as it is", partial(_pure, form))
    for name in _RUNS:
        yield ask(f"it renders a run {name}", partial(_renders, form, name))


def _named(form: Format) -> None:
    name = form.filename
    demand(name and PurePath(name).name == name and not name.startswith("."), f"{name!r} is no plain file name")
    demand(form.help.strip(), "it has no help")


def _pure(form: Format) -> None:
    with TemporaryDirectory() as folder:
        run = _written(Path(folder), "that failed its gate")
        before = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
        demand(form.render(run) == form.render(run), "it rendered one run in two ways")
        after = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
        demand(before == after, "rendering changed the run's folder")


def _renders(form: Format, name: str) -> None:
    with TemporaryDirectory() as folder:
        text = form.render(_written(Path(folder), name))
    demand(isinstance(text, str), f"it gave {type(text).__name__} in place of text")
    demand(text.strip(), "it gave an empty text")
    text.encode("utf-8")


_RUNS = {
    "that failed its gate": {"verdict": "fail", "outcome": "fail", "standing": 2},
    "without gates": {"verdict": "pass", "standing": 4},
    "whose gate is left open": {"verdict": "inconclusive", "outcome": "inconclusive", "standing": 5},
    "in which samples were not evaluated": {"verdict": "inconclusive", "unknown": 3},
    "of a model that could not be audited": {"verdict": "error", "audited": False},
    "with hostile names": {"verdict": "pass", "outcome": "pass", "standing": 8, "name": '<b>"|`\u202e\n&'},
}


def _written(folder: Path, name: str) -> Run:
    """One of these runs, as the project's own writers write it."""
    run, result = folder / "run", result_of(**_RUNS[name])  # type: ignore[arg-type]
    run.mkdir()
    (run / "result.json").write_text(result.to_json(), encoding="utf-8")
    write_rows(run / "samples.csv", [row for model in result.models for row in rows_of(model)])
    return Run(run)
