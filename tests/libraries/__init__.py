"""Compares every supported model class with the library that is installed; see `python -m tests.libraries --help`."""
