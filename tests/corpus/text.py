"""Collects features of strings: lengths, counts, flags, keywords."""

import pandas as pd

from tests.corpus.case import pandas_udf, udf

URGENT = ("refund", "never", "slow")


@pandas_udf("int", "products", "title")
def title_length(title: pd.Series) -> pd.Series:
    """Characters of a text, none for a missing one."""
    return title.str.len().fillna(0).astype(int)


@pandas_udf("int", "products", "title")
def word_count(title: pd.Series) -> pd.Series:
    """Blanks plus one."""
    return title.fillna("").str.strip().str.count(" ") + 1


@pandas_udf("boolean", "products", "title")
def mentions_phone(title: pd.Series) -> pd.Series:
    """A word in a text, whatever its case."""
    return title.str.contains("phone", case=False, na=False)


@pandas_udf("boolean", "products", "title")
def has_digits(title: pd.Series) -> pd.Series:
    """A regular expression in a text, with a value for missing ones."""
    return title.str.contains(r"\d", na=False)


@pandas_udf("boolean", "products", "title")
def on_offer(title: pd.Series) -> pd.Series:
    """Alternatives in a regular expression."""
    return title.str.lower().str.contains("new|sale|offer", regex=True, na=False)


@pandas_udf("double", "customers", "comment")
def exclamation_rate(comment: pd.Series) -> pd.Series:
    """Marks per character."""
    return comment.str.count("!") / comment.str.len()


@pandas_udf("boolean", "customers", "comment")
def is_blank(comment: pd.Series) -> pd.Series:
    """Nothing but blanks."""
    return comment.fillna("").str.strip().eq("")


@pandas_udf("boolean", "customers", "email")
def is_free_mail(email: pd.Series) -> pd.Series:
    """The end of a text."""
    return email.fillna("").str.lower().str.endswith("@gmail.com")


@pandas_udf("boolean", "events", "agent")
def is_bot(agent: pd.Series) -> pd.Series:
    """Several literals in a text."""
    lowered = agent.fillna("").str.lower()
    return lowered.str.contains("bot", regex=False) | lowered.str.startswith("curl") | (lowered == "")


@pandas_udf("boolean", "events", "url")
def is_secure(url: pd.Series) -> pd.Series:
    """The start of a text, missing as False."""
    return url.str.startswith("https://").fillna(False).astype(bool)


@pandas_udf("boolean", "customers", "name")
def looks_numeric(name: pd.Series) -> pd.Series:
    """A test of the kind of characters."""
    return name.fillna("").str.isdigit()


@pandas_udf("int", "customers", "comment")
def position_of_refund(comment: pd.Series) -> pd.Series:
    """Where a word stands, -1 when nowhere."""
    return comment.fillna("").str.lower().str.find("refund")


@pandas_udf("string", "customers", "comment")
def preview(comment: pd.Series) -> pd.Series:
    """The beginning of a text with an ellipsis."""
    return comment.where(comment.str.len() <= 10, comment.str[:10] + "…")


@udf("int", "customers", "comment")
def urgency(comment):
    """Keywords counted by a loop over a tuple."""
    if comment is None:
        return 0
    lowered = comment.lower()
    found = 0
    for word in URGENT:
        if word in lowered:
            found += 1
    return found


@udf("double", "products", "title")
def upper_share(title):
    """Characters counted by a loop over the text."""
    if not title:
        return 0.0
    upper = 0
    for character in title:
        if character.isupper():
            upper += 1
    return upper / len(title)


@udf("int", "products", "title")
def vowel_count(title):
    """Characters counted by sum over a generator."""
    if title is None:
        return None
    return sum(1 for character in title.lower() if character in "aeiou")


@udf("string", "customers", "comment")
def truncated(comment):
    """A limit on the length."""
    if comment is None:
        return None
    return comment if len(comment) <= 8 else comment[:8] + "..."
