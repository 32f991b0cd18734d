"""`junit.xml`: a test case for each gate, finding, threat and inquiry, as CI systems read them.

A gate that failed is a failure. What could not be decided is an error, because it is no pass either: gates that are
inconclusive, findings that block or cast doubt, threats with samples that were not evaluated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from auditor.formats import words
from auditor.formats.base import Format

if TYPE_CHECKING:
    from auditor.result.record import CheckRun, Finding, GateResult, ModelResult, Result, ThreatResult
    from auditor.result.run import Run

# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Junit(Format):
    """JUnit's XML; a suite for the gates and one for each model."""

    name = "junit"
    filename = "junit.xml"
    help = "JUnit XML for CI systems: a test case per gate, finding, threat and check of the attacks."

    def render(self, run: Run, templates: tuple[str, ...] = ()) -> str:
        """The document, in UTF-8, indented."""
        from auditor.formats.views import numbers

        result = run.result
        root = ET.Element("testsuites", name="auditor", time=f"{result.seconds:.3f}")
        properties = numbers.facts(result) + numbers.changed_settings(result)
        if result.gates:
            gates = _suite(root, "gates")
            for gate in result.gates:
                _gate(gates, gate, result)
        for model in result.models:
            suite = _suite(root, model.name, result.started)
            listed = ET.SubElement(suite, "properties")
            for name, value in properties:
                ET.SubElement(listed, "property", name=_clean(name), value=_clean(value))
            for finding in model.findings:
                _finding(suite, model, finding)
            for threat in model.threats:
                _threat(suite, model, threat, result)
                for check in threat.checks:
                    _inquiry(suite, f"auditor.{model.name}.checks", words.threat(threat.norm, threat.eps), check)
        for suite in [*root, root]:
            _count(suite)
        ET.indent(root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, name: str, started: str = "") -> ET.Element:
    attributes = {"name": f"auditor.{_clean(name)}"}
    if started:
        attributes["timestamp"] = started.partition("+")[0]
    return ET.SubElement(root, "testsuite", attributes)


def _count(suite: ET.Element) -> None:
    for name, path in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(path))))


def _case(suite: ET.Element, group: str, name: str, time: float = 0.0) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"classname": _clean(group), "name": _clean(name), "time": f"{time:.3f}"})


def _say(case: ET.Element, kind: str, message: str, text: str = "") -> None:
    attributes = {} if kind == "system-out" else {"message": _clean(message)}
    ET.SubElement(case, kind, attributes).text = _clean(text or message)


def _gate(suite: ET.Element, gate: GateResult, result: Result) -> None:
    where = "" if gate.eps is None else f" {words.threat(gate.norm, gate.eps, result.settings)}"
    sign = "<=" if gate.rule == "max_drop" else ">="
    case = _case(suite, f"auditor.gates.{gate.model}", f"{gate.rule}{where} {sign} {words.percent(gate.threshold)}")
    value = words.NOT_EVALUATED if gate.value is None else words.percent(gate.value)
    kind = {"pass": "system-out", "fail": "failure", "inconclusive": "error"}[gate.outcome]
    _say(case, kind, f"{gate.outcome}: {value}; {gate.detail}")


def _finding(suite: ET.Element, model: ModelResult, finding: Finding) -> None:
    case = _case(suite, f"auditor.{model.name}.findings", f"{finding.code} {finding.title}")
    kind = "error" if finding.severity in ("block", "inconclusive") else "system-out"
    text = "\n".join(line for line in (finding.detail, finding.remedy) if line)
    _say(case, kind, f"{finding.severity}: {finding.title}", text)


def _inquiry(suite: ET.Element, group: str, where: str, check: CheckRun) -> None:
    """What a check asked of a threat's attacks; a doubt that stays is a finding too, whose severity decides."""
    from auditor.formats.views.trust import came_of_it, story

    case = _case(suite, group, f"{check.code} {where}", check.seconds)
    kind = "skipped" if check.outcome == "not looked at" else "system-out"
    _say(case, kind, f"{check.title}: {came_of_it(check)}. {story(check)}".strip())


def _threat(suite: ET.Element, model: ModelResult, threat: ThreatResult, result: Result) -> None:
    from auditor.formats.views import numbers
    from auditor.formats.views.cascade import cascade

    time = sum(run.seconds for run in threat.attacks)
    name = words.threat(threat.norm, threat.eps, result.settings)
    case = _case(suite, f"auditor.{model.name}.threats", name, time)
    what = "smallest change" if threat.minimal else "robust accuracy"
    bounds = numbers.interval_text(threat)
    spread = f" ({numbers.confidence(result):.0%} interval {bounds})" if bounds else ""
    lines = [f"{what} {numbers.robust_text(threat)}{spread}, {numbers.robust_samples(threat, result.data.n)}"]
    if threat.smallest is not None:
        lines.append(numbers.smallest_text(threat.smallest, threat.norm, result.settings))
    if change := numbers.change_text(threat.change, threat.norm) or numbers.drop_text(threat.drop):
        lines.append(f"since the baseline: {change}")
    lines += numbers.conditions(result)
    verb = "improved" if threat.minimal else "broke"
    for step in cascade(threat.attacks, numbers.right_samples(model, threat, result.data.n)):
        run = step.run
        done = f"{verb} {run.broken} of {run.attacked}, {step.passes} passes, {words.seconds(run.seconds)}"
        lines.append(f"{run.name}: {done if run.status == 'ran' else f'{run.status}: {run.reason}'}")
    _say(case, "error" if threat.unknown else "system-out", lines[0], "\n".join(lines))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("�", text)
