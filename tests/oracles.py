"""The conformance kit's oracles, under the name that tests know them by."""

from auditor.testing.oracles import Linear, Outcome, run, target_of

__all__ = ["Linear", "Outcome", "run", "target_of"]
