"""Squares are as large as their share, lie inside, and anywhere; a search repaints them in the best image it knows."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from auditor import Norm, Rng, Threat, View, margins
from auditor.engine.ledger import Ledger
from auditor_attacks._squares import Canvas, Dealer, covered, squares
from auditor_attacks.square import Square
from tests.attacks.test_contract import network, samples
from tests.oracles import target_of

LINF = Threat(norm=Norm.LINF, eps=0.1)


def painted(height: int, width: int, share: Tensor, channels: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    canvas = Canvas.of(torch.zeros(len(share), channels, height, width))
    dealt = Rng.keyed(seed, "squares", torch.arange(len(share))).uniform(2 + channels)
    pixels = covered(canvas, squares(canvas, share, dealt[:, :2]))
    return mask(pixels, height, width), dealt[:, 2:, None] < 0.5


def mask(pixels: Tensor, height: int, width: int) -> Tensor:
    """Which pixels `(N, channels, M)` indices name, the same in all channels, `(N, height, width)`."""
    inside = torch.zeros(*pixels.shape[:2], height * width, dtype=torch.bool).scatter_(2, pixels, True)
    assert torch.equal(inside, inside[:, :1].expand_as(inside))
    return inside[:, 0].view(-1, height, width)


def bounds(inside: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Top, left, height and width of `(N, H, W)` masks that are rectangles."""
    rows, columns = inside.any(2), inside.any(1)
    tall, wide = rows.sum(1), columns.sum(1)
    assert torch.equal(inside.sum((1, 2)), tall * wide)
    top, left = rows.float().argmax(1), columns.float().argmax(1)
    # As many rows and columns as there are from the first to the last: no gaps.
    last = rows.shape[1] - rows.flip(1).float().argmax(1), columns.shape[1] - columns.flip(1).float().argmax(1)
    assert torch.equal(last[0] - top, tall)
    assert torch.equal(last[1] - left, wide)
    return top, left, tall, wide


@pytest.mark.parametrize(("height", "width"), [(12, 12), (9, 16), (16, 9)])
def test_squares_are_squares_of_their_share(height: int, width: int) -> None:
    share = torch.tensor([0.001, 0.02, 0.05, 0.1, 0.2, 0.4])
    _, _, tall, wide = bounds(painted(height, width, share)[0])
    sides = [max(round(math.sqrt(s * height * width)), 1) for s in share.tolist()]
    assert tall.tolist() == sides
    assert wide.tolist() == sides


@pytest.mark.parametrize(("height", "width"), [(3, 20), (20, 3), (1, 50), (50, 1), (1, 1)])
def test_where_a_square_does_not_fit_it_is_a_piece_of_the_strip_of_the_same_area(height: int, width: int) -> None:
    share = torch.tensor([0.3, 0.5, 0.8, 1.0])
    _, _, tall, wide = bounds(painted(height, width, share)[0])
    short = min(height, width)
    assert torch.minimum(tall, wide).tolist() == [short] * 4
    expected = (share * height * width / short).round().clamp_min(1.0)
    assert torch.maximum(tall, wide).tolist() == expected.tolist()


def test_every_place_is_as_likely_as_any_other_and_so_is_every_sign() -> None:
    n = 6000
    inside, up = painted(6, 7, torch.full((n,), 9 / 42), channels=3)
    top, left, tall, _ = bounds(inside)
    assert (tall == 3).all()
    places = (top * 5 + left).bincount(minlength=20)
    assert len(places) == 4 * 5
    assert stats.chisquare(places.numpy()).pvalue > 1e-3
    signs = (up[:, :, 0].long() * torch.tensor([1, 2, 4])).sum(1).bincount(minlength=8)
    assert stats.chisquare(signs.numpy()).pvalue > 1e-3


def test_the_largest_and_the_smallest_number_dealt_lie_inside() -> None:
    canvas = Canvas.of(torch.zeros(2, 1, 11, 13))
    dealt = torch.tensor([[1.0 - 2.0**-24] * 2, [0.0] * 2])
    pixels = covered(canvas, squares(canvas, torch.full((2,), 0.06), dealt))
    top, left, tall, wide = bounds(mask(pixels, 11, 13))
    assert (top + tall).tolist() == [11, 3]
    assert (left + wide).tolist() == [13, 3]


