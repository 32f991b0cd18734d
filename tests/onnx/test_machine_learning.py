"""ai.onnx.ml: what scikit-learn's converter writes, against ONNX Runtime, with gradients."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from onnx.helper import make_node

from auditor.errors import ModelError
from auditor.onnx import load_twin

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=12).astype(np.float32).tolist()
VECTORS = {"support_vectors": WEIGHTS, "coefficients": [0.5, -1.0, 0.7], "n_supports": 3, "rho": [0.2]}
THREE = {"coefficients": WEIGHTS, "intercepts": [0.1, -0.2, 0.3], "classlabels_ints": [3, 5, 9]}


def model_of(*nodes: onnx.NodeProto, output: str = "y") -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 4))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8
    )


def ml(operator: str, outputs=("y",), inputs=("x",), **attributes) -> onnx.NodeProto:
    return make_node(operator, list(inputs), list(outputs), domain="ai.onnx.ml", **attributes)


NODES = {
    "Scaler": ml("Scaler", offset=[0.1, 0.2, 0.3, 0.4], scale=[2.0, 3.0, 4.0, 5.0]),
    "Scaler of one number": ml("Scaler", offset=[0.1], scale=[2.0]),
    "Normalizer L1": ml("Normalizer", norm="L1"),
    "Normalizer L2": ml("Normalizer", norm="L2"),
    "Normalizer MAX": ml("Normalizer", norm="MAX"),
    "Imputer": ml("Imputer", imputed_value_floats=[7.0], replaced_value_float=float(X[0, 0])),
    "Imputer by column": ml("Imputer", imputed_value_floats=[7.0, 8.0, 9.0, 6.0], replaced_value_float=float("nan")),
    "FeatureVectorizer": ml("FeatureVectorizer", inputs=("x", "x"), inputdimensions=[4, 4]),
    "LinearRegressor": ml("LinearRegressor", coefficients=WEIGHTS, intercepts=[1.0, 2.0, 3.0], targets=3),
    "LinearRegressor of one target": ml("LinearRegressor", coefficients=WEIGHTS[:4]),
    **{
        f"LinearClassifier {transform}": ml("LinearClassifier", ("label", "y"), **THREE, post_transform=transform)
        for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")
    },
    **{
        f"LinearClassifier of two rows, {transform}": ml(
            "LinearClassifier",
            ("label", "y"),
            coefficients=WEIGHTS[:8],
            intercepts=[0.1, -0.1],
            classlabels_ints=[0, 1],
            post_transform=transform,
        )
        for transform in ("NONE", "SOFTMAX", "LOGISTIC")
    },
    **{
        f"SVMRegressor {kind}": ml("SVMRegressor", **VECTORS, kernel_type=kind, kernel_params=[0.3, 0.2, 3.0])
        for kind in ("LINEAR", "POLY", "RBF", "SIGMOID")
    },
}


def answer(model: onnx.ModelProto, x: np.ndarray, output: str = "y") -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([output], {"x": x})[0]


@pytest.mark.parametrize("name", NODES)
def test_answers_are_those_of_onnx_runtime_and_have_gradients(name) -> None:
    model, x = model_of(NODES[name]), X.copy()
    x[1, 2] = np.nan if "column" in name else x[1, 2]
    z = torch.from_numpy(x).requires_grad_()
    y = load_twin(model, strip_head=False)(z)
    expected = answer(model, x)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert torch.autograd.grad((y * torch.rand(y.shape)).sum(), z)[0].norm() > 0


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_one_row_of_weights_for_two_classes_gives_two_scores(transform) -> None:
    node = ml(
        "LinearClassifier",
        ("label", "y"),
        coefficients=WEIGHTS[:4],
        intercepts=[0.1],
        classlabels_ints=[0, 1],
        post_transform=transform,
    )
    model = model_of(node)
    y = load_twin(model, strip_head=False)(torch.from_numpy(X))
    np.testing.assert_allclose(y.numpy(), answer(model, X), atol=1e-6)


def test_labels_follow_the_scores() -> None:
    model = model_of(ml("LinearClassifier", ("y", "scores"), **THREE))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    np.testing.assert_array_equal(load_twin(model, output="y")(torch.from_numpy(X)).numpy(), answer(model, X))


def test_a_transform_that_is_not_known_is_named() -> None:
    model = model_of(ml("LinearClassifier", ("label", "y"), **THREE, post_transform="PROBIT"))
    with pytest.raises(ModelError, match="'PROBIT'"):
        load_twin(model, strip_head=False)(torch.from_numpy(X))


def test_overflow_inside_a_spelt_out_sigmoid_leaves_the_gradient_finite() -> None:
    nodes = [
        make_node("Neg", ["x"], ["n"]),
        make_node("Exp", ["n"], ["e"]),
        make_node("Constant", [], ["one"], value_float=1.0),
        make_node("Add", ["e", "one"], ["d"]),
        make_node("Reciprocal", ["d"], ["y"]),
    ]
    x = torch.tensor([[-200.0, -1.0, 0.0, 200.0]], requires_grad=True)
    y = load_twin(model_of(*nodes))(x)
    torch.testing.assert_close(y, torch.sigmoid(x))
    slope = torch.autograd.grad(y.sum(), x)[0]
    torch.testing.assert_close(slope, torch.autograd.grad(torch.sigmoid(x).sum(), x)[0])


def fitted(name: str, labels: np.ndarray):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    makers = {
        "perceptron": lambda: MLPClassifier((8,), max_iter=30, random_state=0),
        "logistic regression": LogisticRegression,
    }
    x = np.random.default_rng(2).normal(size=(60, 4)).astype(np.float32)
    return make_pipeline(StandardScaler(), makers[name]()).fit(x, labels), x


def test_named_columns_are_the_columns() -> None:
    scores = ml("LinearClassifier", ("label", "scores"), **THREE)
    nodes = [scores, ml("ZipMap", inputs=("scores",), classlabels_int64s=[3, 5, 9])]
    x = torch.from_numpy(X)
    answers = load_twin(model_of(*nodes))(x)
    torch.testing.assert_close(answers, load_twin(model_of(nodes[0], output="scores"))(x))


@pytest.mark.parametrize("labels", ["numbers", "names", "two numbers"])
@pytest.mark.parametrize("name", ["perceptron", "logistic regression"])
def test_pipelines_of_scikit_learn_have_a_twin(name, labels) -> None:
    import skl2onnx

    classes = np.arange(60) % (2 if labels == "two numbers" else 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that is cut short
        pipeline, x = fitted(name, np.array(["a", "b", "c"])[classes] if labels == "names" else classes)
    options = {id(pipeline): {"zipmap": False}}
    model = skl2onnx.to_onnx(pipeline, x[:1], target_opset={"": 17, "ai.onnx.ml": 3}, options=options)
    z = torch.from_numpy(x).requires_grad_()
    y = load_twin(model, strip_head=False, output="probabilities")(z)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(y.detach().numpy(), session.run(["probabilities"], {"X": x})[0], atol=1e-6)
    assert torch.autograd.grad(y[:, 0].sum(), z)[0].norm() > 0
