"""Runs a workflow's jobs as a service would: needs, conditions, our action for real, other actions told of."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.steps import Job, filled, holds

ACTION = "OWNER/auditor@"


@dataclass
class Workflow:
    """A workflow file; each job gets a checkout of `folder` beside it, and `repository` holds the action it names."""

    repository: Path
    folder: Path
    file: Path
    github: Mapping[str, str]
    environ: Mapping[str, str] = field(default_factory=dict)
    install: str = ""
    codes: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    said: str = ""

    def run(self) -> int:
        """The first exit code of a job that is not 0. A job is not run where one that it needs failed, or its `if`."""
        jobs = yaml.safe_load(self.file.read_text(encoding="utf-8"))["jobs"]
        known = {f"github.{key}": value for key, value in self.github.items()}
        for name, job in jobs.items():
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            if any(self.codes.get(need) != 0 for need in needs) or not holds(job.get("if", "true == true"), known):
                continue
            self.codes[name] = self._job(name, job, known)
        return next((code for code in self.codes.values() if code), 0)

    def _job(self, name: str, job: Mapping[str, Any], known: Mapping[str, str]) -> int:
        place = self.folder.with_name(f"{self.folder.name}-{name}")
        shutil.copytree(self.folder, place)
        ours = self.jobs[name] = Job(self.repository, place, self.github, self.environ)
        outputs: dict[str, str] = {}
        for step in job["steps"]:
            if step.get("uses", "").startswith(ACTION):
                inputs = {key.replace("-", "_"): str(value) for key, value in step["with"].items()}
                inputs = {key: {"True": "true", "False": "false"}.get(value, value) for key, value in inputs.items()}
                code = ours.run(**inputs, install=self.install)
                self.said += ours.said
                outputs = {f"steps.{step.get('id', '')}.outputs.{key}": value for key, value in ours.results().items()}
            elif "run" in step:
                environ = {key: filled(value, {**known, **outputs}) for key, value in step.get("env", {}).items()}
                done = subprocess.run(
                    ["bash", "-eo", "pipefail", "-c", step["run"]],
                    cwd=place,
                    env={"PATH": "/usr/bin:/bin", **environ},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                self.said += done.stdout + done.stderr
                code = done.returncode
            else:
                continue
            if code:
                return code
        return 0
