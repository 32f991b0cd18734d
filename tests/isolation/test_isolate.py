"""`--isolate`: the plugin finds what it finds here, is counted as here, and what kills it is reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.errors import UsageError
from auditor.plugins import plugins_for
from auditor.result.record import Result
from auditor.result.run import Run
from auditor.testing.asking import Exam
from auditor.writing import write_report
from tests.project.installed import SitePackages

DEMO = Path(str(files("auditor.demo")))
PLUGIN = """
    import os
    import torch
    from torch.nn.functional import cross_entropy
    from auditor import Access, Attack, Check, Finding, Format, Norm, Severity, Stage, hookimpl, parameter
    from auditor_attacks.pgd import PGD
    from dataclasses import dataclass

    assert os.environ.get("CUDA_VISIBLE_DEVICES") == "" or not os.environ.get("ACME_ALONE")

    def losses(logits, y):
        return cross_entropy(logits, y, reduction="none")

    @dataclass(frozen=True, kw_only=True)
    class Honest(Attack):
        name, norms, access = "honest", frozenset({Norm.LINF}), Access.GRADIENTS
        steps: int = parameter(3, help="steps", low=1)

        def perturb(self, target, x, y, threat, rng):
            print("not on stdout")
            point = threat.project(x + threat.eps * (2 * rng.uniform(*x.shape[1:]) - 1), x)
            for _ in range(self.steps):
                point = threat.project(point + 0.01 * target.gradient(point, y, losses).gradient.sign(), x)
            leaf, rows = point.clone().requires_grad_(True), torch.arange(len(x))
            (slope,) = torch.autograd.grad(losses(target.answers(leaf, rows), y).sum(), leaf)
            target.note_closest(rows, point, target.last_margin)
            return threat.project(point + 0.01 * slope.sign(), x)

    class Lanes(PGD):
        name = "laned"

    class Dies(Honest):
        name = "dies"

        def perturb(self, target, x, y, threat, rng):
            target.labels(x)
            os._exit(7)

    class Looks(Check):
        code, title, stage = "ACM001", "looks", Stage.PREFLIGHT

        def inspect(self, scene):
            leaf = scene.x[:4].clone().requires_grad_(True)
            (slope,) = torch.autograd.grad(scene.target.differentiable(leaf).sum(), leaf)
            same = torch.equal(scene.samples.fetch([0, 1]), scene.x[:2]) and len(scene.samples) == len(scene.x)
            answer = scene.target.answer(scene.x[:4]).argmax(1).tolist()
            said = f"{answer} {same} {slope.norm():.4f}"
            yield Finding(code="ACM001", severity=Severity.INFO, title="t", detail=said)

    class Asks(Check):
        code, title, stage = "ACM002", "asks", Stage.INQUIRY

        def inspect(self, scene):
            return []

    class Text(Format):
        name, filename, help = "acme-text", "acme.txt", "for tests"

        def render(self, run, templates=()):
            if run.result.models[0].name.startswith("<b>"):
                os._exit(7)
            return f"{run.result.verdict} {len(run.rows)}"

    @hookimpl
    def auditor_attacks():
        return [Honest, Lanes, Dies]

    @hookimpl
    def auditor_checks():
        return [Looks, Asks]

    @hookimpl
    def auditor_formats():
        return [Text()]

    @hookimpl
    def auditor_load_samples(source):
        raise SystemExit(8)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site")
    SitePackages(folder).install("acme-worse", "worse", PLUGIN)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("acme_worse", None)


def scan(out: Path, *attacks: str, isolate: str = "") -> Result:
    flags = {"models": [str(DEMO / "plain.onnx")], "data": str(DEMO / "digits.npz"), "samples": 30, "eps": "0.08"}
    isolation = {"isolate": [isolate], "isolate_time": "60s"} if isolate else {}
    settings = build_settings({**flags, **isolation, "attack": [*attacks], "without": ["checks"]}, {})
    found = plugins_for(settings)
    result = Audit(settings, found, out).execute()
    if isolate:
        assert "acme_worse" not in sys.modules, "its code ran here"
        write_report("acme-text", Run(out.parent / "here"), found)
    return result


@pytest.fixture(scope="module")
def both(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Result]:
    """The same audit with the plugin here, and in a process of its own, where another attack ends that process."""
    folder = tmp_path_factory.mktemp("isolated")
    here = scan(folder / "here", "honest:steps=2", "laned:steps=3")
    sys.modules.pop("acme_worse", None)
    return folder, here, scan(folder / "there", "honest:steps=2", "laned:steps=3", "dies", isolate="all")


def test_attacks_find_and_cost_the_same_in_a_process_of_their_own(both: tuple[Path, Result, Result]) -> None:
    (honest, laned), (honest_there, laned_there, _) = (
        [run for run in result.models[0].threats[0].attacks if run.status != "skipped"] for result in both[1:]
    )
    for run, there in ((honest, honest_there), (laned, laned_there)):
        assert there.status == "ran", there.reason
        assert (there.attacked, there.broken, there.backwards) == (run.attacked, run.broken, run.backwards)
        assert run.broken > 0
    assert honest_there.forwards == honest.forwards
    # The last point of a lane is judged once more there.
    assert laned.forwards <= laned_there.forwards <= laned.forwards + laned.attacked
    rows = [{row.index: row.broken_by for row in Run(both[0] / place).rows} for place in ("here", "there")]
    assert rows[0] == rows[1]


def test_one_that_ends_its_process_failed_and_what_it_did_not_see_is_not_evaluated(
    both: tuple[Path, Result, Result],
) -> None:
    threat = both[2].models[0].threats[0]
    dies = next(run for run in threat.attacks if run.name == "dies")
    assert (dies.status, dies.reason) == ("failed", "its process ended by itself, with exit status 7")
    assert dies.forwards == dies.attacked > 0
    assert threat.robust_accuracy is None
    assert both[2].exit_code == 3


def test_checks_look_at_the_same_model_and_samples(both: tuple[Path, Result, Result]) -> None:
    here, there = ([f.detail for f in result.models[0].findings if f.code == "ACM001"] for result in both[1:])
    assert here == there
    assert "True" in here[0]


def test_a_check_that_would_ask_for_attacks_says_that_it_was_not_asked(both: tuple[Path, Result, Result]) -> None:
    (said,) = [f.detail for f in both[2].models[0].findings if "ACM002" in f.title]
    assert "cannot be isolated" in said


def test_hooks_that_cannot_be_isolated_are_not_asked_and_listed(both: tuple[Path, Result, Result]) -> None:
    (failure,) = both[2].plugin_failures
    assert failure["stage"] == "auditor_load_samples"


def test_reports_are_the_same(both: tuple[Path, Result, Result]) -> None:
    assert (both[0] / "here" / "acme.txt").read_text() == f"{both[1].verdict} 30"


def test_the_kit_outlives_what_it_asks(site: Path) -> None:
    answers = list(Exam(name="acme-text").apart().each)
    dead = [question for question, said in answers if "exit status 7" in said]
    assert len(answers) > 5
    assert dead == ["acme-text: it renders a run with hostile names"]
    assert not [said for question, said in answers if said and question not in dead]


def test_to_isolate_what_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--isolate names 'absent', which is not installed"):
        scan(tmp_path, "fgsm", isolate="absent")
