"""Known answers at full length: every case of `auditor selftest`

python -m benchmarks.trust show CASE...          what the checks say of these cases now
"""
