"""Networks that code builds: `package.module:factory`, and torchvision's classifiers by name."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
import warnings
from collections.abc import Mapping

import torch

from auditor.errors import ModelError

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_IMAGENET_CLASSES = 1000


def is_name(source: str) -> bool:
    """Whether `source` is written as `package.module:factory`."""
    return _NAME.fullmatch(source) is not None


def is_torchvision(source: str) -> bool:
    """Whether `source` names a torchvision architecture, whose factory gives random weights."""
    return source.partition(":")[0] in ("torchvision", "torchvision.models")


def build(source: str) -> torch.nn.Module:
    """The network that `package.module:factory` names: a function or class called without arguments, or a module.

    **This imports and runs the user's own code**, as `python -m` would, the working directory first on `sys.path`,
    where it stays because a network may import more when it is called.

    Raises:
        ModelError: there is no such name, or its code raised, or it made no `torch.nn.Module`.
    """
    working_directory = os.getcwd()
    if working_directory not in sys.path and "" not in sys.path:
        sys.path.insert(0, working_directory)
    name, _, attribute = source.partition(":")
    made = _find(source, name, attribute)
    if callable(made) and not isinstance(made, torch.nn.Module):
        try:
            made = made()
        except Exception as error:
            raise ModelError(
                f"{source} raised {type(error).__name__}: {error}. It is called without arguments; "
                "write a function around it if it needs some."
            ) from error
    if not isinstance(made, torch.nn.Module):
        raise ModelError(f"{source} gave a {type(made).__name__}; it has to give a torch.nn.Module.")
    return made


def _find(source: str, name: str, attribute: str) -> object:
    try:
        found: object = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise ModelError(f"Importing {name} failed: {error}; install what it needs.") from error
        searched = ", ".join(entry or "." for entry in sys.path[:5])
        raise ModelError(
            f"There is no module {name} for {source}; looked in {searched} and {max(len(sys.path) - 5, 0)} more "
            "places. Run auditor where the module lies, or add its directory to PYTHONPATH."
        ) from error
    except Exception as error:
        raise ModelError(f"Importing {name} raised {type(error).__name__}: {error}.") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ModelError(f"{name} has no {attribute}{_suggest(attribute, dir(found))}")
        found = getattr(found, part)
    return found


def build_torchvision(name: str, state: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """torchvision's classifier `name`, sized for the number of classes of the weights in `state`; its own are random.

    Raises:
        ModelError: torchvision has no classifier of that name.
    """
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise ModelError(f"torchvision {torchvision.__version__} has no classifier {name}{_suggest(name, known)}")
    with warnings.catch_warnings():
        # On how weights will be initialised in future; they are overwritten.
        warnings.simplefilter("ignore")
        with torch.device("meta"):
            own = torchvision.models.get_model(name, weights=None).state_dict()
        built: torch.nn.Module = torchvision.models.get_model(name, weights=None, num_classes=_classes(own, state))
    return built


def _classes(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> int:
    """Classes of the trained network: the first dimension of whatever has 1000 rows untrained and others in `state`."""
    found = {
        state[name].shape[0]
        for name, value in own.items()
        if name in state
        and value.dim() > 0
        and value.shape[0] == _IMAGENET_CLASSES
        and state[name].dim() == value.dim()
        and state[name].shape[1:] == value.shape[1:]
    }
    return found.pop() if len(found) == 1 else _IMAGENET_CLASSES


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, [item for item in known if not item.startswith("_")], n=3)
    return f"; did you mean {', '.join(close)}?" if close else "; check the name."
