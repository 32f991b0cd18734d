"""Ten models of different formats in one run, beside their attacks and evaluations measured apart."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from auditor.engine.aims import Aims
from auditor.engine.attempt import Ring
from auditor.engine.audit import Audit
from auditor.engine.transfer.craft import craft
from auditor.engine.transfer.noise import noisy
from auditor.engine.transfer.stage import TransferStage
from auditor.plugins import load_plugins
from auditor.result.transfer import TransferResult
from auditor.settings import AttackSetting, Settings, ThreatSetting
from auditor.types import Norm, Threat
from auditor_attacks.pgd import PGD
from benchmarks.networks import onnx_file, test_samples

EPS, SAMPLES, STEPS, BATCH = 0.2, 500, 20, 128


class Shaped(nn.Module):
    """The same network behind another layout, another size or another range of inputs."""

    def __init__(self, inner: nn.Module, how: str) -> None:
        super().__init__()
        self.inner, self.how = inner, how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "nhwc":
            x = x.permute(0, 3, 1, 2)
        if self.how == "flat":
            x = x.view(-1, 1, 28, 28)
        if self.how == "large":
            x = nn.functional.avg_pool2d(x, 2)
        logits: torch.Tensor = self.inner(x)
        return logits.softmax(1) if self.how == "softmax" else logits


def written(networks: dict[str, nn.Module], folder: Path) -> dict[str, str]:
    """Ten files by what they are."""
    conv, other, dense, more = (networks[name] for name in ("conv-a0", "conv-b2", "dense-a0", "linear-a0"))
    image, flat, rows = torch.zeros(2, 1, 28, 28), torch.zeros(2, 784), torch.zeros(2, 28, 28, 1)
    quantised = folder / "int8.onnx"
    files = {
        "ONNX": _onnx(conv, image, folder / "plain.onnx"),
        "ONNX, channels last": _onnx(Shaped(conv, "nhwc"), rows, folder / "nhwc.onnx"),
        "ONNX, softmax": _onnx(Shaped(other, "softmax"), image, folder / "softmax.onnx"),
        "ONNX, 56 x 56": _onnx(Shaped(other, "large"), torch.zeros(2, 1, 56, 56), folder / "large.onnx"),
        "ONNX, flat rows": _onnx(Shaped(dense, "flat"), flat, folder / "flat.onnx"),
        "exported program": _program(conv, image, folder / "program.pt2"),
        "exported program, flat rows": _program(Shaped(more, "flat"), flat, folder / "rows.pt2"),
        "TorchScript": _script(dense, image, folder / "script.pt"),
        "ONNX, hardened, int8": str(onnx_file("mnist-int8")),
    }
    bare = onnx.load(files["ONNX"])
    # Shapes that the exporter left of what it folded away confuse the quantiser.
    del bare.graph.value_info[:]
    quantize_dynamic(bare, quantised, weight_type=QuantType.QUInt8)
    return files | {"ONNX, int8": str(quantised)}


def report(networks: dict[str, nn.Module]) -> Iterator[str]:
    """The time of the stage beside what it consists of; and the matrix of the formats."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = written(networks, folder)
        x, y = test_samples("mnist")
        data = folder / "digits.npz"
        np.savez(data, x=x[:SAMPLES].numpy(), y=y[:SAMPLES].numpy())
        result, spent = _together(tuple(files.values()), data, folder / "run")
        apart = _apart(tuple(files.values()), result, data)
        yield f"Ten models, {SAMPLES} digits, linf {EPS:g}, pgd of {STEPS} steps; CPU seconds of one thread.\n"
        yield "| | seconds |\n| --- | ---: |"
        yield f"| the stage | {spent:.1f} |"
        for title, seconds in apart.items():
            yield f"| {title} | {seconds:.1f} |"
        yield f"\nThe stage takes {spent / sum(apart.values()) - 1.0:+.1%} of these together.\n"
        (matrix,) = result.matrices
        titles = dict(zip(result.models, files, strict=True))
        rates = {(cell.source, cell.target): cell.rate for cell in matrix.cells}
        yield f"| from | {' | '.join(str(number + 1) for number in range(len(titles)))} |"
        yield f"| --- |{' ---: |' * len(titles)}"
        for number, source in enumerate(result.models, 1):
            row = ("–" if (rate := rates[source, target]) is None else f"{rate:.0%}" for target in result.models)
            yield f"| {number} {titles[source]} | {' | '.join(row)} |"


