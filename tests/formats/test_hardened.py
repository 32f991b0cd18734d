"""What `auditor harden` prints and writes: the table, what is in doubt, how training went, how it was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.formats.hardened import facts, lines, write_hardened


def entry(before: float, after: float, **named: Any) -> dict[str, Any]:
    change = {"n": 50, "before": before, "after": after, "word": "better"}
    sides = {
        name: {"accuracy": value, "interval": [value, value], "confidence": None, "doubt": ""}
        for name, value in (("before", before), ("after", after))
    }
    return {**sides, "change": change, **named}


def record(epochs: int) -> dict[str, Any]:
    doubted = entry(0.1, 0.6, norm="l2", eps=1.0, seen=False)
    doubted["after"]["doubt"] = "in doubt: AUD207"
    score = {"clean": 0.9, "single": 0.8}
    history = [
        {"number": n, "loss": 1.0, "score": {**score, "robust": n / 100}, "seconds": 1.0} for n in range(epochs + 1)
    ]
    return {
        "result": "It helped: so it is.",
        "helped": True,
        "flattered": None,
        "clean": entry(0.9, 0.9),
        "threats": [doubted, entry(0.0, 0.5, norm="linf", eps=0.1, seen=True)],
        "recipe": {
            "text": "pgd+awp",
            "name": "pgd",
            "paper": "arXiv:1",
            "parameters": {"steps": 7},
            "norm": "linf",
            "additions": [{"name": "awp", "parameters": {"gamma": 0.01}}],
            "training": {"lr": 0.004},
            "eps": 0.1,
            "augment": ["affine", "crop"],
        },
        "training": {"history": history, "best": epochs, "epoch": epochs, "seconds": 3.0, "processes": 1},
        "data": {"training": 30, "validation": 10},
        "files": {"deployed": "m.onnx", "program": "m.pt2", "difference": 1e-7},
        "remarks": [],
    }


def test_an_accuracy_that_checks_do_not_trust_is_said_to_be_in_doubt(tmp_path: Path) -> None:
    told = record(3)
    assert [line.doubt for line in lines(told)] == ["", "", "after in doubt: AUD207"]
    said = " ".join(facts(told))
    assert "l2 1, never seen: after in doubt: AUD207. That is an upper bound" in said
    assert "m.onnx and m.pt2 answer as the trained network does" in said
    assert "; after in doubt: AUD207</td>" in write_hardened(told, tmp_path).read_text()


def test_where_only_one_was_attacked_with_gradients_the_page_says_so_and_what_to_do(tmp_path: Path) -> None:
    told = record(3)
    assert "audited with the same attacks" in write_hardened(told, tmp_path).read_text()
    page = write_hardened(told | {"flattered": "before"}, tmp_path).read_text()
    assert "audited with the same suite, of which attacks that follow gradients could be made on one of them" in page
    assert "Attacks on the model before training had no gradients to follow" in page


@pytest.mark.parametrize(
    ("flattered", "kept"), [(None, {"better", "worse"}), ("before", {"better"}), ("after", {"worse"})]
)
def test_a_difference_in_favour_of_what_was_attacked_without_gradients_is_called_none(
    flattered: str | None, kept: set[str]
) -> None:
    told = record(3) | {"flattered": flattered}
    told["threats"][0]["change"]["word"], told["threats"][1]["change"]["word"] = "worse", "better"
    words = {line.word for line in lines(told) if line.what != "clean"}
    assert words == (kept if flattered is None else kept | {"not attacked alike"})
    assert next(lines(told)).word == record(3)["clean"]["change"]["word"]


@pytest.mark.parametrize(
    ("verdict", "look"),
    [("It helped", "pass"), ("It did not help", "fail"), ("Whether it helped cannot be told", "inconclusive")],
)
def test_what_came_of_it_is_seen_at_a_glance(tmp_path: Path, verdict: str, look: str) -> None:
    page = write_hardened(record(3) | {"result": f"{verdict}: so it is."}, tmp_path).read_text()
    assert f'<h1 class="verdict {look}">' in page


def test_the_page_draws_many_epochs_and_tells_how_they_were_trained(tmp_path: Path) -> None:
    page = write_hardened(record(100), tmp_path).read_text()
    chart = page[page.index("<figure") : page.index("</figure>")]
    assert 20 < chart.count("<circle") < 40
    assert "100 100.0%." in chart
    assert "<details>\n<summary>Every epoch" in page
    assert page.count(", kept</th>") == 1
    for name, value in (("pgd: steps", "7"), ("awp: gamma", "0.01"), ("lr", "0.004"), ("augment", "affine, crop")):
        assert f'<th scope="row">{name}</th><td class="n">{value}</td>' in page
    assert "<details open>\n<summary>Every epoch" in write_hardened(record(3), tmp_path).read_text()
