"""Defines the queries of the bench of everyday UDFs: one or two functions of each theme, as people write them.

The themes are those of UDFs in public code. All results are numbers, strings and lists and structs of them. They are equal with
the plugin off and on, not close, so formulas with sines or sums of products round their result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, datetime

import numpy as np
import pandas as pd
from cpu_cases import Case, of_column, of_series
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ROWS = 1_000_000

# Parsing with try and except.


def _money(text: str) -> float | None:
    try:
        return float(text.replace("$", "").replace(",", "").strip())
    except Exception:  # noqa: BLE001 - as people write it
        return None


def _currency(text: str) -> str | None:
    if text is None:
        return None
    return "USD" if text.startswith("$") else text.split(" ")[-1]


def _birth_day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%m/%d/%Y"):
        try:
            return datetime.strptime(text, form).date()
        except (ValueError, TypeError):
            continue
    return None


# Dates.


def _delivery_class(ordered: datetime, shipped: datetime) -> str:
    hours = (shipped - ordered).total_seconds() / 3600
    if hours < 0:
        return "invalid"
    return "same day" if hours < 24 else f"{int(hours // 24)} days"


def _fiscal_quarter(moment: datetime) -> str:
    year = moment.year + 1 if moment.month >= 10 else moment.year
    return f"FY{year}Q{(moment.month - 10) % 12 // 3 + 1}"


def _from_epoch(seconds: int) -> str:
    return datetime.utcfromtimestamp(seconds).strftime("%Y-%m-%d %H:00")


# Text.


def _title_name(name: str) -> str | None:
    if not name:
        return None
    made = ""
    for part in name.split(" "):
        made += part[0].upper() + part[1:] + " "
    return made.strip()


def _digits(phone: str) -> str:
    found = "".join(c for c in phone or "" if c.isdigit())
    return f"+1-{found[:3]}-{found[3:6]}-{found[6:]}" if len(found) == 10 else "invalid"


def _masked(mail: str) -> str | None:
    if mail and "@" in mail:
        user, host = mail.split("@")
        return user[0] + "*" * (len(user) - 2) + user[-1] + "@" + host
    return None


_STOP = {"the", "but", "was", "and", "very", "again"}


def _content_words(note: str) -> str:
    return " ".join([w for w in (note or "").lower().split() if w not in _STOP])


def _sentiment(note: str) -> int:
    good, bad = ["helpful", "quick", "great", "quality"], ["late", "poor", "never", "refund"]
    score = 0
    for word in (note or "").split():
        if word in good:
            score += 1
        elif word in bad:
            score -= 1
    return score


def _clean_city(city: str) -> str:
    return city.strip().lower().replace(".", "").title() if city else "Unknown"


# Regular expressions.


def _status(line: str) -> int:
    found = re.search(r'\s(\d{3})\s(\d+)$', line)
    return int(found.group(1)) if found else -1


def _level(line: str) -> str | None:
    found = re.findall(r"\[(INFO|WARN|ERROR|DEBUG)\]", line)
    return found[0] if found else None


def _without_numbers(line: str) -> str:
    return re.sub(r"\d+", "#", line)


def _domain(url: str) -> str:
    try:
        host = url.split("//")[1].split("/")[0]
        return host[4:] if host.startswith("www.") else host
    except IndexError:
        return "unknown"


# Rules, lookups and formulas.


def _risk(age: int, income: float, state: str) -> str:
    if age is None or income is None:
        return "unknown"
    score = 0
    if age < 25 or age > 75:
        score += 2
    if income < 20_000:
        score += 3
    elif income < 50_000:
        score += 1
    if state in ("NY", "CA"):
        score += 1
    return "high" if score >= 4 else "medium" if score >= 2 else "low"


_REGIONS = {
    "NY": {"region": "east", "tax": 0.08}, "MA": {"region": "east", "tax": 0.0625}, "CA": {"region": "west", "tax": 0.0725},
    "WA": {"region": "west", "tax": 0.065}, "TX": {"region": "south", "tax": 0.0625},
}  # fmt: skip


def _taxed(state: str, income: float) -> float | None:
    rate = _REGIONS.get(state, {}).get("tax")
    return round(income * (1 - rate), 2) if rate is not None and income is not None else income


def _distance(lat: float, lon: float) -> float:
    a, b = math.radians(lat), math.radians(40.7128)
    step = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon + 74.006) / 2) ** 2
    return round(2 * 6371 * math.asin(math.sqrt(step)), 1)


def _edit_distance(name: str) -> int:
    target, text = "anna smith", name or ""
    row = list(range(len(target) + 1))
    for i, c in enumerate(text):
        new = [i + 1]
        for j, d in enumerate(target):
            new.append(min(row[j + 1] + 1, new[j] + 1, row[j] + (c != d)))
        row = new
    return row[-1]


# Lists, structs and maps.


def _long_tags(tags: list[str]) -> list[str]:
    return [t.upper() for t in tags if len(t) > 4]


def _tag_share(tags: list[str]) -> float:
    return tags.count("late") / len(tags) if tags else 0.0


def _name_parts(name: str) -> tuple[str | None, str | None]:
    if not name:
        return None, None
    first, last = name.split(" ", 1)
    return first, last


def _word_lengths(note: str) -> dict[str, int] | None:
    if note is None:
        return None
    return {"words": len(note.split()), "characters": len(note)}


def _nearest(v: list[float]) -> int:
    centres = np.array([[0.0] * 8, [1.0] * 8, [-1.0] * 8])
    return int(np.argmin(((np.array(v) - centres) ** 2).sum(axis=1)))


def _largest(v: list[float]) -> int:
    return int(np.argmax(v))


# Pandas.


def _segment(age: pd.Series, income: pd.Series) -> pd.Series:
    conditions = [income > 80_000, (age < 30) & (income > 30_000), age >= 65]
    return pd.Series(np.select(conditions, ["premium", "young", "senior"], default="other"))


def _clean_note(note: pd.Series) -> pd.Series:
    return note.fillna("").str.lower().str.replace(r"[aeiou]{2,}", "*", regex=True).str.strip().str[:30]


def _week(moment: pd.Series) -> pd.Series:
    return moment.dt.dayofweek * 24 + moment.dt.hour


def _net(amount: pd.Series, quantity: pd.Series, discount: pd.Series) -> pd.Series:
    net = amount * quantity.fillna(1) * (1 - discount.fillna(0))
    return net.where(net > 10, 10.0).round(2)


def _per_value(state: pd.Series) -> pd.Series:
    return state.map({"NY": 1, "CA": 2, "TX": 3}).fillna(0).astype(int)


def _applied(amount: pd.Series) -> pd.Series:
    def band(value: float) -> str:
        if value < 100:
            return "small"
        return "medium" if value < 1000 else "large"

    return amount.apply(band)


def _batches(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for mails in batches:
        yield mails.str.split("@").str[1]


def _frames(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for frame in frames:
        kept = frame[frame["quantity"] > 3]
        yield kept.assign(total=kept["amount"] * kept["quantity"])[["id", "total"]]


# Groups.


def _z_scores(group: pd.DataFrame) -> pd.DataFrame:
    group["made"] = ((group["y"] - group["y"].mean()) / group["y"].std()).round(6)
    return group[["id", "made"]]


def _spread(y: pd.Series) -> float:
    return float(y.max() - y.min())


def _by_name(frame: DataFrame) -> DataFrame:
    return frame.select("id", F.udf(_name_parts, "first string, last string")("name").alias("made")).select("id", "made.*")


def _as_map(frame: DataFrame) -> DataFrame:
    # entries, as a map has no order that rows could be compared by
    return frame.select("id", F.map_entries(F.udf(_word_lengths, "map<string,int>")("note")).alias("made"))


def _mapped(frame: DataFrame) -> DataFrame:
    return frame.select("id", "amount", "quantity").mapInPandas(_frames, "id long, total double")


def _aggregated(frame: DataFrame) -> DataFrame:
    return frame.groupBy("g").agg(F.pandas_udf(_spread, "double")("y").alias("made"))  # type: ignore[call-overload]


CASES = (
    Case("money by try", "orders", ROWS, of_column(_money, "double", "price")),
    Case("currency", "orders", ROWS, of_column(_currency, "string", "price")),
    Case("birth day by a chain of formats", "people", ROWS, of_column(_birth_day, "date", "born")),
    Case("class of a delivery", "orders", ROWS, of_column(_delivery_class, "string", "ordered", "shipped")),
    Case("fiscal quarter", "orders", ROWS, of_column(_fiscal_quarter, "string", "ordered")),
    Case("text of an epoch", "logs", ROWS, of_column(_from_epoch, "string", "epoch")),
    Case("title case by a loop", "people", ROWS, of_column(_title_name, "string", "name")),
    Case("digits of a phone", "people", ROWS, of_column(_digits, "string", "phone")),
    Case("masked mail", "people", ROWS, of_column(_masked, "string", "mail")),
    Case("without stop words", "orders", ROWS, of_column(_content_words, "string", "note")),
    Case("score of words", "orders", ROWS, of_column(_sentiment, "int", "note")),
    Case("clean city", "people", ROWS, of_column(_clean_city, "string", "city")),
    Case("status by search", "logs", ROWS, of_column(_status, "int", "line")),
    Case("level by findall", "logs", ROWS, of_column(_level, "string", "line")),
    Case("numbers replaced", "logs", ROWS, of_column(_without_numbers, "string", "line")),
    Case("domain of a URL", "logs", ROWS, of_column(_domain, "string", "url")),
    Case("rules", "people", ROWS, of_column(_risk, "string", "age", "income", "state")),
    Case("nested dict", "people", ROWS, of_column(_taxed, "double", "state", "income")),
    Case("haversine", "people", ROWS, of_column(_distance, "double", "lat", "lon")),
    Case("edit distance", "people", ROWS // 10, of_column(_edit_distance, "int", "name")),
    Case("list of tags", "orders", ROWS, of_column(_long_tags, "array<string>", "tags")),
    Case("share of a tag", "orders", ROWS, of_column(_tag_share, "double", "tags")),
    Case("struct of a name", "people", ROWS, _by_name),
    Case("map of lengths", "orders", ROWS, _as_map),
    Case("nearest centre", "readings", ROWS // 2, of_column(_nearest, "int", "a")),
    Case("index of the largest", "readings", ROWS, of_column(_largest, "int", "a")),
    Case("pandas: select", "people", ROWS, of_series(_segment, "string", "age", "income")),
    Case("pandas: chain of str", "orders", ROWS, of_series(_clean_note, "string", "note")),
    Case("pandas: dt", "orders", ROWS, of_series(_week, "int", "ordered")),
    Case("pandas: formula with NULLs", "orders", ROWS, of_series(_net, "double", "amount", "quantity", "discount")),
    Case("pandas: map of a dict", "people", ROWS, of_series(_per_value, "int", "state")),
    Case("pandas: apply", "orders", ROWS, of_series(_applied, "string", "amount")),
    Case("pandas: iterator", "people", ROWS, of_series(_batches, "string", "mail")),
    Case("mapInPandas", "orders", ROWS, _mapped),
    Case("groups: z-score", "readings", ROWS, lambda frame: frame.groupBy("g").applyInPandas(_z_scores, "id long, made double")),
    Case("aggregate: spread", "readings", ROWS, _aggregated),
)  # fmt: skip
