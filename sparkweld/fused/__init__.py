"""UDFs with calls of annotated functions in them to one function for Spark's Python worker: kernels and calls, block by block.

`compile` runs in the driver's compile service and makes the payload, `payload` is what the worker unpickles (it needs nothing
of SparkWeld to fall back to the original), `function` runs in the worker. `parts` leaves the first and last kernel to the JVM.
`stand_ins` are what the traced function sees.
"""
