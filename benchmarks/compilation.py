"""Whether compiling the network (`torch.compile`) pays on this machine: its passes beside those of the forms we use.

    OMP_NUM_THREADS=1 python -m benchmarks.compilation [NETWORK...]

Prints Markdown: milliseconds of one forward and backward pass (gradients of the pixels, medians), the CPU seconds that
compiling took with an empty cache, and after how many passes of the batch these are earned back. Attacks ask about
fewer samples as others fall, so that several shapes would be compiled, or one with a free batch size.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._inductor import config
from torch._inductor.utils import fresh_cache

from auditor.onnx import load_twin
from auditor.target.forms import Form
from benchmarks.evaluation import modules
from benchmarks.networks import onnx_file

ROUNDS = 15
NETWORKS = {"mnist-pgd": (256, 1, 28, 28), "color-pgd": (128, 3, 32, 32), "random_resnet18_64_3_10": (16, 3, 32, 32)}
FORMS = {"float32": Form(), "bfloat16, channels last": Form(numbers="autocast", channels_last=True)}


def network(name: str) -> nn.Module:
    """A stored network's twin, or one of `modules` with random weights."""
    found: nn.Module = getattr(modules, name) if name.startswith("random_") else load_twin(onnx_file(name))
    return found.eval().requires_grad_(False)


def gradient(answer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.detach().requires_grad_(True)
    logits = answer(x).float()
    return torch.autograd.grad((logits.logsumexp(1) - logits[:, 0]).sum(), x)[0]


def spent() -> float:
    """CPU seconds of this process and of the compilers it started."""
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def milliseconds(answers: list[Callable[[Tensor], Tensor]], x: Tensor) -> list[float]:
    """Of one pass through each, measured in turn."""
    times: list[list[float]] = [[] for _ in answers]
    for _ in range(ROUNDS):
        for answer, seconds in zip(answers, times, strict=True):
            begun = time.process_time()
            gradient(answer, x)
            seconds.append(time.process_time() - begun)
    return [1e3 * statistics.median(seconds) for seconds in times]


def row(name: str, shape: tuple[int, ...], label: str, form: Form) -> str:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    eager = form(network(name))
    gradient(eager, x)  # a twin plans at its first call, and only plans can be compiled
    with fresh_cache():
        compiled, begun = torch.compile(eager, dynamic=False), spent()
        gradient(compiled, x)
        cost = spent() - begun
        for answer in (eager, compiled):
            gradient(answer, x)
        before, after = milliseconds([eager, compiled], x)
    saved = (before - after) / 1e3
    earned = f"{cost / saved:,.0f}" if saved > 0 else "never"
    times = f"{before:.1f} | {after:.1f} | {after / before:.2f}"
    return f"| {name} | {len(x)} | {label} | {times} | {cost:.0f} | {earned} |"


def main() -> None:
    config.compile_threads = 1  # in this process, so that its seconds are counted
    print("| network | batch | form | as it is, ms | compiled, ms | ratio | compiling, CPU s | earned back after |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in sys.argv[1:] or NETWORKS:
        for label, form in FORMS.items():
            print(row(name, NETWORKS[name], label, form), flush=True)


if __name__ == "__main__":
    main()
