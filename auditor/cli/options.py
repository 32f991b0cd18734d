"""Flags that several commands share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Mean: TypeAlias = Annotated[
    str | None, typer.Option(help="Mean per channel, subtracted by the pipeline, e.g. 0.485,0.456,0.406.")
]
Std: TypeAlias = Annotated[str | None, typer.Option(help="Standard deviation per channel, divided by.")]
InputRange: TypeAlias = Annotated[
    str | None, typer.Option(help="Range that the network expects pixels in, e.g. 0,255 or -1,1. [default: 0,1]")
]
Layout: TypeAlias = Annotated[str | None, typer.Option(help="nchw, nhwc, flat or auto. [default: auto]")]
ChannelOrder: TypeAlias = Annotated[str | None, typer.Option(help="rgb or bgr. [default: rgb]")]
InputSize: TypeAlias = Annotated[
    str | None, typer.Option(help="Bring images to H,W: shorter side scaled, then the centre cut.")
]
Classes: TypeAlias = Annotated[
    str | None, typer.Option(help="File with the class names in the order of the model's outputs, one a line.")
]
Weights: TypeAlias = Annotated[
    str | None, typer.Option(help="Weights (safetensors, or a state dict) for a model named package.module:factory.")
]
Input: TypeAlias = Annotated[str | None, typer.Option(help="Input that gets the samples, where a graph has several.")]
Constant: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE for another input: a number that fills it, or an .npy file; repeatable."),
]
Output: TypeAlias = Annotated[str | None, typer.Option(help="Name of the output to judge, where a graph has several.")]
Provider: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="ONNX Runtime execution provider, e.g. tensorrt; repeatable, in order.")
]
Trust: TypeAlias = Annotated[
    bool, typer.Option("--trust", help="Accept that loading may run code from the model file. [default: off]")
]
Transfer: TypeAlias = Annotated[
    bool | None,
    typer.Option("--transfer/--no-transfer", help="Try on each model what fools the others. [default: on]"),
]
TransferAttack: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="NAME[:key=value,...] that makes examples for other models; repeatable.")
]
Ensemble: TypeAlias = Annotated[
    bool, typer.Option("--ensemble", help="Attack several models at once for each other. [default: off]")
]
Device: TypeAlias = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:1. [default: auto]")]
Without: TypeAlias = Annotated[list[str] | None, typer.Option(help="Leave a plugin out, by name; repeatable.")]
Config: TypeAlias = Annotated[
    Path | None, typer.Option(help="Settings file. [default: auditor.toml, else tool.auditor in pyproject.toml]")
]
Formats: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Reports to write, e.g. html,junit,sarif,markdown; `auditor plugins --all` lists them. [default: html]",
    ),
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, and one line of result.")]
Surrogate = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL", help="MODEL[:key=value,...] to make examples on, or distill[:key=value,...]; repeatable."
    ),
]
