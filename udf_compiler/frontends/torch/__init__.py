"""Translates PyTorch: tensors of the batch's rows, functions of them, and modules, as their own code calls these functions.

PyTorch itself runs each operation on a few rows of ones. So dtypes, shapes, gradients and errors are the installed version's.
"""
