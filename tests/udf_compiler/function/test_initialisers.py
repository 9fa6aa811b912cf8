"""Checks which `__init__` methods of table functions are proved to set constants, and which methods do nothing."""

from __future__ import annotations

import math
import re

import pytest

from udf_compiler.function.initialisers import does_nothing, sets_constants

LIMIT, TABLE, NAMES = 3, {"a": 1}, {"a"}

CONSTANT = [
    "pass", "self.a = 1", "self.a, self.b = None, 1.5", "self.a = self.b = True", "self.a = LIMIT * 2 + 1", "self.a = TABLE",
    "self.a = re.compile('x', re.I)", "self.a = {'a': 1, 'b': [1, 2]}", "self.a = {'a', 'b', 'c', 'd'}", "self.a = {'a'}",
    "self.a = [i * 2 for i in range(3)]", "self.a = {k: v + 1 for k, v in TABLE.items()}", "self.a = math.pi", "self.a = []",
    "self.a = 1; self.b = self.a + 1", "x = 5; self.a = x", "self.a = 'a b'.split()", "self.a = 5 if LIMIT else 6",
]  # fmt: skip
OTHERS = [
    # other effects
    "print(1)", "import os", "global LIMIT; LIMIT = 2", "TABLE['b'] = 1", "TABLE.update(x=1)", "self.a = TABLE.pop('a')",
    "H.n = 1", "self.__class__.n = 1", "type(self).n = 1", "(H if TABLE else self).a = 1", "self.a = []; self.a.append(1)",
    "self.a = [0]; self.a[:] = [1]", "del self.a", "self.a = open('x')", "self.a = eval('1')",
    # code of the user
    "self.a = helper()", "self.a = lambda x: x", "self.a = self.run()", "super().__init__()", "self.a = nothere",
    # values that differ between objects or processes
    "self.a = str(self)", "self.a = f'{self}'", "self.a = '%s' % self", "x = self; self.a = x", "self.a = id(1)",
    "self.a = list({'a', 'b'})", "self.a = [x for x in {'a', 'b', 'c'}]", "self.a = {x for x in 'ab'}", "self.a = NAMES",
    "self.a = set(['a'])", "self.a = hash('a')",
]  # fmt: skip


def class_of(body: str, members: str = "def run(self): print(1)") -> type:
    """Returns a class with this `__init__`."""
    names = {"LIMIT": LIMIT, "TABLE": dict(TABLE), "NAMES": NAMES, "re": re, "math": math, "helper": lambda: 1}
    exec(f"class H:\n    def __init__(self):\n        {body}\n    {members}", names)
    return names["H"]


@pytest.mark.parametrize("body", CONSTANT)
def test_constants(body):
    assert sets_constants(class_of(body))


@pytest.mark.parametrize("body", OTHERS)
def test_other_initialisers(body):
    assert not sets_constants(class_of(body))


@pytest.mark.parametrize(
    "members",
    ["a = property(lambda self: 1, print)", "__len__ = lambda self: 1", "__slots__ = ('a',)", "a = staticmethod(print)"],
)
def test_members_that_run_code(members):
    assert not sets_constants(class_of("self.a = 1", members))


def test_other_arguments_and_bases():
    class Given:
        def __init__(self, n=1):
            self.n = n

    class Base(Given):
        def __init__(self):
            self.n = 1

    assert not sets_constants(Given) and not sets_constants(Base)


def test_methods_that_do_nothing():
    class Methods:
        def passed(self):
            pass

        def documented(self):
            """Does nothing."""

        def returned(self):
            return None

        def yields(self):
            yield 1

        def prints(self):
            print()

        def returns(self):
            return 1

    methods = [method for name, method in vars(Methods).items() if not name.startswith("__")]
    assert list(map(does_nothing, methods)) == [True, True, True, False, False, False]
    assert not does_nothing(None) and not does_nothing(print)
