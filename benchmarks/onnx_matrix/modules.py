"""Other networks than image classifiers: recurrent, attention, audio, resizing; each with its input's shape."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.onnx_matrix.networks import trained_like


class Recurrent(nn.Module):
    """Sequences (N, 12, 6) to 5 scores, from the last step of a recurrent layer."""

    def __init__(self, layer: nn.Module, *, start: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.out = nn.Linear(layer.hidden_size * (2 if layer.bidirectional else 1), 5)
        self.start = nn.Parameter(torch.randn(1, 1, layer.hidden_size)) if start else None

    def forward(self, x: Tensor) -> Tensor:
        if self.start is None:
            steps, _ = self.layer(x)
        else:
            start = self.start.expand(1, x.shape[0], -1).contiguous()
            steps, _ = self.layer(x, (start, start * 0.5))
        return self.out(steps[:, -1])


class BertLike(nn.Module):
    """Embedded tokens (N, 10, 32), with learnt positions, through two encoder layers, pooled as BERT does."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Embedding(10, 32)
        self.norm = nn.LayerNorm(32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.pooler, self.out = nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(x + self.position(torch.arange(10, device=x.device)))
        return self.out(torch.tanh(self.pooler(self.encoder(hidden)[:, 0])))


class Spectrogram(nn.Module):
    """Sound (N, 2048): STFT, power, mel filters, logarithm, convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(128))
        self.mel = nn.Linear(65, 16, bias=False)
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.out = nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.stft(x, 128, 64, window=self.window, center=False, return_complex=True)
        power = parts.real.square() + parts.imag.square()
        mel = torch.log(self.mel(power.transpose(1, 2)).square() + 1e-2)
        return self.out(self.body(mel.unsqueeze(1)))


class Segmenter(nn.Module):
    """Images down, up again by interpolation beside a shortcut, pooled to 5 classes."""

    def __init__(self, mode: str, align: bool | None) -> None:
        super().__init__()
        self.first, self.down = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.head = nn.Conv2d(24, 5, 1)
        self.options = {"mode": mode} | ({} if align is None else {"align_corners": align})

    def forward(self, x: Tensor) -> Tensor:
        first = torch.relu(self.first(x))
        up = nn.functional.interpolate(torch.relu(self.down(first)), scale_factor=2.0, **self.options)
        return self.head(torch.cat([first, up], 1)).amax((2, 3))


def _sequential(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(*parts)


def _mlp(activation: type[nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Linear(16, 32), activation(), nn.Linear(32, 32), activation(), nn.Linear(32, 5))


def _pooled(body: nn.Module, channels: int, classes: int, pool: nn.Module) -> nn.Module:
    return nn.Sequential(body, pool, nn.Flatten(), nn.Linear(channels, classes))


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lstm": (lambda: Recurrent(nn.LSTM(6, 8, batch_first=True)), (12, 6)),
    "lstm, two layers, bidirectional": (
        lambda: Recurrent(nn.LSTM(6, 8, 2, batch_first=True, bidirectional=True)),
        (12, 6),
    ),
    "lstm, learnt initial state": (lambda: Recurrent(nn.LSTM(6, 8, batch_first=True), start=True), (12, 6)),
    "gru": (lambda: Recurrent(nn.GRU(6, 8, batch_first=True)), (12, 6)),
    "gru, bidirectional": (lambda: Recurrent(nn.GRU(6, 8, batch_first=True, bidirectional=True)), (12, 6)),
    "rnn": (lambda: Recurrent(nn.RNN(6, 8, batch_first=True)), (12, 6)),
    "transformer encoder": (
        lambda: _sequential(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), nn.Flatten(), nn.Linear(160, 5)),
        (10, 16),
    ),
    "bert-like": (BertLike, (10, 32)),
    "stft, mel, convolution": (Spectrogram, (2048,)),
    "convolution, 1-d": (
        lambda: _pooled(
            nn.Sequential(nn.Conv1d(1, 8, 9, stride=4), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 16, 5, dilation=2)),
            16,
            5,
            nn.AdaptiveMaxPool1d(1),
        ),
        (1, 512),
    ),
    "resize, bilinear": (lambda: Segmenter("bilinear", False), (3, 16, 16)),
    "resize, bilinear, corners": (lambda: Segmenter("bilinear", True), (3, 16, 16)),
    "resize, bicubic": (lambda: Segmenter("bicubic", False), (3, 16, 16)),
    "resize, nearest": (lambda: Segmenter("nearest", None), (3, 16, 16)),
    "transposed convolution": (
        lambda: _pooled(
            nn.Sequential(
                nn.Conv2d(3, 8, 3, stride=2),
                nn.ELU(),
                nn.ConvTranspose2d(8, 6, 3, stride=2, output_padding=1, groups=2),
                nn.InstanceNorm2d(6, affine=True),
                nn.LeakyReLU(0.2),
            ),
            6,
            5,
            nn.AdaptiveAvgPool2d(1),
        ),
        (3, 16, 16),
    ),
    "mlp, gelu": (lambda: _mlp(nn.GELU), (16,)),
    "mlp, silu": (lambda: _mlp(nn.SiLU), (16,)),
    "mlp, mish": (lambda: _mlp(nn.Mish), (16,)),
}


def build(name: str) -> nn.Module:
    """The module in eval mode with weights drawn from seed 0."""
    torch.manual_seed(0)
    return trained_like(MODULES[name][0]())