def test_what_a_lane_is_dealt_depends_on_its_sample_and_step_alone() -> None:
    def fresh(samples: Tensor) -> tuple[Rng, Tensor]:
        return Rng.keyed(0, "square", samples), torch.zeros_like(samples)

    rng, step = fresh(torch.arange(4))
    dealer = Dealer(rng, step, 20)
    for _ in range(5):
        assert torch.equal(dealer.deal(step), rng.at(step).uniform(20))
        step += 1
    kept = torch.tensor([3, 1, 0])
    rng, step, dealer = rng.select(kept), step[kept], dealer.select(kept)
    dealer.overwrite(torch.tensor([1]), Dealer(*fresh(torch.tensor([9])), 20))
    rng, step = Rng.keyed(0, "square", torch.tensor([3, 9, 0])), torch.tensor([5, 0, 5])
    for _ in range(5):
        assert torch.equal(dealer.deal(step), rng.at(step).uniform(20))
        step += 1


class Asked:
    """A model that answers the same of everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.seen.append(x.clone())
        return torch.tensor([2.0, 1.0, 0.0]).expand(len(x), -1)


def asked(attack: Square, x: Tensor, closest: Tensor | None = None) -> list[Tensor]:
    model = Asked()
    ledger = Ledger.open(x, torch.zeros(len(x), dtype=torch.int64), LINF, 3, 0.0, float("inf"))
    if closest is not None:
        ledger.closest = closest.clone()
    target = target_of(model, 3)
    attack.perturb(View(target, ledger, attack.access), x, ledger.y, LINF, Rng.keyed(0, "square", torch.arange(len(x))))
    return model.seen


def test_refinement_asks_about_the_closest_point_first_and_repaints_it_alone() -> None:
    x = torch.full((3, 2, 10, 10), 0.5)
    closest = x + 0.03
    seen = asked(Square(queries=20, start="closest", p_init=0.09), x, closest)
    assert len(seen) == 20
    assert torch.equal(seen[0], closest)
    for point in seen[1:]:
        changed = (point != closest).any(1)
        assert (changed.sum((1, 2)) >= 1).all()
        # Painted as far as the ball goes, each channel one way.
        new = (point - x)[(point != closest)]
        assert torch.allclose(new.abs(), torch.tensor(0.1))


def test_a_closest_point_from_elsewhere_is_brought_into_the_ball() -> None:
    x = torch.full((1, 1, 4, 4), 0.5)
    first = asked(Square(queries=2, start="closest"), x, torch.ones_like(x))[0]
    assert torch.allclose(first, x + 0.1)


def test_the_share_falls_evenly_to_its_last_value() -> None:
    queries, x = 60, torch.full((1, 1, 40, 40), 0.5)
    seen = asked(Square(queries=queries, start="closest", p_init=0.25, p_final=0.01), x)
    sizes = [int((point != x).sum()) for point in seen[1:]]
    shares = [0.25 * (0.01 / 0.25) ** (query / queries) for query in range(1, queries)]
    assert sizes == [round(math.sqrt(share * 1600)) ** 2 for share in shares]


def test_the_papers_schedule_is_stretched_over_the_queries_there_are() -> None:
    queries, x = 200, torch.full((1, 1, 40, 40), 0.5)
    seen = asked(Square(queries=queries, start="closest", p_init=0.8), x)
    sizes = [int((point != x).sum()) for point in seen[1:]]
    halvings = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
    shares = [0.8 * 0.5 ** sum(10_000 * query / queries > at for at in halvings) for query in range(1, queries)]
    assert sizes == [round(math.sqrt(share * 1600)) ** 2 for share in shares]


def test_stripes_run_along_the_columns_and_reach_the_border_of_the_ball() -> None:
    x = torch.full((5, 2, 6, 8), 0.5)
    first = asked(Square(queries=1), x)[0]
    assert torch.allclose((first - x).abs(), torch.tensor(0.1))
    assert torch.equal(first, first[:, :, :1].expand_as(first))
    assert 0 < (first[:, :, 0] > 0.5).sum() < 5 * 2 * 8


def test_what_is_kept_is_the_best_that_was_asked() -> None:
    model = network((1, 6, 6), 5)
    x, y = samples(model, (1, 6, 6), 6)
    threat = Threat(norm=Norm.LINF, eps=0.01)
    seen: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        seen.append(x.clone())
        logits: Tensor = model(x)
        return logits

    attack = Square(queries=40, p_init=0.3)
    ledger = Ledger.open(x, y, threat, 5, 0.0, float("inf"))
    ledger.active[:] = True
    last = attack.perturb(
        View(target_of(watched, 5), ledger, attack.access), x, y, threat, Rng.keyed(0, "s", torch.arange(6))
    )
    stands = ~ledger.found
    assert stands.any()
    whole = [points for points in seen if len(points) == 6]
    best = torch.stack([margins(model(points), y) for points in whole]).amax(0)
    reached = margins(model(last), y)
    assert (reached[stands] >= best[stands] - 1e-6).all()
    assert (reached > margins(model(whole[0]), y) - 1e-6).all()
    assert torch.allclose(ledger.closest_margin[stands], reached[stands], atol=1e-5)
