"""Bytes of a pandas UDF to a program of the IR, or to a refusal that says why not. `service` is the process that does it."""
