"""Runs in MLflow: metrics, parameters and the verdict, with the run's record and reports as artifacts."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from auditor.events import ReportsWritten
from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.events import Event

_LONGEST = 6000
"""Characters of a parameter that every store of MLflow's takes."""


@hookimpl
def auditor_event(event: Event) -> None:
    """Log a finished run to where MLflow logs: `MLFLOW_TRACKING_URI`, `MLFLOW_EXPERIMENT_NAME`, `MLFLOW_RUN_ID`.

    A run that is active already, or named by the environment, is continued; else one is made.
    """
    if not isinstance(event, ReportsWritten) or "mlflow" not in event.track:
        return
    import mlflow

    from auditor.tracking.facts import metrics, parameters

    result = event.result
    with nullcontext() if mlflow.active_run() else mlflow.start_run(run_name="auditor"):
        mlflow.set_tags({"auditor.verdict": result.verdict, "auditor.summary": result.summary})
        mlflow.log_params({key: value[:_LONGEST] for key, value in parameters(result).items()})
        mlflow.log_metrics(metrics(result))
        for path in event.files:
            mlflow.log_artifact(str(path), "auditor")
