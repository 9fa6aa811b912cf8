"""Reads a pickled function: its payload, its bytecode, and the modules and files that it needs."""
