from __future__ import annotations

from auditor.formats.views.transfer.reading import Reading, read
from tests.formats.transferred import Rates, families, matrix, with_classes


def said(rates: Rates, **known: object) -> str:
    return " ".join(read(matrix(rates, **known), 0.95).sentences)  # type: ignore[arg-type]


STRONG = {("a", "b"): 0.8, ("a", "c"): 0.7, ("b", "a"): 0.1, ("b", "c"): 0.2, ("c", "a"): 0.1, ("c", "b"): 0.15}
LEVEL = {(a, b): 0.3 for a in "abc" for b in "abc" if a != b}


def test_the_best_surrogate_is_named_with_its_interval() -> None:
    assert "Best surrogate: what is made on a fools other models in 75.0% (68.6–80.5%) of tries." in said(STRONG)


def test_equals_are_not_ranked() -> None:
    text = said(LEVEL)
    assert "Which model is the best surrogate cannot be told" in text
    assert "Which target is exposed most cannot be told" in text
    assert "Most exposed" not in text


def test_who_is_exposed_most_and_least_is_said_of_these_sources_only() -> None:
    text = said(STRONG)
    assert "Most exposed: b, fooled by 47.5% (40.7–54.4%) of what is made on other models; cannot be told apart" in text
    assert "Least exposed to these sources: a, fooled by 10.0%" in text
    assert "robust" not in text


def test_the_diagonal_is_no_transfer() -> None:
    assert said(STRONG | {(name, name): 1.0 for name in "abc"}) == said(STRONG)


def test_a_pair_shares_weaknesses_only_where_both_directions_are_above_noise() -> None:
    text = said(STRONG | {("b", "a"): 0.03, ("c", "a"): 0.04})
    assert "1 of 3 pairs shares weaknesses, both ways above noise of the same size: b and c." in text
    assert "Of 2 of 3 pairs, at least one direction cannot be told apart from noise." in text
    none = said(dict.fromkeys(STRONG, 0.03))
    assert "Of all 3 pairs, at least one direction cannot be told apart from noise." in none


def test_a_higher_rate_on_few_samples_is_not_above_noise() -> None:
    few = read(matrix({("a", "b"): 0.4, ("b", "a"): 0.4}, n=10, noise=0.1), 0.95)
    many = read(matrix({("a", "b"): 0.4, ("b", "a"): 0.4}, n=400, noise=0.1), 0.95)
    assert few.above == frozenset()
    assert many.above == {("a", "b"), ("b", "a")}


def test_the_closest_pairs_come_first_and_the_rest_is_counted() -> None:
    text = said(families())
    assert "share weaknesses, both ways above noise of the same size: conv-a and conv-b; " in text
    assert "; and " in text


def test_two_models_need_one_sentence_on_directions() -> None:
    text = said({("a", "b"): 0.8, ("b", "a"): 0.1})
    assert "Best surrogate: what is made on a" in text
    assert "xposed" not in text


def test_the_class_that_travels_most_is_named_where_it_can_be_told() -> None:
    clear = with_classes(matrix(LEVEL, n=600), (0.9, 0.2, 0.1))
    text = " ".join(read(clear, 0.95, classes=("cat", "dog", "cow")).sentences)
    assert "The class that travels most: cat (90.0% (85.1–93.4%) of its samples)." in text
    blurred = with_classes(matrix(LEVEL, n=60), (0.4, 0.3, 0.3))
    assert "Which class travels most cannot be told: 0 (" in " ".join(read(blurred, 0.95).sentences)


def test_a_target_that_falls_to_others_more_than_to_its_own_attack_shows_masking() -> None:
    masked = matrix({("a", "b"): 0.6, ("c", "b"): 0.5, ("b", "a"): 0.22, ("c", "a"): 0.1}, direct=40)
    assert read(masked, 0.95).masked == (
        "b falls to examples made on a (60.0%) and c (50.0%) more often than to the same attack made on itself "
        "(20.0%): a sign that its gradients mislead attacks, and that its robust accuracy is flattered.",
    )


def test_where_there_are_no_gradients_there_is_no_ceiling_to_exceed() -> None:
    assert read(matrix({("a", "b"): 0.6, ("b", "a"): 0.3}, direct=None), 0.95).masked == ()


def grouped(group: float, alone: float) -> Reading:
    rates = {("a+b", "c"): group, ("a", "c"): alone, ("b", "c"): 0.1, ("a+b", "a"): 0.99, ("c", "a"): 0.3}
    return read(matrix(rates, groups={"a+b": ("a", "b")}), 0.95)


def test_the_worst_group_of_each_target_is_compared_with_single_models() -> None:
    (worst,) = grouped(0.8, 0.3).groups
    assert (worst.target, worst.source, worst.said) == ("c", "a+b", "above every single model")
    assert worst.interval[0] < worst.rate == 0.8 < worst.interval[1]
    assert grouped(0.5, 0.45).groups[0].said == "cannot be told apart from a"
    assert grouped(0.45, 0.5).groups[0].said == "cannot be told apart from a"
    assert grouped(0.2, 0.8).groups[0].said == "below a alone"


def test_a_group_is_neither_a_surrogate_nor_half_of_a_pair() -> None:
    text = " ".join(grouped(0.8, 0.3).sentences)
    assert "a+b" not in text


def test_cells_that_were_not_measured_say_nothing() -> None:
    made = matrix(STRONG)
    gone = made.cells[0].model_copy(update={"rate": None, "interval": None, "among": 0, "fooled": 0, "noise": None})
    without = made.model_copy(update={"cells": made.cells[1:]})
    assert read(made.model_copy(update={"cells": (gone, *made.cells[1:])}), 0.95) == read(without, 0.95)
    assert read(made.model_copy(update={"cells": ()}), 0.95).sentences == ("No transfer was measured.",)


def test_noise_that_was_not_tried_is_no_floor() -> None:
    made = matrix({("a", "b"): 0.8, ("b", "a"): 0.7}, noise=0.0)
    unknown = tuple(cell.model_copy(update={"noise": None}) for cell in made.cells)
    assert len(read(made, 0.95).above) == 2
    assert read(made.model_copy(update={"cells": unknown}), 0.95).above == frozenset()
