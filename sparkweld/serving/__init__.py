"""Runs compiled functions and models outside Spark: the same kernels, for batches and for single rows.

`signature` describes a program's columns, `runner` calls its kernel, `columns` converts tables to what it reads, and `results`
converts back. `original` runs the function in Python for what a kernel may not decide. `program` combines them. `file` stores
programs, and `library` links them to shared libraries with a C header. `methods` runs programs in place of a model's methods,
and `batching` scores the rows of concurrent requests together. `mlflow_format` names what a folder of MLflow holds for both.

Nothing here imports the compiler, Numba, scikit-learn or Spark, so a stored program loads in milliseconds.
`sparkweld.api.compiling` makes programs.
"""
