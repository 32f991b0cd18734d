"""What a defense is: a frozen keyword-only dataclass whose fields are its hyper-parameters, and a method or two.

A `Recipe` trains a model, an `Addition` changes how any recipe trains it; a `Wrapper` stands before a model as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from auditor.parameters import check_parameters, parameter
from auditor.types import Norm

if TYPE_CHECKING:
    from torch import Tensor

    from auditor.harden.trainee import Trainee
    from auditor.rng import Rng
    from auditor.types import Images, Labels, Threat


@dataclass(frozen=True, kw_only=True)
class Defense(ABC):
    """Makes a model harder to fool; its fields are hyper-parameters, declared as an attack's are.

    The class docstring's first line says what the defense does, then `Helps:`, `Blind to:`, `Cost:`.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_parameters(self)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a recipe is trained where the user says nothing; each field can be said with `--training KEY=VALUE,…`.

    Raises UsageError for a value out of its bounds.
    """

    name: ClassVar[str] = "training"

    epochs: int = parameter(30, help="passes over the training data", low=1, high=100_000)
    batch_size: int = parameter(128, help="samples to an update", low=2, high=1_000_000)
    optimizer: str = parameter("adamw", help="sgd has Nesterov momentum 0.9", choices=("sgd", "adamw"))
    lr: float = parameter(2e-3, help="largest learning rate", low=0.0, high=100.0)
    schedule: str = parameter(
        "cyclic",
        help="cyclic: up along two fifths, then down; piecewise: a tenth after one half and after three quarters",
        choices=("cyclic", "piecewise", "cosine", "constant"),
    )
    weight_decay: float = parameter(5e-4, help="of all but biases and normalisation", low=0.0, high=10.0)
    label_smoothing: float = parameter(0.0, help="share of a label spread over all classes", low=0.0, high=0.9)
    average: float = parameter(0.0, help="decay of the running average that is kept; 0: none", low=0.0, high=0.99999)
    clip: float = parameter(1.0, help="largest length of the gradient of all weights; 0: any", low=0.0)
    warmup: float = parameter(0.25, help="share of the updates along which the budget rises from 0", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        check_parameters(self)


@dataclass(frozen=True, kw_only=True)
class Recipe(Defense):
    """A way to train: which examples are learned from, and the loss on them.

    A plugin sets the class variables, declares hyper-parameters with `auditor.parameter`, and writes `perturb` and
    `loss`. The trainer owns the rest: batches, augmentation, optimiser and schedule, mixed precision, running average
    of weights, checkpoints, validation, what is done where a loss is NaN or training collapses. A recipe holds no
    state; what it needs to remember from one step to the next is in `trainee.memory`.
    """

    norms: ClassVar[frozenset[Norm]] = frozenset({Norm.LINF, Norm.L2, Norm.L1})
    training: ClassVar[Training] = Training()
    single_step: ClassVar[bool] = False
    """True where examples come from one step, so that training may collapse: robust to one step and to no more."""
    within: ClassVar[bool] = True
    """False where examples leave the budget around their samples on purpose: larger noise, or samples of others."""

    @property
    def label(self) -> str:
        """Name of this configuration in tables; the plugin's name unless overridden."""
        return self.name

    @property
    def updates(self) -> int:
        """How often each batch is perturbed and learned from before the next."""
        return 1

    @abstractmethod
    def perturb(self, trainee: Trainee, x: Images, y: Labels, threat: Threat, rng: Rng) -> Images:
        """The examples to learn from, without a graph.

        Args:
            trainee: the model in training; `trainee.climb` is projected gradient ascent.
            x: `(N, …)` samples in `[0, 1]`, augmented; must not be changed in place.
            y: `(N,)` labels.
            threat: norm and radius.
            rng: a stream of random numbers per sample, fresh at every update.

        Returns:
            `(N, …)` examples. One that requires gradients has its `.grad` in `after_backward`.
        """

    @abstractmethod
    def loss(self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng) -> Tensor:
        """The loss of each example, with its graph; the mean over all is descended.

        Args:
            adversarial: what `perturb` returned; the others as there. An addition such as `awp` evaluates the loss
                more than once for one batch of examples.

        Returns:
            A loss for each row, `(N,)`, or as many as the recipe learns from.
        """

    def cure(self) -> Recipe | None:
        """The recipe to go on with where training collapsed; None, as by default, ends it with the best epoch."""
        return None

    def after_backward(
        self, trainee: Trainee, x: Images, adversarial: Images, y: Labels, threat: Threat, rng: Rng
    ) -> None:
        """Called when gradients of the weights are there, before they are clipped and applied.

        The place to learn from `adversarial.grad`, to add noise to gradients, or to `trainee.keep` the weights.
        """


