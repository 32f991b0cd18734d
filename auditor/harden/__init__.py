"""Hardening: a model file in, a hardened model file out, audited by attacks that its training never saw."""
