"""Collects functions that clean strings: blanks, case, punctuation, codes, contact data."""

import re

import pandas as pd

from tests.corpus.case import pandas_udf, udf

NOT_DIGITS = re.compile(r"[^0-9]")


@pandas_udf("string", "customers", "name")
def clean_name(name: pd.Series) -> pd.Series:
    """Blanks off, title case."""
    return name.str.strip().str.title()


@pandas_udf("string", "customers", "email")
def normalise_email(email: pd.Series) -> pd.Series:
    """Blanks off, lower case."""
    return email.str.strip().str.lower()


@pandas_udf("string", "customers", "zip")
def clean_zip(zip_code: pd.Series) -> pd.Series:
    """Five digits of a ZIP code, or nothing: slices, a set of placeholders, a test of the length."""
    head = zip_code.str.slice(0, 5)
    head = head.where(~head.isin(["NO CL", "NA", "00000"]))
    return head.where(head.str.len() == 5)


@pandas_udf("string", "customers", "zip")
def zip_digits(zip_code: pd.Series) -> pd.Series:
    """Digits of a ZIP code by a regular expression."""
    return zip_code.str.extract(r"^(\d{5})", expand=False)


@pandas_udf("string", "customers", "phone")
def phone_digits(phone: pd.Series) -> pd.Series:
    """Digits only."""
    return phone.str.replace(r"[^0-9]", "", regex=True)


@pandas_udf("string", "customers", "phone")
def phone_last_four(phone: pd.Series) -> pd.Series:
    """The last four characters of the digits."""
    return phone.str.replace(r"\D", "", regex=True).str[-4:]


@pandas_udf("string", "customers", "name")
def single_spaces(name: pd.Series) -> pd.Series:
    """Runs of blanks to one."""
    return name.str.replace(r"\s+", " ", regex=True).str.strip()


@pandas_udf("string", "customers", "country")
def country_code(country: pd.Series) -> pd.Series:
    """An upper-case code of two letters."""
    return country.str.strip().str.upper().str[:2]


@pandas_udf("string", "customers", "comment")
def without_tags(comment: pd.Series) -> pd.Series:
    """HTML tags off."""
    return comment.str.replace(r"<[^>]+>", "", regex=True)


@pandas_udf("string", "customers", "comment")
def masked_urls(comment: pd.Series) -> pd.Series:
    """URLs to a placeholder."""
    return comment.str.replace(r"https?://[^ ]+", "<url>", regex=True)


@pandas_udf("string", "products", "title")
def slug(title: pd.Series) -> pd.Series:
    """A title as part of a URL."""
    return title.str.lower().str.replace(r"[^a-z0-9]+", "-", regex=True).str.strip("-")


@pandas_udf("string", "products", "sku")
def canonical_sku(sku: pd.Series) -> pd.Series:
    """Literal replacements and upper case."""
    return sku.str.replace("_", "-", regex=False).str.upper().str.rstrip("-")


@pandas_udf("string", "products", "code")
def padded_code(code: pd.Series) -> pd.Series:
    """A number as text with leading zeros."""
    return code.astype(str).str.zfill(6)


@pandas_udf("string", "loans", "purpose")
def tidy_purpose(purpose: pd.Series) -> pd.Series:
    """Underscores to blanks, first letter large."""
    return purpose.str.replace("_", " ").str.capitalize()


@pandas_udf("string", "customers", "email")
def masked_email(email: pd.Series) -> pd.Series:
    """Part of an address hidden, built by +."""
    return email.str[:1] + "***@" + email.str.split("@").str[-1]


@pandas_udf("string", "flights", "tail")
def tail_without_prefix(tail: pd.Series) -> pd.Series:
    """A prefix off, when there."""
    return tail.str.upper().str.removeprefix("N")


@udf("string", "customers", "phone")
def phone_e164(phone):
    """Digits by a compiled pattern, and cases by their number."""
    if phone is None:
        return None
    digits = NOT_DIGITS.sub("", phone)
    if len(digits) == 10:
        return "+1" + digits
    if len(digits) == 11 and digits[0] == "1":
        return "+" + digits
    return None


@udf("string", "customers", "name")
def initials(name):
    """First letters of words by a generator in join."""
    if not name:
        return None
    return "".join(word[0] for word in name.split()).upper()


@udf("string", "customers", "name")
def surname_first(name):
    """Splits a text and swaps its parts."""
    if name is None:
        return None
    parts = name.strip().split(" ")
    if len(parts) < 2:
        return name.strip()
    return parts[-1] + ", " + parts[0]
