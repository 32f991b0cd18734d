"""Finished runs in MLflow's and DVC's own stores, read back with their own libraries."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.entry_points import Plugin
from auditor.errors import UsageError
from auditor.events import ReportsWritten
from auditor.plugins import Plugins
from auditor.result.run import Run
from auditor.tracking import check_trackers, dvc, mlflow
from auditor.tracking.facts import metrics, parameters
from tests.formats.finished import write_run


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportsWritten:
    monkeypatch.chdir(tmp_path)
    path = write_run(tmp_path / "run")
    files = (path / "result.json", path / "samples.csv")
    return ReportsWritten(result=Run(path).result, run=path, files=files, track=("mlflow", "dvc"))


@pytest.fixture
def plugins() -> Plugins:
    found = Plugins()
    found.register(mlflow, Plugin("mlflow", "auditor", "1"))
    found.register(dvc, Plugin("dvc", "auditor", "1"))
    return found


def told(plugins: Plugins, event: ReportsWritten) -> None:
    plugins.notify(event)
    assert plugins.failures == []


def test_metrics_are_the_accuracies_that_are_known_by_model(written: ReportsWritten) -> None:
    found, model = metrics(written.result), written.result.models[0]
    assert found["small/clean_accuracy"] == model.clean_accuracy
    assert found["small/robust_accuracy/linf-8-255"] == model.threats[1].robust_accuracy
    assert all(value is not None for value in found.values())
    alone = written.result.model_copy(update={"models": (model,)})
    assert "robust_accuracy/linf-8-255" in metrics(alone)


def test_mlflow_holds_numbers_settings_verdict_and_files(
    written: ReportsWritten, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow as library

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    library.set_tracking_uri((tmp_path / "mlruns").as_uri())
    written = replace(written, track=("mlflow",))
    told(plugins, written)
    [run] = library.MlflowClient().search_runs(["0"])
    assert run.data.metrics == pytest.approx(metrics(written.result))
    assert run.data.params["data_sha256"] == written.result.data.sha256
    assert run.data.tags["auditor.verdict"] == "fail"
    kept = {item.path for item in library.MlflowClient().list_artifacts(run.info.run_id, "auditor")}
    assert kept == {"auditor/result.json", "auditor/samples.csv"}
    with library.start_run() as active:
        told(plugins, written)
    assert library.MlflowClient().get_run(active.info.run_id).data.metrics["exit_code"] == 1.0


def test_dvc_finds_metrics_and_parameters_where_it_looks(
    written: ReportsWritten, plugins: Plugins, tmp_path: Path
) -> None:
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    told(plugins, replace(written, track=("dvc",)))
    found = json.loads((tmp_path / "dvclive" / "metrics.json").read_text(encoding="utf-8"))
    assert found["small"]["robust_accuracy"]["linf-8-255"] == written.result.models[0].threats[1].robust_accuracy
    assert "verdict: fail" in (tmp_path / "dvclive" / "params.yaml").read_text(encoding="utf-8")
    assert (tmp_path / "dvclive" / "artifacts" / "result.json").is_file()
    assert not (tmp_path / "dvc.yaml").exists()


def test_a_tracker_that_was_not_asked_for_does_nothing(
    written: ReportsWritten, plugins: Plugins, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    told(plugins, replace(written, track=()))
    assert sorted(tmp_path.iterdir()) == before


def test_a_tracker_that_there_is_not_or_whose_library_is_missing_is_told_before_the_scan(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no tracker 'wandb'; choose from dvc, mlflow"):
        check_trackers(["wandb"], plugins)
    monkeypatch.setattr("auditor.tracking.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'auditor\[mlflow\]'"):
        check_trackers(["mlflow"], plugins)
    monkeypatch.setattr("auditor.tracking.find_spec", lambda name: object())
    assert check_trackers(["dvc", "dvc"], plugins) == ("dvc",)


def test_parameters_name_what_was_audited(written: ReportsWritten) -> None:
    said = parameters(written.result)
    assert said["model_0"] == written.result.models[0].path
    assert said["seed"] == "7"
