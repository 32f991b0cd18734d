"""The model under audit: its deployed form, which is the truth, and its differentiable twin, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch

from auditor.errors import AuditorError, ModelError
from auditor.target.batching import as_rows
from auditor.target.chance import by_majority
from auditor.target.head import Head
from auditor.target.layout import refuse_giant
from auditor.target.operations import Operations
from auditor.target.preprocessing import Preprocessing
from auditor.target.search import Search, around
from auditor.target.stems import Stems
from auditor.target.through import Past, Through
from auditor.target.wrapped import Wrapped

if TYPE_CHECKING:
    from auditor.check import Finding
    from auditor.target.forms import Change
    from auditor.target.nearby import Nearby
    from auditor.types import Images, Labels, Logits

Network: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Network inputs `(N, …)` to raw outputs `(N, K)` or `(N, 1)`; any N, the batch size is its own business."""

Gradients: TypeAlias = Literal["native", "twin", "none"]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What the user said about a model; everything not said is read from the file or measured.

    Attributes:
        input_range: what the network expects pixels in, e.g. `(0, 255)`; default `(0, 1)`.
        mean, std: per channel, in units of that range.
        layout: `nchw`, `nhwc`, `flat` or `auto`.
        input_size: `(H, W)` that the network wants; images of another size are scaled, differentiably.
        channel_order: `rgb` or `bgr`.
        weights: file with the weights, for models named as `package.module:factory`.
        classes: class names in the order of the outputs.
        input: which input gets the samples, where a graph has several.
        constants: what its other inputs get, by name: a number that fills the declared shape, or an `.npy` file.
        output: which output to judge, where a graph has several.
        providers: ONNX Runtime execution providers in order of preference; empty chooses by device.
        trust: the user accepts that loading may run code from the file.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    input_range: tuple[float, float] | None = None
    layout: Literal["auto", "nchw", "nhwc", "flat"] = "auto"
    input_size: tuple[int, int] | None = None
    channel_order: Literal["rgb", "bgr"] = "rgb"
    weights: str | None = None
    classes: tuple[str, ...] | None = None
    input: str | None = None
    constants: Mapping[str, float | str] = field(default_factory=dict)
    output: str | None = None
    providers: tuple[str, ...] = ()
    trust: bool = False


