"""Surrogates that the user has: models loaded with options of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from auditor.engine.options import model_options
from auditor.engine.surrogates.surrogate import Standard, Surrogate
from auditor.errors import DataError, ModelError, UsageError
from auditor.result.surrogates import SurrogateResult
from auditor.settings import Settings
from auditor.values import converted

if TYPE_CHECKING:
    from auditor.settings import SurrogateSetting
    from auditor.target.base import ModelOptions, Target

OPTIONS = (
    "mean",
    "std",
    "input_range",
    "layout",
    "channel_order",
    "input_size",
    "weights",
    "input",
    "output",
)
_PIPELINE = OPTIONS[:6]
"""What the model's own flags may say of a surrogate too, if that is how it agrees with the model more."""


def options_of(setting: SurrogateSetting, *, trust: bool) -> ModelOptions:
    """The options of a surrogate, and no others.

    Raises:
        UsageError: an option that there is not, or a value that it does not take.
    """
    where = f"--surrogate {setting.source}"
    for key in setting.options:
        if key not in OPTIONS:
            known = ", ".join(option.replace("_", "-") for option in OPTIONS)
            raise UsageError(f"{where} has no option {key.replace('_', '-')!r}; a model takes {known}.")
    values, problems = converted(setting.options)
    try:
        said = Settings.model_validate({"models": (), "data": "", "threats": (), **setting.options, **values})
    except ValueError:
        problems.append(f"{setting.options!r} cannot be meant.")
    if problems:
        raise UsageError(f"{where}: {' '.join(problems)}")
    return model_options(said, trust=trust)


def loaded(
    setting: SurrogateSetting,
    name: str,
    settings: Settings,
    load: Callable[[str, ModelOptions], Target],
    standard: Standard,
) -> Surrogate:
    """The surrogate, read as its file and its own options say; where it has none, as the model's flags say if it then
    agrees more with the model. Nothing is taken over because it happens to be set.

    Raises:
        UsageError: it cannot be loaded, or does not fit the samples.
    """
    best: Surrogate | None = None
    for options, said in _ways(setting, settings):
        try:
            target = load(setting.source, options)
            found = _held(SurrogateResult(name=name, source=setting.source, options=said), target, standard)
        except (ModelError, DataError, UsageError) as error:
            if best is None:
                raise UsageError(f"--surrogate {setting.source}: {error}") from error
            continue  # The model's flags do not fit it; its own file was read before.
        if best is None or (found.record.agreement or 0.0) > (best.record.agreement or 0.0):
            best = found
    assert best is not None
    return best


def _ways(setting: SurrogateSetting, settings: Settings) -> Iterator[tuple[ModelOptions, dict[str, Any]]]:
    yield options_of(setting, trust=settings.trust), dict(setting.options)
    said = {key: getattr(settings, key) for key in _PIPELINE}
    taken = {key: value for key, value in said.items() if value != Settings.model_fields[key].get_default()}
    if taken and not setting.options:
        borrowed = setting.model_copy(update={"options": taken})
        yield options_of(borrowed, trust=settings.trust), taken


def _held(record: SurrogateResult, target: Target, standard: Standard) -> Surrogate:
    from auditor.target.binding import bind

    with target.frozen():
        bind(target, standard.samples)
    record = record.model_copy(
        update={
            "sha256": target.sha256,
            "format": target.format,
            "preprocessing": target.preprocessing.describe(),
        }
    )
    target.name, why = record.name, ""
    if target.num_classes != standard.target.num_classes:
        why = f"it answers with {target.num_classes} classes, and the model with {standard.target.num_classes}"
    elif target.twin is None:
        why = "it gives no gradients"
    if why:
        return Surrogate(record.model_copy(update={"left_out": why}))
    return standard.held(record, target, standard.some)
