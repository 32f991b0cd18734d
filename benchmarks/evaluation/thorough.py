"""What `thorough` finds beside `standard` and the peers, all on the samples that `thorough` attacked."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.evaluation.reading import Strength
from benchmarks.evaluation.strength import OURS, REFERENCE, STANDARD
from benchmarks.onnx_matrix.tables import table

THOROUGH = f"{OURS} thorough"
BESIDE = (STANDARD, REFERENCE, "ART")

WORDS = """The first samples of some networks, judged as above; what others reach is counted on the same samples, and
beside it how many fell to only one of the two. Passes are forwards and backwards together, of a sample that `thorough`
attacked; those of the others stand in the table above."""


def rows(found: Sequence[Strength]) -> list[str]:
    """A row for every network that `thorough` attacked; no lines where there is none."""
    by = {(one.network, one.tool): one for one in found}
    mine = [one for one in found if one.tool == THOROUGH]
    head = [
        "network",
        "samples",
        "thorough",
        "passes",
        *(f"{tool}: stands, only it / only thorough" for tool in BESIDE),
    ]
    lines = [
        [
            one.network,
            str(one.samples),
            f"{one.standing / one.samples:.1%}",
            f"{one.forwards + one.backwards:,.0f}",
            *(_beside(one, by.get((one.network, tool))) for tool in BESIDE),
        ]
        for one in mine
    ]
    return table(head, lines) if lines else []


def _beside(mine: Strength, other: Strength | None) -> str:
    """The share that stands against another, over the samples that both attacked, and what only one broke."""
    shared = set(mine.record["places"]) & set(other.record["places"]) if other else set()
    if other is None or len(shared) < mine.samples:
        return "–"
    theirs, ours = other.fallen & shared, mine.fallen
    return f"{1 - len(theirs) / len(shared):.1%}, {len(theirs - ours)} / {len(ours - theirs)}"
