"""The record of a run, its statistics, and how it lies on disk."""
