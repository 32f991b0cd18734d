"""Attacks made for transfer: what each piece does to a step, and what the pieces do on a model known in closed form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditor.attack import Attack
from auditor.engine.ledger import Ledger
from auditor.engine.view import View
from auditor.rng import Rng
from auditor.types import Norm, Threat
from auditor_attacks._shown import Resized, smoothed
from auditor_attacks.difgsm import DIFGSM
from auditor_attacks.mifgsm import MIFGSM
from auditor_attacks.nifgsm import NIFGSM
from auditor_attacks.sifgsm import SIFGSM
from auditor_attacks.tifgsm import TIFGSM
from auditor_attacks.transfer import Transfer
from auditor_attacks.vmifgsm import VMIFGSM
from tests.oracles import Linear, run, target_of

NORMS = (Norm.LINF, Norm.L2)
# On a linear model these four follow its one gradient; those that shrink or smooth images do not.
FOLLOWERS = (MIFGSM(), NIFGSM(), SIFGSM(scales=3), VMIFGSM(steps=5, neighbours=2), VMIFGSM(steps=5, nesterov=True))


class Watched(nn.Module):
    """A linear model with the given weights for class 1, that keeps what it was shown."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights, self.shown = weights, list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(x.detach().clone())
        score = (x * self.weights).flatten(1).sum(1)
        return torch.stack([-score, score], 1)


def to_the_end(attack: Attack, network: nn.Module, x: Tensor, threat: Threat) -> Tensor:
    """What an attack makes of `x` on a surrogate, where nothing counts as fallen."""
    y = torch.zeros(len(x), dtype=torch.int64)
    ledger = Ledger.open(x, y, threat, 2, margin=math.inf, deadline=math.inf)
    rng = Rng.keyed(0, attack.label, torch.arange(len(x)))
    return attack.perturb(View(target_of(network, 2), ledger, attack.access), x, y, threat, rng)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (20,)], ids=str)
@pytest.mark.parametrize("attack", FOLLOWERS, ids=lambda a: a.label)
@pytest.mark.parametrize(("num_classes", "n"), [(2, 1), (10, 64)])
def test_what_lies_one_percent_within_reach_is_found_and_nothing_out_of_it(
    attack: Attack, shape: tuple[int, ...], norm: Norm, num_classes: int, n: int
) -> None:
    model = Linear.draw(shape, num_classes, n, norm, rivals=2)
    reach = Threat(norm=norm, eps=1.01 * model.eps)
    assert run(attack, model.target, model.x, model.y, reach).found.all()
    short = Threat(norm=norm, eps=0.99 * model.eps)
    assert not run(attack, model.target, model.x, model.y, short).found.any()


@pytest.mark.parametrize("radius", [1, 3])
def test_smoothing_takes_the_place_of_the_gradient(radius: int) -> None:
    weights, x = drawn(3, 6, 9), torch.full((2, 3, 6, 9), 0.5)
    adversarial = to_the_end(TIFGSM(radius=radius), Watched(weights), x, Threat(norm=Norm.LINF, eps=0.1))
    kernel = (-0.5 * torch.linspace(-3, 3, 2 * radius + 1).square()).exp()
    square = (kernel[:, None] * kernel / kernel.sum() ** 2).expand(3, 1, -1, -1)
    expected = functional.conv2d(weights[None], square, padding=radius, groups=3).sign()
    torch.testing.assert_close((adversarial - x) / 0.1, expected.expand(2, -1, -1, -1), rtol=0, atol=1e-5)
    assert (expected != weights.sign()).any()


def test_smoothing_keeps_the_mean_of_a_constant_away_from_the_edges_and_works_on_any_size() -> None:
    assert smoothed(torch.ones(1, 2, 9, 9), 3)[0, :, 4, 4].tolist() == pytest.approx([1.0, 1.0])
    assert smoothed(torch.ones(2, 7, 1, 1), 7).shape == (2, 7, 1, 1)