@dataclass(kw_only=True)
class Target:
    """A loaded model, ready to be bound to samples and audited.

    Attributes:
        name: short name in tables and files; the engine makes it unique within a run.
        source: what the user named.  sha256: digest of the file(s) it came from.
        format: `"onnx"`, `"state_dict"`, `"pt2"`, `"torchscript"`, …
        deployed: the truth. For ONNX what ONNX Runtime answers.
        twin: a differentiable form of the same function; for PyTorch models the same object as `deployed`.
        input_shape: what the network wants, batch first, None where it takes any size; None if it does not say.
        input_dtype: what the network takes; the deployed form casts, inputs of integer networks are rounded before.
        ending: what a graph ends with (`softmax`, `sigmoid`, `log_softmax`, `logits`, `labels`); empty where unknown.
        stripped: whether the twin answers with what comes before that ending.
        head, twin_head: what the raw outputs of `deployed` and `twin` are; measured when the target is bound.
        batching: how batches run, for the record, e.g. `"native"`, `"loop; twin vmap"`.
        findings: what loading has to say to the user.
        details: further facts for `doctor` and the report.
        wrapped: what is done to samples before the preprocessing; nothing by default.
        further_inputs: what the network's other inputs get beside a batch of its own, by name.
        frozen_mode: context in which the model is in eval mode and its own mode is restored afterwards.
        remade: the twin's network once more, around a changed copy of its module; None where it is made of none.
        through: what gradients pass as if it were not there.
        draws: answers over which it is judged; more than one where it answers at random.
        search: a cheaper form of the twin that attacks may look for examples with; None where the twin serves.
    """

    name: str
    source: str
    sha256: str
    format: str
    deployed: Network
    twin: Network | None
    gradients: Gradients
    input_shape: tuple[int | None, ...] | None
    options: ModelOptions
    device: torch.device
    input_dtype: torch.dtype = torch.float32
    ending: str = ""
    stripped: bool = False
    head: Head = Head.LOGITS
    twin_head: Head = Head.LOGITS
    batching: str = "native"
    classes: tuple[str, ...] | None = None
    findings: list[Finding] = field(default_factory=list)
    details: Mapping[str, Any] = field(default_factory=dict)
    further_inputs: Callable[[torch.Tensor], Mapping[str, torch.Tensor]] = field(default=lambda x: {})
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    wrapped: Wrapped = field(default_factory=lambda: Wrapped(()))
    frozen_mode: Callable[[], AbstractContextManager[None]] = nullcontext
    remade: Callable[[Change], Network] | None = None
    search: Search | None = None
    through: Past = Past.NOTHING
    draws: int = 1
    num_classes: int = 0
    _operations: Operations | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        # Before anybody scales samples to it.
        refuse_giant(self.input_shape or ())

    def answer(self, x: Images) -> Logits:
        """What the deployed model says of `x`, `(N, …)` in `[0, 1]`: logits `(N, K)` float32 on `device`, no graph.

        Raises:
            ModelError: the model does not run on such an input, or answers with something else than `(N, K)`.
        """
        try:
            with torch.no_grad(), self._blamed(x):
                raw = self.deployed(self.inputs(x.to(self.device)))
        except torch.OutOfMemoryError:
            if len(x) < 2:
                raise ModelError(f"{self.name} does not fit into memory even with one sample.") from None
            return torch.cat([self.answer(half) for half in x.tensor_split(2)])
        return self.head.to_logits(self._checked(raw, len(x)))

    def judged(self, x: Images, y: Labels | None = None) -> Logits:
        """What the deployed model is taken to say of `x`: its answer, or where it answers at random the mean of fresh
        draws, with the class first that most of them name. Labels `y` have the benefit of the doubt, where a wrapper
        asks for more certainty than a lead.

        Raises:
            ModelError: as `answer`.
        """
        if self.draws == 1:
            return self.answer(x)
        return by_majority(self.answer, x, self.draws, y, self.wrapped.level)

    def differentiable(self, x: Images) -> Logits:
        """The twin's logits for `x`, through which gradients with respect to `x` flow.

        Raises:
            ModelError: there is no twin.
        """
        if self.twin is None:
            raise ModelError(f"{self.name} has no differentiable form, so there are no gradients to follow.")
        return self.read(self.twin, x)

    def searching(self, x: Images) -> Logits:
        """As `differentiable`, in the form chosen for looking for examples: close to it, and not to be counted on.

        Raises:
            ModelError: there is no twin.
        """
        if (search := self.search) is None:
            return self.differentiable(x)
        near = search.near
        return self.read(search.network, x) if near is None else near.mean(partial(self.read, search.network), x)

    def read(self, network: Network, x: Images) -> Logits:
        """What `network`, which takes and answers what the twin does, says of `x`: logits, with gradients."""
        through = Through() if self.through else None
        with self._blamed(x), Stems():
            # Wrappers say themselves what their gradients are.
            inputs = self.inputs(x)
            with through or nullcontext():
                asked = self._carried_out(network) if self.through is Past.BACKWARDS else network
                raw = asked(inputs)
        rows = self._checked(raw, len(x))
        if through is not None and self.twin_head is Head.PROBABILITIES:
            # A saturated softmax hides from gradients what it was given.
            before = through.before_softmax(rows)
            return self.twin_head.to_logits(rows) if before is None else before
        return self.twin_head.to_logits(rows)

    def raw(self, x: Images) -> torch.Tensor:
        """The deployed network's own outputs for `x`, before they are read as logits."""
        with torch.no_grad():
            return self.deployed(self.inputs(x.to(self.device)))

    def inputs(self, x: Images) -> torch.Tensor:
        """Network inputs for `x`, `(N, …)` in `[0, 1]`, through all wrappers; gradients flow through."""
        return self.preprocessing(self.wrapped(x))

    @property
    def bare(self) -> Target:
        """The same without wrappers, judged by single answers."""
        return replace(self, wrapped=Wrapped(()), draws=1) if self.wrapped.wrappers else self

    @contextmanager
    def _blamed(self, x: Images) -> Iterator[None]:
        """Whatever a network raises is the model's failure, in one sentence; memory that runs out is not."""
        try:
            yield
        except (AuditorError, torch.OutOfMemoryError):
            raise
        except (Exception, SystemExit) as error:  # a border: the network may be the user's own code
            shape, first = "x".join(map(str, x.shape)), (str(error).strip().splitlines() or [""])[0]
            raise ModelError(
                f"{self.name} does not run on samples of shape {shape}: {type(error).__name__}: {first}"
            ) from error

    def image_size(self) -> tuple[int, int] | None:
        """The `(H, W)` that the user, the file's metadata or the network's input shape asks for, if any does."""
        if self.options.input_size is not None or self.input_shape is None or len(self.input_shape) != 4:
            return self.options.input_size
        _, first, second, last = self.input_shape
        channels_last = self.options.layout == "nhwc" or (
            self.options.layout == "auto" and last in (1, 3) and first not in (1, 3)
        )
        height, width = (first, second) if channels_last else (second, last)
        return (height, width) if height is not None and width is not None and min(height, width) > 1 else None

    @contextmanager
    def under(self, *, exact: bool = False, through: Past | None = None, near: Nearby | None = None) -> Iterator[None]:
        """Attacks search in the twin itself if `exact`, and with gradients that pass what `through` says; None leaves
        that as it is. Gradients are averaged over the neighbourhood `near`, if one is given."""
        search, before = self.search, self.through
        self.search = None if exact else search
        if near is not None and self.twin is not None:
            self.search = around(self.twin, near)
        self.through = before if through is None else through
        try:
            yield
        finally:
            self.search, self.through = search, before

    def drop_twin(self, finding: Finding | None = None) -> None:
        """Follow no gradients from here on; `finding` says why."""
        self.twin, self.search, self.gradients = None, None, "none"
        self.batching = self.batching.partition(";")[0]
        if finding is not None:
            self.findings.append(finding)

    def _carried_out(self, network: Network) -> Operations:
        """The network by its operations, recorded once."""
        if self._operations is None or self._operations.network is not network:
            self._operations = Operations(network)
        return self._operations

    def _checked(self, raw: torch.Tensor, n: int) -> torch.Tensor:
        rows = as_rows(raw, n)
        if self.num_classes and rows.shape[1] != (1 if self.head.binary else self.num_classes):
            raise ModelError(
                f"{self.name} answered with {rows.shape[1]} scores, and before with one for each of "
                f"{self.num_classes} classes."
            )
        return rows

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Eval mode (BatchNorm and dropout at rest), parameters frozen; the module's own state is restored."""
        with self.frozen_mode():
            yield
