"""`--isolate`: the plugin finds what it finds here, is counted as here, and what kills it is reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.errors import DataError, ModelError, UsageError
from auditor.plugins import Plugins, plugins_for
from auditor.result.record import Result
from auditor.result.run import Run
from auditor.samples.base import SampleOptions
from auditor.target.base import ModelOptions
from auditor.target.wrapped import Wrapped
from auditor.testing.asking import Exam
from auditor.writing import write_report
from tests.project.installed import SitePackages

DEMO = Path(str(files("auditor.demo")))
PLUGIN = """
    import os
    import torch
    from torch.nn.functional import cross_entropy
    from auditor import Access, Attack, Check, DataError, Finding, Format, ModelError, Norm, Samples, Severity, Stage
    from auditor import Target, Wrapper, hookimpl, parameter
    from auditor.samples.base import Skipped
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

    class Noisy(Wrapper):
        name, random = "noisy", True

        def apply(self, x):
            return (x + 0.02 * torch.randn_like(x)).clamp(0, 1)

        def stand_in(self, x):
            return 0.5 * x

    class Halved(Samples):
        shape, source, eight_bit = (3,), "halved", False
        skipped = (Skipped("a", "b"),)
        labels = torch.tensor([0, 1, 2])
        sha256 = "5" * 64

        def __len__(self):
            return 3

        def fetch(self, indices):
            if 2 in indices:
                raise DataError("The last one is gone.")
            return torch.full((len(indices), 3), 0.5)

    @hookimpl
    def auditor_defenses():
        return [Noisy]

    @hookimpl
    def auditor_load_samples(source, options):
        return Halved() if source == f"halved:{options.size}" else None

    @hookimpl
    def auditor_load_model(path, options, device):
        if path == "broken.acme":
            raise ModelError("It is broken.")
        if path != "net.acme":
            return None
        weight = torch.eye(3) * options.mean[0]

        def network(x):
            if x.max() > 8:
                os._exit(7)
            return x @ weight

        return Target(
            name="net", source=path, sha256="6" * 64, format="acme", deployed=network, twin=network, gradients="native",
            input_shape=(None, 3), options=options, device=device, classes=("a", "b", "c"),
            findings=[Finding(code="ACM003", severity=Severity.WARN, title="t", detail="d")],
            details={"f": network, "n": 1},
        )

    @hookimpl
    def auditor_event(event):
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
    (finding,) = [f for f in both[2].models[0].findings if "ACM002" in f.detail]
    assert (finding.code, finding.title) == ("AUD005", "Not every check was made")
    assert "--isolate" in finding.detail
    (run,) = [run for run in both[2].models[0].threats[0].checks if run.code == "ACM002"]
    assert (run.outcome, run.forwards) == ("not looked at", 0)
    assert "cannot be isolated" in run.detail


def test_hooks_that_cannot_be_isolated_are_not_asked_and_listed(both: tuple[Path, Result, Result]) -> None:
    (failure,) = both[2].plugin_failures
    assert failure["stage"] == "auditor_event"
    assert "leave --isolate out for it" in failure["error"]


@pytest.fixture(scope="module")
def apart(site: Path) -> Plugins:
    settings = build_settings({"models": ["x"], "data": "x", "isolate": ["all"], "isolate_time": "60s"}, {})
    return plugins_for(settings)


def test_models_answer_from_a_process_of_their_own_with_gradients(apart: Plugins) -> None:
    options, cpu = ModelOptions(mean=(2.0,), input_size=(3, 4)), torch.device("cpu")
    target = apart.load_model("net.acme", options, cpu)
    x = torch.rand(5, 3, requires_grad=True)
    assert target.twin is not None
    assert torch.equal(target.deployed(x.detach()), 2.0 * x.detach())
    target.twin(x)[:, 1].sum().backward()
    assert torch.equal(x.grad, torch.tensor([[0.0, 2.0, 0.0]]).expand(5, 3))
    told = (target.sha256, target.input_shape, target.classes, target.findings[0].code, dict(target.details))
    assert told == ("6" * 64, (None, 3), ("a", "b", "c"), "ACM003", {"n": 1})
    # One that dies of a question is the model's failure; the next question has a fresh process.
    with pytest.raises(ModelError, match="exit status 7"):
        target.deployed(torch.full((1, 3), 9.0))
    assert torch.equal(target.deployed(torch.ones(1, 3)), torch.full((1, 3), 2.0))
    with pytest.raises(ModelError, match=r"^It is broken\.$"):
        apart.load_model("broken.acme", options, cpu)


def test_samples_are_read_there(apart: Plugins) -> None:
    samples = apart.load_samples("halved:(2, 2)", SampleOptions(size=(2, 2)))
    assert (len(samples), samples.shape, samples.labels.tolist(), samples.sha256) == (3, (3,), [0, 1, 2], "5" * 64)
    assert (samples.names([1]), samples.skipped[0].reason) == (["1"], "b")
    assert torch.equal(samples.fetch([0, 1]), torch.full((2, 3), 0.5))
    with pytest.raises(DataError, match=r"^The last one is gone\.$"):
        samples.fetch([2])


def test_wrappers_draw_there_as_often_and_as_repeatably_and_gradients_are_their_stand_ins(apart: Plugins) -> None:
    wrapped = Wrapped((apart.defenses()["noisy"](),), seed=3)
    x = torch.rand(2, 1, 4, 4, requires_grad=True)
    first, again = wrapped(x), wrapped(x)
    assert torch.equal(first, again)
    assert 0.0 < float((first - x).detach().abs().max()) < 0.2
    (slope,) = torch.autograd.grad(first.sum(), x)
    assert torch.allclose(slope, torch.full_like(x, 0.5))
    free = Wrapped(wrapped.wrappers)
    assert not torch.equal(free(x), free(x))
    assert "acme_worse" not in sys.modules


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
