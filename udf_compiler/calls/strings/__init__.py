"""`Series.str` and the methods of a Series of strings, as pandas 2 has them for object dtype."""
