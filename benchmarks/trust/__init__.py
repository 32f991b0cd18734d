"""Known answers at full length: every case of `auditor selftest`, and honest networks that are not shipped.

python -m benchmarks.trust show CASE...          what the checks say of these cases now
python -m benchmarks.trust run --cache DIR       all of them; what the cache holds is not run again
python -m benchmarks.trust truths [CASE...]      what each masked model withstands without its mask
python -m benchmarks.trust render --cache DIR    the tables of docs/explanation/selftest.md
"""
