"""Limits the memory and CPU time of the compile service, and tracks the state of its process."""
