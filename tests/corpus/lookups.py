"""Collects functions that look values up in dictionaries, sets and constant tables."""

import pandas as pd

from tests.corpus.case import pandas_udf, udf

CARRIERS = {"UA": "United", "AA": "American", "DL": "Delta", "B6": "JetBlue", "WN": "Southwest"}
GRADES = {grade: position for position, grade in enumerate("ABCDEFG")}
REGIONS = {"US": "NA", "CA": "NA", "GB": "EU", "DE": "EU", "FR": "EU"}
STATUS = {2: "success", 3: "redirect", 4: "client error", 5: "server error"}
COASTS = {"LAX", "SFO"}
SIZES = {"S": 1, "M": 2, "L": 3, "XL": 4}
RATES = pd.Series({1: 0.02, 2: 0.035, 3: 0.01, 4: 0.0})


@pandas_udf("string", "flights", "carrier")
def carrier_name(carrier: pd.Series) -> pd.Series:
    """A name by a dictionary, with a default."""
    return carrier.map(CARRIERS).fillna("other")


@pandas_udf("int", "loans", "grade")
def grade_rank(grade: pd.Series) -> pd.Series:
    """An ordinal encoding."""
    return grade.map(GRADES)


@pandas_udf("boolean", "flights", "dest")
def west_coast(dest: pd.Series) -> pd.Series:
    """Membership in a set of texts."""
    return dest.isin(COASTS)


@pandas_udf("string", "customers", "country")
def region(country: pd.Series) -> pd.Series:
    """A dictionary after cleaning."""
    return country.str.strip().str.upper().map(REGIONS).fillna("REST")


@pandas_udf("string", "events", "status")
def status_class(status: pd.Series) -> pd.Series:
    """A dictionary by a computed integer."""
    return (status // 100).map(STATUS)


@pandas_udf("double", "trips", "payment")
def payment_fee(payment: pd.Series) -> pd.Series:
    """A dictionary of floats by an integer."""
    return payment.map({1: 0.029, 2: 0.0, 3: 0.0, 4: 0.015}).fillna(0.01)


@pandas_udf("double", "trips", "payment")
def fee_of_series(payment: pd.Series) -> pd.Series:
    """A captured Series as the mapping."""
    return payment.map(RATES)


@pandas_udf("int", "products", "size")
def size_rank(size: pd.Series) -> pd.Series:
    """Sizes by a dictionary, unknown as 0."""
    return size.str.upper().map(SIZES).fillna(0).astype(int)


@pandas_udf("boolean", "customers", "yes_no")
def yes_or_no(answer: pd.Series) -> pd.Series:
    """Yes in its spellings."""
    return answer.fillna("").str.lower().isin(["y", "yes", "true", "1"])


@pandas_udf("string", "flights", "origin dest")
def route(origin: pd.Series, dest: pd.Series) -> pd.Series:
    """Two texts to a key."""
    return origin + "-" + dest


@pandas_udf("string", "sensors", "site")
def site_code(site: pd.Series) -> pd.Series:
    """Texts replaced by a dictionary."""
    return site.replace({"roof": "R", "cellar": "C"})


@pandas_udf("int", "flights", "origin")
def is_jfk(origin: pd.Series) -> pd.Series:
    """One-hot encoding of a text."""
    return (origin == "JFK").astype("int32")


@udf("string", "flights", "carrier")
def carrier_or_code(carrier):
    """dict.get with a default."""
    return CARRIERS.get(carrier, carrier)


@udf("double", "trips", "vendor fare")
def vendor_commission(vendor, fare):
    """A dictionary of rates, looked up by a cleaned text."""
    rates = {"CMT": 0.12, "VTS": 0.1}
    if fare is None:
        return None
    return fare * rates.get(vendor.strip().upper(), 0.15)


@udf("string", "events", "method")
def method_kind(method):
    """Membership in tuples."""
    name = method.upper()
    if name in ("GET", "HEAD", "OPTIONS"):
        return "read"
    if name in ("POST", "PUT", "PATCH", "DELETE"):
        return "write"
    return "unknown"
