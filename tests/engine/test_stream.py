"""Samples stream through an attack's lanes: places are full while the queue lasts, and no sample's outcome knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auditor import DataError, Norm, Rng, RunError, Threat, View
from auditor.border import Passing
from auditor.engine.attempt import Ring
from auditor.engine.batches import Tally
from auditor.engine.plan import make_plan
from auditor.events import AttackFinished, Event, ExamplesFound
from auditor_attacks.apgd import APGD
from auditor_attacks.pgd import PGD
from auditor_attacks.square import Square
from tests.engine.scenes import Scene
from tests.engine.strides import STRIDE, Slope, Stride, Walk, questions, strides_short

SHORT = [1.0, 3.0, 9.0, 2.0, 6.0, 7.0, 1.0, 12.0, 4.0, 20.0, 5.0, 2.0]
GRAY = Threat(norm=Norm.LINF, eps=0.25)
SUITE = (
    PGD(steps=2),
    APGD(loss="dlr", steps=4, start="tiles", restarts=2),
    Square(queries=12, start="closest", p_init=0.15, p_final=0.03),
    APGD(loss="dlr-targeted", steps=6, targets=2, order="linear"),
    Square(queries=16),
    APGD(loss="ce", steps=6, start="closest"),
)


class Watched:
    """A network that notes how many samples it was asked about, with a gradient and without."""

    def __init__(self, network: Callable[[Tensor], Tensor]) -> None:
        self._network = network
        self.climbs: list[int] = []
        self.asks: list[int] = []

    def __call__(self, x: Tensor) -> Tensor:
        (self.climbs if x.requires_grad else self.asks).append(len(x))
        return self._network(x)


def waves(seed: int = 0) -> Callable[[Tensor], Tensor]:
    """Five classes of `(N, 1, 6, 6)`, and ripples that lead astray, so that every attack finds something of its own.

    Sums in float64 leave rounding no room to tell batch sizes apart.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(shape, generator=generator).double() for shape in ((36, 16), (16, 5)))

    def network(x: Tensor) -> Tensor:
        seen = (x.double().flatten(1) - 0.5) @ first
        return ((seen.tanh() + 0.3 * (30.0 * seen).sin()) @ second).float()

    return network


@pytest.fixture
def gray(build, network, images, memory, tmp_path: Path) -> Callable[..., Scene]:
    """A scene of gray samples, each as many strides short of the border as `SHORT` says."""

    def scene(twin: Any = None, short: list[float] = SHORT, run: str = "run", **ring: Any) -> Scene:
        x = images(strides_short(short).tolist())
        target = build(network, twin=twin or network)
        return Scene(target, memory(x, (x.flatten(1).mean(1) > 0.5).long()), tmp_path / run, threat=GRAY, **ring)

    return scene


