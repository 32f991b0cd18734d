"""torchvision's classification families, in the smallest size that each takes, with weights as if trained."""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import nn

SIZES = {
    "resnet18": 32,
    "resnet50": 32,
    "resnext50_32x4d": 32,
    "wide_resnet50_2": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "squeezenet1_0": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "shufflenet_v2_x1_0": 32,
    "regnet_y_400mf": 32,
    "regnet_x_400mf": 32,
    "mnasnet1_0": 32,
    "googlenet": 32,
    "inception_v3": 75,
    "vit_b_16": 32,
    "convnext_tiny": 32,
    "swin_t": 32,
    "swin_v2_t": 32,
    "maxvit_t": 64,
    # The older exporter cannot pool what is no multiple of 6 and 7, so these two are large, and come last.
    "alexnet": 224,
    "vgg11_bn": 224,
}


def build(name: str, size: int | None = None) -> nn.Module:
    """The network in eval mode, made for images of `size` pixels.

    Noise on every parameter and spread statistics leave no part inert: a bias that is zero everywhere hides a bias
    that a converter forgets, and equal tensors are merged by an exporter.
    """
    torch.manual_seed(0)
    size = size or SIZES[name]
    options: dict[str, Any] = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name.startswith("vit"):
        options["image_size"] = size
    if name == "maxvit_t":
        return trained_like(_small_maxvit(size))
    return trained_like(torchvision.models.get_model(name, weights=None, **options))


def _small_maxvit(size: int) -> nn.Module:
    """`maxvit_t` with attention windows that divide a small image after its five halvings; torchvision's fix them."""
    return torchvision.models.MaxVit(
        input_size=(size, size),
        stem_channels=64,
        block_channels=[64, 128, 256, 512],
        block_layers=[2, 2, 5, 2],
        head_dim=32,
        stochastic_depth_prob=0.2,
        partition_size=7 if size % 224 == 0 else size // 32,
    )


def trained_like(module: nn.Module) -> nn.Module:
    """`module` in eval mode with noise on its parameters and statistics."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    for weight in module.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.02)
    return module.eval()
