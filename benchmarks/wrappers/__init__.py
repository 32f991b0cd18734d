"""Wrappers before the stored networks: what is left of each against an attacker who knows of it, and what one proves.

    OMP_NUM_THREADS=1 python -m benchmarks.wrappers > tables.md

Each line is one scan; the tables are those of docs/explanation/wrappers.md.
"""
