"""Attacks of other libraries: run by name, counted and judged by us, and nothing of theirs leaks out."""

from __future__ import annotations

import logging
import math
import random
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import Finished, View
from auditor.errors import UsageError
from auditor.parameters import coerced
from auditor.rng import Rng
from auditor.types import Access, Norm, Threat
from auditor_attacks._bridges import LIBRARIES, find
from auditor_attacks._bridges.base import Foreign, Problem, made
from tests.oracles import Linear, target_of

# Of each library, attacks that reach what lies a tenth within reach of a linear model with two classes.
INSIDE: list[tuple[str, Norm, dict[str, Any]]] = [
    ("foolbox:LinfPGD", Norm.LINF, {"rel_stepsize": 0.1}),
    ("foolbox:L2PGD", Norm.L2, {"steps": 30, "rel_stepsize": 0.1}),
    ("foolbox:LinfFastGradientAttack", Norm.LINF, {}),
    ("foolbox:MIFGSM", Norm.LINF, {}),
    ("foolbox:LinfDeepFoolAttack", Norm.LINF, {}),
    ("foolbox:L2DeepFoolAttack", Norm.L2, {}),
    ("foolbox:DDNAttack", Norm.L2, {}),
    ("foolbox:LInfFMNAttack", Norm.LINF, {"steps": 200}),
    ("torchattacks:PGD", Norm.LINF, {}),
    ("torchattacks:PGDL2", Norm.L2, {}),
    ("torchattacks:MIFGSM", Norm.LINF, {}),
    ("torchattacks:VNIFGSM", Norm.LINF, {}),
    ("torchattacks:SINIFGSM", Norm.LINF, {}),
    ("torchattacks:APGD", Norm.LINF, {"steps": 20}),
    ("torchattacks:DeepFool", Norm.L2, {}),
    ("art:FastGradientMethod", Norm.LINF, {}),
    ("art:ProjectedGradientDescent", Norm.L2, {"max_iter": 10}),
    ("art:BasicIterativeMethod", Norm.LINF, {"max_iter": 10}),
    ("art:MomentumIterativeMethod", Norm.LINF, {"max_iter": 10}),
    ("art:DeepFool", Norm.L2, {}),
    ("art:AutoProjectedGradientDescent", Norm.LINF, {"max_iter": 10, "nb_random_init": 1}),
    ("adv_lib:fmn", Norm.LINF, {"steps": 50}),
    ("adv_lib:apgd", Norm.LINF, {"n_iter": 20, "loss_function": "ce"}),
    ("adv_lib:ddn", Norm.L2, {}),
    ("adv_lib:df", Norm.LINF, {}),
    ("adv_lib:fmn", Norm.L2, {"steps": 50}),
    ("adv_lib:pgd_linf", Norm.LINF, {"relative_step_size": 0.1}),
    ("adv_lib:sdf", Norm.L2, {}),
]
# Attacks that end at the nearest example of a linear model, within five percent.
NEAREST: list[tuple[str, Norm, dict[str, Any]]] = [
    ("foolbox:L2DeepFoolAttack", Norm.L2, {}),
    ("foolbox:LInfFMNAttack", Norm.LINF, {"steps": 300}),
    ("foolbox:DDNAttack", Norm.L2, {"steps": 200}),
    ("torchattacks:DeepFool", Norm.L2, {}),
    ("art:DeepFool", Norm.L2, {}),
    ("adv_lib:ddn", Norm.L2, {"steps": 200}),
    ("adv_lib:fmn", Norm.LINF, {"steps": 300}),
    ("adv_lib:sdf", Norm.L2, {}),
]


def bridged(name: str, **parameters: Any) -> Attack:
    pytest.importorskip({"adv_lib": "adv_lib.utils"}.get(name.partition(":")[0], name.partition(":")[0]))
    cls = find(name)
    assert cls is not None
    return cls(**parameters)


