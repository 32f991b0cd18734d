"""Runs in DVC: metrics and parameters as DVCLive writes them, for `dvc metrics diff` and `dvc exp show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.events import ReportsWritten
from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.events import Event

FOLDER = "dvclive"
"""Where DVC looks for what DVCLive wrote, in the working directory."""


@hookimpl
def auditor_event(event: Event) -> None:
    """Write `dvclive/metrics.json` and `params.yaml`; in a DVC repository, copy record and reports to
    `dvclive/artifacts`.

    No experiment is saved and `dvc.yaml` is left as it is: the pipeline that ran the audit owns both.
    """
    if not isinstance(event, ReportsWritten) or "dvc" not in event.track:
        return
    from dvclive import Live

    from auditor.tracking.facts import metrics, parameters

    with Live(FOLDER, save_dvc_exp=False, dvcyaml=None) as live:
        live.log_params({**parameters(event.result), "verdict": event.result.verdict})
        for name, value in metrics(event.result).items():
            live.log_metric(name, value, plot=False)
        for path in event.files:
            live.log_artifact(path, copy=True, cache=False)
