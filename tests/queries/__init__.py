"""Holds query cases: each `.sql` or `.py` file is one query, with its expected verdicts and plan beside it."""