class Counted(nn.Module):
    """A linear model that counts its passes by itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.forwards, self.backwards = network, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += len(x)
        answer: Tensor = self.network(x)
        if answer.requires_grad:

            def count(gradient: Tensor) -> None:
                self.backwards += len(gradient)

            answer.register_hook(count)  # type: ignore[no-untyped-call]
        return answer


def attacked(attack: Attack, network: nn.Module, model: Linear, eps: float, norm: Norm, seed: int = 0) -> Ledger:
    """What is known after an attack; `eps` may be infinite."""
    x, y = model.x.clone(), model.y.clone()
    threat = Threat(norm=norm, eps=eps)
    ledger = Ledger.open(x, y, threat, model.num_classes, margin=0.0, deadline=math.inf)
    view = View(target_of(network, model.num_classes), ledger, attack.access)
    try:
        candidates = attack.perturb(view, x, y, threat, Rng.keyed(seed, attack.label, torch.arange(len(x))))
        view.labels(threat.project(candidates, x))
    except Finished:
        pass
    return ledger


@pytest.mark.parametrize(("name", "norm", "parameters"), INSIDE, ids=[f"{name}-{norm}" for name, norm, _ in INSIDE])
def test_foreign_attacks_find_what_is_there_and_their_passes_are_counted(
    name: str, norm: Norm, parameters: dict[str, Any]
) -> None:
    attack = bridged(name, **parameters)
    model = Linear.draw((3, 6, 6), 2, 5, norm)
    counted = Counted(model.network)
    ledger = attacked(attack, counted, model, 1.1 * model.eps, norm)
    assert ledger.found.all()
    assert (ledger.forwards, ledger.backwards) == (counted.forwards, counted.backwards)
    assert not attacked(attack, counted, model, 0.9 * model.eps, norm).found.any()


@pytest.mark.parametrize(("name", "norm", "parameters"), NEAREST, ids=[name for name, _, _ in NEAREST])
def test_minimal_ones_find_the_smallest_change_where_there_is_no_budget(
    name: str, norm: Norm, parameters: dict[str, Any]
) -> None:
    attack = bridged(name, **parameters)
    assert type(attack).minimal
    model = Linear.draw((3, 6, 6), 2, 5, norm)
    counted = Counted(model.network)
    ledger = attacked(attack, counted, model, math.inf, norm)
    torch.testing.assert_close(
        ledger.best_distance, torch.full((5,), model.eps, dtype=torch.float64), rtol=0.05, atol=0
    )
    assert (ledger.forwards, ledger.backwards) == (counted.forwards, counted.backwards)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_attack_of_a_library_says_of_itself_what_ours_do(library: str) -> None:
    pytest.importorskip({"adv_lib": "adv_lib.utils"}.get(library, library))
    with pytest.raises(UsageError, match="There are: ") as refused:
        find(f"{library}:NoSuchAttack")
    names = str(refused.value).rpartition("There are: ")[2].rstrip(".").split(", ")
    assert len(names) >= 6
    for name in names:
        cls = find(f"{library}:{name}")
        assert cls is not None
        assert cls.name == f"{library}:{name}"
        assert cls.norms <= {Norm.LINF, Norm.L2, Norm.L1, Norm.L0}
        assert cls.norms
        assert "Finds:" in str(cls.__doc__)
        assert cls().label == cls.name


def test_names_that_are_no_bridges_are_left_to_others() -> None:
    assert find("pgd") is None
    assert find("acme:attack") is None


def test_a_name_that_a_library_lacks_is_answered_with_the_nearest() -> None:
    pytest.importorskip("foolbox")
    with pytest.raises(UsageError, match="Did you mean 'LinfPGD'"):
        find("foolbox:LinfPDG")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_that_is_not_installed_is_answered_with_what_to_install(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name == library or name.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"pip install 'auditor\[{LIBRARIES[library][1]}\]'"):
        find(f"{library}:Anything")


def test_parameters_are_those_of_the_library_and_texts_become_what_they_mean() -> None:
    pytest.importorskip("foolbox")
    cls = find("foolbox:LinfPGD")
    assert cls is not None
    attack: Any = cls(
        **coerced(cls, {"steps": "20", "rel_stepsize": "0.1", "abs_stepsize": "0.5", "random_start": "no"})
    )
    assert (attack.steps, attack.rel_stepsize, attack.abs_stepsize, attack.random_start) == (20, 0.1, 0.5, False)
    with pytest.raises(UsageError, match="Did you mean 'rel_stepsize'"):
        coerced(cls, {"rel_step_size": "0.1"})
    with pytest.raises(UsageError, match="steps is a int"):
        cls(steps=0.5)


IMPOSSIBLE = [
    ("torchattacks:PGD", {"steps": -1}, "steps is at least 1, not -1"),
    ("torchattacks:PGD", {"alpha": -0.1}, "alpha is at least 0"),
    ("torchattacks:PGD", {"alpha": math.inf}, "finite"),
    ("torchattacks:DIFGSM", {"diversity_prob": 5.0}, "outside 0 … 1"),
    ("torchattacks:TIFGSM", {"kernel_name": "banana"}, "does not run with kernel_name=banana"),
    ("foolbox:LinfPGD", {"steps": 0}, "steps is at least 1"),
    ("adv_lib:ddn", {"steps": -1}, "steps is at least 1"),
    ("art:SquareAttack", {"max_iter": -1}, "max_iter is at least 1"),
    ("art:SquareAttack", {"p_init": 7.0}, "does not run with p_init=7.0 .ValueError: The argument p_init"),
]


@pytest.mark.parametrize(("name", "parameters", "said"), IMPOSSIBLE, ids=[f"{n}-{p}" for n, p, _ in IMPOSSIBLE])
def test_impossible_parameters_are_refused_before_anything_runs(
    name: str, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        bridged(name, **parameters)


def test_what_a_library_says_of_parameters_while_it_runs_is_told_in_a_sentence() -> None:
    model = Linear.draw((3, 6, 6), 2, 5, Norm.LINF)
    with pytest.raises(UsageError, match=r"does not run with loss=banana .*`auditor explain torchattacks:APGD`"):
        attacked(bridged("torchattacks:APGD", loss="banana"), model.network, model, model.eps, Norm.LINF)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_without_an_attack_is_answered_with_what_to_write(library: str) -> None:
    pytest.importorskip({"adv_lib": "adv_lib.utils"}.get(library, library))
    for name in (library, f"{library}:"):
        with pytest.raises(UsageError, match=f"such as {library}:[A-Za-z_]+. There are: "):
            find(name)


def noisy(problem: Problem, parameters: dict[str, Any]) -> Tensor:
    """An attack with bad manners."""
    sys.stdout.write("hello from the library")
    sys.stderr.write("and to stderr")
    warnings.warn("beware", stacklevel=1)
    logging.getLogger("library").error("logged")
    offset = torch.rand(problem.x.shape) + torch.from_numpy(np.random.rand(*problem.x.shape)) + random.random()
    return problem.x + (0.01 * offset).to(problem.x)


class Sum(nn.Module):
    """Says class 0 where the sum of the pixels is above 0."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.flatten(1).sum(1), -x.flatten(1).sum(1)], 1)


