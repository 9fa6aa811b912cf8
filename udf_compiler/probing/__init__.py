"""Compares a compiled function with its original on synthetic rows before it is used."""
