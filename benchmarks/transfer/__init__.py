"""How attacks travel between trained networks: known effects, what each piece of an attack
adds, other libraries at equal settings, ten models at once.

    pip install mlxtend torchattacks==3.5.1
    OMP_NUM_THREADS=1 python -m benchmarks.transfer [effects] [pieces] [peers] [ten] [--cache FOLDER]

Networks are trained once and kept in FOLDER; everything is printed as Markdown, as in `docs/benchmarks-transfer.md`.
"""
