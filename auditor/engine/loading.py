"""Models and samples as the settings say them: a model bound to samples, samples in the size that they are attacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.engine.options import model_options
from auditor.engine.reading import read_samples
from auditor.engine.wrapping import wrap
from auditor.errors import AuditorError, DataError, ModelError

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
            return None, samples or read_samples(self.settings, self.plugins, None), error
        samples = samples or read_samples(self.settings, self.plugins, target)
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
