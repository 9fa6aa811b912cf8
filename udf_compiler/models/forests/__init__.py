"""Readers: a library's fitted trees to `sparkweld.ir.trees.Forest`."""
