"""Fits certified cascades from a pipeline and rows: a small model answers the rows it is sure of, the full one the rest.

Implements Willump (arXiv 1906.01974) and adds a certificate. Start at `fitting`, which uses `features`, `cost` and `loss_bound`.
`cascade` is its result, and `store` writes it to a directory with its `certificate`. `ranking` fits small models that find the
candidates of top-K queries.
"""
