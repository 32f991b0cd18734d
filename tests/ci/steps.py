"""Runs a composite action's shell steps as a runner would: inputs, conditions, outputs and environment for real.

Steps that `use` another action are not run; which of them would have been, and with what, is told.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_NAME = re.compile(r"'[^']*'|[a-z_][\w.-]*")


@dataclass
class Job:
    """A job in `folder` that runs the action of `repository`, with what the `github` context says."""

    repository: Path
    folder: Path
    github: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def run(self, **inputs: str) -> int:
        """The exit code of the first step that fails, or 0. Inputs are given with underscores for dashes."""
        action = yaml.safe_load((self.repository / "action.yml").read_text(encoding="utf-8"))
        given = {name: str(spec.get("default", "")) for name, spec in action["inputs"].items()}
        unknown = {key.replace("_", "-") for key in inputs} - given.keys()
        assert not unknown, f"the action has no input {unknown}"
        given |= {key.replace("_", "-"): value for key, value in inputs.items()}
        known = {f"inputs.{key}": value for key, value in given.items()}
        known |= {f"github.{key}": value for key, value in self.github.items()}
        known["github.action_path"] = str(self.repository)
        for step in action["runs"]["steps"]:
            known |= {f"steps.{name}": value for name, value in self.outputs.items()}
            if "if" in step and not holds(step["if"], known):
                continue
            if "uses" in step:
                self.used[step["uses"]] = {key: filled(value, known) for key, value in step["with"].items()}
                continue
            if code := self._shell(step, known):
                return code
        return 0

    def results(self) -> dict[str, str]:
        """The action's own outputs."""
        action = yaml.safe_load((self.repository / "action.yml").read_text(encoding="utf-8"))
        known = {f"steps.{name}": value for name, value in self.outputs.items()}
        return {name: filled(spec["value"], known) for name, spec in action["outputs"].items()}

    def _shell(self, step: Mapping[str, Any], known: Mapping[str, str]) -> int:
        assert step["shell"] == "bash"
        told, page = self.folder / ".outputs", self.folder / ".summary"
        told.write_text("", encoding="utf-8")
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AUDITOR_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(self.repository),
            "GITHUB_OUTPUT": str(told),
            "GITHUB_STEP_SUMMARY": str(page),
            **self.environ,
            **{key: filled(value, known) for key, value in step.get("env", {}).items()},
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)
        self.said += done.stdout + done.stderr
        for line in told.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            self.outputs[f"{step['id']}.outputs.{name}"] = value
        return done.returncode


def filled(text: Any, known: Mapping[str, str]) -> str:
    """A text with its `${{ … }}` replaced; what is not known is empty, as on a runner."""
    return _EXPRESSION.sub(lambda found: known.get(found[1], ""), str(text))


def holds(condition: str, known: Mapping[str, str]) -> bool:
    """A condition made of names, texts, `==`, `!=` and `&&`; what is not known is empty, as on a runner."""
    python = _NAME.sub(lambda found: found[0] if found[0].startswith("'") else repr(known.get(found[0], "")), condition)
    return bool(eval(python.replace("&&", " and "), {"__builtins__": {}}))  # noqa: S307  our own file, in a test
