"""Parses Spark's DDL of types, such as `id long, tags array<string>`, without a JVM."""

from __future__ import annotations

import re

from pyspark.sql.types import ArrayType, DataType, DecimalType, MapType, StructField, StructType

from sparkweld.api.udfs import parsed_type

_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|\w+|[<>(),:])")
_OTHER_NAMES = {"dec": "decimal", "numeric": "decimal"}


class _Unparsed(Exception):
    """Raised for a form that this parser does not know."""


def parse_ddl(text: str) -> DataType | None:
    """Returns the type of a DDL string, a struct for a list of columns; None for a form that is not known."""
    try:
        tokens = _Tokens(text)
        for read in (_type, _fields):
            tokens.at = 0
            try:
                found = read(tokens)
                if tokens.at == len(tokens.all):
                    return found
            except _Unparsed:
                continue
    except _Unparsed:
        pass
    return None


class _Tokens:
    def __init__(self, text: str) -> None:
        self.all: list[str] = []
        self.at = end = 0
        while end < len(text.rstrip()):
            found = _TOKEN.match(text, end)
            if found is None:
                raise _Unparsed(text)
            self.all.append(found[1])
            end = found.end()

    def next(self) -> str:
        self.at += 1
        if self.at > len(self.all):
            raise _Unparsed
        return self.all[self.at - 1]

    def takes(self, token: str) -> bool:
        """Whether the next token is this one, which is then read."""
        found = self.at < len(self.all) and self.all[self.at].lower() == token
        self.at += found
        return found

    def expect(self, token: str) -> None:
        if not self.takes(token):
            raise _Unparsed


def _type(tokens: _Tokens) -> DataType:
    name = tokens.next().lower()
    name = _OTHER_NAMES.get(name, name)
    if name == "array":
        tokens.expect("<")
        element = _type(tokens)
        tokens.expect(">")
        return ArrayType(element)
    if name == "map":
        tokens.expect("<")
        key = _type(tokens)
        tokens.expect(",")
        value = _type(tokens)
        tokens.expect(">")
        return MapType(key, value)
    if name == "struct":
        tokens.expect("<")
        fields = _fields(tokens)
        tokens.expect(">")
        return fields
    if name == "decimal":
        return _decimal(tokens)
    known = parsed_type(name)
    if not isinstance(known, DataType):
        raise _Unparsed
    return known


def _decimal(tokens: _Tokens) -> DecimalType:
    if not tokens.takes("("):
        return DecimalType()
    precision = tokens.next()
    scale = tokens.next() if tokens.takes(",") else "0"
    tokens.expect(")")
    if not (precision.isdigit() and scale.isdigit()):
        raise _Unparsed
    return DecimalType(int(precision), int(scale))


def _fields(tokens: _Tokens) -> StructType:
    fields = []
    while True:
        name = tokens.next()
        tokens.takes(":")
        type = _type(tokens)
        if tokens.takes("not"):
            tokens.expect("null")
        fields.append(StructField(name.strip("`").replace("``", "`"), type))
        if not tokens.takes(","):
            return StructType(fields)
