"""The cases in which nothing is wrong, and nothing may be said."""

from __future__ import annotations

from auditor.selftest.case import Case, ours

HONEST: tuple[Case, ...] = (
    Case(name="plain", model=ours("networks", "plain"), quick=True),
    Case(name="hardened", model=ours("networks", "hardened"), eps=(0.3,), quick=True),
    Case(name="linear", model=ours("networks", "linear"), exact=True, quick=True),
    Case(name="plain-onnx", model="demo:plain.onnx", quick=True),
    Case(name="hardened-onnx", model="demo:hardened.onnx", eps=(0.3,)),
)
