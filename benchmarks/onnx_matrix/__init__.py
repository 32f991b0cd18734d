"""The ONNX matrix: does the twin agree with ONNX Runtime, are its gradients right, how fast is it, and who else can?

    python -m benchmarks.onnx_matrix peers --cache CACHE     # install the other converters into the cache
    python -m benchmarks.onnx_matrix run --cache CACHE       # measure; a run that was stopped goes on
    python -m benchmarks.onnx_matrix render --cache CACHE    # write docs/onnx-matrix.md

A *bundle* is what one process makes: the files of one network by one exporter, with what ONNX Runtime answers and what
the gradient is. Each file and each tool is a *cell*, measured in a process of its own, since a converter may crash or
hang. Results are lines of JSON in the cache.
"""