def _settings(models: tuple[str, ...], data: Path) -> Settings:
    return Settings(
        models=models,
        data=str(data),
        threats=(ThreatSetting(norm=Norm.LINF, eps=EPS),),
        attacks=(AttackSetting(name="apgd", parameters={"loss": "margin"}),),
        escalation=False,
        transfer_attacks=(AttackSetting(name="pgd", parameters={"steps": STEPS}),),
        batch_size=BATCH,
        precision="float32",
        trust=True,
    )


def _together(models: tuple[str, ...], data: Path, run: Path) -> tuple[TransferResult, float]:
    """The whole scan; the CPU time of its last stage."""
    spent = [0.0]
    inner = TransferStage.run

    def timed(stage: TransferStage, contenders: object) -> object:
        started = time.process_time()
        made = inner(stage, contenders)  # type: ignore[arg-type]
        spent[0] = time.process_time() - started
        return made

    TransferStage.run = timed  # type: ignore[method-assign, assignment]
    try:
        result = Audit(_settings(models, data), load_plugins(), run).execute()
    finally:
        TransferStage.run = inner  # type: ignore[method-assign]
    assert result.transfer is not None
    return result.transfer, spent[0]


def _apart(models: tuple[str, ...], result: TransferResult, data: Path) -> dict[str, float]:
    """Loading every model twice, attacking it, and letting it answer, each by itself."""
    from auditor.engine.environment import choose_device
    from auditor.engine.loading import Loader
    from auditor.target.wrapped import Wrapped

    settings = _settings(models, data)
    loader = Loader(settings, load_plugins(), choose_device("cpu"), Wrapped(()))
    spent = {"loading, twice": 0.0, "attacks": 0.0, "answers": 0.0, "drawing noise": 0.0}
    _, samples, _ = loader.first(models[0], None)
    assert samples is not None
    x, y = samples.fetch(range(len(samples))), samples.labels
    blind = {source.name for source in result.matrices[0].sources if source.status != "ran"}
    for name, model in zip(result.models, models, strict=True):
        started = time.process_time()
        target = loader.again(model, samples)
        spent["loading, twice"] += 2.0 * (time.process_time() - started)
        ring = Ring(target=target, threat=Threat(norm=Norm.LINF, eps=EPS), seed=0, margin=0.0)
        with target.frozen():
            started = time.process_time()
            right = target.judged(x).argmax(1) == y
            clean = time.process_time() - started
            # As many answers as there are: to the others' examples, to noise, and to its own.
            spent["answers"] += clean * (len(models) + 1 - len(blind)) * float(right.float().mean())
            started = time.process_time()
            for rows in torch.arange(len(x))[right].split(BATCH):
                noisy(ring.threat, x[rows], rows, 0)
            spent["drawing noise"] += time.process_time() - started
            if name in blind:
                continue
            started = time.process_time()
            for rows in torch.arange(len(x))[right].split(BATCH):
                craft(ring, PGD(steps=STEPS), x[rows], Aims(y[rows]), rows)
            spent["attacks"] += time.process_time() - started
    return spent


def _onnx(model: nn.Module, example: torch.Tensor, path: Path) -> str:
    torch.onnx.export(
        model.eval(),
        (example,),
        path,
        input_names=["image"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    onnx.checker.check_model(path)
    return str(path)


def _program(model: nn.Module, example: torch.Tensor, path: Path) -> str:
    batch = torch.export.Dim("batch", min=1, max=4096)
    torch.export.save(torch.export.export(model.eval(), (example,), dynamic_shapes=({0: batch},), strict=True), path)
    return str(path)


def _script(model: nn.Module, example: torch.Tensor, path: Path) -> str:
    torch.jit.trace(model.eval(), example).save(path)  # type: ignore[no-untyped-call]
    return str(path)
