"""Compiles the pickled bytes of Python UDFs to IR programs, or refuses with reasons. `service` is the process that does it."""
