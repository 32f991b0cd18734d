"""`plugins/acme`, a third party's plugins, as the how-tos show them: short, conforming, and right."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter
from sklearn.svm import LinearSVC

from auditor import ModelError, ModelOptions, Severity
from auditor.target.binding import bind_to
from tests.project.pages import ROOT

ACME = ROOT / "plugins" / "acme"
FILES = sorted((ACME / "src" / "auditor_acme").glob("*.py"))


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution on the path, with the metadata that installing it would write."""
    project = tomllib.loads((ACME / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / "auditor_acme-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = [f"{name} = {module}" for name, module in project["entry-points"]["auditor"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[auditor]", *entries]))
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.syspath_prepend(ACME / "src")
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "auditor_acme"]:
        del sys.modules[name]


def liblinear(path: Path, svm: LinearSVC) -> Path:
    """The file that LIBLINEAR's `train` would write of this classifier."""
    weight, bias = svm.coef_.T, "1" if svm.fit_intercept else "-1"
    if len(svm.classes_) == 2:
        weight = -weight  # ours speaks for the first label, scikit-learn's for the second
    if svm.fit_intercept:
        weight = np.vstack([weight, svm.intercept_[None] * (-1 if len(svm.classes_) == 2 else 1)])
    head = ["solver_type L2R_L2LOSS_SVC_DUAL", f"nr_class {len(svm.classes_)}"]
    head += [f"label {' '.join(map(str, svm.classes_))}", f"nr_feature {svm.coef_.shape[1]}", f"bias {bias}", "w"]
    rows = [" ".join(f"{value:.17g}" for value in row) + " " for row in weight]
    path.write_text("\n".join([*head, *rows]) + "\n")
    return path


def svm(num_classes: int, *, bias: bool) -> tuple[LinearSVC, np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    y = np.arange(60) % num_classes
    x = (0.2 * y[:, None] / num_classes + 0.6 * generator.random((60, 9))).astype(np.float32)
    return LinearSVC(fit_intercept=bias).fit(x, y), x


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_plugin_takes_sixty_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < 60


def test_each_keeps_every_promise_of_its_kind(shell: Callable[[str], Any], tmp_path: Path) -> None:
    model = liblinear(tmp_path / "model.liblinear", svm(3, bias=True)[0])
    told = shell(f"auditor plugins check acme --model {model}")
    assert told.code == 0, told.out
    for name in ("bars", "median", "ACME001", "tap", "auditor_acme"):
        assert f"yes  {name}: " in told.out


def test_the_median_is_scipys() -> None:
    from auditor_acme.median import Median

    x = torch.rand(2, 3, 7, 6)
    wanted = median_filter(x.numpy(), size=(1, 1, 5, 5), mode="nearest")
    assert torch.equal(Median(radius=2).apply(x), torch.from_numpy(wanted))


@pytest.mark.parametrize(("num_classes", "bias"), [(2, True), (2, False), (4, True), (4, False)])
def test_liblinears_files_answer_as_scikit_learns_classifier(tmp_path: Path, num_classes: int, bias: bool) -> None:
    from auditor_acme import auditor_load_model

    classifier, x = svm(num_classes, bias=bias)
    path = liblinear(tmp_path / "model.liblinear", classifier)
    target = auditor_load_model(str(path), ModelOptions(), torch.device("cpu"))
    assert target is not None
    bind_to(target, torch.from_numpy(x))
    answer = target.answer(torch.from_numpy(x)).numpy()
    assert (answer.argmax(1) == classifier.predict(x)).all()
    decided = classifier.decision_function(x)
    assert np.allclose(answer if num_classes > 2 else (answer[:, 1] - answer[:, 0]) / 2, decided, atol=1e-5)


def test_labels_that_are_no_positions_are_refused(tmp_path: Path) -> None:
    from auditor_acme.liblinear import load

    classifier, _ = svm(3, bias=True)
    classifier.classes_ = np.array([1, 2, 3])
    path = liblinear(tmp_path / "model.liblinear", classifier)
    with pytest.raises(ModelError, match=r"labels \[1, 2, 3\]"):
        load(str(path), ModelOptions(), torch.device("cpu"))


@pytest.mark.parametrize(
    ("broken", "again", "severity"), [(1, 0, None), (5, 0, Severity.INCONCLUSIVE), (5, 3, Severity.INFO)]
)
def test_more_noise_doubts_looks_again_and_says_how_it_ended(
    broken: int, again: int, severity: Severity | None
) -> None:
    from auditor_acme.noise import MoreNoise

    runs, doubts = iter([broken, again]), []
    inquiry = SimpleNamespace(
        attack=lambda *_, **__: SimpleNamespace(broken=next(runs)),
        closest=lambda room: room,
        room=lambda each: 10,
        show=lambda **_: None,
        doubt=doubts.append,
        doubts=doubts,
    )
    found = list(MoreNoise().inspect(SimpleNamespace(inquiry=inquiry)))  # type: ignore[arg-type]
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])


def test_every_gate_is_a_test_point_on_one_line() -> None:
    from auditor_acme.tap import Tap

    from auditor.testing.records import result_of

    result = result_of("fail", "fail", standing=2, name="a # TODO\nnet")
    lines = Tap().render(SimpleNamespace(result=result)).splitlines()  # type: ignore[arg-type]
    assert lines[:2] == ["TAP version 14", "1..1"]
    assert lines[2].startswith("not ok 1 - a \\# TODO net linf")
    assert lines[3] == "# fail: One sentence."
