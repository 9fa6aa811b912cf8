"""Implements the command line of SparkWeld, `python -m sparkweld`."""
