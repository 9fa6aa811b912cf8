"""Compiles patterns of Python's `re` to automata that find the same matches, or reports why a pattern is unsupported.

`parse` reads the pattern with Python's own parser, `nfa` compiles it to threads in priority order, `dfa` builds the tables.
"""

from udf_compiler.frontends.regex.dfa import compile_regex
from udf_compiler.frontends.regex.overruns import overruns
from udf_compiler.frontends.regex.parse import Unsupported

__all__ = ["Unsupported", "compile_regex", "overruns"]
