"""Suites: ordered lists of attacks with budgets. Cheap attacks first, since each sees only what still stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from auditor.errors import UsageError
from auditor.types import Norm

if TYPE_CHECKING:
    from auditor.types import Threat

ALL, CLOSE, BORDER, PAYING, BLIND, MUTE = "all", "close", "border", "paying", "blind", "mute"
Recipe: TypeAlias = tuple[tuple[str, dict[str, Any], str], ...]
"""Attack, its parameters, and whom it attacks: `all` that stand; those that came `close`; those at the `border`;
`paying`: those that came close, if the attack of this name before it was still finding something, or if there are no
gradients; `blind`: all, if there are no gradients; `mute`: all, if there are labels alone."""

_TARGETS = {"loss": "dlr-targeted", "order": "linear"}
_REFINE = {"start": "closest", "p_init": 0.1, "p_final": 0.01}

# What each attack is for, and where the figures were measured: docs/explanation/suites.md.
SUITES: dict[str, Recipe] = {
    # A smoke test: what a few steps of each kind find.
    "quick": (
        ("noise", {"draws": 2}, ALL),
        ("fgsm", {}, ALL),
        ("apgd", {"loss": "margin", "steps": 10}, ALL),
        ("apgd", {"loss": "dlr", "steps": 10, "start": "tiles"}, ALL),
        ("square", {"queries": 30, "start": "closest", "p_init": 0.15, "p_final": 0.03}, ALL),
        ("apgd", {**_TARGETS, "steps": 20, "targets": 3}, CLOSE),
        ("square", {"queries": 500}, BLIND),
    ),
    # As strong as AutoAttack at a small part of its passes.
    "standard": (
        ("noise", {"draws": 2}, ALL),
        ("fgsm", {}, ALL),
        ("apgd", {"loss": "margin", "steps": 20}, ALL),
        ("apgd", {"loss": "dlr", "steps": 12, "start": "tiles"}, ALL),
        ("square", {"queries": 30, "start": "closest", "p_init": 0.15, "p_final": 0.03}, ALL),
        ("apgd", {"loss": "margin", "steps": 12, "start": "tiles", "restarts": 3}, ALL),
        ("apgd", {"loss": "margin", "steps": 50, "start": "closest"}, CLOSE),
        ("apgd", {**_TARGETS, "steps": 20, "targets": 3}, CLOSE),
        ("square", {"queries": 100, **_REFINE}, CLOSE),
        ("apgd", {"loss": "margin", "steps": 100, "start": "closest"}, BORDER),
        ("apgd", {**_TARGETS, "steps": 50, "targets": 3}, BORDER),
        ("square", {"queries": 200, **_REFINE}, BORDER),
        ("square", {"queries": 300, **_REFINE}, PAYING),
        ("square", {"queries": 400, **_REFINE}, PAYING),
        ("square", {"queries": 800, **_REFINE}, PAYING),
        ("square", {"queries": 1600, **_REFINE}, PAYING),
        ("square", {"queries": 5000}, BLIND),
    ),
    # What the best published ensembles spend, on every sample, and the starts of `standard` on top.
    "thorough": (
        ("noise", {"draws": 100}, ALL),
        ("fgsm", {}, ALL),
        ("apgd", {"loss": "margin", "steps": 20}, ALL),
        ("apgd", {"loss": "dlr", "steps": 12, "start": "tiles"}, ALL),
        ("square", {"queries": 40, "start": "closest", "p_init": 0.15, "p_final": 0.03}, ALL),
        ("apgd", {"loss": "ce", "steps": 100, "restarts": 3}, ALL),
        ("apgd", {"loss": "dlr", "steps": 100, "start": "corner", "restarts": 3}, ALL),
        ("apgd", {**_TARGETS, "steps": 100, "targets": 9}, ALL),
        ("apgd", {"loss": "margin", "steps": 25, "start": "tiles", "restarts": 8}, ALL),
        ("square", {"queries": 2000, **_REFINE}, ALL),
        ("apgd", {"loss": "margin", "steps": 100, "start": "closest"}, ALL),
        ("square", {"queries": 10000}, ALL),
    ),
}


# Threats that are no balls of gradients' liking have suites of their own.
OWN: dict[Norm, dict[str, Recipe]] = {
    Norm.L0: {
        "quick": (("sigma-zero", {"steps": 60}, ALL), ("sparse-rs", {"queries": 200}, ALL)),
        "standard": (
            ("sigma-zero", {"steps": 100}, ALL),
            ("sparse-rs", {"queries": 500}, ALL),
            ("sigma-zero", {"steps": 400}, ALL),
            ("sparse-rs", {"queries": 3000}, ALL),
            ("pointwise", {}, ALL),
        ),
        "thorough": (
            ("sigma-zero", {"steps": 100}, ALL),
            ("sparse-rs", {"queries": 500}, ALL),
            ("jsma", {}, ALL),
            ("sigma-zero", {"steps": 2000}, ALL),
            ("sparse-rs", {"queries": 20000}, ALL),
            ("pointwise", {"queries": 5000}, ALL),
        ),
    },
    Norm.SPATIAL: {
        "quick": (("spatial", {"search": "random", "draws": 10}, ALL),),
        "standard": (
            ("spatial", {"search": "random", "draws": 10}, ALL),
            ("spatial", {}, ALL),
            ("spatial-pgd", {"steps": 20, "restarts": 2}, ALL),
        ),
        "thorough": (
            ("spatial", {"search": "random", "draws": 100}, ALL),
            ("spatial", {"rotations": 61, "shifts": 7}, ALL),
            ("spatial-pgd", {"steps": 50, "restarts": 10}, ALL),
        ),
    },
    Norm.PATCH: {
        "quick": (("patch-pgd", {"steps": 10, "places": 2}, ALL), ("patch-rs", {"queries": 200}, BLIND)),
        "standard": (
            ("adversarial-patch", {"places": 4}, ALL),
            ("patch-pgd", {"steps": 20, "places": 2}, ALL),
            ("patch-pgd", {"steps": 60, "places": 8}, ALL),
            ("patch-rs", {"queries": 300}, ALL),
            ("patch-rs", {"queries": 3000}, BLIND),
        ),
        "thorough": (
            ("adversarial-patch", {"steps": 500, "places": 16}, ALL),
            ("patch-pgd", {"steps": 20, "places": 2}, ALL),
            ("patch-pgd", {"steps": 100, "places": 50}, ALL),
            ("patch-rs", {"queries": 10000}, ALL),
        ),
    },
    Norm.FLOW: {
        "quick": (("stadv", {"steps": 20}, ALL),),
        "standard": (("stadv", {"steps": 20}, ALL), ("stadv", {"steps": 100, "smoothness": 0.0}, ALL)),
        "thorough": (("stadv", {"steps": 20}, ALL), ("stadv", {"steps": 500, "smoothness": 0.0}, ALL)),
    },
    # All there are, once each: a suite has nothing to choose.
    Norm.CORRUPTION: dict.fromkeys(SUITES, (("corruptions", {}, ALL),)),
}

# In l1 the best step differs from network to network by more than a factor of two.
_STEEP = {"step_size": 0.2, "damping": 0.1}
_HOME = {"start": "nearest", "classes": 1}
# Which entries are given up first decides where sigma-zero ends: two short searches find more than a long one.
_FINE, _COARSE = {"threshold": 0.1}, {"threshold": 0.6}

# Where the smallest change is looked for, by suite and norm.
SMALLEST: dict[str, dict[Norm, Recipe]] = {
    "quick": {
        Norm.CORRUPTION: OWN[Norm.CORRUPTION]["quick"],
        Norm.SPATIAL: (("spatial", {}, ALL),),
        Norm.L2: (("ddn", {"steps": 80}, ALL), ("pdpgd", {"steps": 100}, ALL)),
        Norm.LINF: (("fab", {"steps": 30, "classes": 1}, ALL), ("pdpgd", {"steps": 100}, ALL)),
        Norm.L1: (("pdpgd", {"steps": 150, **_STEEP}, ALL), ("fab", {"steps": 20, **_HOME}, ALL)),
        Norm.L0: (("sigma-zero", {"steps": 150}, ALL),),
    },
    # Searches that learn the weight of the size, one towards each likely class, a cheap one for models that are easy,
    # and one that refines.
    "standard": {
        Norm.CORRUPTION: OWN[Norm.CORRUPTION]["standard"],
        Norm.SPATIAL: (("spatial", {}, ALL),),
        Norm.L2: (
            ("ddn", {"steps": 80}, ALL),
            ("alma", {"steps": 500}, ALL),
            ("pdpgd", {"steps": 300}, ALL),
            ("fab", {"steps": 40, "aim": "targets", "classes": 4}, ALL),
            ("fab", {"steps": 50, **_HOME}, ALL),
        ),
        Norm.LINF: (
            ("pdpgd", {"steps": 400}, ALL),
            ("fab", {"steps": 40, "aim": "targets", "classes": 4}, ALL),
            ("fab", {"steps": 50, **_HOME}, ALL),
        ),
        Norm.L1: (
            ("pdpgd", {"steps": 600, **_STEEP}, ALL),
            ("alma", {"steps": 400}, ALL),
            ("fmn", {"steps": 300}, ALL),
            ("fab", {"steps": 40, "aim": "targets", "classes": 4}, ALL),
            ("fab", {"steps": 50, **_HOME}, ALL),
        ),
        Norm.L0: (("sigma-zero", {"steps": 400, **_FINE}, ALL), ("sigma-zero", {"steps": 400, **_COARSE}, ALL)),
    },
    "thorough": {
        Norm.CORRUPTION: OWN[Norm.CORRUPTION]["thorough"],
        Norm.SPATIAL: (("spatial", {}, ALL),),
        Norm.L2: (
            ("ddn", {"steps": 300}, ALL),
            ("alma", {"steps": 1000}, ALL),
            ("pdpgd", {"steps": 1000}, ALL),
            ("pdpgd", {"steps": 500, **_STEEP}, ALL),
            ("fab", {"steps": 100, "aim": "targets", "classes": 9}, ALL),
            ("fab", {"steps": 100, **_HOME}, ALL),
        ),
        Norm.LINF: (
            ("pdpgd", {"steps": 1000}, ALL),
            ("fab", {"steps": 100, "aim": "targets", "classes": 9}, ALL),
            ("fab", {"steps": 100, **_HOME}, ALL),
        ),
        Norm.L1: (
            ("pdpgd", {"steps": 1000, **_STEEP}, ALL),
            ("alma", {"steps": 1000}, ALL),
            ("fmn", {"steps": 1000}, ALL),
            ("fab", {"steps": 100, "aim": "targets", "classes": 9}, ALL),
            ("fab", {"steps": 100, **_HOME}, ALL),
        ),
        Norm.L0: (
            ("sigma-zero", {"steps": 1500, **_FINE}, ALL),
            ("sigma-zero", {"steps": 1500, **_COARSE}, ALL),
            ("fmn", {"steps": 1000}, ALL),
        ),
    },
}


# Where a model answers with labels alone, most of the attacks above cannot run; and hardly one of them looks for the
# smallest change without gradients.
LABELS = {Norm.LINF: "rays", Norm.L2: "hopskipjump", Norm.L0: "pointwise"}


def recipe(suite: str, threat: Threat | None = None) -> Recipe:
    """The attacks of a suite, against a threat. Raises UsageError for a name that is none."""
    if suite not in SUITES:
        raise UsageError(f"There is no suite {suite!r}; choose one of {', '.join(SUITES)}.")
    if threat is None:
        return SUITES[suite]
    chosen = SMALLEST[suite].get(threat.norm, ()) if threat.minimal else OWN.get(threat.norm, SUITES)[suite]
    if threat.norm not in LABELS:
        return chosen
    return (*chosen, (LABELS[threat.norm], {}, BLIND if threat.minimal else MUTE))
