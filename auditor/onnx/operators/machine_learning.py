"""The differentiable part of ai.onnx.ml: scaling, linear models and kernel machines, as skl2onnx writes them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.arithmetic import stateless
from auditor.onnx.registry import Kernel, operator

DOMAIN = "ai.onnx.ml"


def _floats(node: Node, name: str) -> Tensor:
    return torch.tensor(node.numbers(name) or [], dtype=torch.float32)


def _single(x: Tensor) -> Tensor:
    """These operators answer in float32, whatever numbers they are given; float64 stays for checks of gradients."""
    return x if x.is_floating_point() else x.float()


def _post_transform(node: Node) -> Kernel:
    name = node.text("post_transform", "NONE")
    transforms: dict[str, Kernel] = {
        "NONE": lambda x: x,
        "LOGISTIC": torch.sigmoid,
        "SOFTMAX": lambda x: torch.softmax(x, -1),
        "SOFTMAX_ZERO": _softmax_of_nonzero,
    }
    if name not in transforms:
        raise node.error(f"transforms its scores by {name!r}, which the twin does not do")
    return transforms[name]


def _softmax_of_nonzero(x: Tensor) -> Tensor:
    """A softmax over the elements that are not zero; those stay zero."""
    zero = x.abs() < 1e-7
    kept = torch.softmax(x.masked_fill(zero, float("-inf")), -1)
    return torch.where(zero.all(-1, keepdim=True), x, kept.nan_to_num(0.0))


operator("ZipMap", domain=DOMAIN)(stateless(lambda x: x))  # names the columns of its input


@operator("Scaler", domain=DOMAIN)
def scaler(node: Node) -> Kernel:
    offset, scale = _floats(node, "offset"), _floats(node, "scale")
    return lambda x: (_single(x) - offset.to(x.device)) * scale.to(x.device)


@operator("Normalizer", domain=DOMAIN)
def normalizer(node: Node) -> Kernel:
    norms: dict[str, Kernel] = {
        "MAX": lambda x: x.amax(-1, keepdim=True),
        "L1": lambda x: x.abs().sum(-1, keepdim=True),
        "L2": lambda x: torch.linalg.vector_norm(x, dim=-1, keepdim=True),
    }
    norm = norms[node.text("norm", "MAX")]

    def run(x: Tensor) -> Tensor:
        size = norm(_single(x))
        return _single(x) / torch.where(size == 0, torch.ones_like(size), size)

    return run


@operator("Imputer", domain=DOMAIN)
def imputer(node: Node) -> Kernel:
    whole = "imputed_value_int64s" in node.attributes
    kind, missing = ("int64s", "int64") if whole else ("floats", "float")
    filled = torch.tensor(node.numbers(f"imputed_value_{kind}") or [])
    replaced = node.number(f"replaced_value_{missing}", 0.0)

    def run(x: Tensor) -> Tensor:
        gone = torch.isnan(x) if replaced != replaced else x == replaced
        return torch.where(gone, filled.to(x), x)

    return run


@operator("FeatureVectorizer", domain=DOMAIN)
def feature_vectorizer(node: Node) -> Kernel:
    return lambda *parts: torch.cat([_single(x).reshape(x.shape[0], -1) for x in parts], 1)


@operator("ArrayFeatureExtractor", domain=DOMAIN)
def array_feature_extractor(node: Node) -> Kernel:
    def run(x: Tensor, index: Tensor) -> Tensor:
        picked = x.index_select(-1, index.reshape(-1))
        return picked.unsqueeze(0) if x.dim() == 1 else picked

    return run


@operator("Binarizer", domain=DOMAIN)
def binarizer(node: Node) -> Kernel:
    threshold = node.number("threshold", 0.0)
    return lambda x: (x > threshold).to(x.dtype)


def _linear(node: Node, rows: int) -> Kernel:
    weight, bias = _floats(node, "coefficients").reshape(rows, -1), _floats(node, "intercepts")

    def run(x: Tensor) -> Tensor:
        x = _single(x)
        x = x.unsqueeze(0) if x.dim() == 1 else x
        y = x @ weight.to(x).t()
        return y + bias.to(x) if bias.numel() else y

    return run


@operator("LinearRegressor", domain=DOMAIN)
def linear_regressor(node: Node) -> Kernel:
    if node.text("post_transform", "NONE") != "NONE":
        raise node.error("transforms a regression's answer, which ONNX Runtime does for some numbers of targets only")
    return _linear(node, node.integer("targets", 1))


@operator("LinearClassifier", domain=DOMAIN)
def linear_classifier(node: Node) -> Kernel:
    names: list[Any] = node.attributes.get("classlabels_strings") or []
    labels = torch.tensor(node.integers("classlabels_ints") or range(len(names)))
    rows = len(node.integers("intercepts") or labels)
    predict, finish = _linear(node, rows), _post_transform(node)
    transform, single = node.text("post_transform", "NONE"), rows == 1 and len(labels) == 2
    if single and transform not in ("NONE", "LOGISTIC"):
        raise node.error(f"transforms one score for two classes by {transform!r}, which the twin does not do")

    def run(x: Tensor) -> tuple[Tensor | None, Tensor]:
        scores = predict(x)
        if single:  # the score of the second class
            first = 1 - scores if transform == "NONE" else -scores
            scores = torch.cat([first, scores], -1)
        chosen = labels.to(x.device)[scores.argmax(-1)]
        return None if names else chosen, finish(scores)  # strings are no tensors of torch

    return run


@operator("SVMRegressor", domain=DOMAIN)
def support_vector_regressor(node: Node) -> Kernel:
    kernel, coefficients = _kernel(node), _floats(node, "coefficients")
    vectors = _floats(node, "support_vectors").reshape(node.integer("n_supports", 0) or 1, -1)
    rho, finish, one_class = _floats(node, "rho"), _post_transform(node), node.integer("one_class", 0)
    if one_class:
        raise node.error("answers with a class of 1 or -1, which has no gradient")

    def run(x: Tensor) -> Tensor:
        y = kernel(_single(x), vectors.to(x)) @ coefficients.to(x) + rho.to(x)
        result: Tensor = finish(y.unsqueeze(-1))
        return result

    return run


def _kernel(node: Node) -> Kernel:
    """The similarity of each row of `x` to each support vector."""
    parameters: list[float] = [*(node.numbers("kernel_params") or []), 0.0, 0.0, 0.0]
    gamma, shift, degree = parameters[:3]
    kernels: dict[str, Kernel] = {
        "LINEAR": lambda x, v: x @ v.t(),
        "POLY": lambda x, v: (gamma * (x @ v.t()) + shift) ** degree,
        "RBF": lambda x, v: torch.exp(-gamma * (x.unsqueeze(-2) - v).square().sum(-1)),
        "SIGMOID": lambda x, v: torch.tanh(gamma * (x @ v.t()) + shift),
    }
    return kernels[node.text("kernel_type", "LINEAR")]


_NUMBERS = ("int64s", "floats", "tensor")


@operator("LabelEncoder", domain=DOMAIN, since=2)
def label_encoder(node: Node) -> Kernel:
    keys, values = (_column(node, side) for side in ("keys", "values"))
    default = node.attributes.get("default_tensor")
    if not isinstance(default, Tensor):
        whole = not values.is_floating_point()
        default = torch.tensor(node.integer("default_int64", -1) if whole else node.number("default_float", -0.0))

    def run(x: Tensor) -> Tensor:
        hit = x.unsqueeze(-1) == keys.to(x)
        if keys.is_floating_point() and node.opset >= 4:  # before, ONNX Runtime finds no NaN among the keys
            hit = hit | (torch.isnan(x).unsqueeze(-1) & torch.isnan(keys.to(x)))
        found = values.to(x.device)[hit.to(torch.uint8).argmax(-1)]
        return torch.where(hit.any(-1), found, default.to(found))

    return run


def _column(node: Node, side: str) -> Tensor:
    for kind in _NUMBERS:
        column = node.attributes.get(f"{side}_{kind}")
        if column is not None:
            return column if isinstance(column, Tensor) else torch.tensor(column)
    raise node.error("translates strings, which are no tensors of torch")
