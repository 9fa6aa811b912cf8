"""Compiles Python functions that are called once a row to IR, by forking symbolic execution.

Start at `run`. `paths` explores the paths of a function. `values` and `numbers` hold the symbolic scalars and Python's
arithmetic. `results` merges the results of the paths into a Series or a Spark column.
"""
