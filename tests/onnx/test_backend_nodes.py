"""ONNX's own node tests, all of them, for every operator that the twin claims.

They ship inside the `onnx` package as one model a case with inputs and expected outputs. Each is run twice:
with all inputs given at run time, and with all but the first as constants of the graph, since the executor
treats shapes and constants ahead of time. What is left out stands in the two tables below, with its reason,
and the tests check that both tables are exact.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase

from auditor.errors import ModelError
from auditor.onnx.graph import parse_graph, require_known
from auditor.onnx.program import Program
from auditor.onnx.registry import registered
from auditor.onnx.tensors import to_torch

CLAIMED = sorted({entry.name for entry in registered() if entry.domain in ("", "ai.onnx.ml")})

# Operators that ONNX defines by others; the twin runs that definition.
EXPANDED = [
    "AffineGrid",
    "Attention",
    "CausalConvWithState",
    "CenterCropPad",
    "FlexAttention",
    "LinearAttention",
    "RotaryEmbedding",
    "SequenceMap",
    "SwiGLU",
]

# Cases that do not pass, by a pattern that matches the whole name.
LEFT_OUT = {
    r"test_(add|sub|div|mod|max|min|greater|greater_equal|less|less_equal)_uint(16|32|64)(_expanded)?"
    r"|test_bitshift_.*_uint(16|32|64)|test_bitwise_not_3d": "torch has no arithmetic on wide unsigned integers",
    r"test_cast(like)?_FLOAT(16)?_to_U?INT4(_expanded)?|test_cast(like)?_.*(INT2|FLOAT4E2M1).*"
    r"|test_cast_e8m0_.*|test_(de)?quantizelinear_(u?int2|float4e2m1)": "below a byte only int4 weights are held",
    r"test_equal_string.*|test_cast(like)?_.*STRING.*": "strings are no tensors of torch",
    r"test_training_dropout.*": "a model in training mode answers at random: refused, with a sentence",
    r"test_reduce_(max|min)_empty_set.*": "torch refuses the maximum of nothing",
    r"test_cast(like)?_no_saturate_FLOAT(16)?_to_FLOAT8E4M3FN(_expanded)?": "torch saturates this type always",
    r"test_resize_downsample_scales_(linear|cubic)_align_corners": "ONNX Runtime differs too; we follow it",
    r"test_scan_sum": "Scan of opset 8 has a batch axis, which opset 9 took away",
    r"test_maxunpool_export_with_output_shape": "ONNX Runtime differs too; we follow it",
    r"test_roialign_mode_max": "the maximum of weighted corners, which no exporter writes",
    r"test_ai_onnx_ml_label_encoder_(string_int|tensor).*": "strings again",
}

# Operators with cases that the twin does not claim; a graph that needs one has no gradients.
NOT_CLAIMED = {
    "training": ["Adagrad", "Adam", "Momentum", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"],
    "random": ["Bernoulli"],
    "strings and files": [
        "ImageDecoder",
        "RegexFullMatch",
        "StringConcat",
        "StringNormalizer",
        "StringSplit",
        "TfIdfVectorizer",
    ],
    "trees: their answers are steps": ["TreeEnsemble"],
}


# Operators that ONNX has no cases for, by the file whose tests compare them with ONNX Runtime.
PROVEN_ELSEWHERE = {
    "test_machine_learning.py": [
        "FeatureVectorizer",
        "Imputer",
        "LinearClassifier",
        "LinearRegressor",
        "Normalizer",
        "SVMRegressor",
        "Scaler",
        "ZipMap",
    ],
    "test_opsets.py": ["GlobalLpPool", "SimplifiedLayerNormalization"],
    "test_regions.py": ["MaxRoiPool"],
    "test_sequences.py": [
        "ConcatFromSequence",
        "Optional",
        "SequenceAt",
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceLength",
    ],
}


class Cases(defaultdict[str, list[TestCase]]):
    """Cases by operator; pytest prints a fixture where a test fails, and these are megabytes."""

    def __repr__(self) -> str:
        return f"<{sum(map(len, self.values()))} node cases>"


@pytest.fixture(scope="session")
def cases() -> Cases:
    """All node cases by the operator that they test; expansions into functions stand with their operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, while onnx computes expectations of overflowing casts
        from onnx.backend.test.loader import load_node_model_tests

        found = load_node_model_tests()
    operator_of = {case.name: case.model.graph.node[0].op_type for case in found}
    grouped = Cases(list)
    for case in found:
        base = case.name.split("_expanded")[0]
        grouped[operator_of.get(base, operator_of[case.name])].append(case)
    return grouped


