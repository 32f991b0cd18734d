"""Models and samples as the settings say them: a model bound to samples, samples in the size that they are attacked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from auditor.engine.options import model_options
from auditor.engine.wrapping import wrap
from auditor.errors import AuditorError, DataError, ModelError
from auditor.samples.base import SampleOptions

if TYPE_CHECKING:
    import torch

    from auditor.plugins import Plugins
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target
    from auditor.target.wrapped import Wrapped


@dataclass(frozen=True)
class Loader:
    """Loads what the settings name, onto one device."""

    settings: Settings
    plugins: Plugins
    device: torch.device
    wrapped: Wrapped

    def first(self, source: str, samples: Samples | None) -> tuple[Target | None, Samples | None, AuditorError | None]:
        """The target bound to the samples, or why it cannot be; the samples are read once, in the size that the first
        model wants."""
        try:
            target = self._target(source)
        except (ModelError, DataError) as error:
            return None, samples or self._samples(None), error
        samples = samples or self._samples(target)
        try:
            self._bind(target, samples)
        except (ModelError, DataError) as error:
            return None, samples, error
        return target, samples, None

    def again(self, source: str, samples: Samples) -> Target:
        """A model that was loaded before and let go of, bound to the samples.

        Raises:
            AuditorError: the file is gone, or no longer what it was.
        """
        target = self._target(source)
        self._bind(target, samples)
        return target

    def _target(self, source: str) -> Target:
        return self.plugins.load_model(source, model_options(self.settings, trust=self.settings.trust), self.device)

    def _bind(self, target: Target, samples: Samples) -> None:
        from auditor.target.binding import bind

        with target.frozen():
            bind(target, samples)
        wrap(target, self.wrapped, tuple(samples.shape))

    def _samples(self, target: Target | None) -> Samples:
        """The data in the size in which it is attacked: its own where that is at most what the model wants.

        Larger images are brought to the model's size first, as pipelines do; smaller ones are scaled inside the
        target, so that budgets stay in pixels of the data.
        """
        s = self.settings
        own = SampleOptions(limit=s.samples, seed=s.seed, classes=s.classes, root=s.root)
        wanted = s.input_size or (target.image_size() if target else None)
        samples = self._fitting(own, wanted) if wanted else self.plugins.load_samples(s.data, own)
        if not len(samples):
            raise DataError(f"{s.data} holds no samples.")
        return samples

    def _fitting(self, own: SampleOptions, wanted: tuple[int, int]) -> Samples:
        """The data in its own size if that is one, and at most `wanted`; a few samples tell the latter cheaply."""
        source = self.settings.data
        try:
            shape = self.plugins.load_samples(source, replace(own, limit=8)).shape
            if len(shape) != 3 or (shape[1] <= wanted[0] and shape[2] <= wanted[1]):
                return self.plugins.load_samples(source, own)
        except DataError:
            pass  # The same data in the wanted size says what is wrong with it, if anything still is.
        return self.plugins.load_samples(source, replace(own, size=wanted))