@dataclass(frozen=True, kw_only=True)
class Addition(Defense):
    """Goes on top of any recipe, as in `--recipe trades+awp`."""

    @abstractmethod
    def around(self, trainee: Trainee, loss: Callable[[], Tensor]) -> AbstractContextManager[None]:
        """Entered for every update when its examples are made; the gradient that is applied is taken inside.

        Args:
            trainee: its `weights` may be changed in place on entering, and are restored on leaving.
            loss: the recipe's mean loss on the batch, with its graph; each call is a forward pass of its own, and
                batch normalisation learns no statistics from it.
        """


@dataclass(frozen=True, kw_only=True)
class Certified:
    """What is proven of N samples behind a wrapper.

    Attributes:
        prediction: the class that is proven, `(N,)` int64; -1 where the proof abstains.
        radius: no change that is smaller, in the norm of the proof, gives another class, `(N,)` float64; 0 where it
            abstains.
    """

    prediction: Tensor
    radius: Tensor


@dataclass(frozen=True, kw_only=True)
class Wrapper(Defense):
    """What is done to samples on their way into a model; nothing is trained.

    A plugin sets the class variables and writes `apply`, and where the identity would lead attacks astray, `stand_in`.
    The engine owns the rest: samples pass through `apply` before the deployed model and before its twin, so answers are
    always those of the wrapped model; attacks differentiate `stand_in` (backward pass differentiable approximation,
    Athalye et al., arXiv:1802.00420), and where `random`, average over fresh draws and are judged by the majority of
    them (expectation over transformation).
    """

    random: ClassVar[bool] = False
    """True where `apply` draws anew each time; it draws with PyTorch's own generator of the device."""
    differentiable: ClassVar[bool] = False
    """True where gradients through `apply` itself are useful; `stand_in` is not asked then."""
    images_only: ClassVar[bool] = False
    """True where `apply` needs `(N, C, H, W)`; otherwise any `(N, …)` is taken."""
    draws: ClassVar[int] = 1
    """Over how many answers a model behind it is judged at least, where more than over those of any random model."""
    certifies: ClassVar[bool] = False
    """True where `certify` proves how large an L2 change no sample can be broken by; samples have to meet it first."""

    @property
    def level(self) -> float:
        """How likely, at most, chance alone may make a wrong class lead over the label by so many draws, if it is to
        count; 1: whoever leads."""
        return 1.0

    @abstractmethod
    def apply(self, x: Images) -> Images:
        """What the model gets instead of `x`, `(N, …)` in `[0, 1]`, which must not be changed in place.

        Returns:
            As many samples of the same shape, in `[0, 1]` unless what was added is noise. Each depends on its own
            sample alone.
        """

    def stand_in(self, x: Images) -> Images:
        """What `apply` roughly is, of the same shape, differentiable: the identity unless overridden."""
        return x

    def certify(self, answer: Callable[[Images], Tensor], x: Images, rng: Rng) -> Certified:
        """What is proven of samples `(N, …)`, each proof wrong with a probability of at most `level`; asked where
        `certifies`.

        Args:
            answer: logits `(N, K)` of what comes behind this wrapper.
            rng: a stream of random numbers per sample.
        """
        raise NotImplementedError

    def unfit(self, shape: tuple[int, ...]) -> str | None:
        """Why it cannot be put before a model of samples of this shape, as a sentence; None if it can."""
        if self.images_only and len(shape) != 3:
            return f"works on images, and these samples have the shape {tuple(shape)}."
        return None
