"""`results.sarif`: gates that did not hold and findings, as code scanning shows them (SARIF 2.1.0, OASIS 2020).

Each result points at the model file and has a fingerprint of what was found and where, not of its numbers: the same
trouble in the next run is the same alert.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from auditor._version import __version__
from auditor.formats import words
from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.result.record import GateResult, ModelResult, Result
    from auditor.result.run import Run

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"info": "note", "warn": "warning", "inconclusive": "error", "block": "error"}
_GATES = {
    "min_robust_accuracy": "Robust accuracy is below what is required",
    "min_clean_accuracy": "Clean accuracy is below what is required",
    "max_drop": "Accuracy dropped by more than is allowed",
}


class Sarif(Format):
    """SARIF 2.1.0, a run with a rule for each gate and code that has something to say."""

    name = "sarif"
    filename = "results.sarif"
    help = "SARIF 2.1.0 for code scanning: gates that did not hold, and findings, at the model file."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """The log, indented. Gates that hold are no results; what could not be decided is an error."""
        result = run.result
        said = [*_gates(result), *_findings(result)]
        log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(result, said)]}
        return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Said:
    """Something to tell of a model: by which rule, how bad, and under which threat if it is about one."""

    rule: str
    title: str
    level: str
    text: str
    model: ModelResult | None
    under: str = ""


def _gates(result: Result) -> Iterator[_Said]:
    models = {model.name: model for model in result.models}
    for gate in result.gates:
        if gate.outcome == "pass":
            continue
        under = "" if gate.eps is None else words.threat(gate.norm, gate.eps, result.settings)
        value = words.NOT_EVALUATED if gate.value is None else words.percent(gate.value)
        text = (
            f"{gate.outcome}: {_where(gate, under)}: {value}, required {_sign(gate)} {words.percent(gate.threshold)}."
        )
        title = _GATES.get(gate.rule, gate.rule)
        yield _Said(gate.rule, title, "error", f"{text} {gate.detail}".strip(), models.get(gate.model), under)


def _where(gate: GateResult, under: str) -> str:
    return f"{gate.model} under {under}" if under else gate.model


def _sign(gate: GateResult) -> str:
    return "at most" if gate.rule == "max_drop" else "at least"


def _findings(result: Result) -> Iterator[_Said]:
    for model in result.models:
        for finding in model.findings:
            text = f"{finding.title}. {finding.detail}" + (f" What to do: {finding.remedy}" if finding.remedy else "")
            yield _Said(finding.code, finding.title, _LEVELS[finding.severity], text, model)


def _run(result: Result, said: list[_Said]) -> dict[str, Any]:
    titles = {item.rule: item for item in reversed(said)}
    rules = sorted(titles)
    counted: Counter[tuple[str, str, str]] = Counter()
    invocation = {
        "executionSuccessful": result.verdict != "error",
        "exitCode": result.exit_code,
        "exitCodeDescription": result.summary or result.verdict,
        "commandLine": result.command,
    }
    return {
        "tool": {
            "driver": {
                "name": "auditor",
                "semanticVersion": __version__,
                "rules": [_rule(titles[rule]) for rule in rules],
            }
        },
        "automationDetails": {"id": "auditor/"},
        "invocations": [{key: value for key, value in invocation.items() if value != ""}],
        "artifacts": [_artifact(model) for model in result.models if _is_file(model)],
        "results": [_result(item, rules.index(item.rule), counted) for item in said],
        "columnKind": "unicodeCodePoints",
        "properties": {"verdict": result.verdict, "models": [_measured(model, result) for model in result.models]},
    }


def _rule(item: _Said) -> dict[str, Any]:
    return {
        "id": item.rule,
        "shortDescription": {"text": words.printable(item.title)},
        "help": {"text": f"auditor explain {item.rule}" if item.rule not in _GATES else "docs/how-to/gate-in-ci.md"},
        "defaultConfiguration": {"level": item.level},
        "properties": {"tags": ["security", "adversarial-robustness"]},
    }


def _result(item: _Said, rule: int, counted: Counter[tuple[str, str, str]]) -> dict[str, Any]:
    name = item.model.name if item.model else ""
    place = (item.rule, name, item.under)
    counted[place] += 1
    print_ = hashlib.sha256("\0".join((*place, str(counted[place]))).encode()).hexdigest()
    made: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": rule,
        "level": item.level,
        "message": {"text": words.printable(" ".join(item.text.split()))},
        "partialFingerprints": {"auditor/v1": print_},
    }
    if item.model is not None:
        made["locations"] = [_location(item.model)]
    return made


def _location(model: ModelResult) -> dict[str, Any]:
    """The file, or the name of what made the model where it came from no file of its own."""
    if not _is_file(model):
        return {"logicalLocations": [{"fullyQualifiedName": model.path, "kind": "function"}]}
    return {"physicalLocation": {"artifactLocation": _address(model.path), "region": {"startLine": 1}}}


def _artifact(model: ModelResult) -> dict[str, Any]:
    made: dict[str, Any] = {"location": _address(model.path), "roles": ["analysisTarget"]}
    return made | ({"hashes": {"sha-256": model.sha256}} if model.sha256 else {})


def _is_file(model: ModelResult) -> bool:
    """Whether the path names a file, and not `package.module:factory`."""
    return ":" not in model.path or bool(PureWindowsPath(model.path).drive)


def _address(path: str) -> dict[str, str]:
    """A path as SARIF wants it: a URI, relative to the checkout where it can be."""
    windows = PureWindowsPath(path)
    if windows.drive:
        return {"uri": windows.as_uri()} if windows.is_absolute() else {"uri": quote(windows.as_posix())}
    if PurePosixPath(path).is_absolute():
        return {"uri": PurePosixPath(path).as_uri()}
    return {"uri": quote(PurePosixPath(path).as_posix()), "uriBaseId": "%SRCROOT%"}


def _measured(model: ModelResult, result: Result) -> dict[str, Any]:
    """The accuracies, for whoever looks into the file."""
    robust = {
        words.threat(threat.norm, threat.eps, result.settings): threat.robust_accuracy
        for threat in model.threats
        if not threat.minimal
    }
    return {"name": model.name, "clean_accuracy": model.clean_accuracy, "robust_accuracy": robust}
