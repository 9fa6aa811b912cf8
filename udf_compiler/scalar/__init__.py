"""TracedScalar Python functions, called once a row, to IR: forking symbolic execution of their ints, floats, bools and None.

Start at `run`. `paths` explores the paths of a function, `values` and `numbers` hold the symbolic scalars and Python's
arithmetic, `results` merges what the paths give into a Series or a Spark column.
"""
