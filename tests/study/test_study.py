from __future__ import annotations

import dataclasses
import io
import json
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import auditor_templates
from auditor.errors import DataError
from auditor.plugins import load_plugins
from auditor.samples.base import SampleOptions
from auditor.study.transfer import page, paper, reading, running, table
from auditor.study.transfer.networks import ARCHITECTURES, HALVES
from auditor.study.transfer.record import Study
from auditor.study.transfer.running import Data
from tests.formats.html.reading import Reading
from tests.formats.html.test_templates import contexts
from tests.study.conftest import shortened


def test_the_halves_are_disjoint_and_nothing_that_is_attacked_was_trained_on(split: Data) -> None:
    def known(part: str) -> set[bytes]:
        return {sample.numpy().tobytes() for sample in split.parts[part][0]}

    attacked = {sample.numpy().tobytes() for sample in split.held.x}
    assert len(known("P1")) == len(known("P2")) == 150
    assert not known("P1") & known("P2")
    assert known("P1") | known("P2") == known("all")
    assert not attacked & known("all")
    assert (len(split.test[1]), len(split.held.y)) == (150, 40)


def test_the_same_seed_gives_the_same_study_and_another_one_another(split: Data, found: Study) -> None:
    torch.manual_seed(3)
    kept = ("experiments", "shape", "sha256")
    again, other = shortened(split, 0), shortened(split, 1)
    assert _measured(again.execute(), kept) == _measured(found, kept)
    other.chosen = {"depths": other.chosen["depths"][:1]}
    assert _measured(other.execute(), kept)["experiments"][0]["networks"] != found.experiments[1].networks[:1]


def _measured(study: Study, keys: tuple[str, ...]) -> dict[str, Any]:
    """What does not depend on how fast this machine is."""
    told = json.loads(re.sub(r'"seconds": [\d.e-]+', '"seconds": 0', study.to_json()))
    return {key: told[key] for key in keys}


def test_the_known_effects_appear(found: Study) -> None:
    halves = found.experiments[0]
    smallest, larger = ({(c.source, c.target): c for c in travel.matrix.cells} for travel in halves.travels)
    names = [network.name for network in halves.networks]
    assert all((smallest[name, name].rate or 0.0) > 0.9 for name in names), "nearly every sample has a close example"
    across = [(names[0], names[2]), (names[2], names[0])]
    for pair in across:
        assert (larger[pair].rate or 0.0) > (smallest[pair].rate or 0.0), "magnified changes travel further"
        assert larger[pair].fooled > (larger[pair].noise or 0), "and further than noise of the same size"
    assert any(pair in reading.above(halves.travels[1], 0.95) for pair in across)


def test_the_record_keeps_every_figure_with_an_interval(found: Study) -> None:
    kept = Study.model_validate_json(found.to_json())
    assert kept.schema_ == "auditor.study.transfer/1"
    for experiment in kept.experiments:
        for network in experiment.networks:
            for figure in (network.train_error, network.test_error, network.distortion):
                assert figure.interval[0] <= figure.value <= figure.interval[1]
        for travel in experiment.travels:
            assert all(cell.interval and cell.noise is not None for cell in travel.matrix.cells)


def test_figures_of_the_paper_belong_to_networks_that_are_there() -> None:
    names = {recipe.name for recipe in ARCHITECTURES}
    assert paper.ERRORS.keys() == paper.DISTORTIONS.keys() == names
    for rates, recipes in (
        (paper.ARCHITECTURES, ARCHITECTURES),
        (paper.HALVES, HALVES),
        (paper.HALVES_MAGNIFIED, HALVES),
    ):
        known = {recipe.name for recipe in recipes}
        assert rates.keys() <= known
        assert all(row.keys() <= known and row[name] == 1.0 for name, row in rates.items())
    assert paper.NOISE.keys() == set(running.DEVIATIONS)
    assert all(row.keys() <= names for row in paper.NOISE.values())


def test_the_table_has_the_papers_form(found: Study) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    halves = found.experiments[0]
    console.print(table.networks(halves), table.travel(halves, halves.travels[1], 0.95))
    text = console.export_text()
    for part in ("FC123-456-10", "P2", "(43.0%)", "(98.0%)", "size", "100.0%"):
        assert part in text
    assert "noise" not in text


def test_plain_noise_closes_the_table_of_the_smallest_changes(found: Study) -> None:
    halves = found.experiments[0]
    name = halves.networks[0].name
    row = halves.noise[0]
    told = row.model_copy(update={"rates": row.rates | {name: row.rates[name].model_copy(update={"paper": 0.123})}})
    shown = halves.model_copy(update={"noise": (told, *halves.noise[1:])})
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table.travel(shown, shown.travels[0], 0.95))
    text = console.export_text()
    assert text.index("FC100-100-10'") < text.index("noise 0.1") < text.index("(12.3%)") < text.index("noise 0.3")
    html = " ".join(Reading(page.html(found.model_copy(update={"experiments": (shown,)}))).text.split())
    assert "Standard deviation FC100-100-10 FC123-456-10 FC100-100-10' Size 0.1" in html
    assert "paper 12.3%" in html


