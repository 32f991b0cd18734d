"""The summary of a CI job: where the service says which file it shows, the Markdown summary is added to it."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "GITHUB_STEP_SUMMARY"
"""GitHub Actions sets it, as do Gitea and Forgejo, to the file whose content the job's page shows."""

MOST = 1024 * 1024
"""Bytes that GitHub shows; of a longer summary it shows none."""


def add_to_job_summary(summary: Path) -> None:
    """Append a Markdown file to the job's summary, if this is a job that has one and it fits.

    Raises:
        RunError: the service's file cannot be written.
    """
    from auditor.errors import RunError

    if not (where := os.environ.get(VARIABLE)):
        return
    place, text = Path(where), summary.read_bytes()
    try:
        before = place.stat().st_size if place.exists() else 0
        if before + len(text) < MOST:
            with place.open("ab") as file:
                file.write(text + b"\n")
    except OSError as error:
        raise RunError(f"The job's summary {place} cannot be written: {error.strerror}.") from error
