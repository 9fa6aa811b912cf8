"""Lays out the constants of models and tables as arrays that kernels read."""
