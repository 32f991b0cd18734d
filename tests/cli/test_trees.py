"""A forest from scikit-learn, from the table to the verdict: no gradients, and an audit all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Outcome


def test_a_forest_is_audited_with_attacks_that_only_ask_and_verified(
    auditor: Callable[..., Outcome], tmp_path: Path
) -> None:
    import skl2onnx
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    data = load_iris()
    features, names = (data.data / 8).astype(np.float32), data.target_names[data.target]
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(features, names)
    (tmp_path / "forest.onnx").write_bytes(skl2onnx.to_onnx(forest, features[:1]).SerializeToString())
    np.savez(tmp_path / "iris.npz", x=features, y=names)

    looked = auditor("doctor", "forest.onnx")
    assert looked.code == 0
    assert "step functions" in " ".join(looked.out.split())

    scanned = auditor("scan", "forest.onnx", "--data", "iris.npz", "--suite", "quick", "--eps", "0.1", "--out", "run")
    assert scanned.code == 0
    (model,) = json.loads((tmp_path / "run" / "result.json").read_text())["models"]
    assert (model["gradients"], model["classes"]) == ("none", ["setosa", "versicolor", "virginica"])
    assert model["clean_accuracy"] == pytest.approx(forest.score(features, names), abs=0.02)
    (threat,) = model["threats"]
    ran = {attack["name"] for attack in threat["attacks"] if attack["status"] == "ran"}
    assert ran == {"noise", "square-refine", "square"}
    assert 0.0 < threat["robust_accuracy"] < model["clean_accuracy"]
    assert auditor("verify", "run").code == 0
