"""What surrogates add to queries against networks that give no gradients: `python -m benchmarks.surrogates`.

Each network of `benchmarks/networks` is deployed with an operator that has no twin, so that it can only be asked. Every
row of the table is an `auditor scan` with the same two rounds of Square, with and without `--surrogate`. Writes the
section into `docs/benchmarks-transfer.md`; `--print` only prints it. About a quarter of an hour of one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from auditor.configuration import build_settings
from auditor.engine.audit import Audit
from auditor.plugins import load_plugins
from auditor.result.record import ModelResult
from benchmarks.networks import onnx_file, test_samples

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-transfer.md"
BEGIN, END = "<!-- surrogates: made by python -m benchmarks.surrogates -->\n", "<!-- end of surrogates -->\n"
SAMPLES = 200
TARGETS = (("mnist-plain", "linf:0.12"), ("mnist-pgd", "linf:0.3"), ("mnist-plain", "l0:12"))
QUERIES = {
    "linf": ("square:queries=50", "square:queries=50,start=closest,p_init=0.1,p_final=0.01"),
    "l0": ("sparse-rs:queries=100",),
}
MORE = {
    "linf": ("square:queries=500", "square:queries=500,start=closest,p_init=0.1,p_final=0.01"),
    "l0": ("sparse-rs:queries=1000",),
}
LABELS = ("distill:queries=500", "distill:queries=2000", "distill:queries=6400")
SCORES = "distill:queries=2000,answers=scores"
PAPER = (0.25, 0.3)

INTRODUCTION = f"""\
The first {SAMPLES} test digits; each network is deployed with an operator that has no twin, so that it gives no
gradients. Every row asks each sample up to 100 times; under linf with Square, the second half from the closest point
known (with surrogates, that is where they led), under l0 with Sparse-RS. *Broken by surrogates* is of the samples that
are right as they are, before any other query; *queries* are the mean for each of them. `mnist-trades` and
`mnist-residual` are other networks than the targets, trained on the same digits, both hardened.
"""


@dataclass(frozen=True)
class Row:
    """One scan: what stood in, what fell to that alone, and what stands in the end."""

    named: str
    model: ModelResult

    @property
    def cells(self) -> list[str]:
        (threat,) = self.model.threats
        tried = [run for run in threat.attacks if run.attack == "surrogate"]
        right = max((run.attacked for run in threat.attacks), default=0)
        broken = sum(run.broken for run in tried)
        asked = sum(each.queries for each in self.model.surrogates)
        alike = ", ".join(f"{each.agreement:.0%}" for each in self.model.surrogates if each.agreement is not None)
        each = sum(run.forwards for run in threat.attacks) / max(1, right)
        share = f"{broken / max(1, right):.1%}" if tried else ""
        return [
            self.named,
            f"{asked:,}" if asked else "",
            alike,
            share,
            f"{each:,.0f}",
            f"{threat.robust_upper_bound:.1%}",
        ]


def blind(name: str, folder: Path) -> Path:
    """The network's file, with an operator that has no twin and adds nothing to the answers."""
    model = onnx.load(onnx_file(name))
    scores = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["hidden scores" if each == scores else each for each in node.output]
    model.graph.node.extend(
        [
            helper.make_node("Sub", ["hidden scores", "hidden scores"], ["nothing"]),
            helper.make_node("Bernoulli", ["nothing"], ["never"]),
            helper.make_node("Add", ["hidden scores", "never"], [scores]),
        ]
    )
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path


def scanned(name: str, eps: str, attacks: Sequence[str], surrogates: Sequence[str], folder: Path) -> ModelResult:
    """One audit of a network that can only be asked."""
    x, y = test_samples("mnist")
    data = folder / "mnist.npz"
    np.savez(data, x=(x[:SAMPLES] * 255.0).round().byte().numpy(), y=y[:SAMPLES].numpy())
    flags = {
        "models": [str(blind(name, folder))],
        "data": str(data),
        "eps": [eps],
        "attack": list(attacks),
        "surrogate": list(surrogates),
        "escalation": False,
    }
    with tempfile.TemporaryDirectory(dir=folder) as run:
        audit = Audit(build_settings(flags, {}), load_plugins(), Path(run) / "run")
        (model,) = audit.execute().models
    return model


def rows(name: str, eps: str, folder: Path) -> Iterator[Row]:
    """Queries alone, other networks, substitutes."""
    few, more = (queries[eps.partition(":")[0]] for queries in (QUERIES, MORE))
    yield Row("queries alone", scanned(name, eps, few, (), folder))
    yield Row("queries alone, ten times as many", scanned(name, eps, more, (), folder))
    others = [other for other in ("mnist-trades", "mnist-residual") if other != name]
    for other in others:
        yield Row(f"`{other}`", scanned(name, eps, few, [str(onnx_file(other))], folder))
    yield Row("both, alone and together", scanned(name, eps, few, [str(onnx_file(o)) for o in others], folder))
    for distill in (*LABELS, SCORES):
        yield Row(f"`{distill}`", scanned(name, eps, few, [distill], folder))


def section(folder: Path) -> Iterator[str]:
    """The lines of the section."""
    yield "## Surrogates against networks that can only be asked\n"
    yield INTRODUCTION
    for name, eps in TARGETS:
        yield f"### {name} under {eps.replace(':', ' ')}\n"
        yield "| surrogates | questions to train | agreement | broken by surrogates | queries | robust accuracy |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        for row in rows(name, eps, folder):
            line = f"| {' | '.join(row.cells)} |"
            print(name, line, flush=True)
            yield line
        yield ""
    yield "Papernot et al. (arXiv:1602.02697) report that 84.24 % of the examples made on a substitute trained on 6,400"
    yield "labels fooled a digit classifier hosted by MetaMind. Their classifier and ours differ, so the figures stand"
    yield "beside each other, no more: examples from `distill:queries=6400` alone, on `mnist-plain`, break"
    alone = [scanned("mnist-plain", f"linf:{eps}", ["square:queries=1"], [LABELS[2]], folder) for eps in PAPER]
    broken = [f"{Row('', model).cells[3]} at {eps}" for model, eps in zip(alone, PAPER, strict=True)]
    yield f"{', '.join(broken)}."


def main() -> None:
    """Measure, and write the section into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="write nothing")
    only_print = parser.parse_args().print
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(section(Path(folder)))
    print(text)
    if only_print:
        return
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Benchmarks of transfer\n"
    before, _, after = page.partition(BEGIN)
    _, _, after = after.partition(END)
    PAGE.write_text(f"{before.rstrip()}\n\n{BEGIN}{text.rstrip()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
