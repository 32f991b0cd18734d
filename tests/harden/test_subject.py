"""From a loaded model to one that trains, and back to files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from safetensors import safe_open
from torch import Tensor, nn

from auditor.errors import ModelError, UsageError
from auditor.harden import writing
from auditor.harden.batches import Batches
from auditor.harden.scores import Validation
from auditor.harden.split import split
from auditor.harden.subject import answers, trainee_of
from auditor.harden.trainee import Trainee
from auditor.harden.trainer import Plan, Trainer
from auditor.plugins import load_plugins
from auditor.target.base import ModelOptions, Target
from auditor.target.binding import bind_to
from auditor_defenses.bayesian import Bayesian
from tests.harden.small import THREAT, pixels
from tests.harden.trainees import streams

X = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def graph(path: Path, batch: int | str = "batch") -> Path:
    """A convolution, batch normalisation, ReLU, a dense layer and a softmax, with metadata."""
    generator = np.random.default_rng(0)
    draw = lambda *shape: generator.normal(size=shape).astype(np.float32)  # noqa: E731
    constants = {
        "conv.weight": draw(3, 1, 3, 3), "bn.scale": 1 + 0.1 * draw(3), "bn.bias": draw(3), "bn.mean": 0.1 * draw(3),
        "bn.var": np.ones(3, np.float32), "fc.weight": draw(12, 2), "fc.bias": draw(2), "shape": np.array([-1, 12]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["a"], name="first"),
        helper.make_node("BatchNormalization", ["a", "bn.scale", "bn.bias", "bn.mean", "bn.var"], ["b"], name="norm"),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Reshape", ["c", "shape"], ["d"]),
        helper.make_node("Gemm", ["d", "fc.weight", "fc.bias"], ["e"], name="last"),
        helper.make_node("Softmax", ["e"], ["y"], axis=1),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, [batch, 1, 4, 4])],
        [helper.make_tensor_value_info("y", 1, [batch, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, {"classes": "a, b"})
    onnx.save(model, path)
    return path


def loaded(path: Path) -> Target:
    target = load_plugins().load_model(str(path), ModelOptions(), torch.device("cpu"))
    bind_to(target, X)
    return target


def learn(trainee: Trainee, steps: int = 20) -> float:
    """Ordinary training on labels drawn at random; the loss fell by this factor."""
    y = torch.arange(16) % 2
    optimiser = torch.optim.Adam(trainee.weights.values(), 0.05)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = trainee.cross_entropy(trainee(X), y).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses[-1] / losses[0]


def test_an_onnx_graph_is_trained_and_written_back_as_the_same_graph(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx"))
    trainee = trainee_of(target)
    assert set(trainee.weights) == {"conv.weight", "bn.scale", "bn.bias", "fc.weight", "fc.bias"}
    assert learn(trainee) < 0.7
    (tmp_path / "out").mkdir()
    written = writing.write(target, trainee, tmp_path / "out", X, {})
    before, after = onnx.load(tmp_path / "m.onnx"), onnx.load(str(written.deployed))
    for part in ("node", "input", "output"):
        assert getattr(before.graph, part) == getattr(after.graph, part)
    assert (before.opset_import, before.metadata_props) == (after.opset_import, after.metadata_props)
    session = onnxruntime.InferenceSession(str(written.deployed))
    probabilities = torch.from_numpy(session.run(None, {"x": X.numpy()})[0])
    torch.testing.assert_close(probabilities, answers(trainee, X).softmax(1), atol=1e-5, rtol=1e-4)


def test_batch_normalisation_of_a_graph_learns_the_statistics_of_what_it_is_trained_on(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx"))
    trainee = trainee_of(target)
    known = {name: value.clone() for name, value in trainee.module.named_buffers()}
    trainee.still(X)
    assert all(torch.equal(value, known[name]) for name, value in trainee.module.named_buffers())
    trainee(X)
    statistics = {name: value for name, value in trainee.module.named_buffers() if "mean" in name or "var" in name}
    convolved = nn.functional.conv2d(X, trainee.weights["conv.weight"])
    (mean,) = (value for name, value in statistics.items() if "mean" in name)
    (old,) = (value for name, value in known.items() if "mean" in name)
    torch.testing.assert_close(mean, 0.9 * old + 0.1 * convolved.mean((0, 2, 3)).detach())


def test_what_an_addition_tries_teaches_no_statistics_and_gradients_stay_right(tmp_path: Path) -> None:
    trainee = trainee_of(loaded(graph(tmp_path / "m.onnx")))
    known = {name: value.clone() for name, value in trainee.module.named_buffers()}
    with trainee.without_statistics():
        loss = trainee(X).square().mean()
    loss.backward()
    assert all(torch.equal(value, known[name]) for name, value in trainee.module.named_buffers())
    assert all(weight.grad is not None for weight in trainee.weights.values())


def test_a_graph_for_one_sample_at_a_time_is_trained_in_batches(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx", batch=1))
    trainee = trainee_of(target)
    assert learn(trainee) < 0.8
    (tmp_path / "out").mkdir()
    written = writing.write(target, trainee, tmp_path / "out", X, {})
    assert writing.check(loaded(Path(str(written.deployed))), answers(trainee, X), X) < 1e-5


def test_frozen_weights_stay_as_they_are(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx"))
    trainee = trainee_of(target, ("conv.*", "bn.*"))
    assert set(trainee.weights) == {"fc.weight", "fc.bias"}
    frozen = {name: value.clone() for name, value in trainee.module.named_parameters() if "fc" not in name}
    learn(trainee, 3)
    trainee.climb(X, lambda logits: logits[:, 0], THREAT, streams(16), steps=1, step_size=1.0)
    now = dict(trainee.module.named_parameters())
    assert all(torch.equal(now[name], value) and not now[name].requires_grad for name, value in frozen.items())


def test_patterns_that_freeze_nothing_or_everything_are_refused(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx"))
    with pytest.raises(UsageError, match=r"names no weight; m has conv\.weight"):
        trainee_of(target, ("classifier.*",))
    with pytest.raises(UsageError, match="all weights"):
        trainee_of(target, ("*",))


class Tiny(nn.Module):
    """A network of PyTorch with statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def test_a_pytorch_network_is_written_as_weights_with_their_provenance_and_as_onnx(tmp_path: Path) -> None:
    target = load_plugins().load_model(f"{__name__}:Tiny", ModelOptions(), torch.device("cpu"))
    bind_to(target, X)
    trainee = trainee_of(target)
    assert learn(trainee) < 0.8
    written = writing.write(target, trainee, tmp_path, X, {"recipe": "pgd"})
    with safe_open(str(written.weights), "pt") as file:
        assert file.metadata()["recipe"] == "pgd"
        assert torch.equal(file.get_tensor("layers.1.weight"), trainee.module.layers[1].weight)
    assert writing.check(loaded(Path(str(written.deployed))), answers(trainee, X), X) < 1e-5


