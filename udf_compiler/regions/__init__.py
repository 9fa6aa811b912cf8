"""Scalar functions with loops and many branches to a `Region`: their bytecode, interpreted on symbolic values of a row.

`paths` runs a function once for each of its paths; that ends where the paths are too many or a loop's length depends on the row.
Here paths meet again: where the bytecode joins, states of the same classes continue in one block, whose arguments are the values
that differ. States of other classes (an int here, a float or None there) get a block of their own, so that no class is ever
joined with another one (basic block versioning, Chevalier-Boisvert and Feeley, ECOOP 2015).

`code` reads the bytecode, `instructions` and `calls` interpret it (`iteration`: loops, `tables`: constants), `state` says which
states meet, `build` makes the graph, `call` puts it into the loop of the row.
"""
