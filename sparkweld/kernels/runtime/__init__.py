"""Stores, caches and loads the object code of kernels."""