def test_resized_images_are_scaled_and_padded_as_torch_does() -> None:
    x = drawn(40, 2, 9, 13)
    resized = Resized.draw(x, Rng.keyed(0, "sizes", torch.arange(40)), 0.7, 0.5)
    shown = resized.show(x)
    sizes = set()
    for image, original in zip(shown, x, strict=True):
        rows, columns = ((image != 0).any(0).any(1 - side).nonzero() for side in (0, 1))
        (top, left), (bottom, right) = (int(rows[0]), int(columns[0])), (int(rows[-1]) + 1, int(columns[-1]) + 1)
        small = functional.interpolate(original[None], (bottom - top, right - left), mode="bilinear")
        torch.testing.assert_close(image[None, :, top:bottom, left:right], small, rtol=0, atol=2e-5)
        sizes.add((bottom - top, right - left))
    assert (9, 13) in sizes
    assert {height for height, _ in sizes} == {4, 5, 6, 7, 8, 9}


def test_gradients_come_back_through_the_resizing_as_autograd_brings_them() -> None:
    x, along = drawn(5, 3, 8, 6).requires_grad_(), drawn(5, 3, 8, 6, seed=1)
    resized = Resized.draw(x, Rng.keyed(0, "sizes", torch.arange(5)), 1.0, 0.5)
    (expected,) = torch.autograd.grad((resized.show(x) * along).sum(), x)
    torch.testing.assert_close(resized.back(along), expected)


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 7, 7), (2, 1, 5)], ids=str)
def test_the_smallest_images_are_attacked_too(shape: tuple[int, ...]) -> None:
    model = Watched(torch.ones(shape))
    x, threat = torch.full((3, *shape), 0.5), Threat(norm=Norm.LINF, eps=0.1)
    everything = Transfer(steps=3, radius=2, scales=2, neighbours=1, diversity=1.0, shrink=0.5)
    for attack in (everything, DIFGSM(steps=3, diversity=1.0), TIFGSM(steps=3)):
        torch.testing.assert_close(to_the_end(attack, model, x, threat), x + 0.1)


def test_every_image_gets_a_size_of_its_own_at_every_step() -> None:
    model = Watched(torch.ones(1, 12, 12))
    x = torch.ones(8, 1, 12, 12)
    to_the_end(DIFGSM(steps=3, diversity=1.0, shrink=0.5), model, x, Threat(norm=Norm.LINF, eps=1e-3))
    seen = {tuple((image > 0).flatten().tolist()) for shown in model.shown[:3] for image in shown}
    assert len(seen) > 16


def test_copies_are_shown_half_as_bright_each() -> None:
    model = Watched(torch.ones(1, 2, 2))
    x = torch.full((1, 1, 2, 2), 0.8)
    to_the_end(SIFGSM(steps=1, scales=3), model, x, Threat(norm=Norm.LINF, eps=0.1))
    assert [float(shown.mean()) for shown in model.shown] == pytest.approx([0.8, 0.4, 0.2])


def test_darker_copies_weigh_less_as_the_chain_rule_says() -> None:
    class Moody(nn.Module):
        """Rises with bright pixels, and falls a little faster with dark ones."""

        def forward(self, x: Tensor) -> Tensor:
            score = torch.where(x > 0.6, x, -1.2 * x).flatten(1).sum(1)
            return torch.stack([-score, score], 1)

    x, threat = torch.full((1, 1, 1, 1), 0.8), Threat(norm=Norm.LINF, eps=0.1)
    assert to_the_end(SIFGSM(steps=1, scales=2, loss="margin"), Moody(), x, threat).item() == pytest.approx(0.9)
    assert to_the_end(SIFGSM(steps=1, scales=3, loss="margin"), Moody(), x, threat).item() == pytest.approx(0.9)


