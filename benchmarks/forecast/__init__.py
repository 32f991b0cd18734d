"""How well auditor/result/forecast.py foretells: long searches on many networks, and what they found after each point.

    python -m benchmarks.forecast                    # the table, from the stored fall times
    python -m benchmarks.forecast --fit              # the constants that fit best
    python -m benchmarks.forecast --search [NAME...] # makes the fall times anew

A search is a sequence of attacks, each on what still stands, far longer than a suite. For every sample it keeps the
passes (forwards and backwards) spent on it when it fell. From the falls up to a budget the falls up to twice that
budget are foretold, and compared with what happened. Constants were chosen on the networks marked `fit`; the table is
of the others, which had no part in it.
"""
