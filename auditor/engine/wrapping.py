"""The wrappers that the settings ask for, put before a target."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditor.defense import Defense, Wrapper
from auditor.errors import AuditorError, PluginError, UsageError
from auditor.parameters import coerced, parameters_of
from auditor.result.wrappers import WrapperRecord
from auditor.target.wrapped import Wrapped

if TYPE_CHECKING:
    from auditor.settings import AttackSetting, Settings
    from auditor.target.base import Target


def chosen_wrappers(settings: Settings, available: Mapping[str, type[Defense]]) -> Wrapped:
    """The wrappers of the settings, set up, in their order.

    Raises:
        UsageError: one is not installed, is no wrapper, or does not take these parameters.
        PluginError: one breaks while it is set up.
    """
    return Wrapped(tuple(_configured(asked, available) for asked in settings.wrappers))


def wrap(target: Target, wrapped: Wrapped, shape: tuple[int, ...]) -> None:
    """Put wrappers before a target that is bound to samples of this shape.

    Raises:
        UsageError: one cannot be put before such a model.
    """
    for place, wrapper in enumerate(wrapped.wrappers):
        if wrapper.certifies and place:
            raise UsageError(
                f"--wrapper {wrapper.name} proves something only of samples that meet it first; name it before "
                f"{wrapped.wrappers[0].name}."
            )
        if why := wrapper.unfit(shape):
            raise UsageError(f"--wrapper {wrapper.name}: it {why}")
    target.wrapped, target.draws = wrapped, wrapped.draws


def wrapper_records(target: Target) -> tuple[WrapperRecord, ...]:
    """The wrappers before a target, as the record holds them."""
    return tuple(
        WrapperRecord(
            name=wrapper.name,
            parameters={item.name: getattr(wrapper, item.name) for item in parameters_of(type(wrapper))},
            paper=wrapper.paper,
            random=wrapper.random,
        )
        for wrapper in target.wrapped.wrappers
    )


def _configured(asked: AttackSetting, available: Mapping[str, type[Defense]]) -> Wrapper:
    wrappers = {name: cls for name, cls in available.items() if issubclass(cls, Wrapper)}
    cls = wrappers.get(asked.name)
    if cls is None:
        near = difflib.get_close_matches(asked.name, wrappers, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        what = "no wrapper but a training recipe" if asked.name in available else "not installed"
        raise UsageError(
            f"--wrapper {asked.name}: it is {what}.{hint} Installed are {', '.join(sorted(wrappers)) or 'none'}."
        )
    try:
        return cls(**coerced(cls, asked.parameters))
    except AuditorError:
        raise
    except Exception as error:  # a plugin border
        raise PluginError(f"The wrapper {asked.name!r} cannot be set up: {type(error).__name__}: {error}.") from error
