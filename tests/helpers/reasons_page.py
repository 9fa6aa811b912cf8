"""Writes docs/reasons.md: each reason with its message, what to do, and an example that the tests compile."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from sparkweld.reasons import CATEGORIES, reasons
from tests.helpers.reason_examples import EXAMPLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reasons.md"
_HEAD = """\
# Reasons

A function, a model or a plan that SparkWeld does not compile has a reason. It consists of a code, a message, a place in your
code, and a hint of what to do, which is indented here. This page has every code. Codes are stable. Each message fills in the
names in italics. The tests compile each example for the given column, and it has this reason.
"""
_IMPORTS = """\
All examples begin with these imports:

```python
import numpy as np
import pandas as pd
from pyspark.sql.functions import pandas_udf, udf
```
"""


def source_of(code: str) -> str:
    """Returns the function of an example."""
    return textwrap.dedent(EXAMPLES[code][1]).strip() + "\n"


def _prose(text: str) -> str:
    """Returns a message with its parameters in italics."""
    plain = text.replace("*", r"\*").replace("__", r"\_\_")
    return re.sub(r"<([a-z_]+)>", lambda found: f"*{found[1].replace('_', ' ')}*", plain)


def _entry(code: str) -> str:
    entry = reasons()[code]
    parts = [f"### {code}", f"**{entry['title']}.** {_prose(entry['message'])}", f"> {_prose(entry['hint'])}"]
    if code in EXAMPLES:
        parts.append(f"Over a column of type `{EXAMPLES[code][0]}`:\n\n```python\n{source_of(code)}```")
    return "\n\n".join(parts) + "\n"


def page() -> str:
    """Returns the whole page."""
    parts = [_HEAD, _IMPORTS]
    for category, about in CATEGORIES.items():
        parts.append(f"## {category.replace('_', ' ').capitalize()}\n\nThese reasons are about {about}.\n")
        parts += [_entry(code) for code, entry in reasons().items() if entry["category"] == category]
    return "\n".join(parts)
