"""Weights of PyTorch models: files that hold tensors and nothing else, and how they get into a module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch

from auditor.errors import ModelError

StateDict: TypeAlias = dict[str, torch.Tensor]

_NESTS = ("state_dict", "model_state_dict", "model")
_WRAPPERS = ("module.", "_orig_mod.")
_STEPS = "num_batches_tracked"
"""Only counts training steps, and files of old PyTorch versions do not have it."""
_SHOWN = 3


def read(path: Path, *, trust: bool = False) -> StateDict:
    """The tensors in a `.safetensors` file or in a PyTorch checkpoint, by name, on the CPU.

    Understood are checkpoints that nest the weights under `state_dict`, `model_state_dict` or `model`, and names
    prefixed by `DataParallel` or `torch.compile`.

    Raises:
        ModelError: the file is missing, empty, damaged, holds something else, or would have to be unpickled and
            `trust` was not given.
    """
    checkpoint = read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path, trust=trust)
    if isinstance(checkpoint, torch.nn.Module):
        return dict(checkpoint.state_dict())
    state = state_dict_of(checkpoint)
    if not state:
        raise ModelError(
            f"{path} holds {_describe(checkpoint)}, where a state dict (tensors by name) is needed; "
            "save it with torch.save(model.state_dict(), FILE)."
        )
    return state


def read_safetensors(path: Path) -> StateDict:
    """The tensors of a safetensors file, on the CPU."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    require_file(path)
    try:
        return dict(load_file(path, device="cpu"))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is no safetensors file, or a damaged one: {error}. Save it again.") from error


def read_pickle(path: Path, *, trust: bool = False) -> Any:
    """What `torch.save` wrote to `path`, on the CPU; tensors and plain containers only, unless `trust`.

    Raises:
        ModelError: the file is missing, empty or damaged, or wants more than that and `trust` was not given.
    """
    require_file(path)
    try:
        return torch.load(path, weights_only=not trust, map_location="cpu")
    except Exception as error:
        wanted = [] if trust else unsafe_globals(path)
        if wanted:
            shown = ", ".join(wanted[:_SHOWN]) + (f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else "")
            raise ModelError(
                f"{path} is a pickle that wants more than tensors ({shown}): reading it runs whatever its author put "
                "in. Save model.state_dict() instead; or pass --trust if you trust its author with your machine."
            ) from error
        if isinstance(error, (AttributeError, ImportError)):
            raise ModelError(
                f"{path} names a class that cannot be imported here ({error}). Make its module importable, or save "
                "model.state_dict() and name the factory: package.module:factory --weights FILE."
            ) from error
        # PyTorch's own text advises to load without protection, which is not ours to pass on.
        reason = str(error).strip().partition("\n")[0].partition(". ")[0][:200]
        told = type(error).__name__ if "weights_only" in reason else f"{type(error).__name__}: {reason}"
        raise ModelError(
            f"{path} is not a file of torch.save's, or a damaged one ({told}). Copy or save it again."
        ) from error


def unsafe_globals(path: Path) -> list[str]:
    """Names of the functions and classes that unpickling `path` would call beyond those of plain tensors."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:
        # A pickle may be damaged in any way; the caller's own message covers those that cannot be read at all.
        return []


def require_file(path: Path) -> None:
    """Raises ModelError unless `path` is a file with something in it."""
    if not path.exists():
        raise ModelError(f"{path} does not exist; check the path.")
    if path.is_dir():
        raise ModelError(f"{path} is a directory; name the file inside it.")
    if path.stat().st_size == 0:
        raise ModelError(f"{path} is empty; copy or save it again.")


def state_dict_of(checkpoint: object) -> StateDict:
    """The named tensors of a checkpoint, unnested and without wrappers' prefixes; empty where there are none."""
    while isinstance(checkpoint, Mapping):
        nested = next((checkpoint[key] for key in _NESTS if isinstance(checkpoint.get(key), Mapping)), None)
        if nested is None:
            break
        checkpoint = nested
    if not isinstance(checkpoint, Mapping):
        return {}
    state = {str(name): value for name, value in checkpoint.items() if isinstance(value, torch.Tensor)}
    for prefix in _WRAPPERS * 2:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def fill(module: torch.nn.Module, state: StateDict, source: str) -> None:
    """Load `state` into `module`, all of it and nothing missing.

    Raises:
        ModelError: names or shapes differ; says which, and the likely reason.
    """
    own = module.state_dict()
    wrong = [
        f"{name} is {_shape(state[name])} where the network has {_shape(own[name])}"
        for name in own.keys() & state.keys()
        if isinstance(own[name], torch.Tensor) and own[name].shape != state[name].shape
    ]
    if wrong:
        raise ModelError(
            f"{source} does not fit the network: {_few(sorted(wrong))}. Most likely the factory builds another size "
            "or number of classes than was trained."
        )
    try:
        left = module.load_state_dict(state, strict=False)
    except Exception as error:
        raise ModelError(f"{source} does not fit the network: {type(error).__name__}: {error}.") from error
    missing = [name for name in left.missing_keys if not name.endswith(_STEPS)]
    if missing or left.unexpected_keys:
        needed = sum(not name.endswith(_STEPS) for name in own)
        raise ModelError(_misfit(source, missing, left.unexpected_keys, nothing_fits=len(missing) == needed))


def summary(state: StateDict) -> str:
    """In words: `62 tensors such as conv1.weight (64x3x7x7), bn1.weight (64), …`."""
    shown = [f"{name} ({_shape(value)})" for name, value in sorted(state.items()) if value.dim()]
    return f"{len(state)} tensors such as {', '.join(shown[:_SHOWN])}"


def _misfit(source: str, missing: list[str], unexpected: list[str], *, nothing_fits: bool) -> str:
    parts = []
    if missing:
        parts.append(f"it lacks {_few(missing)}")
    if unexpected:
        parts.append(f"it has {_few(unexpected)}, which the network does not know")
    if nothing_fits and unexpected:
        reason = "the names differ throughout, as by a prefix or in a file of another architecture"
    elif not unexpected:
        reason = "the file is only a part of the network, such as a backbone or an adapter"
    elif not missing:
        reason = "the network was trained with further parts, such as an auxiliary head"
    else:
        reason = "the file belongs to another architecture or version of it"
    return f"{source} does not fit the network: {', and '.join(parts)}. Most likely {reason}."


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"


def _describe(checkpoint: object) -> str:
    if isinstance(checkpoint, Mapping):
        return f"a dictionary of {', '.join(map(str, list(checkpoint)[:_SHOWN])) or 'nothing'}"
    return f"a {type(checkpoint).__name__}"
