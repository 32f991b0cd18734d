"""Two networks whose weights and whose figures under attack were published: those of advertorch (arXiv:1902.07623).

    pip download advertorch==0.2.3 --no-deps --no-binary advertorch --dest DIR

The source distribution holds the weights, trained on all 60,000 digits: `plain`, and `pgd` against 40 steps of PGD at
linf 0.3. Nothing of the package is run.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import torch
from torch import nn

from benchmarks.attacks.common import Absent

_FETCH = "pip download advertorch==0.2.3 --no-deps --no-binary advertorch"
_ARCHIVE = "advertorch-0.2.3.tar.gz"
_SHA256 = "ca92a14b0521ae0f9bfa8100d37e47cb741ede1f1411fbaf9182ddebc7062dce"
_FILES = {"plain": "mnist_lenet5_clntrained.pt", "pgd": "mnist_lenet5_advtrained.pt"}
# Where the weights of the file belong in the sequence below.
_PLACES = {"conv1": "0", "conv2": "3", "linear1": "7", "linear2": "9"}


def load(name: str, folder: Path) -> nn.Module:
    """`plain` or `pgd`, frozen: 1 x 28 x 28 in [0, 1] to ten logits. Raises Absent if the archive is not there."""
    archive = folder / _ARCHIVE
    if not archive.exists():
        raise Absent(f"{archive} is missing; {_FETCH} --dest {folder} brings it.")
    content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise Absent(f"{archive} is not the archive that these figures belong to.")
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        path = f"advertorch-0.2.3/advertorch_examples/trained_models/{_FILES[name]}"
        weights = opened.extractfile(path)
        state = torch.load(io.BytesIO(weights.read() if weights else b""), map_location="cpu", weights_only=True)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 200),
        nn.ReLU(),
        nn.Linear(200, 10),
    )
    named = (key.split(".") for key in state)
    model.load_state_dict({f"{_PLACES[layer]}.{part}": state[f"{layer}.{part}"] for layer, part in named})
    return model.eval().requires_grad_(False)