def ran(search: Any, model: nn.Module, x: Tensor, eps: float = 0.1, **more: Any) -> Ledger:
    """What is known after such an attack on samples that are all of class 0."""
    attack, y = foreign(search, **more), torch.zeros(len(x), dtype=torch.int64)
    threat = Threat(norm=Norm.LINF, eps=eps)
    ledger = Ledger.open(x, y, threat, 2, margin=0.0, deadline=math.inf)
    rng = Rng.keyed(0, "lib:noisy", torch.arange(len(x)))
    attack.perturb(View(target_of(model, 2), ledger, attack.access), x, y, threat, rng)
    return ledger


def foreign(search: Any, **more: Any) -> Attack:
    """A bridge to `search`, as if it were a library's attack."""
    norms = frozenset({Norm.LINF})
    return made(
        "lib",
        Foreign(
            name="noisy", signature=lambda self: None, given=frozenset({"self"}), search=search, norms=norms, **more
        ),
    )()


def test_a_librarys_output_is_swallowed_and_its_randomness_is_ours(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    attack, x, y = foreign(noisy), torch.full((2, 1, 2, 2), 0.5), torch.zeros(2, dtype=torch.int64)
    threat = Threat(norm=Norm.LINF, eps=0.1)

    def candidates(seed: int) -> Tensor:
        ledger = Ledger.open(x, y, threat, 2, margin=0.0, deadline=math.inf)
        view = View(target_of(Sum(), 2), ledger, attack.access)
        return attack.perturb(view, x, y, threat, Rng.keyed(seed, "noisy", torch.arange(2)))

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[union-attr,index]
    first = candidates(0)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[union-attr,index]
    assert before == after
    torch.rand(3)
    assert torch.equal(first, candidates(0))
    assert not torch.equal(first, candidates(1))
    captured = capsys.readouterr()
    assert (captured.out, captured.err, len(recwarn), caplog.text) == ("", "", 0, "")


def test_questions_are_attributed_to_samples_in_whatever_batches_they_are_asked() -> None:
    x = torch.tensor([0.2, 0.5, 0.8]).view(3, 1, 1, 1).expand(3, 1, 2, 2).contiguous()

    def search(problem: Problem, parameters: dict[str, Any]) -> Tensor:
        near = problem.x + 0.01
        problem.model(near[[2, 0, 2, 2]])
        problem.model(near[[1]])
        problem.model(near)
        return near

    ledger = ran(search, Sum(), x)
    assert ledger.asked.tolist() == [2, 2, 4]


def test_attacks_run_on_one_sample_at_a_time_leave_a_sample_when_it_falls() -> None:
    class Threshold(nn.Module):
        """Says class 1 below 0.5."""

        def forward(self, x: Tensor) -> Tensor:
            score = (x - 0.5).flatten(1).sum(1)
            return torch.stack([score, -score], 1)

    def search(problem: Problem, parameters: dict[str, Any]) -> Tensor:
        assert len(problem.x) == 1
        for _ in range(5):
            problem.model(problem.x - 0.1)
        return problem.x

    x, model = torch.tensor([0.55, 0.9]).view(2, 1, 1, 1), Threshold()
    ledger = ran(search, model, x, 0.2, single=True)
    assert ledger.found.tolist() == [True, False]
    assert ledger.asked.tolist() == [1, 5]


def test_an_attack_that_sees_labels_only_is_told_no_scores() -> None:
    told = []

    def search(problem: Problem, parameters: dict[str, Any]) -> Tensor:
        told.append(problem.model(problem.x))
        return problem.x

    x = torch.full((2, 1, 1, 1), 0.7)
    ran(search, Sum(), x, access=Access.LABELS)
    assert told[0].tolist() == [[1.0, 0.0], [1.0, 0.0]]