@pytest.fixture
def real(build, memory, tmp_path: Path) -> Callable[..., Scene]:
    """A scene of 24 random samples before a small network, of which some fall early, some late and some never."""
    network = waves()
    x = torch.rand(24, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    y = network(x).argmax(1)

    def scene(run: str, labels: Tensor = y, twin: Any = None, eps: float = 0.03, norm: Norm = Norm.LINF) -> Scene:
        target = build(network, twin=twin or network, num_classes=5)
        return Scene(target, memory(x, labels), tmp_path / run, threat=Threat(norm=norm, eps=eps))

    return scene


def told(scene: Scene, rows: np.ndarray | None = None) -> dict[str, Any]:
    """All that is known of some samples."""
    rows = np.arange(len(scene.samples)) if rows is None else rows
    closest, margin = scene.memory.recall(rows, scene.samples.fetch(rows.tolist()))
    standing = scene.standing
    return {
        "fell": {int(i): standing.broken_by[int(i)] for i in rows if int(i) in standing.broken_by},
        "spent": {int(i): standing.spent.get(int(i)) for i in rows},
        "closest": closest.tolist(),
        "margin": margin.tolist(),
        "outcomes": [scene.outcomes[i] for i in rows],
    }


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_outcomes_closest_points_and_passes_do_not_depend_on_the_batch_size(real, batch_size: int) -> None:
    reference, other = real("a"), real("b")
    runs = reference.run(*SUITE, batch_size=5)
    other.run(*SUITE, batch_size=batch_size)
    assert told(reference) == told(other)
    assert {run.status for run in runs} == {"ran"}
    # Early, late and never: the case is worth its name.
    assert sum(run.broken > 0 for run in runs) >= 3
    assert reference.outcomes.count("robust") >= 3


@pytest.mark.parametrize(("norm", "eps"), [(Norm.L2, 0.25), (Norm.L1, 1.0)])
def test_squares_in_l2_and_l1_come_to_the_same_outcomes_in_any_batch_size(real, norm: Norm, eps: float) -> None:
    attacks = Square(queries=40), Square(queries=20, start="closest", p_init=0.3)
    known = []
    for size in (5, 24):
        scene = real(str(size), norm=norm, eps=eps)
        scene.run(*attacks, batch_size=size)
        known.append(told(scene))
    assert known[0]["outcomes"] == known[1]["outcomes"]
    assert known[0]["spent"] == known[1]["spent"]
    assert torch.allclose(*(torch.tensor(one["margin"]) for one in known), atol=1e-5)
    assert {"broken", "robust"} <= set(known[0]["outcomes"])


def test_which_samples_stand_beside_one_changes_nothing_for_it(real) -> None:
    whole = real("whole")
    whole.run(*SUITE, batch_size=5)
    kept = np.array([0, 1, 4, 5, 6, 10, 13, 17, 18, 19, 22])
    labels = whole.samples.labels.clone()
    gone = np.setdiff1d(np.arange(24), kept)
    labels[gone] = (labels[gone] + 1) % 5
    few = real("few", labels)
    few.run(*SUITE, batch_size=5)
    assert told(few, kept) == told(whole, kept)
    assert set(told(few, kept)["outcomes"]) == {"broken", "robust"}


def test_a_sample_is_dealt_in_a_stream_what_it_is_dealt_batch_by_batch(real) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Alone(PGD):
        """The same attack without the engine's lanes."""

        def in_lanes(self, threat: Threat) -> bool:
            return False

    streamed, batched = real("a"), real("b")
    streamed.run(PGD(steps=3, restarts=2), batch_size=5)
    batched.run(Alone(steps=3, restarts=2), batch_size=5)
    assert streamed.standing.broken_by.keys() == batched.standing.broken_by.keys()
    stands = streamed.standing.standing()
    assert 5 < len(stands) < 24
    one, two = told(streamed, stands), told(batched, stands)
    assert (one["closest"], one["margin"]) == (two["closest"], two["margin"])


def test_the_order_of_samples_changes_nothing(real) -> None:
    forwards, shuffled = real("a"), real("b")
    order = np.random.default_rng(0).permutation(24)
    for scene, todo in ((forwards, np.arange(24)), (shuffled, order)):
        batches = scene.batches(5)
        for step in make_plan(SUITE[:4], scene.target, scene.ring.threat, 3):
            batches.run(step, todo[np.isin(todo, scene.standing.standing())], Tally(), lambda passes: None)
    assert told(forwards) == told(shuffled)
    assert 0 < forwards.outcomes.count("broken") < 24


def test_a_float32_network_differs_between_batch_sizes_by_ties_alone(build, memory, tmp_path: Path) -> None:
    """Sums of another length round otherwise. What may follow of it: a margin within rounding of another one."""
    generator = torch.Generator().manual_seed(3)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 5)).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    model.requires_grad_(False)
    x = torch.rand(60, 1, 8, 8, generator=generator)
    scenes = []
    for batch_size in (60, 7, 1):
        target = build(model, num_classes=5)
        threat = Threat(norm=Norm.LINF, eps=0.08)
        scenes.append(Scene(target, memory(x, model(x).argmax(1)), tmp_path / str(batch_size), threat=threat))
        scenes[-1].run(*SUITE[:3], batch_size=batch_size)
    fell = [set(scene.standing.broken_by) for scene in scenes]
    assert 10 < len(fell[0]) < 50
    for scene, other in zip(scenes[1:], fell[1:], strict=True):
        for index in fell[0] ^ other:
            assert abs(scenes[0].memory.margin[index] - scene.memory.margin[index]) < 1e-3


