"""Records the computation of a function as IR: the parts that all frontends share. Start at `session`, then `values`."""
