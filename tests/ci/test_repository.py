"""The example repository of the guide: its two jobs are run, once to each end."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import yaml

from tests.ci.steps import Job
from tests.ci.workflow import Workflow
from tests.schemas import GITHUB_WORKFLOW, problems

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "how-to" / "gated-repository"
FILE = Path(".github") / "workflows" / "robustness.yml"
PUSH = {"event_name": "push", "ref_name": "main", "sha": "b" * 40, "run_attempt": "1"}
PULL = {"event_name": "pull_request", "base_ref": "main", "event.pull_request.base.sha": "b" * 40}


def checkout(folder: Path, model: str, github: dict[str, str], **settings: str) -> Workflow:
    """The example with a model and data, and some lines of its auditor.toml changed. auditor is installed already."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    demo = Path(str(files("auditor.demo")))
    shutil.copy(demo / f"{model}.onnx", folder / "model.onnx")
    shutil.copy(demo / "digits.npz", folder)
    text = (folder / "auditor.toml").read_text(encoding="utf-8")
    for before, after in settings.items():
        line = f"{before.replace('_', '-')} = "
        assert line in text
        text = "\n".join(f"{line}{after}" if each.startswith(line) else each for each in text.splitlines())
    (folder / "auditor.toml").write_text(text, encoding="utf-8")
    environ = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return Workflow(ROOT, folder, folder / FILE, github, environ, install="auditor")


def verdict(job: Job) -> str:
    return str(json.loads((job.folder / "auditor-run" / "result.json").read_bytes())["verdict"])


def test_its_workflow_is_what_the_schema_asks_for_and_has_two_jobs() -> None:
    # To YAML 1.1 the key `on` is a truth.
    workflow = yaml.safe_load((EXAMPLE / FILE).read_text(encoding="utf-8"))
    workflow = {"on" if key is True else key: value for key, value in workflow.items()}
    assert problems(workflow, GITHUB_WORKFLOW) == []
    assert list(workflow["jobs"]) == ["gate", "release"]


def test_a_good_model_passes_both_jobs(tmp_path: Path) -> None:
    few = {"samples": "12", "min_clean_accuracy": "0.5", "min_robust_accuracy": "0.4"}
    push = checkout(tmp_path / "repository", "hardened", PUSH, **few)
    assert push.run() == 0, push.said
    assert push.codes == {"gate": 0, "release": 0}
    assert verdict(push.jobs["release"]) == "pass"
    robust = push.jobs["release"].results()["robust-accuracy"]
    assert 0.6 < float(robust) <= 1.0
    assert f"robust accuracy {robust}" in push.said
    assert "github/codeql-action/upload-sarif@v3" in push.jobs["release"].used


def test_a_weak_model_fails_the_first_job_and_is_not_released(tmp_path: Path) -> None:
    push = checkout(tmp_path / "repository", "plain", PUSH, samples="12")
    assert push.run() == 1
    assert push.codes == {"gate": 1}
    assert verdict(push.jobs["gate"]) == "fail"
    assert "60.0% is required" in push.said
    assert push.jobs["gate"].used["actions/upload-artifact@v4"]["name"] == "gate"


def test_too_few_samples_to_tell_are_inconclusive_and_nothing_is_released(tmp_path: Path) -> None:
    pull = checkout(tmp_path / "repository", "hardened", PULL, samples="8", min_robust_accuracy="0.9")
    assert pull.run() == 3
    assert pull.codes == {"gate": 3}
    assert verdict(pull.jobs["gate"]) == "inconclusive"
    assert "samples would decide" in pull.said
