"""Adversarial Robustness Toolbox (Nicolae et al., arXiv:1807.01069)."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from auditor.types import Access, Norm
from auditor_attacks._bridges.base import Build, Foreign, Problem, Search, scaled

_P = {Norm.LINF: math.inf, Norm.L2: 2, Norm.L1: 1}
_LINF_L2, _MOST = frozenset({Norm.LINF, Norm.L2}), frozenset(_P)
_LINF, _L2, _L1, _L0 = (frozenset({norm}) for norm in (Norm.LINF, Norm.L2, Norm.L1, Norm.L0))
# Attacks of images and rows inside norm balls; those of speech, video, detectors, patches and malware are others, and
# GeoDA leaves files in the working directory.
_NORMS = {
    "AutoAttack": _MOST,
    "AutoConjugateGradient": _MOST,
    "AutoProjectedGradientDescent": _MOST,
    "BasicIterativeMethod": _LINF,
    "BoundaryAttack": _L2,
    "CarliniL0Method": _L0,
    "CarliniL2Method": _L2,
    "CarliniLInfMethod": _LINF,
    "DeepFool": _L2,
    "ElasticNet": _L1,
    "FastGradientMethod": _MOST,
    "HopSkipJump": _LINF_L2,
    "MomentumIterativeMethod": _MOST,
    "NewtonFool": _L2,
    "PixelAttack": _L0,
    "ProjectedGradientDescent": _MOST,
    "ProjectedGradientDescentNumpy": _MOST,
    "ProjectedGradientDescentPyTorch": _MOST,
    "RescalingAutoConjugateGradient": _MOST,
    "SaliencyMapMethod": _L0,
    "SignOPTAttack": _L2,
    "SimBA": _L2,
    "SquareAttack": _LINF_L2,
    "ThresholdAttack": _LINF,
    "UniversalPerturbation": _LINF_L2,
    "VirtualAdversarialMethod": _L2,
    "ZooAttack": _L2,
}
_LABELS = {"BoundaryAttack", "HopSkipJump", "SignOPTAttack"}
_SCORES = {"PixelAttack", "SimBA", "SquareAttack", "ThresholdAttack", "ZooAttack"}
_MINIMAL = {
    *{"BoundaryAttack", "HopSkipJump", "SignOPTAttack", "ZooAttack", "PixelAttack", "ThresholdAttack"},
    *{"CarliniL0Method", "CarliniL2Method", "CarliniLInfMethod", "DeepFool", "ElasticNet", "NewtonFool"},
    "SaliencyMapMethod",
}
# These ask about all samples of a batch in order, or look at all of them to find one change.
_WHOLE = {
    *{"AutoConjugateGradient", "AutoProjectedGradientDescent", "BasicIterativeMethod", "FastGradientMethod"},
    *{"MomentumIterativeMethod", "ProjectedGradientDescent", "ProjectedGradientDescentNumpy"},
    *{"ProjectedGradientDescentPyTorch", "RescalingAutoConjugateGradient", "UniversalPerturbation"},
}
# These want probabilities, and labels as such; the others logits and numbers.
_PROBABILITIES = {"SimBA", "VirtualAdversarialMethod"}
_GIVEN = frozenset(
    {"self", "estimator", "classifier", "norm", "eps", "targeted", "batch_size", "verbose", "summary_writer"}
)


def names() -> list[str]:
    """Its attacks that look inside a norm ball."""
    import art.attacks.evasion

    return [name for name in _NORMS if hasattr(art.attacks.evasion, name)]


def foreign(name: str) -> Foreign:
    """One of them."""
    import art.attacks.evasion

    cls = getattr(art.attacks.evasion, name)
    return Foreign(
        name=name,
        signature=cls.__init__,
        search=_search(cls),
        build=_build(cls),
        norms=_NORMS[name],
        given=_GIVEN,
        access=Access.LABELS if name in _LABELS else Access.SCORES if name in _SCORES else Access.GRADIENTS,
        minimal=name in _MINIMAL,
        single=name not in _WHOLE,
    )


def _build(cls: Any) -> Build:
    def build(problem: Problem, parameters: dict[str, Any]) -> Any:
        takes = inspect.signature(cls.__init__).parameters
        eps = problem.threat.eps
        given = {
            "norm": _P.get(problem.threat.norm),
            "eps": eps,
            "targeted": False,
            "batch_size": len(problem.x),
            "verbose": False,
            **scaled(cls.__init__, eps, "eps", ("eps_step",)),
        }
        known = {name: value for name, value in given.items() if name in takes}
        probabilities = cls.__name__ in _PROBABILITIES
        return cls(_classifier(problem, probabilities=probabilities), **(known | parameters))

    return build


def _search(cls: Any) -> Search:
    def search(problem: Problem, parameters: dict[str, Any]) -> torch.Tensor:
        attack = _build(cls)(problem, parameters)
        probabilities = cls.__name__ in _PROBABILITIES
        labels = functional.one_hot(problem.y, problem.num_classes) if probabilities else problem.y
        found = attack.generate(problem.x.cpu().numpy(), labels.cpu().numpy())
        return torch.from_numpy(found)

    return search


def _classifier(problem: Problem, *, probabilities: bool) -> Any:
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        model=nn.Sequential(problem.model, nn.Softmax(1)).eval() if probabilities else problem.model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(problem.x.shape[1:]),
        nb_classes=problem.num_classes,
        clip_values=(0.0, 1.0),
        device_type="gpu" if problem.x.device.type == "cuda" else "cpu",
    )
