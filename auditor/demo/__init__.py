"""The embedded example: 500 handwritten digits and two small networks, made by `benchmarks/make_demo.py`.

The digits are from MNIST (Y. LeCun, C. Cortes, C. Burges), used under CC BY-SA 3.0.
"""
