"""Draws random bodies of pandas UDFs over the timestamps `a`, `b` and the long column `n`, in the form of `expressions`."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.helpers.expressions import Function

_FIELDS = ("year", "month", "day", "hour", "minute", "second", "microsecond", "nanosecond", "weekday", "dayofweek", "day_of_week",
           "dayofyear", "quarter", "days_in_month", "daysinmonth", "day_of_year")  # fmt: skip
_FLAGS = ("is_month_start", "is_month_end", "is_quarter_start", "is_quarter_end", "is_year_start", "is_year_end", "is_leap_year")
_STEPS = ("'h'", "'min'", "'s'", "'D'", "'15min'", "'ms'")
_DELTAS = ("pd.Timedelta(days=1)", "pd.Timedelta(hours=-5)", "pd.Timedelta('90min')", "np.timedelta64(30, 's')",
           "pd.to_timedelta(n % 1000, unit='D')", "pd.to_timedelta(n % 100000, unit='s')")  # fmt: skip
_INSTANTS = ("pd.Timestamp('2020-02-29')", "pd.Timestamp('1969-12-31 23:59:59')", "'2013-07-01'")
_TIMES = (
    "{a}.dt.floor({f})", "{a}.dt.ceil({f})", "{a}.dt.round({f})", "{a}.dt.normalize()", "({a} + {d})", "({a} - {d})",
    "{a}.where({c})", "{a}.mask({c}, {b})", "pd.Series(np.where({c}, {a}, {b}))", "{a}.fillna({b})",
    "{a}.fillna(pd.Timestamp('2000-01-01'))", "pd.to_datetime({a})", "{a}.copy()",
)  # fmt: skip
_NUMBERS = (
    "{a}.dt.{field}", "{a}.dt.{field}", "{a}.dt.{field}", "({a} - {b}).dt.total_seconds()", "({a} - {b}).dt.days",
    "({a} - {b}).dt.seconds", "{a}.dt.isocalendar().week.astype('float64')", "({a}.dt.{field} + n % 100)",
    "({a}.dt.hour * 60 + {a}.dt.minute)", "np.sin(2 * np.pi * {a}.dt.hour / 24)", "(({a} - pd.Timestamp('1970-01-01')).dt.days)",
    "(({a} - {b}) / pd.Timedelta(hours=1))", "(({a} - {b}) // pd.Timedelta(days=1))", "{a}.dt.dayofweek.isin([5, 6]).astype(int)",
    "{a}.dt.date", "{a}.dt.strftime('%Y-%m-%d')", "{a}.dt.strftime('%H:%M:%S')", "{a}.dt.strftime('%Y%m%d')", "{a}.dt.day_name()",
    "{a}.dt.month_name()",
)  # fmt: skip
_BOOLS = (
    "({a} > {b})", "({a} <= {b})", "({a} == {b})", "({a} != {b})", "({a} >= {t})", "({a} < {t})", "{a}.isna()", "{a}.notna()",
    "{a}.dt.{flag}", "({a}.dt.hour >= 12)", "({c} & {e})", "({c} | {e})", "~{c}", "{a}.between({t}, {t})",
    "(({a} - {b}) > pd.Timedelta(hours=3))", "({a}.dt.weekday >= 5)",
)  # fmt: skip


@st.composite
def _filled(draw: st.DrawFn, templates: tuple[str, ...], depth: int) -> str:
    template = draw(st.sampled_from(templates))
    choices = {"field": _FIELDS, "flag": _FLAGS, "f": _STEPS, "d": _DELTAS, "t": _INSTANTS}
    parts = {key: draw(st.sampled_from(values)) for key, values in choices.items() if "{" + key + "}" in template}
    for key in "ab":
        if "{" + key + "}" in template:
            parts[key] = draw(_filled(_TIMES, depth - 1)) if depth > 0 and draw(st.booleans()) else draw(st.sampled_from("ab"))
    for key in "ce":
        if "{" + key + "}" in template:
            parts[key] = draw(_filled(_BOOLS, depth - 1)) if depth > 0 else "(n > 0)"
    return template.format(**parts)


@st.composite
def time_functions(draw: st.DrawFn, depth: int = 2) -> Function:
    """Draws a function of (a, b, n) with a timestamp, number, string or bool result."""
    templates = draw(st.sampled_from((_TIMES, _NUMBERS, _NUMBERS, _BOOLS)))
    return Function(f"lambda a, b, n: {draw(_filled(templates, depth))}", ("ts", "ts", "i64"))
