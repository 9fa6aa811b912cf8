"""Holds 110 functions in the kinds and idioms of public code, to measure what share of such functions is compiled.

Their author did not know the compiler, and nothing of the compiler was built for them before the first run. Do not tidy them:
bare `except`, shadowed builtins and `== None` are part of what is measured. `python -m tests.sample` prints the measure.
"""
