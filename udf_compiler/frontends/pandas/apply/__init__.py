"""Compiles Python functions that pandas applies to each value or row."""
