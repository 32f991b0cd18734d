"""The GitHub Action: its file is what the schema asks for, and its shell lines do what they say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from auditor.sources import known_keys
from tests.ci.steps import Job
from tests.schemas import GITHUB_ACTION, GITHUB_WORKFLOW, problems

ROOT = Path(__file__).parents[2]
PUSH = {"event_name": "push", "ref_name": "main", "sha": "a" * 40, "run_attempt": "1"}
PULL = {"event_name": "pull_request", "base_ref": "main", "event.pull_request.base.sha": "a" * 40}
# The install line is run for real, into a folder of its own and without what it would fetch.
OFFLINE = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

# One job proves the install line; the others ask for what is installed already.
INSTALLED = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture
def job(tmp_path: Path) -> Callable[[dict[str, str]], Job]:
    return lambda github: Job(ROOT, tmp_path, github, {**OFFLINE, "PIP_TARGET": str(tmp_path / ".site")})


@pytest.fixture
def inputs() -> dict[str, str]:
    demo = Path(str(files("auditor.demo")))
    return {
        "models": str(demo / "plain.onnx"),
        "data": str(demo / "digits.npz"),
        "samples": "8",
        "suite": "quick",
        "eps": "0.1, 0.2",
        "format": "json,sarif,markdown",
    }


def test_the_action_is_what_the_schema_asks_for_and_every_setting_it_passes_exists() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert problems(action, GITHUB_ACTION) == []
    step = next(step for step in action["runs"]["steps"] if step.get("id") == "audit")
    passed = {key.removeprefix("AUDITOR_").lower() for key in step["env"] if key.startswith("AUDITOR_")} - {"audit"}
    assert passed <= known_keys()
    for key in passed:
        assert key.replace("_", "-") in action["inputs"], key


def test_no_input_is_ever_read_as_shell() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert not any("${{" in step["run"] for step in action["runs"]["steps"] if "run" in step)


def test_the_workflow_in_the_guide_is_what_the_schema_asks_for_and_names_inputs_that_exist() -> None:
    page = (ROOT / "docs" / "how-to" / "gate-in-ci.md").read_text(encoding="utf-8")
    known = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    documents = [yaml.safe_load(text.partition("```")[0]) for text in page.split("```yaml\n")[1:]]
    # To YAML 1.1 the key `on` is a truth.
    used = [
        {"on" if key is True else key: value for key, value in each.items()} for each in documents if "jobs" in each
    ]
    assert used
    for workflow in used:
        assert problems(workflow, GITHUB_WORKFLOW) == []
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        for step in steps:
            if "auditor" in step.get("uses", ""):
                assert step["with"].keys() <= known.keys()


def test_a_push_that_fails_its_gate_fails_the_job_and_keeps_what_the_next_one_needs(
    job: Callable[[dict[str, str]], Job], inputs: dict[str, str], tmp_path: Path
) -> None:
    push = job(PUSH)
    assert push.run(**inputs, min_robust_accuracy="0.9", max_drop="0.02", upload_sarif="true") == 1
    assert "no run of the base branch" in push.said
    assert push.outputs["audit.outputs.verdict"] == "fail"
    record = json.loads((tmp_path / "auditor-run" / "result.json").read_bytes())
    accuracies = [threat["robust_accuracy"] for threat in record["models"][0]["threats"]]
    assert float(push.outputs["audit.outputs.robust-accuracy"]) == min(accuracies)
    assert "# auditor: fail" in (tmp_path / ".summary").read_text(encoding="utf-8")
    assert push.used["actions/cache/save@v4"]["path"] == "auditor-run.base"
    assert push.used["github/codeql-action/upload-sarif@v3"]["sarif_file"] == "auditor-run/results.sarif"
    assert (tmp_path / ".site" / "auditor" / "__init__.py").is_file()  # The install line installed something.

    # The pull request that follows finds the base branch's run, which the cache would have brought.
    (tmp_path / "auditor-run").rename(tmp_path / "earlier")
    pull = Job(ROOT, tmp_path, PULL, INSTALLED)
    assert pull.run(**inputs, max_drop="0.9", python_version="", install="auditor") == 0
    record = json.loads((tmp_path / "auditor-run" / "result.json").read_bytes())
    assert {gate["rule"] for gate in record["gates"]} == {"max_drop"}
    assert pull.outputs["audit.outputs.exit-code"] == "0"
    assert (tmp_path / "auditor-run" / "comparison.html").is_file()
    assert "# auditor: not worse" in (tmp_path / ".summary").read_text(encoding="utf-8")
    assert "actions/cache/restore@v4" in pull.used
    assert not {"actions/cache/save@v4", "actions/setup-python@v5"} & pull.used.keys()


@pytest.mark.parametrize(("wanted", "code"), [("fail", 3), ("pass", 0)])
def test_an_inconclusive_audit_ends_the_job_as_the_user_wants(tmp_path: Path, wanted: str, code: int) -> None:
    script = ROOT / "ci" / "verdict.sh"
    for given, expected in (("3", code), ("0", 0), ("1", 1), ("4", 4), ("2", 2), ("", 4)):
        environ = {"CODE": given, "INCONCLUSIVE": wanted, "PATH": "/usr/bin:/bin"}
        assert subprocess.run(["bash", script], env=environ, capture_output=True, check=False).returncode == expected


def test_settings_that_make_no_sense_fail_the_job_and_say_why(inputs: dict[str, str], tmp_path: Path) -> None:
    push = Job(ROOT, tmp_path, PUSH, INSTALLED)
    assert push.run(**{**inputs, "eps": "8"}, install="auditor") == 2
    assert "Did you mean 8/255?" in push.said
    assert "actions/upload-artifact@v4" not in push.used
