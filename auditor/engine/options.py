"""What the settings say about a model, in the words that loaders take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.target.base import ModelOptions

if TYPE_CHECKING:
    from auditor.settings import Settings


def model_options(settings: Settings, *, trust: bool) -> ModelOptions:
    """The options for loading a model. `trust` is said apart: stored settings must never decide it."""
    return ModelOptions(
        mean=settings.mean,
        std=settings.std,
        input_range=settings.input_range,
        layout=settings.layout,
        input_size=settings.input_size,
        channel_order=settings.channel_order,
        weights=settings.weights,
        classes=settings.classes,
        input=settings.input,
        constants=settings.constants,
        output=settings.output,
        providers=settings.providers,
        trust=trust,
    )