def served(durations: list[int], places: int, limit: int) -> list[int]:
    """How many lanes climb at each pass if a place is filled as soon as it is free; `limit` passes are a whole goal."""
    waiting, lanes, sizes = list(durations), [], []
    while waiting or lanes:
        while waiting and len(lanes) < places:
            lanes.append(waiting.pop(0))
        sizes.append(len(lanes))
        lanes = [left - 1 for left in lanes if left > 1]
    return sizes


@pytest.mark.parametrize("places", [1, 4, 5, 12, 40])
def test_a_place_is_filled_as_soon_as_its_sample_fell_and_passes_are_full_while_the_queue_lasts(
    gray, network, places: int
) -> None:
    watched = Watched(network)
    scene = gray(watched)
    (run,) = scene.run(Slope(steps=8), batch_size=places)
    climbs = [min(questions(short, 8), 8) for short in SHORT]
    assert watched.climbs == served(climbs, places, 8)
    assert watched.climbs[0] == min(places, len(SHORT))
    assert run.backwards == sum(climbs)
    assert run.forwards == sum(questions(short, 8) for short in SHORT)


def test_fewer_calls_are_made_than_batch_by_batch_and_no_more_passes(gray, network) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Alone(Slope):
        """The same attack without the engine's lanes."""

        def in_lanes(self, threat: Threat) -> bool:
            return False

    streamed, batched = Watched(network), Watched(network)
    first, second = gray(streamed, run="a"), gray(batched, run="b")
    (lanes,) = first.run(Slope(steps=8), batch_size=4)
    (batch,) = second.run(Alone(steps=8), batch_size=4)
    assert (lanes.broken, lanes.backwards) == (batch.broken, batch.backwards)
    # What an attack hands back is judged once more where it did not run in lanes.
    assert batch.forwards == lanes.forwards + first.outcomes.count("robust")
    assert first.outcomes == second.outcomes
    assert len(streamed.climbs) < 0.8 * len(batched.climbs)


def test_an_attack_of_third_parties_does_in_the_engine_what_it_does_by_itself(gray) -> None:
    """Through the cascade lane by lane, and through `perturb`, as a caller without an engine would run it."""
    scene = gray()
    (run,) = scene.run(Stride(steps=6, tours=2), batch_size=3)
    assert (run.status, run.attack) == ("ran", "stride")
    from auditor.engine.ledger import Ledger

    x, y = scene.samples.fetch(range(len(SHORT))), scene.samples.labels
    ledger = Ledger.open(x, y, GRAY, 2, 0.0, float("inf"))
    view = View(scene.target, ledger, Stride.access)
    rng = Rng.keyed(0, "stride", torch.arange(len(SHORT)))
    last = Stride(steps=6, tours=2).perturb(view, x, y, GRAY, rng)
    assert sorted(scene.standing.broken_by) == ledger.found.nonzero().squeeze(1).tolist()
    assert [scene.standing.spent[i] for i in range(len(SHORT))] == ledger.passes.tolist()
    known, margin = scene.memory.recall(np.arange(len(SHORT)), x)
    assert torch.allclose(known, last, atol=GRAY.eps / 127)
    assert torch.equal(margin, ledger.closest_margin)
    assert scene.outcomes == ["broken" if short <= 6 else "robust" for short in SHORT]


def test_passes_forecast_are_passes_made_on_samples_that_withstand(real) -> None:
    scene = real("run", eps=1e-5)
    runs = scene.run(*SUITE, batch_size=7)
    for run, attack in zip(runs, SUITE, strict=True):
        forecast = attack.passes(5)
        assert forecast is not None
        assert (run.broken, run.forwards) == (0, 24 * forecast.forwards)
        assert run.backwards == 24 * forecast.backwards


def test_later_goals_are_for_samples_that_stand(real) -> None:
    attack = PGD(steps=10, restarts=4)
    scene = real("run")
    scene.run(attack, batch_size=6)
    forecast = attack.passes(5)
    spent = np.array([scene.standing.spent[i] for i in range(24)])
    fell = np.isin(np.arange(24), list(scene.standing.broken_by))
    assert (spent[~fell] == forecast.forwards + forecast.backwards).all()
    assert (spent[fell] < forecast.forwards + forecast.backwards).all()
    assert (spent[fell] <= 21).any()
    assert 0 < fell.sum() < 24


