"""Collects scalar functions over Series: apply, map, np.vectorize, df.apply(axis=1), list comprehensions."""

import math

import numpy as np
import pandas as pd

from tests.corpus.case import pandas_udf

BRACKETS = ((10_000, 0.10), (40_000, 0.22), (90_000, 0.32))


def tax(income):
    """Tax by brackets, with a loop."""
    if math.isnan(income):
        return 0.0
    owed, low = 0.0, 0.0
    for limit, rate in BRACKETS:
        if income <= limit:
            return owed + (income - low) * rate
        owed += (limit - low) * rate
        low = limit
    return owed + (income - low) * 0.37


@pandas_udf("double", "customers", "income")
def income_tax(income: pd.Series) -> pd.Series:
    """A helper with branches and a loop, by apply."""
    return income.apply(tax)


@pandas_udf("string", "flights", "arr_delay")
def delay_label(arr_delay: pd.Series) -> pd.Series:
    """A chain of conditions in a lambda."""
    return arr_delay.apply(lambda d: "early" if d < 0 else "on time" if d < 15 else "late")


@pandas_udf("long", "sensors", "counter")
def digit_sum(counter: pd.Series) -> pd.Series:
    """A while loop on an integer."""

    def digits(n):
        total = 0
        while n > 0:
            total += n % 10
            n //= 10
        return total

    return counter.apply(digits)


@pandas_udf("int", "sensors", "counter")
def collatz_steps(counter: pd.Series) -> pd.Series:
    """A loop whose length depends on the value."""

    def steps(n):
        count = 0
        n = n % 1000 + 1
        while n != 1 and count < 500:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            count += 1
        return count

    return counter.map(steps)


@pandas_udf("double", "trips", "distance surge")
def fare_estimate(distance: pd.Series, surge: pd.Series) -> pd.Series:
    """np.vectorize over two columns."""

    def estimate(km, factor):
        base = 2.5 + 1.8 * km
        if km > 20:
            base *= 0.9
        return base * factor

    return pd.Series(np.vectorize(estimate)(distance, surge))


@pandas_udf("double", "trips", "{distance fare}")
def fare_per_km(trip: pd.DataFrame) -> pd.Series:
    """A struct row by row with axis=1."""
    return trip.apply(lambda row: row["fare"] / row["distance"] if row["distance"] > 0 else 0.0, axis=1)


@pandas_udf("int", "loans", "{score delinquent}")
def risk_tier(loan: pd.DataFrame) -> pd.Series:
    """A function of a row with several returns."""

    def tier(row):
        if row["delinquent"] > 1:
            return 3
        if row["score"] >= 700:
            return 1
        return 2

    return loan.apply(tier, axis=1)


@pandas_udf("double", "sensors", "x3 x4")
def clipped_ratio(a: pd.Series, b: pd.Series) -> pd.Series:
    """A list comprehension over zip."""
    return pd.Series([x / y if abs(y) > 1e-9 else 0.0 for x, y in zip(a, b)])  # noqa: B905


@pandas_udf("double", "sensors", "x3")
def soft_sign(x: pd.Series) -> pd.Series:
    """math functions in a lambda."""
    return x.apply(lambda v: math.copysign(math.sqrt(abs(v)), v))


@pandas_udf("string", "products", "stock")
def stock_label(stock: pd.Series) -> pd.Series:
    """Missing values inside of the function."""
    return stock.apply(lambda n: "unknown" if pd.isna(n) else "out" if n <= 0 else "low" if n < 20 else "ok")


@pandas_udf("string", "customers", "name")
def greeting(name: pd.Series) -> pd.Series:
    """An f-string in a lambda, missing values kept out."""
    return name.apply(lambda n: f"Dear {n.strip()}" if n else "Dear customer")


@pandas_udf("int", "products", "title")
def longest_word(title: pd.Series) -> pd.Series:
    """max over a generator in a lambda."""
    return title.fillna("").apply(lambda t: max((len(word) for word in t.split()), default=0))


@pandas_udf("boolean", "customers", "email")
def valid_email(email: pd.Series) -> pd.Series:
    """Several tests of a text in a function."""

    def valid(text):
        if text is None or text.count("@") != 1:
            return False
        user, domain = text.strip().split("@")
        return len(user) > 0 and "." in domain and not domain.endswith(".")

    return email.apply(valid)


@pandas_udf("double", "sensors", "humidity")
def comfort(humidity: pd.Series) -> pd.Series:
    """Min and max of Python in a lambda."""
    return humidity.apply(lambda h: max(0.0, min(1.0, (h - 20.0) / 60.0)))


@pandas_udf("long", "events", "size")
def size_class(size: pd.Series) -> pd.Series:
    """bit_length of an integer."""
    return size.apply(lambda n: n.bit_length())


@pandas_udf("double", "loans", "amount rate term")
def balance_after_year(amount: pd.Series, rate: pd.Series, term: pd.Series) -> pd.Series:
    """A loop over months for each row, by a list comprehension."""

    def balance(a, r, t):
        monthly = r / 1200
        payment = a / t + a * monthly
        for _ in range(12):
            a = a * (1 + monthly) - payment
            if a <= 0:
                return 0.0
        return a

    return pd.Series([balance(a, r, t) for a, r, t in zip(amount, rate, term)])  # noqa: B905
