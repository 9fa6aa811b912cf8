"""Collects functions that parse strings: prices, units, times, versions, URLs, log lines."""

import re

import pandas as pd

from tests.corpus.case import pandas_udf, udf

STAMP = re.compile(r"^(\d{4})-(\d{2})-(\d{2})$")


@pandas_udf("double", "products", "price")
def price_value(price: pd.Series) -> pd.Series:
    """Currency signs off, then a number or nothing."""
    return pd.to_numeric(price.str.replace(r"[$,]", "", regex=True).str.strip(), errors="coerce")


@pandas_udf("int", "products", "quantity")
def quantity_value(quantity: pd.Series) -> pd.Series:
    """A text to an integer."""
    return quantity.astype(int)


@pandas_udf("double", "loans", "rate_text")
def percent_value(rate: pd.Series) -> pd.Series:
    """A percentage to a share."""
    return rate.str.strip().str.rstrip("%").astype(float) / 100


@pandas_udf("int", "loans", "term_text")
def months(term: pd.Series) -> pd.Series:
    """The number in front of a unit."""
    return term.str.strip().str.split(" ").str[0].astype(int)


@pandas_udf("double", "loans", "employment")
def years_employed(employment: pd.Series) -> pd.Series:
    """A number by a regular expression, texts without one as missing."""
    return pd.to_numeric(employment.str.extract(r"(\d+)", expand=False), errors="coerce")


@pandas_udf("string", "products", "path")
def top_category(path: pd.Series) -> pd.Series:
    """The first part of a path."""
    return path.str.split(" > ").str[0]


@pandas_udf("string", "products", "path")
def leaf_category(path: pd.Series) -> pd.Series:
    """The last part of a path."""
    return path.str.split(">").str[-1].str.strip()


@pandas_udf("string", "products", "sku")
def sku_number(sku: pd.Series) -> pd.Series:
    """The middle of a code by its pattern."""
    return sku.str.extract(r"^[A-Za-z]{2}[-_](\d{4})", expand=False)


@pandas_udf("string", "events", "url")
def host(url: pd.Series) -> pd.Series:
    """The host of a URL."""
    return url.str.extract(r"^[a-z]+://([^/:?#]+)", expand=False)


@pandas_udf("string", "customers", "email")
def email_domain(email: pd.Series) -> pd.Series:
    """What stands behind the sign."""
    return email.str.strip().str.lower().str.partition("@")[2]


@pandas_udf("string", "events", "log")
def log_level(log: pd.Series) -> pd.Series:
    """One of some words in a line."""
    return log.str.extract(r"\b(ERROR|WARN|INFO|DEBUG)\b", expand=False)


@pandas_udf("boolean", "events", "ip")
def is_private_ip(ip: pd.Series) -> pd.Series:
    """Prefixes of an address, by a tuple."""
    return ip.fillna("").str.startswith(("10.", "192.168.", "172.16."))


@pandas_udf("boolean", "events", "stamp")
def is_iso_date(stamp: pd.Series) -> pd.Series:
    """A whole text of a pattern."""
    return stamp.fillna("").str.match(r"\d{4}-\d{2}-\d{2}$")


@udf("double", "products", "weight")
def weight_kg(weight):
    """A number and its unit, by cases."""
    if not weight:
        return None
    text = weight.strip().lower()
    if text.endswith("kg"):
        return float(text[:-2])
    if text.endswith("lb"):
        return float(text[:-2]) * 0.45359237
    if text.endswith("g"):
        return float(text[:-1]) / 1000
    return None


@udf("int", "events", "clock")
def clock_minutes(clock):
    """HH:MM to minutes, by split and int."""
    parts = clock.split(":")
    if len(parts) != 2:
        return None
    hours, minutes = int(parts[0]), int(parts[1])
    if hours > 23 or minutes > 59:
        return None
    return hours * 60 + minutes


@udf("int", "events", "stamp")
def stamp_year(stamp):
    """A group of a match."""
    if stamp is None:
        return None
    match = STAMP.match(stamp)
    return int(match.group(1)) if match else None


@udf("double", "products", "price")
def lenient_price(price):
    """A conversion that may fail, with an except clause."""
    try:
        return float(price.replace("$", "").replace(",", ""))
    except (AttributeError, ValueError):
        return None


@udf("string", "events", "log")
def log_user(log):
    """The text between two marks, by find."""
    if log is None or "user=" not in log:
        return None
    start = log.find("user=") + 5
    end = log.find(" ", start)
    return log[start:] if end < 0 else log[start:end]


@udf("int", "flights", "dep_time")
def hhmm_to_minutes(time):
    """A number HHMM to minutes, by divmod."""
    if time is None:
        return None
    hours, minutes = divmod(time, 100)
    return hours * 60 + minutes
