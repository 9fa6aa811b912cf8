"""Patterns of Python's `re` to automata that find the same matches, or to the reason why they are not compiled.

`parse` has Python's own parser read the pattern, `nfa` makes threads in order of priority of it, `dfa` the tables.
"""

from udf_compiler.regex.dfa import compile_regex
from udf_compiler.regex.minimise import overruns
from udf_compiler.regex.parse import Unsupported

__all__ = ["Unsupported", "compile_regex", "overruns"]
