"""PyTorch models: networks that code builds, `torch.export` archives, pickled modules and TorchScript.

The default that a user is led to runs nothing from a model file: weights as tensors, and code that the user named.
"""

from __future__ import annotations

import hashlib
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from auditor.errors import ModelError, UsageError
from auditor.loaders import archive, factory, torch_pt2, torch_weights
from auditor.loaders.torch_module import frozen, network
from auditor.target.base import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.target.base import ModelOptions

_SUFFIXES = frozenset({".pt", ".pth", ".pt2", ".ts", ".ckpt", ".safetensors", ".torchscript"})


def load(path: str, options: ModelOptions, device: torch.device) -> Target | None:
    """The target that `path` names, or None where it is neither a factory's name nor a file of PyTorch's.

    Raises:
        ModelError: it is, and cannot be loaded; or loading it could run code of its author's, without `options.trust`.
        UsageError: weights were given for a file that has its own.
    """
    file = Path(path)
    if file.suffix.lower() in _SUFFIXES and (file.exists() or not factory.is_name(path)):
        return _from_file(file, options, device)
    return _from_factory(path, options, device) if factory.is_name(path) else None


def from_module(module: torch.nn.Module, name: str, options: ModelOptions, device: torch.device) -> Target:
    """The target that a module in memory is; its own state is restored when the audit ends."""
    return _target(name, name, "torch", module, _digest(module.state_dict()), options, device)


def _from_factory(source: str, options: ModelOptions, device: torch.device) -> Target:
    name = source.partition(":")[2].rpartition(".")[2]
    if options.weights is None:
        if factory.is_torchvision(source):
            raise ModelError(
                f"{source} without weights would be audited with random ones; name the trained ones: --weights FILE."
            )
        module = factory.build(source)
        return _target(name, source, "torch", module, _digest(module.state_dict()), options, device)
    weights = Path(options.weights)
    state = torch_weights.read(weights, trust=options.trust)
    with torch.random.fork_rng(devices=[]):  # weights are drawn, and replaced below
        module = factory.build_torchvision(name, state) if factory.is_torchvision(source) else factory.build(source)
    torch_weights.fill(module, state, str(weights))
    details = {"weights": str(weights), "weights_sha256": _file_digest(weights)}
    return _target(name, source, "state_dict", module, details["weights_sha256"], options, device, details=details)


def _from_file(path: Path, options: ModelOptions, device: torch.device) -> Target:
    torch_weights.require_file(path)
    if options.weights is not None:
        raise UsageError(f"--weights goes with a factory such as package.module:factory; {path} has its own weights.")
    members = archive.names(path)
    if path.suffix.lower() == ".pt2" or torch_pt2.is_pt2(members):
        return _from_pt2(path, options, device)
    if "constants.pkl" in members:
        return _from_torchscript(path, options, device)
    if path.suffix.lower() == ".safetensors":
        raise ModelError(_weights_only(path, torch_weights.read(path)))
    return _from_pickle(path, options, device)


def _from_pt2(path: Path, options: ModelOptions, device: torch.device) -> Target:
    program = torch_pt2.load(path, device, trust=options.trust)
    given = torch_pt2.input_of(program, path)
    # Its guards hold the batch to the size of the example input; whoever binds the target tries out what it takes.
    module = program.module(check_guards=False)
    shape = tuple(size if isinstance(size, int) else None for size in given.shape)
    sha256 = _file_digest(path)
    return _target(path.stem, str(path), "pt2", module, sha256, options, device, shape=shape, dtype=given.dtype)


def _from_torchscript(path: Path, options: ModelOptions, device: torch.device) -> Target:
    if not options.trust:
        raise ModelError(
            f"{path} is TorchScript, a compiled program that may read and write files when it runs, and that PyTorch "
            "has deprecated. Pass --trust if you trust its author with your machine; or export the model with "
            "torch.export.save or to ONNX."
        )
    try:
        with warnings.catch_warnings():
            # PyTorch says that TorchScript is deprecated; so do we, above.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise ModelError(
            f"{path} is TorchScript that PyTorch {torch.__version__} cannot load: {str(error).strip()[:300]}"
        ) from error
    return _target(path.stem, str(path), "torchscript", module, _file_digest(path), options, device)


def _from_pickle(path: Path, options: ModelOptions, device: torch.device) -> Target:
    checkpoint = torch_weights.read_pickle(path, trust=options.trust)
    module = checkpoint.get("model") if isinstance(checkpoint, dict) else checkpoint
    if isinstance(module, torch.nn.Module):
        return _target(path.stem, str(path), "torch", module, _file_digest(path), options, device)
    state = torch_weights.state_dict_of(checkpoint)
    if state:
        raise ModelError(_weights_only(path, state))
    raise ModelError(f"{path} holds a {type(checkpoint).__name__}, no network; see the docs on PyTorch models.")


def _weights_only(path: Path, state: Mapping[str, torch.Tensor]) -> str:
    return (
        f"{path} is weights without the network they belong to: {torch_weights.summary(dict(state))}. Name the code "
        f"that builds it, package.module:factory or torchvision:NAME, and the file: --weights {path}."
    )


def _target(
    name: str,
    source: str,
    kind: str,
    module: torch.nn.Module,
    sha256: str,
    options: ModelOptions,
    device: torch.device,
    *,
    shape: tuple[int | None, ...] | None = None,
    dtype: torch.dtype | None = None,
    details: Mapping[str, Any] | None = None,
) -> Target:
    module = module.to(device)
    dtype = dtype or next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    run = network(module, name, dtype, options.output)
    return Target(
        name=name,
        source=source,
        sha256=sha256,
        format=kind,
        deployed=run,
        twin=run,
        gradients="native",
        input_shape=shape,
        input_dtype=dtype,
        options=options,
        device=device,
        classes=options.classes,
        details=details or {},
        frozen_mode=partial(frozen, module),
        remade=lambda change: network(change(module), name, dtype, options.output),
    )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(state: Mapping[str, Any]) -> str:
    """Of the tensors by name, for networks that come from no file."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name}\0".encode())
        if isinstance(value, torch.Tensor):
            flat = value.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{value.dtype}{tuple(value.shape)}\0".encode())
            digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
