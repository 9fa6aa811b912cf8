"""Traces pandas and NumPy: calls a user's function once with symbolic Series and records its computation as IR.

Start at `trace.trace`. `series`, `array` and `frame` hold the symbolic values, and `calls` their functions and methods.
`stand_ins` finds what a compiled function sees in place of a library.
"""
