"""Attacks of other libraries from the command line: scanned, verified, resumed, explained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("foolbox")

RUN = ("--samples", "24", "--batch-size", "8", "--eps", "0.1", "--format", "json")


def test_a_foreign_attack_is_scanned_with_verified_and_resumed_like_any(
    auditor: Callable, plain: Path, digits: Path
) -> None:
    scan = ["scan", plain, "--data", digits, *RUN, "--attack", "foolbox:LinfPGD:steps=5,rel_stepsize=0.5"]
    assert auditor(*scan, "--out", "whole").code == 0
    result = json.loads(Path("whole/result.json").read_text())
    attack, *asked = result["models"][0]["threats"][0]["attacks"]
    assert all(run["because"] for run in asked)
    assert (attack["name"], attack["status"]) == ("foolbox:LinfPGD", "ran")
    assert attack["broken"] > 0
    assert attack["forwards"] > attack["backwards"] > 0
    assert auditor("verify", "whole").code == 0
    shutil.copytree("whole", "cut")
    for ending in ("result.json", "samples.csv"):
        Path("cut", ending).unlink()
    assert auditor(*scan, "--out", "cut", "--resume").code == 0
    assert Path("cut/samples.csv").read_text() == Path("whole/samples.csv").read_text()


def test_a_foreign_attack_is_explained_with_its_parameters(auditor: Callable) -> None:
    said = auditor("explain", "foolbox:LinfPGD")
    assert said.code == 0
    assert "rel_stepsize = 0.0333" in said.out
    assert "linf" in said.out


@pytest.mark.parametrize(
    ("attack", "sentence"),
    [
        ("foolbox:LinfPDG", "Did you mean 'LinfPGD'"),
        ("foolbox:LinfPGD:rel_step=0.1", "Did you mean 'rel_stepsize'"),
        ("foolbox:LinfPGD:steps=many", "steps is a whole number"),
        ("boxfool:LinfPGD", "No installed attack is called 'boxfool:LinfPGD'"),
        ("pgd:steps", "'steps' is no key=value"),
    ],
)
def test_what_cannot_be_meant_gets_a_sentence(
    auditor: Callable, plain: Path, digits: Path, attack: str, sentence: str
) -> None:
    outcome = auditor("scan", plain, "--data", digits, *RUN, "--attack", attack)
    assert outcome.code == 2
    assert sentence in " ".join(outcome.err.split())