def test_six_networks_fit_into_80_columns(found: Study) -> None:
    travel = found.experiments[0].travels[0]
    names = [recipe.name for recipe in ARCHITECTURES]
    cell, size = travel.matrix.cells[0], next(iter(travel.distortions.values()))
    sources = [travel.matrix.sources[0].model_copy(update={"name": name, "members": (name,)}) for name in names]
    wide = travel.model_copy(
        update={
            "matrix": travel.matrix.model_copy(
                update={
                    "sources": tuple(sources),
                    "targets": tuple(names),
                    "cells": tuple(cell.model_copy(update={"source": a, "target": b}) for a in names for b in names),
                }
            ),
            "distortions": dict.fromkeys(names, size),
            "paper": {a: dict.fromkeys(names, 1.0) for a in names},
        }
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table.travel(found.experiments[0], wide, 0.95))
    text = console.export_text()
    assert "…" not in text
    assert text.count("(100.0%)") == 36


def test_the_page_shows_ours_beside_the_papers(found: Study) -> None:
    text = " ".join(Reading(page.html(found)).text.split())
    places = [
        text.index(part) for part in ("How examples travel", "A transfer is a risk", "Disjoint halves", "Different")
    ]
    assert places == sorted(places)
    assert "FC100-100-10 FC123-456-10" in text
    assert "98.0%" in text


@pytest.mark.parametrize(
    "cls", sorted(set(contexts(page.StudyPage)), key=lambda c: c.__qualname__), ids=lambda c: c.__name__
)
def test_every_field_of_the_context_says_what_it_holds_and_is_used(cls: type) -> None:
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    folder = Path(auditor_templates.__file__).parent
    templates = "".join(
        (folder / name).read_text() for name in ("study.html.j2", "_heat.svg.j2", "_heat_legend.html.j2")
    )
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        assert hint.__metadata__[0].endswith((".", "?"))
        if cls is page.StudyPage and name == "title":
            continue  # The frame of every page shows it.
        assert re.search(rf"\.{name}\b", templates), f"no template shows {cls.__name__}.{name}"


def test_words_say_across_training_sets_where_networks_have_different_data(found: Study) -> None:
    halves, depths = (" ".join(reading.sentences(experiment, 0.95)) for experiment in found.experiments)
    assert "of 6 directions between networks fool more than noise of the same size, and so do" in halves
    assert "of 4 directions across training sets" in halves
    assert "across training sets" not in depths


def test_data_that_is_no_images_leaves_out_convolutions(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = np.clip(draw.normal(0.3 + 0.2 * y[:, None], 0.1, (90, 6)), 0.0, 1.0).astype(np.float32)
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    samples = load_plugins().load_samples(str(tmp_path / "rows.npz"), SampleOptions())
    made = running.Running(Data.split(samples, 10, 0), load_plugins().attacks()["lbfgs"])
    assert list(made.chosen) == ["architectures", "halves"]
    made.chosen = {"halves": [dataclasses.replace(recipe, steps=20) for recipe in HALVES]}
    study = made.execute()
    assert study.left_out == ("Different depths: convolutions need images.",)
    assert not study.experiments[0].travels[0].paper, "three classes are not the paper's ten"


def test_too_little_data_is_refused_in_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", x=np.zeros((20, 1, 8, 8), np.uint8), y=np.arange(20) % 2)
    samples = load_plugins().load_samples(str(tmp_path / "few.npz"), SampleOptions())
    with pytest.raises(DataError, match=r"holds 20 samples of 2 classes; a study needs 60"):
        Data.split(samples, 10, 0)


def test_what_was_forecast_is_about_what_it_takes(split: Data) -> None:
    made = shortened(split)
    assert 0.0 < made.forecast() < 600.0
    assert made.networks == 5
    steps: list[int] = []
    made.chosen = {"halves": made.chosen["halves"][:1]}
    made.on_step = lambda: steps.append(1)
    made.execute()
    assert made.total <= len(steps) <= 1.6 * made.total


class TestCommand:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "ARCHITECTURES", ())
        monkeypatch.setattr(running, "DEPTHS", ())
        monkeypatch.setattr(running, "HALVES", tuple(dataclasses.replace(recipe, steps=80) for recipe in HALVES[:2]))

    def test_it_says_its_cost_and_writes_both_files(
        self, auditor: Callable[..., Any], digits: Path, tmp_path: Path
    ) -> None:
        outcome = auditor("study", "transfer", "--data", digits, "--out", "kept", "--attacked", 20)
        assert outcome.code == 0, outcome.err
        assert "2 networks to train and to attack: about" in outcome.err
        assert "150 held out; the first 20 of these are attacked." in " ".join(outcome.out.split())
        assert "A transfer is a risk" in outcome.out
        assert Study.model_validate_json((tmp_path / "kept" / "study.json").read_text()).attacked == 20
        assert "How examples travel" in (tmp_path / "kept" / "study.html").read_text()
        again = auditor("study", "transfer", "--data", digits, "--out", "kept")
        assert again.code == 2
        assert "exists already and is not empty" in again.err

    def test_ctrl_c_leaves_nothing_half_done(
        self, auditor: Callable[..., Any], digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*arguments: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(running.Running, "_experiment", interrupted)
        outcome = auditor("study", "transfer", "--data", digits, "--out", "kept")
        assert outcome.code == 130
        assert not (tmp_path / "kept").exists()
        assert "Traceback" not in outcome.err