class Curved(nn.Module):
    """Loss that a first step raises along the first pixel and later ones along the second."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.flatten(1).unbind(1)
        score = torch.where(first > 0.501, 0.05 * second - 0.01 * first, 0.04 * first)
        return torch.stack([-score, score], 1)


@pytest.mark.parametrize(("momentum", "first"), [(0.0, 0.5), (1.0, 0.55)])
def test_what_was_learnt_first_outweighs_what_pulls_back_where_there_is_momentum(momentum: float, first: float) -> None:
    x, threat = torch.full((1, 1, 1, 2), 0.5), Threat(norm=Norm.LINF, eps=0.1)
    adversarial = to_the_end(MIFGSM(steps=2, step_size=0.25, momentum=momentum), Curved(), x, threat)
    assert adversarial.flatten().tolist() == pytest.approx([first, 0.525])


def test_nesterov_looks_where_momentum_leads() -> None:
    model = Watched(torch.ones(1, 1, 2))
    x = torch.full((1, 1, 1, 2), 0.5)
    to_the_end(NIFGSM(steps=2, step_size=0.1, momentum=0.5), model, x, Threat(norm=Norm.LINF, eps=0.1))
    # Begun at 0.5; stepped by 0.01, and 0.01 times half of a momentum of 1 further ahead.
    assert [float(shown[0, 0, 0, 0]) for shown in model.shown[:2]] == pytest.approx([0.5, 0.515])


@pytest.mark.parametrize("norm", NORMS)
def test_neighbours_lie_within_reach_and_steady_the_step_after(norm: Norm) -> None:
    model = Watched(torch.ones(1, 4, 4))
    x, threat = torch.full((6, 1, 4, 4), 0.5), Threat(norm=norm, eps=0.01)
    to_the_end(VMIFGSM(steps=2, neighbours=50, reach=2.0), model, x, threat)
    sizes = torch.cat([threat.distance(shown, x) for shown in model.shown[1:51]])
    assert 0.018 < float(sizes.max()) <= 0.02 * (1 + 1e-5)
    # The last point's neighbours are spared: 1 + 50 + 1 questions.
    assert len(model.shown) == 52


def test_variance_tuning_corrects_the_gradient_by_the_mean_of_its_neighbours() -> None:
    class Rough(nn.Module):
        """Rises along the second pixel, except for the very spot where the search begins."""

        def forward(self, x: Tensor) -> Tensor:
            first, second = x.flatten(1).unbind(1)
            at_start = (x - 0.5).flatten(1).abs().amax(1) < 0.06
            score = torch.where(at_start, first - 5.0 * second, second)
            return torch.stack([-score, score], 1)

    x, threat = torch.full((1, 1, 1, 2), 0.5), Threat(norm=Norm.LINF, eps=0.5)
    steps = {"steps": 2, "step_size": 0.1, "momentum": 0.0}
    plain = to_the_end(MIFGSM(**steps), Rough(), x, threat).flatten()
    tuned = to_the_end(VMIFGSM(**steps, neighbours=200, reach=1.0), Rough(), x, threat).flatten()
    assert plain[1] == pytest.approx(0.4)
    assert tuned[1] == pytest.approx(0.5)


def test_all_pieces_switched_off_are_plain_gradient_ascent_and_each_named_attack_is_a_combination() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Tanh(), nn.Linear(8, 2)).requires_grad_(False)
    x, threat = torch.rand(4, 3, 4, 4), Threat(norm=Norm.LINF, eps=0.1)
    off: dict[str, Any] = {"momentum": 0.0, "diversity": 0.0, "radius": 0, "scales": 1, "neighbours": 0}
    off |= {"nesterov": False, "steps": 4, "start": "clean"}
    plain = to_the_end(Transfer(**off), network, x, threat)
    assert torch.equal(plain, to_the_end(MIFGSM(momentum=0.0, steps=4), network, x, threat))
    pairs: list[tuple[Attack, dict[str, Any]]] = [
        (MIFGSM(steps=4), {"momentum": 1.0}),
        (NIFGSM(steps=4), {"momentum": 1.0, "nesterov": True}),
        (TIFGSM(steps=4, radius=1), {"momentum": 1.0, "radius": 1}),
        (SIFGSM(steps=4, scales=3), {"momentum": 1.0, "nesterov": True, "scales": 3}),
    ]
    for named, pieces in pairs:
        combined = to_the_end(Transfer(**(off | pieces)), network, x, threat)
        assert torch.equal(to_the_end(named, network, x, threat), combined)
        assert not torch.equal(combined, plain)
