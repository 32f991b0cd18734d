"""Labelled data from class folders, .npz, CSV, Parquet and torchvision's data sets on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.hookspecs import hookimpl

if TYPE_CHECKING:
    from auditor.samples.base import SampleOptions, Samples


@hookimpl
def auditor_load_samples(source: str, options: SampleOptions) -> Samples | None:
    """The samples of a folder, file or torchvision data set; None where `source` is none of them."""
    from auditor.samples.opening import open_samples

    return open_samples(source, options)
