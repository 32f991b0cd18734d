from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from auditor.formats.sarif import Sarif
from auditor.result.record import Result
from auditor.result.run import Run
from tests.schemas import SARIF, problems

Changed = Callable[[Callable[[Result], Result]], Run]


def log(run: Run) -> dict[str, Any]:
    return json.loads(Sarif().render(run))["runs"][0]  # type: ignore[no-any-return]


def at(path: str) -> Callable[[Result], Result]:
    """The first model alone, at another path."""

    def change(result: Result) -> Result:
        model = result.models[0].model_copy(update={"path": path})
        return result.model_copy(update={"models": (model,)})

    return change


def test_the_log_is_what_the_schema_asks_for(run: Run) -> None:
    assert problems(json.loads(Sarif().render(run)), SARIF) == []
    assert problems({"version": "2.1.0", "runs": [{}]}, SARIF)  # The schema would have said so.


def test_a_gate_that_failed_and_every_finding_are_results(run: Run) -> None:
    told = log(run)
    results = [(result["ruleId"], result["level"]) for result in told["results"]]
    assert results[0] == ("min_robust_accuracy", "error")
    assert sorted(level for rule, level in results if rule == "AUD104") == ["error", "warning"]
    assert "40.0%" in told["results"][0]["message"]["text"]
    rules = [rule["id"] for rule in told["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in told["results"])


def test_a_gate_that_holds_is_no_result_and_one_that_is_undecided_is_an_error(changed: Changed) -> None:
    def decided(outcome: str) -> Callable[[Result], Result]:
        return lambda result: result.model_copy(
            update={"gates": (result.gates[0].model_copy(update={"outcome": outcome}),)}
        )

    assert "min_robust_accuracy" not in {result["ruleId"] for result in log(changed(decided("pass")))["results"]}
    told = log(changed(decided("inconclusive")))["results"][0]
    assert (told["ruleId"], told["level"]) == ("min_robust_accuracy", "error")
    assert told["message"]["text"].startswith("inconclusive: small under linf 8/255")


def test_fingerprints_hold_while_numbers_change_and_tell_results_apart(run: Run, changed: Changed) -> None:
    def prints(of: Run) -> list[str]:
        return [result["partialFingerprints"]["auditor/v1"] for result in log(of)["results"]]

    def otherwise(result: Result) -> Result:
        gate = result.gates[0].model_copy(update={"value": 0.123})
        models = []
        for model in result.models:
            findings = [finding.model_copy(update={"detail": "other numbers"}) for finding in model.findings]
            models.append(model.model_copy(update={"findings": tuple(findings), "sha256": "e" * 64}))
        return result.model_copy(update={"gates": (gate,), "models": tuple(models)})

    before = prints(run)
    assert prints(changed(otherwise)) == before
    assert len(set(before)) == len(before)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("models/a net.onnx", "models/a%20net.onnx"),
        ("/srv/net.onnx", "file:///srv/net.onnx"),
        ("C:\\nets\\net.onnx", "file:///C:/nets/net.onnx"),
    ],
)
def test_results_point_at_the_model_file(changed: Changed, path: str, uri: str) -> None:
    told = changed(at(path))
    location = log(told)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == uri
    assert location.get("uriBaseId") == ("%SRCROOT%" if path.startswith("models") else None)
    assert problems(json.loads(Sarif().render(told)), SARIF) == []


def test_a_model_that_a_function_makes_is_named_and_no_file_is_made_up(changed: Changed) -> None:
    told = changed(at("package.module:factory"))
    assert log(told)["artifacts"] == []
    location = log(told)["results"][0]["locations"][0]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "package.module:factory"
    assert problems(json.loads(Sarif().render(told)), SARIF) == []


def test_the_run_says_its_exit_code_and_what_was_measured(run: Run) -> None:
    told = log(run)
    assert told["invocations"][0]["exitCode"] == 1
    assert told["invocations"][0]["executionSuccessful"] is True
    assert told["properties"]["models"][0]["clean_accuracy"] == run.result.models[0].clean_accuracy