def is_left_out(case: TestCase) -> bool:
    return any(re.fullmatch(pattern, case.name) for pattern in LEFT_OUT)


def tensor(value: Any) -> Any:
    """A case's value as torch has it; lists are sequences."""
    if value is None:
        return None
    if isinstance(value, list):
        return [tensor(item) for item in value]
    return to_torch(value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value)))


def flat(values: Iterable[Any]) -> list[torch.Tensor]:
    """The tensors of outputs that may be sequences of tensors."""
    return [item for value in values for item in (flat(value) if isinstance(value, list) else [value])]


def check(case: TestCase, *, constant: bool) -> None:
    """Run the case; `constant` puts all inputs but the first into the graph."""
    tolerance = 2e-2 if re.search(r"fp16|bf16|float16|bfloat16", case.name) else case.rtol
    for inputs, expected in case.data_sets:
        graph = parse_graph(case.model)
        require_known(graph)
        names = [value.name for value in case.model.graph.input]
        values = dict(zip(names, map(tensor, inputs), strict=False))
        rest = {name: values[name] for name in graph.inputs[1:]}
        if constant and all(isinstance(value, torch.Tensor) for value in rest.values()):
            graph = replace(graph, inputs=graph.inputs[:1], constants={**graph.constants, **rest})
        program = Program(graph)
        arguments = [*(values[name] for name in graph.inputs), *program.state.values()]
        first, planned = program(arguments), program(arguments)
        for y, again, wanted in zip(*map(flat, (first, planned, map(tensor, expected))), strict=True):
            assert y.shape == wanted.shape
            got, goal = y.detach().double().numpy(), wanted.double().numpy()
            np.testing.assert_allclose(got, goal, rtol=tolerance, atol=1e-5)
            np.testing.assert_array_equal(again.detach().double().numpy(), got)


@pytest.mark.parametrize("name", [*CLAIMED, *EXPANDED])
@pytest.mark.parametrize("constant", [False, True], ids=["inputs at run time", "inputs in the graph"])
def test_a_claimed_operator_passes_the_cases_of_onnx(cases: Cases, name: str, constant: bool) -> None:
    for case in cases[name]:
        if not is_left_out(case):
            try:
                check(case, constant=constant)
            except (AssertionError, ModelError) as error:
                raise AssertionError(f"{case.name}: {error}") from error


def test_every_operator_with_cases_is_claimed_or_listed_with_a_reason(cases: Cases) -> None:
    listed = {name for names in NOT_CLAIMED.values() for name in names}
    assert set(cases) - {*CLAIMED, *EXPANDED} == listed


def test_operators_without_cases_are_compared_with_onnx_runtime_elsewhere(cases: Cases) -> None:
    listed = {name: file for file, names in PROVEN_ELSEWHERE.items() for name in names}
    assert {name for name in CLAIMED if not cases.get(name)} == set(listed)
    for name, file in listed.items():
        assert f'"{name}"' in Path(__file__).with_name(file).read_text(), f"{file} does not mention {name}"


@pytest.mark.parametrize("pattern", LEFT_OUT)
def test_a_case_that_is_left_out_would_fail(cases: Cases, pattern: str) -> None:
    named = [c for name in (*CLAIMED, *EXPANDED) for c in cases[name] if re.fullmatch(pattern, c.name)]
    assert named
    passing = [case.name for case in named if passes(case)]
    assert not passing


def passes(case: TestCase) -> bool:
    try:
        check(case, constant=False)
        check(case, constant=True)
    except (AssertionError, AttributeError, ModelError):
        return False
    return True