def test_an_exported_program_is_written_as_one_again_and_as_onnx(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    batch = {0: torch.export.Dim("batch")}
    torch.export.save(torch.export.export(Tiny().eval(), (X[:2],), dynamic_shapes=(batch,)), tmp_path / "m.pt2")
    target = loaded(tmp_path / "m.pt2")
    trainee = trainee_of(target)
    for _ in range(2):
        assert learn(trainee) < 0.8
        trainee.keep()
    written = writing.write(target, trainee, tmp_path / "out", X, {})
    assert (written.program, written.remarks) == (tmp_path / "out" / writing.PROGRAM, ())
    for file in (written.program, written.deployed):
        assert writing.check(loaded(Path(str(file))), answers(trainee, X), X) < 1e-5


def test_weights_that_bayesian_training_samples_come_out_as_one_graph_that_withstands_more(tmp_path: Path) -> None:
    target, data = loaded(graph(tmp_path / "m.onnx")), pixels()
    trainee, parts = trainee_of(target), split(data.labels, 0, hold_out=False)
    chosen = Validation(data.fetch(parts.validation.tolist()), data.labels[parts.validation], THREAT, 0)
    recipe = Bayesian(steps=3, step_size=0.5, members=3)
    training = dataclasses.replace(recipe.training, epochs=30, batch_size=32)
    plan = Plan(recipe=recipe, additions=(), training=training, threat=THREAT, seed=0)
    progress = Trainer(trainee, plan, Batches(data, parts.training, 0), chosen, tmp_path / "checkpoints").run()
    assert progress.kept.score.robust > progress.history[0].score.robust + 0.2
    assert len(trainee.members) == 3
    (tmp_path / "out").mkdir()
    written = writing.write(target, trainee, tmp_path / "out", X, {})
    assert writing.check(loaded(Path(str(written.deployed))), answers(trainee, X), X) < 1e-5
    # One member alone is another network than all of them.
    trainee.members = trainee.members[:1]
    with pytest.raises(ModelError, match="must not be deployed"):
        writing.check(loaded(Path(str(written.deployed))), answers(trainee, X), X)


def test_a_file_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match="must not be deployed"):
        writing.check(target, torch.zeros(16, 2), X)


def test_a_model_without_gradients_cannot_be_trained(tmp_path: Path) -> None:
    target = loaded(graph(tmp_path / "m.onnx"))
    target.drop_twin()
    with pytest.raises(ModelError, match="no differentiable form"):
        trainee_of(target)
