"""Would the attack find an example if there were one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from auditor.check import Finding, Severity
from auditor.errors import UsageError
from auditor.target.through import Past
from auditor.types import Norm
from auditor_checks._base import share
from auditor_checks._inquiry import InquiryCheck, climbs, kind, more_than_few, one_restart
from auditor_checks._readout import ASKED, binarised

if TYPE_CHECKING:
    from auditor.engine.inquiry import Inquiry
    from auditor.engine.scene import Scene
    from auditor.result.record import AttackRun
    from auditor.target.base import Target

_SHARE = 0.05
_SAMPLES, _FEWEST = 16, 4
_STEPS = 20
_HOW = {
    Past.NOTHING: "",
    Past.STEPS: ", with gradients past rounding,",
    Past.BACKWARDS: ", with the gradients of its operations,",
}
_STRONGER: Mapping[str, Any] = {"loss": "margin", "steps": 100, "restarts": 2}


class BinarisationTest(InquiryCheck):
    """The attack finds examples where there are some for certain.

    Seen: an attack that missed examples which are known to exist, near many samples.
    Means: it is too weak for this model, and its robust accuracy says nothing (Zimmermann et al., arXiv:2206.13991).
    Measured: on up to 16 samples. The network's head is replaced by one of two classes: one for the sample and 24
        random points within 0.95 of the budget, the other for a random point on its edge, with the border half-way. So
        an example exists. The longest attack along gradients looks for it, in at most 20 steps; where it fails, each
        kind of climb of the plan, in all its steps. Where all of these fail, a longer one does (100 steps from two
        starts), then one whose gradients pass rounding, then one that takes those of the operations that the model
        carries out; what finds the examples is then run on the samples themselves, and what falls counts. If neither
        that nor a further attack of another check broke any, the doubt stays as a warning.
    Threshold: success of all together on less than 95 % (the paper's), and failure on more than one sample.
    Do: attack the model with something made for it (`--bpda`, a substitute for a layer without gradients).
    """

    code: ClassVar[str] = "AUD214"
    title: ClassVar[str] = "The attack misses examples that exist"
    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2})
    once: ClassVar[bool] = True

    def ask(self, scene: Scene, inquiry: Inquiry) -> Iterator[Finding]:
        known, target = climbs(inquiry), inquiry.target
        if not known or target.twin is None:
            return
        if target.draws > 1 or inquiry.found.clean.wanted is not None:
            raise UsageError("made for models that answer the same every time, and for goals without a target")
        longest = known[-1]
        fewer = {"steps": min(_STEPS, int(longest.parameters["steps"])), "restarts": 1}
        parameters = {name: fewer.get(name, value) for name, value in longest.parameters.items()}
        # Where the attack does its work it ends early, and where it does not there is a doubt.
        some = inquiry.affordable(inquiry.correct, _STEPS + ASKED, _SAMPLES)
        if len(some) < _FEWEST:
            raise UsageError("too few passes were left for it")
        models = {int(i): model for i in some if (model := self._made(inquiry, int(i))) is not None}
        missed = self._missed(inquiry, models, longest.attack, parameters)
        inquiry.show(tested=len(models), missed=len(missed))
        if more_than_few(len(missed), len(models), _SHARE):
            missed = self._missed_by_all(inquiry, {i: models[i] for i in missed}, known)
        if not more_than_few(len(missed), len(models), _SHARE):
            return
        told = share(len(missed), len(models))
        inquiry.doubt(f"The plan's attacks with gradients missed {told} examples that were put into the ball.")
        yield self._mend(inquiry, {i: models[i] for i in missed}, len(models))

    def _made(self, inquiry: Inquiry, index: int) -> Target | None:
        """The model with two classes around one sample."""
        x, _ = inquiry.fetch(np.array([index]))
        inquiry.spend(ASKED)
        made = binarised(inquiry.target, x, inquiry.threat, torch.Generator().manual_seed(index))
        return made and replace(made, name=f"{inquiry.target.name}, two classes around sample {index}")

    def _missed(self, inquiry: Inquiry, models: Mapping[int, Target], attack: str, parameters: Any) -> list[int]:
        """The samples near which the attack did not find the example."""
        nought = torch.zeros(1, dtype=torch.long)
        tried = {
            index: inquiry.trial(attack, np.array([index]), target=model, labels=nought, **parameters)
            for index, model in models.items()
        }
        return [index for index, trial in tried.items() if not trial.fell[0]]

    def _missed_by_all(self, inquiry: Inquiry, models: Mapping[int, Target], known: Sequence[AttackRun]) -> list[int]:
        """Of these samples those near which every kind of climb of the plan, in all its steps, fails: what one misses
        in a few steps another may find, and no attack of a plan stands alone."""
        left = list(models)
        for run in {kind(run): run for run in known}.values():
            parameters = one_restart(run, int(run.parameters["steps"]))
            left = self._missed(inquiry, {i: models[i] for i in left}, run.attack, parameters)
        inquiry.show(**{"missed by every kind of climb": len(left)})
        return left

    def _mend(self, inquiry: Inquiry, models: Mapping[int, Target], tested: int) -> Finding:
        for through in Past:
            harder = {
                i: replace(m, through=max(through, m.through), name=f"{m.name}, attacked harder ({through})")
                for i, m in models.items()
            }
            left = self._missed(inquiry, harder, "apgd", _STRONGER)
            if more_than_few(len(left), tested, _SHARE):
                continue
            run = inquiry.attack("apgd", through=max(through, inquiry.target.through), exact=True, **_STRONGER)
            if run.status == "ran" or not len(inquiry.standing):
                return self._found(inquiry, run, _HOW[through])
        return self.finding(
            Severity.INCONCLUSIVE,
            f"{inquiry.doubts[0]} Longer attacks, gradients past rounding and of its operations did not find them.",
            "Attack the model with something made for it: --bpda, or a substitute for the layer without gradients.",
        )

    def _found(self, inquiry: Inquiry, run: AttackRun, how: str) -> Finding:
        """What an attack that finds the examples put in made of the samples themselves."""
        told = f"{inquiry.doubts[0]} {run.name} with 100 steps{how} finds them; it broke {run.broken} samples"
        # What checks before this one broke it could not break again.
        if any(run.broken for run in inquiry.runs if run.because) or not len(inquiry.standing):
            return self.mended(f"{told}, which count with what further attacks broke before.")
        return self.finding(
            Severity.WARN,
            f"{told}, so that nothing shows that what stands was attacked as well as the examples put in.",
            "Attack the model with something made for it, or run --suite thorough.",
        )
