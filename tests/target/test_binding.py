"""What binding to samples finds out about models of any kind; tests/loaders has it for files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from auditor.errors import DataError, ModelError, UsageError
from auditor.samples.base import Samples
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind, bind_to
from auditor.target.head import Head

X = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
WEIGHT = torch.randn(7, 48, generator=torch.Generator().manual_seed(1))


def linear(x: Tensor) -> Tensor:
    return x.flatten(1) @ WEIGHT.T


def target(
    network: Callable[[Tensor], Tensor], shape: tuple[int | None, ...] | None = None, **options: object
) -> Target:
    """A PyTorch model: its own twin."""
    return Target(
        name="net",
        source="net",
        sha256="",
        format="torch",
        deployed=network,
        twin=network,
        gradients="native",
        input_shape=shape,
        options=ModelOptions(**options),  # type: ignore[arg-type]
        device=torch.device("cpu"),
    )


class Fixed(Samples):
    """Samples in memory."""

    def __init__(self, x: Tensor) -> None:
        self.source, self.shape, self._x = "memory", tuple(x.shape[1:]), x
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self._x)

    @property
    def labels(self) -> Tensor:
        return torch.zeros(len(self._x), dtype=torch.int64)

    def fetch(self, indices: Sequence[int]) -> Tensor:
        self.asked += indices
        return self._x[list(indices)]

    @property
    def sha256(self) -> str:
        return ""


def test_binding_reads_a_few_samples_and_learns_the_number_of_classes() -> None:
    net, samples = target(linear), Fixed(X.repeat(20, 1, 1, 1))
    bind(net, samples)
    assert (net.num_classes, net.head, net.batching) == (7, Head.LOGITS, "native")
    assert torch.allclose(net.answer(X), linear(X), atol=1e-5)
    assert 0 < len(samples.asked) <= 16


def test_without_samples_there_is_nothing_to_bind_to() -> None:
    with pytest.raises(DataError, match="memory holds no samples"):
        bind(target(linear), Fixed(X[:0]))


def test_a_model_that_is_its_own_twin_stays_so() -> None:
    net = target(lambda x: linear(x.reshape(1, 3, 4, 4)), (1, 3, 4, 4))
    bind_to(net, X)
    assert net.twin is net.deployed
    assert net.batching == "vmap"
    assert torch.allclose(net.differentiable(X), linear(X), atol=1e-5)


def test_two_samples_that_are_alike_still_show_a_batch_that_drops_rows() -> None:
    net = target(lambda x: linear(x[:1].expand_as(x)))
    bind_to(net, X[:1].repeat(4, 1, 1, 1))
    assert net.batching == "vmap"
    assert torch.allclose(net.answer(X), linear(X), atol=1e-5)


def test_a_softmax_is_seen_without_being_told() -> None:
    net = target(lambda x: linear(x).softmax(1))
    bind_to(net, X)
    assert (net.head, net.twin_head) == (Head.PROBABILITIES, Head.PROBABILITIES)
    assert torch.allclose(net.answer(X), linear(X).log_softmax(1), atol=1e-4)


def test_a_single_score_that_lies_in_the_unit_interval_by_chance_is_not_taken_for_a_probability() -> None:
    bright = X * 0.1 + 0.05
    net = target(lambda x: 5 * x.flatten(1).mean(1, keepdim=True))
    bind_to(net, bright)
    assert bool((net.raw(bright) < 1).all())
    assert net.head is Head.BINARY_LOGIT


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)], ids=str)
@pytest.mark.parametrize("kind", [torch.int64, torch.float32], ids=str)
def test_a_model_that_answers_with_labels_is_told_from_one_with_scores(
    shape: tuple[int, ...], kind: torch.dtype
) -> None:
    net = target(lambda x: (2 + linear(x).argmax(1)).to(kind).reshape(shape))
    with pytest.raises(ModelError, match="a label and not the scores of the classes; let it return its logits"):
        bind_to(net, X)


def test_a_model_that_fails_is_told_with_the_shape_that_it_got() -> None:
    with pytest.raises(ModelError, match=r"net does not run on inputs of shape 5x3x9x9: .*shapes cannot be multiplied"):
        bind_to(target(linear), torch.rand(5, 3, 9, 9))


def test_a_model_that_answers_with_no_scores_is_told() -> None:
    with pytest.raises(ModelError, match="net: The model answered with shape 1x3x4x4"):
        bind_to(target(lambda x: x), X)


def test_a_twin_that_fails_on_the_samples_is_dropped_with_its_reason() -> None:
    def twin(x: Tensor) -> Tensor:
        raise ModelError("Node 'pool': failed.")

    net = target(linear)
    net.twin, net.gradients = twin, "twin"
    bind_to(net, X)
    assert (net.twin, net.gradients, net.batching) == (None, "none", "native")
    assert "Node 'pool': failed." in net.findings[0].detail


def test_the_channel_order_makes_sense_for_colour_only() -> None:
    with pytest.raises(UsageError, match="bgr makes sense for 3 channels"):
        bind_to(target(lambda x: x.flatten(1), channel_order="bgr"), X[:, :1])


def test_a_row_of_another_length_than_before_is_refused() -> None:
    net = target(lambda x: linear(x) if len(x) < 20 else linear(x)[:, :5])
    bind_to(net, X)
    with pytest.raises(ModelError, match="net answered with 5 scores"):
        net.answer(X.repeat(5, 1, 1, 1))


@pytest.mark.parametrize(
    ("shape", "options", "size"),
    [
        ((None, 3, 224, 192), {}, (224, 192)),
        ((None, 224, 192, 3), {}, (224, 192)),
        ((None, 224, 192, 4), {"layout": "nhwc"}, (224, 192)),
        ((None, 3, None, None), {}, None),
        ((None, 3, 224, 224), {"input_size": (32, 32)}, (32, 32)),
        ((1, 784, 1, 1), {}, None),
        ((None, 784), {}, None),
        (None, {}, None),
    ],
)
def test_the_size_of_images_is_read_from_the_input(
    shape: tuple[int | None, ...] | None, options: dict[str, object], size: tuple[int, int] | None
) -> None:
    assert target(linear, shape, **options).image_size() == size


@pytest.mark.parametrize("shape", [(1, 3, 1_000_000, 1_000_000), (1_000_000_000, 3, 4, 4)])
def test_an_input_that_no_machine_could_hold_is_refused_before_it_is_made(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="more than a machine could feed it"):
        target(linear, shape)
