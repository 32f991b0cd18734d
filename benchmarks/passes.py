"""What a pass through a network costs in the form that attacks search in: forward, and backward to the input.

    pip install mlxtend torchvision && OMP_NUM_THREADS=1 python -m benchmarks.passes [NAME...]

Prints Markdown. Each network is measured as a PyTorch module and as the twin of its ONNX file; times are medians of
alternating rounds in CPU time, `agrees` is the median cosine of its gradients with those of float32.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from auditor.loaders.onnx import load as load_onnx
from auditor.loaders.torch_module import network
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from auditor.target.search import Trial, choose_search, cosine, describe
from benchmarks.networks import NETWORKS, load, onnx_file, test_samples

ROUNDS = 7
PLANNED = 10**9


def stored(name: str, batch: int) -> Callable[[], tuple[nn.Module, Path, Tensor]]:
    return lambda: (load(name), onnx_file(name), test_samples(NETWORKS[name].data)[0][:batch])


def untrained(name: str, size: int, batch: int) -> Callable[[], tuple[nn.Module, Path, Tensor]]:
    """A torchvision network of ten classes with random weights, in a temporary file as well."""

    def make() -> tuple[nn.Module, Path, Tensor]:
        import torchvision

        torch.manual_seed(0)
        module = torchvision.models.get_model(name, num_classes=10).eval()
        x = torch.rand(batch, 3, size, size)
        path = Path(tempfile.mkdtemp()) / f"{name}.onnx"
        free = ({0: torch.export.Dim("batch")},)
        torch.onnx.export(module, (x[:2],), path, dynamic_shapes=free, dynamo=True, external_data=False, verbose=False)
        return module, path, x

    return make


CASES = {
    "mnist-plain": stored("mnist-plain", 256),
    "color-pgd": stored("color-pgd", 256),
    "resnet18-32": untrained("resnet18", 32, 64),
    "mobilenet_v2-32": untrained("mobilenet_v2", 32, 64),
    "resnet18-224": untrained("resnet18", 224, 8),
    "mobilenet_v2-224": untrained("mobilenet_v2", 224, 8),
}


def targets(module: nn.Module, path: Path, x: Tensor) -> Iterator[tuple[str, Target]]:
    module = module.eval().requires_grad_(False)
    run = network(module, path.stem, torch.float32)
    native = Target(
        name=path.stem,
        source=path.stem,
        sha256="",
        format="torch",
        deployed=run,
        twin=run,
        gradients="native",
        input_shape=None,
        options=ModelOptions(),
        device=torch.device("cpu"),
        remade=lambda change: network(change(module), path.stem, torch.float32),
    )
    twin = load_onnx(str(path), ModelOptions(), torch.device("cpu"))
    for kind, target in (("module", native), ("ONNX twin", twin)):
        if target is not None and target.twin is not None:
            bind_to(target, x)
            yield kind, target


def measure(kind: str, target: Target, x: Tensor, name: str, eager: list[float]) -> None:
    assert target.twin is not None
    search = choose_search(target, x, "auto", PLANNED, len(x))
    trial = Trial(target, x)
    networks = [target.twin] + ([search.network] if search else [])
    answers = [trial.ask(network) for network in networks]
    rounds = [[trial.seconds(network) for network in networks] for _ in range(ROUNDS)]
    seconds = [statistics.median(times) for times in zip(*rounds, strict=True)]
    eager.append(seconds[0])
    agrees = float(cosine(answers[0].gradient, answers[-1].gradient).median())
    print(
        f"| {name} | {kind} | {len(x)} | {describe(search)['form']} | {seconds[0] * 1e3:.1f} | {seconds[-1] * 1e3:.1f} "
        f"| {seconds[-1] / seconds[0]:.2f} | {seconds[-1] / eager[0]:.2f} | {agrees:.4f} |",
        flush=True,
    )


def main() -> None:
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}\n"
    )
    print("| network | as | batch | searched in | own, ms | form, ms | ratio | of the eager module | agrees |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in sys.argv[1:] or CASES:
        module, path, x = CASES[name]()
        eager: list[float] = []
        for kind, target in targets(module, path, x):
            measure(kind, target, x, name, eager)


if __name__ == "__main__":
    main()
