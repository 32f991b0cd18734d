"""Reading the data in the size in which it is attacked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from auditor.errors import DataError
from auditor.samples.base import SampleOptions

if TYPE_CHECKING:
    from auditor.plugins import Plugins
    from auditor.samples.base import Samples
    from auditor.settings import Settings
    from auditor.target.base import Target


def read_samples(settings: Settings, plugins: Plugins, target: Target | None, split: str = "test") -> Samples:
    """The data in its own size where that is at most what the model wants.

    Larger images are brought to the model's size first, as pipelines do; smaller ones are scaled inside the target, so
    that budgets stay in pixels of the data.

    Raises:
        DataError: it cannot be read, or holds no samples.
    """
    s = settings
    own = SampleOptions(limit=s.samples, seed=s.seed, classes=s.classes, root=s.root, split=split)
    wanted = s.input_size or (target.image_size() if target else None)
    samples = _fitting(s.data, plugins, own, wanted) if wanted else plugins.load_samples(s.data, own)
    if not len(samples):
        raise DataError(f"{s.data} holds no samples.")
    return samples


def _fitting(source: str, plugins: Plugins, own: SampleOptions, wanted: tuple[int, int]) -> Samples:
    """The data in its own size if that is one, and at most `wanted`; a few samples tell the latter cheaply."""
    try:
        shape = plugins.load_samples(source, replace(own, limit=8)).shape
        if len(shape) != 3 or (shape[1] <= wanted[0] and shape[2] <= wanted[1]):
            return plugins.load_samples(source, own)
    except DataError:
        pass  # The same data in the wanted size says what is wrong with it, if anything still is.
    return plugins.load_samples(source, replace(own, size=wanted))
