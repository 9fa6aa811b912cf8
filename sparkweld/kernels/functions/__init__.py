"""Implements the functions of strings, lists and models that kernels call, in the Python subset that Numba lowers."""
