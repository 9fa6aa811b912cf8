"""Fuses UDFs that call annotated functions into one function for Spark's Python worker: kernels and calls, block by block.

`compile` runs in the driver's compile service and builds the payload. The worker unpickles `payload`, which falls back to the
original function without importing SparkWeld. `function` runs in the worker. `parts` moves the first and last kernel to the JVM.
`stand_ins` replace library objects in the traced function.
"""
