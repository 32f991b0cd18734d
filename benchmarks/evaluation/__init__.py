"""How strong and how cheap the evaluation is, beside the tools that people use.

    python -m benchmarks.evaluation strength --cache CACHE    # `standard` against AutoAttack
    python -m benchmarks.evaluation steps --cache CACHE       # the same number of PGD and APGD steps by everyone
    python -m benchmarks.evaluation overhead --cache CACHE    # attacks against their bare passes
    python -m benchmarks.evaluation queries --cache CACHE     # queries per second against a bare session
    python -m benchmarks.evaluation growth --cache CACHE      # cost over samples, classes, pixels, parameters
    python -m benchmarks.evaluation count --cache CACHE       # our count of passes against a counter outside
    python -m benchmarks.evaluation render --cache CACHE      # write docs/benchmarks.md

Results are lines of JSON in the cache; each cell is measured in a process of its own, on one thread.
"""
