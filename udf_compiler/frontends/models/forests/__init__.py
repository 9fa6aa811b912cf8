"""Reads each library's fitted trees into `sparkweld.ir.trees.Forest`."""
