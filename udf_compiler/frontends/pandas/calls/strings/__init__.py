"""Lowers `Series.str` and the methods of a Series of strings, with the semantics of pandas 2 for object dtype."""
