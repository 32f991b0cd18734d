"""Real `torch.export` archives, and ways to hide code in one."""

from __future__ import annotations

import copy
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
INPUTS = "data/sample_inputs/model.pt"

Members = dict[str, bytes]
Plant = Callable[[Members, Path], None]


class Small(torch.nn.Module):
    """A classifier of 3x8x8 images with a BatchNorm, a dropout and a constant tensor."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, stride=2)
        self.norm = torch.nn.BatchNorm2d(4)
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.norm(self.conv(x))).mean((2, 3)) + torch.tensor([1.0, 2.0, 3.0, 4.0])
        return self.head(self.drop(hidden))


def export(module: torch.nn.Module, path: Path, x: torch.Tensor, *, dynamic: dict[int, Any] | None = None) -> Path:
    torch.export.save(torch.export.export(module, (x,), dynamic_shapes=None if dynamic is None else (dynamic,)), path)
    return path


def changed(path: Path, change: Callable[[Members], None]) -> Path:
    """A copy of an archive with its members changed, stored as PyTorch stores them."""
    with zipfile.ZipFile(path) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(members)
    copied = path.with_name(f"{path.stem}_changed.pt2")
    with zipfile.ZipFile(copied, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"model/{name}", content)
    return copied


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def _pickled(thing: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def _edit(members: Members, name: str, edit: Callable[[Any], None]) -> None:
    document = json.loads(members[name])
    edit(document)
    members[name] = json.dumps(document).encode()


def _pickled_weight(members: Members, marker: Path) -> None:
    def edit(payload: Any) -> None:
        payload["config"]["head.bias"] |= {"use_pickle": True, "path_name": "weight_99"}

    _edit(members, WEIGHTS, edit)
    members["data/weights/weight_99"] = _pickled(_Evil(marker))


def _pickled_constant(members: Members, marker: Path) -> None:
    def edit(payload: Any) -> None:
        next(iter(payload["config"].values())).update(use_pickle=True, path_name="tensor_99")

    _edit(members, CONSTANTS, edit)
    members["data/constants/tensor_99"] = _pickled(_Evil(marker))


def _opaque_object(members: Members, marker: Path) -> None:
    def edit(payload: Any) -> None:
        meta = next(iter(payload["config"].values()))
        payload["config"]["x"] = {**meta, "path_name": "opaque_obj_0", "use_pickle": True}

    _edit(members, CONSTANTS, edit)
    members["data/constants/opaque_obj_0"] = pickle.dumps(_Evil(marker))


def _old_weights(members: Members, marker: Path) -> None:
    members["data/weights/model.pt"] = _pickled({"head.bias": _Evil(marker)})


def _old_constants(members: Members, marker: Path) -> None:
    members["data/constants/model.pt"] = _pickled({"x": _Evil(marker)})


def _sample_inputs(members: Members, marker: Path) -> None:
    members[INPUTS] = _pickled(((_Evil(marker),), {}))


def _touch(marker: Path) -> str:
    return f"__import__('pathlib').Path({str(marker)!r}).touch()"


def _size(members: Members, marker: Path) -> None:
    _set_size(members, _touch(marker))


def _size_in_harmless_characters(members: Members, marker: Path) -> None:
    _set_size(members, _spelt_out(_touch(marker)))


def _spelt_out(code: str) -> str:
    """The same in letters, digits, brackets and plus signs."""
    return f"exec({'+'.join(f'chr({ord(character)})' for character in code)})"


def _set_size(members: Members, expression: str) -> None:
    def edit(program: Any) -> None:
        values = program["graph_module"]["graph"]["tensor_values"]
        next(iter(values.values()))["sizes"][0] = {"as_expr": {"expr_str": expression, "hint": None}}

    _edit(members, PROGRAM, edit)


def _operator_on_files(members: Members, marker: Path) -> None:
    arguments = {"filename": {"as_string": str(marker)}, "shared": {"as_bool": True}, "size": {"as_int": 5}}

    def edit(program: Any) -> None:
        graph = program["graph_module"]["graph"]
        inputs = [{"name": name, "arg": value, "kind": 1} for name, value in arguments.items()]
        outputs = [{"as_tensor": {"name": "planted"}}]
        target = "torch.ops.aten.from_file.default"
        graph["nodes"].insert(0, {"target": target, "inputs": inputs, "outputs": outputs, "metadata": {}})
        graph["tensor_values"]["planted"] = copy.deepcopy(next(iter(graph["tensor_values"].values())))

    _edit(members, PROGRAM, edit)


def _node_name(members: Members, marker: Path) -> None:
    """Python evaluates the default when the function that PyTorch writes with this name is compiled."""

    def edit(program: Any) -> None:
        text = json.dumps(program).replace('"name": "x"', f'"name": {json.dumps("x = " + _touch(marker))}')
        text = text.replace('"x": {', f"{json.dumps('x = ' + _touch(marker))}: {{")
        program.update(json.loads(text))

    _edit(members, PROGRAM, edit)


def _parameter_name(members: Members, marker: Path) -> None:
    name = json.dumps(f'a" + str({_spelt_out(_touch(marker))}) + "').encode()
    for member in (PROGRAM, WEIGHTS):
        members[member] = members[member].replace(b'"head.bias"', name)


def _guards(members: Members, marker: Path) -> None:
    _edit(members, PROGRAM, lambda program: program.update(guards_code=[f"{_touch(marker)} is None"]))


def _tree(members: Members, node: dict[str, Any]) -> None:
    def edit(program: Any) -> None:
        signature = program["graph_module"]["module_call_graph"][0]["signature"]
        signature["out_spec"] = json.dumps(
            [1, {**node, "children_spec": [{"type": None, "context": None, "children_spec": []}]}]
        )

    _edit(members, PROGRAM, edit)


def _import_by_enumeration(members: Members, marker: Path) -> None:
    context = json.dumps([{"__enum__": True, "fqn": f"{_module(marker)}:Colour", "name": "RED"}])
    _tree(members, {"type": "builtins.dict", "context": context})


def _import_by_default(members: Members, marker: Path) -> None:
    context = {"default_factory_module": _module(marker), "default_factory_name": "Colour", "dict_context": ["a"]}
    _tree(members, {"type": "collections.defaultdict", "context": context})


def _module(marker: Path) -> str:
    """A module beside the marker that makes the marker when it is imported."""
    name = f"module_{abs(hash(marker))}"
    source = f"import enum\n{_touch(marker)}\nclass Colour(enum.Enum):\n    RED = 1\n"
    (marker.parent / f"{name}.py").write_text(source)
    return name


PLANTS: dict[str, Plant] = {
    "pickled weight": _pickled_weight,
    "pickled constant": _pickled_constant,
    "opaque object": _opaque_object,
    "weights of the old layout": _old_weights,
    "constants of the old layout": _old_constants,
    "sample inputs": _sample_inputs,
    "symbolic size": _size,
    "symbolic size in harmless characters": _size_in_harmless_characters,
    "operator on files": _operator_on_files,
    "node name": _node_name,
    "parameter name": _parameter_name,
    "guards": _guards,
    "module imported by an enumeration": _import_by_enumeration,
    "module imported by a default": _import_by_default,
}
