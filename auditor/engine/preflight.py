"""Preflight: is the model wired as the user thinks? Asked of every check plugin, before any attack."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from auditor.border import foreign, said
from auditor.check import Check, Finding, Severity, Stage, own_findings
from auditor.engine.sizes import spread
from auditor.errors import PluginError
from auditor.result.record import Finding as FindingRecord
from auditor.target import notices
from auditor.target.chance import averaged
from auditor.target.passing import passed
from auditor.types import DRAWS

if TYPE_CHECKING:
    from auditor.engine.scene import Scene
    from auditor.target.base import Target
    from auditor.types import Images, Labels

CUT = "AUD112"
TWIN_UNUSABLE = frozenset({CUT, notices.TWIN})
"""Findings after which the twin's gradients are not followed: it gives none, unless there are some past what cuts them
off; or it disagrees with the model."""

CHECK_FAILED = "AUD002"
_NO_NODE = (
    "Node by node the two compute the same values, so what is wrong is a gradient, or what ONNX Runtime's "
    "optimisations make of the graph."
)
_BATCH = 32
# A margin in logits that rounding alone does not cross, relative to the spread of the logits.
_ROUNDING = 1e-6
# Standard errors that the mean over draws of a candidate must be beyond the border.
_CERTAIN = 2.0


def inspect(checks: Iterable[type[Check]], scene: Scene, stage: Stage) -> list[Finding]:
    """What the checks of one stage find, in the order of their codes; one that breaks is a finding itself."""
    findings: list[Finding] = []
    for check in sorted((c for c in checks if c.stage is stage), key=lambda c: c.code):
        try:
            told = asked(check, scene)
            findings.extend(located(finding, scene.target, scene.x) for finding in told)
        except Exception as error:  # a plugin border: a broken check hurts only itself
            findings.append(broken_check(check, error))
        if any(f.severity is Severity.BLOCK for f in findings):
            break
    return findings


def asked(check: type[Check], scene: Scene) -> list[Finding]:
    """What one check finds.

    Raises:
        PluginError: what it returned is no findings of its own, or it changed the samples, which are put back.
        Exception: whatever else it raises.
    """
    before = scene.x._version, scene.y._version
    with foreign():
        told = own_findings(check, check().inspect(scene))
        for finding in told:
            FindingRecord.of(finding)  # What cannot be written down is no finding.
    if (scene.x._version, scene.y._version) != before:
        indices = spread(len(scene.samples), scene.settings.preflight_samples)
        scene.x.copy_(scene.samples.fetch(indices))
        scene.y.copy_(scene.samples.labels[indices])
        raise PluginError("it changed the samples that every check looks at")
    return told


def broken_check(check: type[Check], error: BaseException) -> Finding:
    """A check raised instead of judging."""
    return Finding(
        code=CHECK_FAILED,
        severity=Severity.WARN,
        title=f"The check {check.code} ({check.title}) broke",
        detail=said(error),
        remedy=f"Report it to whoever ships {check.__module__.split('.')[0]}; the audit went on.",
    )


def located(finding: Finding, target: Target, x: Images) -> Finding:
    """The finding that an ONNX file's twin disagrees on samples `x`, with the node that is at fault; others as is."""
    if finding.code != notices.TWIN or target.twin is None or target.format != "onnx":
        return finding
    from auditor.onnx.compare import first_difference

    target = target.bare
    try:
        inputs = target.preprocessing(_worst(target, x).to(target.device))
        feeds = {**target.further_inputs(inputs), target.details["input_name"]: inputs}
        difference = first_difference(target.source, feeds, output=target.details.get("output_name"))
    except Exception:  # a border: that the twin is wrong stands, whether its graph can be cut or not
        return finding
    said = str(difference) if difference is not None else _NO_NODE
    return replace(finding, detail=f"{finding.detail} {said}")


def _worst(target: Target, x: Images) -> Images:
    """The sample on which twin and deployed model are furthest apart, `(1, …)`."""
    import torch

    with torch.no_grad():
        parts = [x[start : start + _BATCH].to(target.device) for start in range(0, len(x), _BATCH)]
        gaps = [(target.answer(part) - target.differentiable(part)).abs().amax(1) for part in parts]
    worst = int(torch.cat(gaps).nan_to_num(torch.inf, torch.inf).argmax())
    return x[worst : worst + 1]


def apply(findings: Iterable[Finding], target: Target, x: Images, draws: int = DRAWS) -> None:
    """What preflight decides about the target, by samples `x`: whether its gradients are followed and what they pass,
    and over how many draws it is judged if it answers at random."""
    for finding in findings:
        if finding.code == notices.RANDOM:
            target.draws = max(target.draws, draws)
        if finding.code in TWIN_UNUSABLE and finding.severity is not Severity.INFO and target.twin is not None:
            past = passed(target, x[:2]) if finding.code == CUT else None
            if past is None:
                target.drop_twin()
            else:
                target.through = max(target.through, past)


def safety_margin(scene: Scene) -> float:
    """By how much an attack must fool the twin for the deployed model to be fooled as well, in logits.

    The largest difference measured between the two on clean samples; for a model that is its own twin, rounding. One
    that answers at random is never the same: there it is what the mean of its draws may be off by.
    """
    target, x = scene.target, scene.x[:64]
    if target.draws > 1:
        return _CERTAIN * _noise(target, x, scene.y[:64]) / math.sqrt(averaged(scene.settings.eot, target.draws))
    answer = target.answer(x)
    spread = float((answer.amax() - answer.amin()).nan_to_num(0.0, 0.0, 0.0)) if len(x) else 0.0
    if target.gradients != "twin":
        return _ROUNDING * spread
    import torch

    with torch.no_grad():
        twin = target.differentiable(x.to(target.device))
    gap = (twin - answer).abs()
    # Where one side takes the logarithm of a probability, a difference means something only among likely classes.
    likely = answer >= answer.amax(1, keepdim=True) - 15.0
    return float(gap[likely].max().nan_to_num(0.0)) + _ROUNDING * spread


def _noise(target: Target, x: Images, y: Labels) -> float:
    """By how much the margins of single draws scatter: the median over samples of their standard deviation."""
    import torch

    from auditor.engine.ledger import margins

    y = y.to(target.device)
    drawn = torch.stack([margins(target.answer(x), y) for _ in range(target.draws)])
    return float(drawn.std(0).nan_to_num(0.0, 0.0, 0.0).median()) if len(x) else 0.0
