"""Every attack beside the best implementation of it elsewhere: same networks, same samples, passes counted alike.

    python -m benchmarks.attacks minimal --cache DIR [--network mnist-pgd] [--only l2/] [--samples 100]

appends a line of JSON per measurement to DIR/attacks.jsonl. A family is a module of this package with a function
`cells`, or `records` where it measures by itself; `python -m benchmarks.attacks --help` lists them. Peers that are not
installed are named and left out.
"""
