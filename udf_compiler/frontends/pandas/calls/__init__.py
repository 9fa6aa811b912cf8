"""Holds the functions and methods that compiled code may call, as traced implementations; one module per library."""
