"""Experiments on data rather than audits of a model: `auditor study`."""
