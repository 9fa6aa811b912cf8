"""Defines the memory that programs with models receive: its head, and the rows of a tile."""

from __future__ import annotations

from sparkweld.contract.constants import HEAD_WORDS, KEEPS

#: Rows of a tile of a program with models, whose tile is not on the stack; models are called on whole tiles.
MODEL_TILE = 64

#: The memory of such a program begins with a head: a zero word, 7 state words for calls that keep something between runs, then
#: HEAD_WORDS lookup counters and HEAD_WORDS hit counters. Whoever passes the memory sets the 7 words to KEEPS when all runs
#: receive the same memory, which nothing else writes, and all other words to 0.
MEMORY_HEAD = 3 * 8 * HEAD_WORDS

__all__ = ["HEAD_WORDS", "KEEPS", "MEMORY_HEAD", "MODEL_TILE"]