@pytest.mark.parametrize(("norm", "eps"), [(Norm.L2, 0.15), (Norm.L1, 0.4)])
def test_outcomes_in_other_norms_do_not_depend_on_the_batch_size_either(real, norm: Norm, eps: float) -> None:
    scenes = [real(run) for run in ("a", "b")]
    for scene, batch_size in zip(scenes, (3, 24), strict=True):
        scene.ring = Ring(target=scene.target, threat=Threat(norm=norm, eps=eps), seed=0, margin=0.0)
        scene.run(*SUITE, batch_size=batch_size)
    assert told(scenes[0]) == told(scenes[1])
    assert 1 < scenes[0].outcomes.count("robust") < 21


class Scarce:
    """A twin whose memory runs out at one call, or for more rows than it has room for."""

    def __init__(self, network: Callable[[Tensor], Tensor], call: int = 0, room: int = 1000) -> None:
        self._network, self._left, self._room = network, call, room
        self.refused = 0

    def __call__(self, x: Tensor) -> Tensor:
        self._left -= 1
        if self._left == 0 or len(x) > self._room:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._network(x)


@pytest.mark.parametrize("call", [1, 2, 5, 9, 14, 20])
def test_memory_that_runs_out_costs_time_alone(gray, network, call: int) -> None:
    plan = (Slope(steps=4), Slope(steps=3, start="closest", tours=1))
    reference = gray(run="a")
    reference.run(*plan, batch_size=4)
    scarce = Scarce(network, call)
    scene = gray(scarce, run="b")
    scene.run(*plan, batch_size=4)
    assert scarce.refused == 1
    assert told(scene) == told(reference)
    assert scene.outcomes == ["broken" if short <= 7 else "robust" for short in SHORT]


@pytest.mark.parametrize("room", [1, 3])
def test_fewer_places_serve_where_memory_has_no_room_for_more(real, room: int) -> None:
    reference = real("a")
    reference.run(*SUITE[:4], batch_size=10)
    scarce = Scarce(waves(), room=room)
    scene = real("b", twin=scarce)
    scene.run(*SUITE[:4], batch_size=10)
    assert scarce.refused
    assert told(scene) == told(reference)


def test_a_model_that_has_no_room_for_one_sample_ends_the_scan(gray, network) -> None:
    scene = gray(Scarce(network, room=0))
    with pytest.raises(torch.OutOfMemoryError):
        scene.run(Slope(steps=4))


class Late:
    """A twin that sleeps at one call until the time is up."""

    def __init__(self, network: Callable[[Tensor], Tensor], call: int, until: float) -> None:
        self._network, self._left, self._until = network, call, until

    def __call__(self, x: Tensor) -> Tensor:
        self._left -= 1
        if self._left == 0:
            time.sleep(max(0.0, self._until - time.monotonic()) + 0.01)
        return self._network(x)


def test_when_time_is_up_what_was_finished_counts_and_nothing_else_is_robust(gray, network) -> None:
    deadline = time.monotonic() + 4.0
    short = [1.0, 3.0, 9.0, 2.0, 6.0, 7.0, 1.0, 10.0, 4.0, 8.0, 5.0, 2.0]
    scene = gray(Late(network, 12, deadline), short, deadline=deadline)
    first, second = scene.run(Slope(steps=12), Slope(steps=12, start="closest"), batch_size=4)
    done: set[int] = set()
    places: list[tuple[int, int]] = []
    waiting = list(range(len(short)))
    for _ in range(12):
        while waiting and len(places) < 4:
            index = waiting.pop(0)
            places.append((index, questions(short[index], 12)))
        done |= {index for index, left in places if left == 1}
        places = [(index, left - 1) for index, left in places if left > 1]
    assert 4 < len(done) < len(short)
    assert (first.status, second.status) == ("timed out", "timed out")
    assert first.reason == f"the time limit was reached after {len(done)} of 12 samples"
    assert scene.outcomes == ["broken" if index in done else "not_evaluated" for index in range(12)]


