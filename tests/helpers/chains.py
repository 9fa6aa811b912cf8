"""Holds functions that do enough to be worth a kernel, for chains of plain UDFs."""

from __future__ import annotations


def plain(s):
    for letter in "-_.,;:/*+!?&%$()[]{}<>=|@^~`":
        s = s.replace(letter, " ")
    return s.strip().lower()


def mixed(k):
    for i in range(40):
        k = (k * 3 + i) % 1000003 - i
    return k


def clean(s):
    return None if s is None else plain(s)
