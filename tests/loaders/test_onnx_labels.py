"""Labels in answers: scores are judged where there are any, and the names of the classes are read from the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from auditor.engine.plan import make_plan
from auditor.errors import ModelError, UsageError
from auditor.loaders import auditor_load_model
from auditor.target.agreement import agreement
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from auditor.target.head import Head
from auditor.types import Norm, Threat
from auditor_attacks.apgd import APGD
from auditor_attacks.noise import Noise
from auditor_attacks.rays import RayS
from auditor_attacks.square import Square
from tests.target.onnx_files import Linear, linear

CPU = torch.device("cpu")
X = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
NAMES = ("cat", "dog", "owl")


def bound(path: Path, x: torch.Tensor = X, **options: object) -> Target:
    target = auditor_load_model(str(path), ModelOptions(**options), CPU)  # type: ignore[arg-type]
    assert target is not None
    bind_to(target, x)
    return target


def looked_up(path: Path, labels: list[str] | list[int]) -> Linear:
    """A classifier that answers with the name of the best class first, found in a table, and then with its scores."""
    model = linear(path)
    proto = onnx.load(path)
    kind = STRING if isinstance(labels[0], str) else INT64
    proto.graph.initializer.append(helper.make_tensor("table", kind, [len(labels)], labels))
    proto.graph.node.append(helper.make_node("ArgMax", ["y"], ["best"], axis=1, keepdims=0))
    looking = helper.make_node("ArrayFeatureExtractor", ["table", "best"], ["row"], domain="ai.onnx.ml")
    proto.graph.initializer.append(helper.make_tensor("one_row", INT64, [1], [-1]))
    proto.graph.node.extend([looking, helper.make_node("Reshape", ["row", "one_row"], ["label"])])
    proto.graph.output.insert(0, helper.make_tensor_value_info("label", kind, None))
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    onnx.save(proto, path)
    return model


def zipped(path: Path, **labels: list[str] | list[int]) -> Linear:
    """A classifier that answers with a dictionary for each sample."""
    model = linear(path, ending="Softmax")
    proto = onnx.load(path)
    proto.graph.node.append(helper.make_node("ZipMap", ["y"], ["named"], domain="ai.onnx.ml", **labels))
    key = STRING if "classlabels_strings" in labels else INT64
    mapping = helper.make_map_type_proto(key, helper.make_tensor_type_proto(FLOAT, None))
    output = onnx.ValueInfoProto(name="named", type=helper.make_sequence_type_proto(mapping))
    del proto.graph.output[:]
    proto.graph.output.append(output)
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    onnx.save(proto, path)
    return model


def test_the_scores_are_judged_and_the_classes_are_those_of_the_table_of_labels(tmp_path: Path) -> None:
    model = looked_up(tmp_path / "m.onnx", list(NAMES))
    target = bound(tmp_path / "m.onnx")
    assert (target.classes, target.gradients) == (NAMES, "twin")
    assert torch.allclose(target.answer(X), model.logits(X), atol=1e-5)
    assert torch.allclose(target.differentiable(X), model.logits(X), atol=1e-5)


def test_the_classes_are_those_of_the_dictionary(tmp_path: Path) -> None:
    model = zipped(tmp_path / "m.onnx", classlabels_strings=list(NAMES))
    target = bound(tmp_path / "m.onnx")
    assert target.classes == NAMES
    assert torch.allclose(target.answer(X), model.logits(X).log_softmax(1), atol=1e-5)


@pytest.mark.parametrize(("labels", "classes"), [([0, 1, 2], None), ([1, 2, 3], ("1", "2", "3"))])
def test_whole_numbers_are_names_unless_they_only_count(
    tmp_path: Path, labels: list[int], classes: tuple[str, ...] | None
) -> None:
    zipped(tmp_path / "zipped.onnx", classlabels_int64s=labels)
    looked_up(tmp_path / "looked_up.onnx", labels)
    assert bound(tmp_path / "zipped.onnx").classes == classes
    assert bound(tmp_path / "looked_up.onnx").classes == classes


def test_what_the_user_says_goes_before_the_graph(tmp_path: Path) -> None:
    zipped(tmp_path / "m.onnx", classlabels_strings=list(NAMES))
    assert bound(tmp_path / "m.onnx", classes=("a", "b", "c")).classes == ("a", "b", "c")


def test_a_table_of_another_length_than_the_scores_names_no_classes(tmp_path: Path) -> None:
    looked_up(tmp_path / "m.onnx", ["cat", "dog", "owl", "yak"])
    assert bound(tmp_path / "m.onnx").classes is None


def test_texts_alone_are_refused_with_the_remedy(tmp_path: Path) -> None:
    looked_up(tmp_path / "m.onnx", list(NAMES))
    proto = onnx.load(tmp_path / "m.onnx")
    del proto.graph.output[1]
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="neither scores nor numbers of classes; export it with its scores"):
        bound(tmp_path / "m.onnx")


def labels_only(path: Path, keepdims: int = 0, batch: int | str = "n") -> Linear:
    """A classifier that answers with the number of the best class as int32, and has its scores inside."""
    model = linear(path)
    proto = onnx.load(path)
    proto.graph.node.append(helper.make_node("ArgMax", ["y"], ["best"], axis=1, keepdims=keepdims))
    proto.graph.node.append(helper.make_node("Cast", ["best"], ["label"], to=TensorProto.INT32))
    del proto.graph.output[:]
    shape = [batch, 1] if keepdims else [batch]
    proto.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT32, shape))
    onnx.save(proto, path)
    return model


@pytest.mark.parametrize("keepdims", [0, 1])
def test_numbers_of_classes_alone_are_rows_with_a_one_and_nothing_more_is_seen_of_the_model(
    tmp_path: Path, keepdims: int
) -> None:
    model = labels_only(tmp_path / "m.onnx", keepdims)
    target = bound(tmp_path / "m.onnx")
    best = model.logits(X).argmax(1)
    assert (target.head, target.num_classes, target.gradients, target.twin) == (Head.LABELS, 3, "none", None)
    assert torch.equal(target.answer(X), torch.nn.functional.one_hot(best, 3).float())
    assert torch.equal(target.answer(X[:1]), target.answer(X)[:1])
    (finding,) = target.findings
    assert finding.code == "AUD114"
    assert "labels alone (label)" in finding.detail


def test_labels_are_judged_where_they_are_named_among_scores(tmp_path: Path) -> None:
    model = looked_up(tmp_path / "m.onnx", [0, 1, 2])
    target = bound(tmp_path / "m.onnx", output="label", classes=("a", "b", "c"))
    assert target.head is Head.LABELS
    assert torch.equal(target.answer(X).argmax(1), model.logits(X).argmax(1))


def test_how_many_labels_there_are_is_asked_of_the_user_where_the_graph_does_not_tell(tmp_path: Path) -> None:
    labels_only(tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    proto.graph.node[-1].input[0] = "twice"
    proto.graph.node.insert(len(proto.graph.node) - 1, helper.make_node("Add", ["best", "best"], ["twice"]))
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="how many there are; name all classes in their order with --classes"):
        bound(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"answered with the label [24], and its labels are to be 0 to 1; name"):
        bound(tmp_path / "m.onnx", classes=("a", "b"))
    assert bound(tmp_path / "m.onnx", classes=tuple("abcde")).num_classes == 5


def test_attacks_that_need_more_than_labels_are_left_out_with_the_reason(tmp_path: Path) -> None:
    labels_only(tmp_path / "m.onnx")
    threat = Threat(norm=Norm.LINF, eps=0.1)
    plan = make_plan((APGD(), Square(), Noise(), RayS()), bound(tmp_path / "m.onnx"), threat, 3)
    assert [step.skip for step in plan] == [
        "needs gradients, and this model gives none",
        "needs scores, and this model answers with labels alone",
        "",
        "",
    ]


def test_scores_that_depend_on_texts_have_no_twin(tmp_path: Path) -> None:
    looked_up(tmp_path / "m.onnx", list(NAMES))
    proto = onnx.load(tmp_path / "m.onnx")
    proto.graph.initializer.append(helper.make_tensor("cat", STRING, [1], ["cat"]))
    proto.graph.node.extend(
        [
            helper.make_node("Equal", ["label", "cat"], ["is"]),
            helper.make_node("Cast", ["is"], ["number"], to=FLOAT),
            helper.make_node("Unsqueeze", ["number", "one"], ["column"]),
            helper.make_node("Concat", ["y", "column"], ["more"], axis=1),
        ]
    )
    proto.graph.initializer.append(helper.make_tensor("one", INT64, [1], [1]))
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("more", FLOAT, None))
    proto.opset_import[0].version = 19
    onnx.save(proto, tmp_path / "m.onnx")
    target = bound(tmp_path / "m.onnx")
    assert target.gradients == "none"
    assert "computes with the texts" in target.findings[0].detail


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("kind", ["network", "linear", "forest"])
def test_what_scikit_learns_converter_writes_answers_as_the_estimator_does(
    tmp_path: Path, kind: str, zipmap: bool
) -> None:
    import skl2onnx
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_iris()
    features = (data.data / 8).astype(np.float32)
    last = {
        "network": MLPClassifier((8,), max_iter=20, random_state=0),
        "linear": LogisticRegression(),
        "forest": RandomForestClassifier(5, random_state=0),
    }[kind]
    # A scaled feature that ends a rounding apart may fall on the other side of a tree's threshold.
    estimator = last if kind == "forest" else make_pipeline(StandardScaler(), last)
    with np.errstate(all="ignore"), pytest.warns() if kind == "network" else np.errstate():
        estimator.fit(features, data.target_names[data.target])
    proto = skl2onnx.to_onnx(estimator, features[:1], options={"zipmap": zipmap})
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    x = torch.from_numpy(features)
    target = bound(tmp_path / "m.onnx", x)
    assert target.classes == ("setosa", "versicolor", "virginica")
    assert target.gradients == ("none" if kind == "forest" else "twin")
    probabilities = torch.from_numpy(estimator.predict_proba(features)).float()
    assert torch.allclose(target.answer(x).exp(), probabilities, atol=1e-5)
    assert kind == "forest" or agreement(target, x).holds