def test_a_sample_that_was_seen_to_the_end_before_the_time_was_up_is_robust(gray, network) -> None:
    deadline = time.monotonic() + 4.0
    scene = gray(Late(network, 9, deadline), [20.0] * 10, deadline=deadline)
    (run,) = scene.run(Slope(steps=6), batch_size=4)
    # Four samples take six climbs and a judgement, 7 calls; the next four are cut short.
    assert scene.outcomes == ["robust"] * 4 + ["not_evaluated"] * 6
    assert run.reason == "the time limit was reached after 4 of 10 samples"
    # The passes of those that were cut short were made all the same.
    assert [scene.standing.spent.get(i, 0) for i in range(10)] == [13] * 4 + [4] * 4 + [0] * 2


@dataclass(frozen=True, kw_only=True)
class Crash(Slope):
    """Breaks down at its third look at the ninth sample's kind: those 12 strides from the border."""

    name: ClassVar[str] = "crash"

    def advance(self, lanes: Walk, answer: Any, threat: Threat) -> None:
        away = (lanes.x.flatten(1).mean(1) - 0.5).abs() / STRIDE
        if bool(((away == 11.5) & (lanes.step == 2)).any()):
            raise ZeroDivisionError("oh no")
        super().advance(lanes, answer, threat)


def test_a_crash_midway_keeps_what_was_found_and_leaves_the_rest_unevaluated(gray) -> None:
    scene = gray()
    failed, good = scene.run(Crash(steps=6), Slope(steps=7), batch_size=4)
    assert (failed.status, failed.reason) == ("failed", "ZeroDivisionError: oh no")
    assert good.status == "ran"
    # All that the next attack does not break is left without an answer of the first, save what that had finished.
    assert {scene.outcomes[i] for i, short in enumerate(SHORT) if short <= 7} == {"broken"}
    assert scene.standing.broken_by[0][0] == "crash"
    assert scene.standing.broken_by[10][0] == "slope"
    assert scene.outcomes[2] == "robust"
    assert [scene.outcomes[7], scene.outcomes[9]] == ["not_evaluated", "not_evaluated"]


def test_a_search_that_ends_at_nan_is_not_robust_and_harms_no_other(gray) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Lost(Slope):
        """Loses its way where the sample is dark."""

        name: ClassVar[str] = "lost"

        def advance(self, lanes: Walk, answer: Any, threat: Threat) -> None:
            super().advance(lanes, answer, threat)
            lanes.point[(lanes.y == 0) & (lanes.step == 4)] = torch.nan

    scene = gray()
    (run,) = scene.run(Lost(steps=6), batch_size=4)
    expected = [
        "broken" if short <= (4 if index % 2 == 0 else 6) else ("robust" if index % 2 else "not_evaluated")
        for index, short in enumerate(SHORT)
    ]
    assert scene.outcomes == expected
    assert run.unanswered == expected.count("not_evaluated") > 0
    assert np.isfinite(scene.memory.margin).all()


