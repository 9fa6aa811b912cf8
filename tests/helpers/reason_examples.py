"""Defines an example for each reason that one function shows: code -> the types of its columns, and the function."""

from __future__ import annotations

#: The decorators have the names that people import. `tests/repository/test_reasons_page.py` compiles each example.
EXAMPLES: dict[str, tuple[str, str]] = {
    "SW101": ("decimal(20,2)", """
        @pandas_udf("double")
        def gross(amount: pd.Series) -> pd.Series:
            return amount * 1.2
    """),
    "SW104": ("double", """
        @pandas_udf("decimal(10,2)")
        def rounded(amount: pd.Series) -> pd.Series:
            return amount.round(2)
    """),
    "SW105": ("double", """
        @pandas_udf("double")
        def clipped(s: pd.Series) -> pd.Series:
            return np.where(s > 10, 10, s)
    """),
    "SW106": ("double", """
        @pandas_udf("double")
        def named(s: pd.Series) -> pd.Series:
            return {"amount": s}
    """),
    "SW109": ("date", """
        @pandas_udf("double")
        def day(s: pd.Series) -> pd.Series:
            return pd.to_datetime(s)
    """),
    "SW210": ("double", """
        @pandas_udf("double")
        def halves(s: pd.Series) -> pd.Series:
            yield s / 2
    """),
    "SW211": ("double", """
        rows = 0

        @pandas_udf("double")
        def counted(s: pd.Series) -> pd.Series:
            global rows
            rows = rows + 1
            return s
    """),
    "SW212": ("double", """
        def counter():
            total = 0.0

            @pandas_udf("double")
            def add(s: pd.Series) -> pd.Series:
                nonlocal total
                total = total + 1.0
                return s + total

            return add

        add = counter()
    """),
    "SW214": ("string", """
        import socket

        @udf("string")
        def address(host):
            return socket.gethostbyname(host)
    """),
    "SW215": ("double", """
        @pandas_udf("double")
        def evaluated(s: pd.Series) -> pd.Series:
            return s * eval("2")
    """),
    "SW216": ("double", """
        generator = np.random.default_rng(0)

        @pandas_udf("double")
        def noisy(s: pd.Series) -> pd.Series:
            return s + generator.random()
    """),
    "SW217": ("double", """
        seen = []

        @pandas_udf("double")
        def remembered(s: pd.Series) -> pd.Series:
            seen.append(1)
            return s
    """),
    "SW218": ("double", """
        @pandas_udf("double")
        def scaled(s: pd.Series) -> pd.Series:
            return s * FACTOR
    """),
    "SW219": ("double", """
        @pandas_udf("double")
        def bases(s: pd.Series) -> pd.Series:
            return s * len(().__class__.__mro__)
    """),
    "SW220": ("double", """
        @pandas_udf("double")
        def wrapped(s: pd.Series) -> pd.Series:
            class Scale:
                factor = 2.0

            return s * Scale.factor
    """),
    "SW221": ("double", """
        class Rates(dict):
            pass

        @pandas_udf("double")
        def priced(s: pd.Series) -> pd.Series:
            return s * len(Rates())
    """),
    "SW228": ("string", """
        import json

        @udf("string")
        def written(text):
            return json.dumps({"text": text}, cls=json.JSONEncoder)
    """),
    "SW229": ("double", """
        @udf("double")
        def shown(x):
            print(x)
            return x
    """),
    "SW230": ("double", """
        import time

        @udf("double")
        def age(x):
            return time.time() - x
    """),
    "SW238": ("string", """
        import hashlib

        @udf("string")
        def digest(text):
            return hashlib.sha3_256(text.encode()).hexdigest()
    """),
    "SW243": ("string", """
        @pandas_udf("timestamp")
        def parsed(s: pd.Series) -> pd.Series:
            return pd.to_datetime(s)
    """),
    "SW250": ("double", """
        @pandas_udf("double")
        def spread(s: pd.Series) -> pd.Series:
            return s.ewm(span=5).std()
    """),
    "SW251": ("double", """
        @pandas_udf("double")
        def mapped(s: pd.Series) -> pd.Series:
            return s.map(np.exp)
    """),
    "SW252": ("double", """
        @pandas_udf("string")
        def upper(s: pd.Series) -> pd.Series:
            return s.str.upper()
    """),
    "SW253": ("double", """
        @pandas_udf("double")
        def positive(s: pd.Series) -> pd.Series:
            return s if s > 0 else -s
    """),
    "SW254": ("double", """
        @pandas_udf("string")
        def written(s: pd.Series) -> pd.Series:
            return s.astype("string")
    """),
    "SW255": ("long", """
        @pandas_udf("double")
        def filtered(s: pd.Series) -> pd.Series:
            return s.where(s > 0)
    """),
    "SW256": ("double", """
        @pandas_udf("double")
        def filled(s: pd.Series) -> pd.Series:
            s.fillna(0.0, inplace=True)
            return s
    """),
    "SW257": ("double", """
        @pandas_udf("double")
        def shifted(s: pd.Series) -> pd.Series:
            return s + np.array([1.0, 2.0])
    """),
    "SW258": ("double", """
        @pandas_udf("double")
        def iterated(s: pd.Series) -> pd.Series:
            for _ in range(30_000):
                s = s + 1
            return s
    """),
    "SW261": ("double", """
        @pandas_udf("double")
        def misspelt(s: pd.Series) -> pd.Series:
            return s.roundd(2)
    """),
    "SW262": ("double", """
        @pandas_udf("double")
        def replaced(s: pd.Series) -> pd.Series:
            return s.replace(1, 2, limit=1)
    """),
    "SW263": ("double", """
        import os.path

        @pandas_udf("double")
        def checked(s: pd.Series) -> pd.Series:
            return s if os.path.exists("/data") else -s
    """),
    "SW270": ("string", """
        @pandas_udf("string")
        def plain(s: pd.Series) -> pd.Series:
            return s.str.wrap(20)
    """),
    "SW272": ("string", """
        @pandas_udf("string")
        def doubled(s: pd.Series) -> pd.Series:
            return s.str.replace(r"(\\w)\\1", "", regex=True)
    """),
    "SW274": ("string", """
        @pandas_udf("double")
        def number(s: pd.Series) -> pd.Series:
            return s.str.strip()
    """),
    "SW275": ("timestamp", """
        @pandas_udf("timestamp")
        def business(s: pd.Series) -> pd.Series:
            return s + pd.offsets.BDay(2)
    """),
    "SW285": ("long", """
        def steps(n):
            return 0 if n <= 0 else 1 + steps(n - 1)

        @udf("long")
        def distance(n):
            return steps(abs(n))
    """),
    "SW294": ("long", """
        @udf("long")
        def powered(x):
            return (x + 2**70) % 7
    """),
    "SW600": ("double", """
        @pandas_udf("double")
        def running(s: pd.Series) -> pd.Series:
            total = 0.0
            for x in s:
                total = total + x
            return s * total
    """),
    "SW602": ("double", """
        @udf("string")
        def money(x):
            return f"{x:n}"
    """),
    "SW603": ("double", """
        UNKNOWN = -1.0

        @udf("boolean")
        def known(x):
            return x is not UNKNOWN
    """),
    "SW862": ("double", """
        @udf("double")
        def scaled(x):
            return x * len(open("/etc/hostname").read())
    """),
}  # fmt: skip
