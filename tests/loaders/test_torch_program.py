"""Which sizes, operators and structures a serialised graph may hold."""

from __future__ import annotations

import json

import pytest

from auditor.loaders import torch_program, torch_sizes


@pytest.mark.parametrize(
    "expression",
    [
        "s0",
        "3*s0*s53",
        "(s0 - 3)//2 + 1",
        "s0**2",
        "Symbol('s77', positive=True, integer=True)",
        "Mul(Integer(3), Symbol('s0', integer=True), Pow(Symbol('u1'), Integer(2)))",
        "Max(Integer(1), Add(FloorDiv(Add(Symbol('s0'), Integer(-3)), Integer(2)), Integer(1)))",
        "Float('0.5', precision=53)",
        "Eq(Mod(s0, 4), 0)",
    ],
)
def test_arithmetic_on_sizes_is_harmless(expression: str) -> None:
    assert torch_sizes.is_harmless(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('ls')",
        "exec(chr(105)+chr(109))",
        "eval(s0)",
        "open('s0')",
        "s0.__class__",
        "Symbol.mro()",
        "Symbol('s0; x')",
        "Symbol('s0', cls=eval)",
        "(lambda: 1)()",
        "[s0 for s0 in s1]",
        "Max(*s0)",
        "f'{s0}'",
        "9**9**9",
        "Pow(9, Pow(9, 9))",
        "Pow(b=9, e=999999999)",
        "2**999999999",
        "s0 if s1 else s2",
        "s0 :=",
        "(" * 500 + ")" * 500,
        "s0+" * 10_000 + "s0",
    ],
)
def test_anything_but_arithmetic_on_sizes_is_not(expression: str) -> None:
    assert not torch_sizes.is_harmless(expression)


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.conv2d.default",
        "torch.ops.aten.add.Tensor",
        "torch.ops.aten.einsum.default",
        "torch.ops.aten.sym_size.int",
        "torch.ops.higher_order.wrap_with_set_grad_enabled",
        "torch.sym_max",
        "_operator.getitem",
        "_operator.floordiv",
        "math.ceil",
    ],
)
def test_tensor_operators_and_arithmetic_may_be_called(target: str) -> None:
    assert torch_program.is_harmless_operator(target)


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.load",
        "torch.hub.load",
        "torch.ops.load_library",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.from_file.out",
        "torch.ops.aten.save.default",
        "torch.ops.aten.add.__class__",
        "torch.ops.aten.add.overloads",
        "torch.ops.aten.nothing.default",
        "torch.ops.higher_order.call_torchbind",
        "torch.ops.mine.evil.default",
        "_operator.attrgetter",
        "_operator.methodcaller",
        "_operator.call",
        "math.__loader__",
        "math.ceil.__self__",
        "#mine:evil",
        "builtins.exec",
        "",
    ],
)
def test_operators_that_could_do_more_may_not(target: str) -> None:
    assert not torch_program.is_harmless_operator(target)


def program(**fields: object) -> dict[str, object]:
    return {"graph_module": {"graph": {"nodes": []}}, **fields}


def tree(kind: object, context: object, children: list[object] | None = None) -> str:
    return json.dumps([1, {"type": kind, "context": context, "children_spec": children or []}])


def test_descriptions_and_guards_are_dropped_and_tensors_that_are_called_metadata_stay() -> None:
    node = {"target": "torch.ops.aten.relu.default", "metadata": {"stack_trace": "x\n__import__('os')"}}
    values = {"metadata": {"dtype": 7}}
    harmless = torch_program.harmless(
        {"graph_module": {"graph": {"nodes": [node], "tensor_values": values}}, "guards_code": ["exit()"]}
    )
    assert harmless["guards_code"] == []
    assert harmless["graph_module"]["graph"]["nodes"][0]["metadata"] == {}
    assert harmless["graph_module"]["graph"]["tensor_values"] == values
    assert not list(torch_program.complaints(harmless))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("in_spec", tree("builtins.dict", json.dumps(["x':x, 'y':exit(), 'z"]))),
        ("out_spec", tree("collections.defaultdict", {"default_factory_module": "this"})),
        ("out_spec", tree("builtins.dict", '[{"__enum__": true, "fqn": "this:x", "name": "y"}]')),
        ("out_spec", tree("collections.namedtuple", '"mine.Output"')),
        ("out_spec", "no json"),
        ("forward_arg_names", ["x=exit()"]),
        ("name", "x; exit()"),
        ("parameter_name", 'a")+exit()+("'),
        ("range_constraints", {"s0": {"min_val": "exit()", "max_val": None}}),
        ("range_constraints", {"exit()": {"min_val": 1, "max_val": None}}),
        ("hint", {"as_int": "s0"}),
        ("out_spec", tree("mine.Output", "null")),
        ("as_custom_obj", {"name": "x", "class_fqn": "mine"}),
        ("something_new", "exit()"),
    ],
)
def test_whatever_is_evaluated_imported_or_compiled_is_complained_of(key: str, value: object) -> None:
    assert list(torch_program.complaints(program(**{key: value})))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("in_spec", tree("builtins.tuple", "null")),
        ("out_spec", tree("builtins.dict", '["logits", "hidden state"]')),
        ("as_string", "bij,bjk->bik; anything (at) all"),
        ("parameter_name", "blocks.0.conv-1.weight"),
        ("range_constraints", {"s0": {"min_val": 2, "max_val": None}}),
        ("torch_version", "2.14.1+cu130"),
    ],
)
def test_what_pytorch_writes_itself_is_not(key: str, value: object) -> None:
    assert not list(torch_program.complaints(program(**{key: value})))