def test_data_that_cannot_be_read_is_nobodys_failure_but_its_own(gray, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = gray()
    whole = type(scene.samples).fetch

    def fetch(self: Any, indices: list[int]) -> Tensor:
        if 9 in indices:
            raise DataError("image 9 is torn; mend it or leave it out.")
        return whole(self, indices)

    monkeypatch.setattr(type(scene.samples), "fetch", fetch)
    with pytest.raises(DataError, match="image 9 is torn"):
        scene.run(Slope(steps=6), batch_size=4)
    assert not any(isinstance(event, AttackFinished) for event in scene.events)
    # What had been read was attacked to the end, and is kept.
    assert sorted(scene.standing.broken_by) == [i for i, short in enumerate(SHORT[:8]) if short <= 6]


def test_a_disk_that_takes_no_more_is_not_the_attacks_failure(gray, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = gray()

    refused: list[object] = []

    def full(*group: object) -> None:
        # Once: whoever takes it for the attack's failure goes on as if nothing had been.
        if not refused:
            refused.append(group)
            raise RunError("the disk is full; make room, then --resume.")

    monkeypatch.setattr(scene.store, "put", full)
    with pytest.raises(RunError, match="disk is full"):
        scene.run(Slope(steps=6), batch_size=4)
    assert not any(isinstance(event, AttackFinished) for event in scene.events)


def shifted(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A twin whose border lies a stride and a quarter too near for dark samples."""
    return lambda x: network(x + 1.25 * STRIDE)


def refuting(gray: Any, twin: Any, **ring: Any) -> Scene:
    """Dark samples, of which the twin takes for broken what is a stride short of it; bright ones withstand."""
    scene: Scene = gray(twin, [2.0, 30.0, 4.0, 30.0, 7.0, 30.0], **ring)
    # The second try demands ten times this margin, which is more than a stride's.
    scene.ring = Ring(
        target=scene.target, threat=GRAY, seed=0, margin=0.05, deadline=scene.ring.deadline, on_call=lambda: None
    )
    return scene


def test_what_only_the_twin_takes_for_an_example_is_tried_once_more(gray, network) -> None:
    scene = refuting(gray, shifted(network))
    (run,) = scene.run(Slope(steps=6), batch_size=3)
    assert [scene.outcomes[i] for i in (0, 2, 4)] == ["broken", "broken", "robust"]
    # The last one would take a stride more than there are, and is not taken for broken twice.
    assert run.refuted == 0


def test_a_second_try_that_finds_no_room_is_made_in_halves(gray, network) -> None:
    reference = refuting(gray, shifted(network), run="a")
    reference.run(Slope(steps=6), batch_size=6)
    # The first try fits for a while: dark samples fall alone.
    sizes = Watched(shifted(network))
    scene = refuting(gray, sizes, run="b")
    scene.run(Slope(steps=6), batch_size=6)
    for call in range(1, len(sizes.climbs) + len(sizes.asks) + 1):
        other = refuting(gray, Scarce(shifted(network), call), run=f"c{call}")
        other.run(Slope(steps=6), batch_size=6)
        assert told(other) == told(reference), call


def test_a_second_try_that_time_cuts_short_leaves_its_samples_unevaluated(gray, network) -> None:
    for call in range(7, 11):
        deadline = time.monotonic() + 2.0
        scene = refuting(gray, Late(shifted(network), call, deadline), run=str(call), deadline=deadline)
        (run,) = scene.run(Slope(steps=6), batch_size=6)
        assert run.status == "timed out", call
        assert "robust" not in [scene.outcomes[i] for i in (0, 2)], call


class Killed(Passing):
    """What no border holds back, as it holds back no signal."""


def kill(scene: Scene) -> None:
    """What a killed process leaves: all that was flushed, and nothing else."""
    scene.store._pending.clear()
    scene.store._base.close()


@pytest.mark.parametrize("flush", [0.0, 1000.0], ids=["flushed at once", "flushed after each attack"])
@pytest.mark.parametrize("finds", [1, 6, 8, 11])
def test_a_run_killed_in_the_middle_of_a_stream_is_resumed_to_the_same_end(
    real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush: float, finds: int
) -> None:
    whole = real("whole")
    expected = whole.run(*SUITE, batch_size=3)
    monkeypatch.setattr("auditor.engine.store._FLUSH_SECONDS", flush)
    halted = real("halted")
    seen: list[Event] = []

    def listen(event: Event) -> None:
        seen.append(event)
        if sum(isinstance(e, ExamplesFound) for e in seen) == finds:
            raise Killed

    with pytest.raises(Killed):
        halted.follow(make_plan(SUITE, halted.target, halted.ring.threat, 3), 3, listen)
    kill(halted)
    resumed = real("halted")
    runs = resumed.run(*SUITE, batch_size=3)
    assert told(resumed) == told(whole)
    timeless = [[run.model_copy(update={"seconds": 0.0}) for run in each] for each in (runs, expected)]
    assert timeless[0] == timeless[1]


def test_a_resumed_run_asks_the_model_of_nothing_that_was_done(real) -> None:
    first = real("run")
    first.run(*SUITE, batch_size=3)
    first.store.close()
    watched = Watched(waves())
    again = real("run", twin=watched)
    again.run(*SUITE, batch_size=3)
    assert (watched.climbs, watched.asks) == ([], [])
    assert told(again) == told(first)


def test_what_is_remembered_of_a_group_that_was_cut_short_is_not_taken_for_done(gray, network) -> None:
    deadline = time.monotonic() + 4.0
    scene = gray(Late(network, 3, deadline), deadline=deadline)
    scene.run(Slope(steps=6), batch_size=4)
    scene.store.close()
    again = gray()
    (run,) = again.run(Slope(steps=6), batch_size=4)
    assert run.status == "ran"
    assert again.outcomes == ["broken" if short <= 6 else "robust" for short in SHORT]
