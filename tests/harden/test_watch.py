"""What the scores of epochs tell."""

from __future__ import annotations

from auditor.harden.progress import Epoch, Progress
from auditor.harden.scores import Score
from auditor.harden.watch import best, collapsed, gave_up, overfits


def history(*scores: tuple[float, float, float]) -> list[Epoch]:
    """Epochs with these clean, single-step and robust accuracies."""
    return [Epoch(number, 1.0, Score(*score), 1.0) for number, score in enumerate(scores)]


def progress(*scores: tuple[float, float, float], epochs: int = 10) -> Progress:
    return Progress(epochs=epochs, batch_size=1, epoch=len(scores) - 1, history=history(*scores))


def test_the_best_epoch_is_the_most_robust_and_of_equals_the_more_accurate() -> None:
    told = progress((0.99, 0.1, 0.0), (0.9, 0.6, 0.5), (0.95, 0.6, 0.5), (0.97, 0.5, 0.4))
    assert best(told, None).number == 2


def test_epochs_that_lost_too_much_clean_accuracy_are_no_candidates() -> None:
    told = progress((0.99, 0.1, 0.0), (0.9, 0.6, 0.5), (0.95, 0.6, 0.5), (0.97, 0.5, 0.4))
    assert [best(told, keep).number for keep in (0.04, 0.02, 0.01)] == [2, 3, 0]


def test_robust_to_one_step_and_no_more_is_a_collapse() -> None:
    before = ((0.9, 0.5, 0.0), (0.8, 0.6, 0.45))
    assert collapsed(history(*before, (0.85, 0.8, 0.02)))
    # All fell alike: that is no catastrophic overfitting.
    assert not collapsed(history(*before, (0.5, 0.3, 0.1)))
    assert not collapsed(history(*before, (0.8, 0.65, 0.44)))


def test_a_network_that_gives_one_answer_gave_up_unless_it_always_did() -> None:
    assert gave_up(history((0.98, 0.0, 0.0), (0.11, 0.11, 0.11)), floor=0.11)
    assert not gave_up(history((0.12, 0.0, 0.0), (0.11, 0.11, 0.11)), floor=0.11)
    assert not gave_up(history((0.98, 0.0, 0.0), (0.6, 0.2, 0.1)), floor=0.11)


def test_robust_accuracy_that_fell_for_good_late_is_overfitting() -> None:
    rising, falling = [(0.9, 0.5, 0.1 * k) for k in range(6)], [(0.9, 0.5, 0.44)] * 6
    assert overfits(progress(*rising, *falling, epochs=15))
    assert not overfits(progress(*rising, *falling, epochs=40))
    assert not overfits(progress(*rising, *falling[:3], epochs=10))
    assert not overfits(progress(*rising, *[(0.9, 0.5, 0.49)] * 6, epochs=15))
