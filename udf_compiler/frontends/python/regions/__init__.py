"""Compiles scalar functions with loops and many branches to a `Region`: interprets their bytecode on symbolic values of a row.

`paths` runs a function once for each of its paths. That fails where the paths are too many or a loop's length depends on the row.
Here paths meet again. Where the bytecode joins, states of the same classes continue in one block; the differing values are its
arguments. States of other classes (an int here, a float or None there) get a block of their own. No class is ever joined with
another one (basic block versioning, Chevalier-Boisvert and Feeley, ECOOP 2015).

`code` reads the bytecode. `instructions`, `calls` and `definitions` interpret it (`iteration`: loops, `tables`: constants).
`state` decides which states meet, `build` builds the graph, and `call` emits it into the loop of the row.
"""
