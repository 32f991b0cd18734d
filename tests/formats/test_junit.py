from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

from auditor.formats.junit import Junit
from auditor.result.record import Result
from auditor.result.run import Run


def cases(run: Run) -> dict[str, ET.Element]:
    root = ET.fromstring(Junit().render(run).encode("utf-8"))
    return {f"{case.get('classname')} {case.get('name')}": case for case in root.iter("testcase")}


def kinds(case: ET.Element) -> list[str]:
    return [child.tag for child in case]


def test_there_is_a_case_for_each_gate_finding_and_threat(run: Run) -> None:
    names = list(cases(run))
    assert len(names) == 1 + 2 + 6
    assert "auditor.gates.small min_robust_accuracy linf 8/255 >= 90.0%" in names
    assert "auditor.small.threats linf 8/255" in names
    assert sum("AUD104" in name for name in names) == 2


def test_a_failed_gate_is_a_failure(run: Run) -> None:
    case = cases(run)["auditor.gates.small min_robust_accuracy linf 8/255 >= 90.0%"]
    assert kinds(case) == ["failure"]
    assert "40.0%" in case[0].get("message", "")


def test_what_could_not_be_decided_is_an_error(run: Run, changed: Callable[..., Run]) -> None:
    seen = cases(run)
    assert kinds(seen["auditor.bold & <b>big</b>.threats l2 0.5"]) == ["error"]
    assert kinds(seen["auditor.small.threats l2 0.5"]) == ["system-out"]
    findings = {name: kinds(case) for name, case in seen.items() if "AUD104" in name}
    assert sorted(findings.values()) == [["error"], ["system-out"]]

    def undecided(result: Result) -> Result:
        gate = result.gates[0].model_copy(update={"outcome": "inconclusive"})
        return result.model_copy(update={"gates": (gate,)})

    assert kinds(next(iter(cases(changed(undecided)).values()))) == ["error"]


def test_the_counts_are_those_of_the_cases(run: Run) -> None:
    root = ET.fromstring(Junit().render(run).encode("utf-8"))
    for suite in [root, *root]:
        assert suite.get("tests") == str(len(list(suite.iter("testcase"))))
        assert suite.get("failures") == str(len(list(suite.iter("failure"))))
        assert suite.get("errors") == str(len(list(suite.iter("error"))))


def test_characters_that_xml_cannot_hold_do_not_break_the_file(run: Run, changed: Callable[..., Run]) -> None:
    def hostile(result: Result) -> Result:
        model = result.models[0].model_copy(update={"name": "a\x00b\x1b[31m]]>\ufffe"})
        return result.model_copy(update={"models": (model,), "gates": ()})

    assert any(name.startswith("auditor.a�b�[31m]]>�.threats") for name in cases(changed(hostile)))


def test_what_is_needed_to_repeat_the_run_stands_with_each_model(run: Run, changed: Callable[..., Run]) -> None:
    def gated(result: Result) -> Result:
        return result.model_copy(update={"settings": {**result.settings, "min_robust_accuracy": 0.9, "norm": "x"}})

    root = ET.fromstring(Junit().render(changed(gated)).encode("utf-8"))
    for suite in list(root)[1:]:
        told = {p.get("name"): p.get("value") for p in suite.iter("property")}
        assert told["seed"] == str(run.result.settings["seed"])
        assert told["data sha256"] == run.result.data.sha256
        assert told["min-robust-accuracy"] == "0.9"
        assert "norm" not in told
