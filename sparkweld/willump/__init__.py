"""Fitted pipelines and labelled rows to cascades: a small model for the rows it is sure of, the full one for the rest.

Willump (arXiv 1906.01974), with a certificate. Start at `fitting`; `features`, `cost` and `loss_bound` are its parts, `cascade`
is what it makes and `store` the directory that it is kept in, with its `certificate`. `ranking` makes small models that find the
candidates of top-K queries.
"""
