"""Every error that auditor raises on purpose.

    AuditorError
    ├── UsageError        a flag, a setting or a combination of them makes no sense        exit 2
    ├── ModelError        the model file cannot be loaded or cannot be audited             exit 4
    ├── DataError         the samples cannot be loaded or do not fit the model             exit 4
    ├── PluginError       a plugin broke its contract, or two plugins claim one name       exit 2
    ├── RunError          a run directory cannot be written, read or resumed               exit 2
    └── Stopped           the user pressed Ctrl-C; what was done is safe                   exit 130

Each carries one sentence for the user: what is wrong, where, what to do next.
"""

from __future__ import annotations


class AuditorError(Exception):
    """Base of all errors whose text is meant for the user; `exit_code` is what the command answers."""

    exit_code = 4


class UsageError(AuditorError):
    """The request itself is wrong: an unknown name, a value out of bounds, flags that exclude each other."""

    exit_code = 2


class ModelError(AuditorError):
    """The model cannot be loaded, run, or believed."""


class DataError(AuditorError):
    """The samples cannot be read, or do not fit the model."""


class PluginError(AuditorError):
    """A plugin cannot be loaded, or does not keep its contract."""

    exit_code = 2


class RunError(AuditorError):
    """A run directory cannot be written, read, verified or resumed."""

    exit_code = 2


class Stopped(AuditorError):
    """The user stopped the command; the text says how to go on."""

    exit_code = 130
