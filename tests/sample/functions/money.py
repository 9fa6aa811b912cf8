"""Declares functions of credit, taxes, insurance, salaries, energy, addresses, marks, games and vectors."""

import bisect
import math
from collections import namedtuple
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pyspark.sql.functions as F
from pyspark.sql import Row
from pyspark.sql.functions import col, lit, udf
from pyspark.sql.types import *

from tests.sample.case import Cases

case = Cases()


@case("udf", "finance", "elif chain", "decorator with parentheses", "default case")
def credit_grade(spark, t):
    @udf(returnType=StringType())
    def credit_rating(score):
        """Converts the internal score to the letter."""
        if score is None:
            return "NR"
        elif score >= 90:
            return "AAA"
        elif score >= 80:
            return "AA"
        elif score >= 65:
            return "A"
        elif score >= 50:
            return "BBB"
        elif score >= 30:
            return "BB"
        else:
            return "C"

    return t.people.withColumn("rating", credit_rating(col("score"))).select("id", "rating")


@case("udf", "finance", "compound formula", "power", "lit arguments")
def monthly_payment(spark, t):
    def payment(principal, annual_rate, years):
        r = annual_rate / 12
        n = years * 12
        if r == 0:
            return principal / n
        return float(principal * r * (1 + r) ** n / ((1 + r) ** n - 1))

    payment_udf = udf(payment, DoubleType())
    return t.people_full.select("id", payment_udf(col("income") * 3, col("bonus_rate"), lit(30)).alias("monthly"))


BRACKETS = [(0, 0.10), (20_000, 0.22), (60_000, 0.32), (120_000, 0.45)]


@case("udf", "tax", "loop over brackets", "accumulator", "enumerate", "min")
def income_tax(spark, t):
    @udf("double")
    def tax(income):
        if income is None or income <= 0:
            return 0.0
        total = 0.0
        for i, (lower, rate) in enumerate(BRACKETS):
            upper = BRACKETS[i + 1][0] if i + 1 < len(BRACKETS) else float("inf")
            if income > lower:
                total += (min(income, upper) - lower) * rate
        return round(total, 2)

    return t.people.select("id", tax("income").alias("tax"))


@case("udf", "finance", "loop with a running maximum", "array argument", "max()")
def max_drawdown(spark, t):
    def drawdown(prices):
        peak = prices[0]
        worst = 0
        for p in prices:
            if p > peak:
                peak = p
            dd = peak - p
            worst = max(worst, dd)
        return worst

    return t.sensors_full.select("id", udf(drawdown, DoubleType())("values"))


@case("udf", "finance", "format with thousands", "conditional expression", "abs")
def money_text(spark, t):
    as_money = udf(lambda x: ("-" if x < 0 else "") + "${:,.2f}".format(abs(x)) if x is not None else "", StringType())
    return t.orders.select("id", as_money(col("total")).alias("total_text"))


@case("udf", "finance", "numpy in a plain UDF", "np.std", "float() of a NumPy value")
def volatility(spark, t):
    @udf(FloatType())
    def vol(values):
        if values is None or len(values) < 2:
            return None
        returns = np.diff(np.array(values))
        return float(np.std(returns) * np.sqrt(252))

    return t.sensors.select("id", vol(col("values")).alias("vol"))


@case("udf", "finance", "date attributes", "f-string", "month arithmetic")
def fiscal_quarter(spark, t):
    def fq(d):
        if d is None:
            return None
        month = d.month
        year = d.year + 1 if month >= 10 else d.year
        quarter = ((month - 10) % 12) // 3 + 1
        return f"FY{str(year)[-2:]}Q{quarter}"

    return t.orders.select("id", udf(fq, StringType())("due").alias("fq"))


@case("udf", "finance", "IBAN mod 97", "int with base 36", "join over a generator", "raises on NULL", raises=True)
def iban_like(spark, t):
    @udf(BooleanType())
    def check(account):
        account = account.replace("-", "").upper()
        moved = account[4:] + account[:4]
        return int("".join(str(int(ch, 36)) for ch in moved)) % 97 == 1

    return t.orders.select("id", check("sku"))


class Risk(Enum):
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@case("udf", "insurance", "Enum", "helper function", ".name")
def risk_level(spark, t):
    def assess(age, income):
        if age < 25 and income < 40_000:
            return Risk.HIGH
        if age > 70:
            return Risk.MEDIUM
        return Risk.LOW

    risk_udf = udf(lambda a, i: assess(a, i).name, StringType())
    return t.people_full.select("id", risk_udf("age", "income").alias("risk"))


@dataclass
class Policy:
    base: float = 320.0
    young_factor: float = 1.6
    senior_factor: float = 1.25

    def factor(self, age):
        if age < 25:
            return self.young_factor
        return self.senior_factor if age >= 70 else 1.0


@case("udf", "insurance", "dataclass", "method of a captured object", "product of factors")
def premium(spark, t):
    policy = Policy(base=350.0)
    region_factor = {"NO": 0.9, "BR": 1.3}

    @udf(DoubleType())
    def quote(age, country):
        if age is None:
            return policy.base
        return policy.base * policy.factor(age) * region_factor.get(country, 1.0)

    return t.people.select("id", quote("age", "country").alias("premium"))


@case("udf", "hr", "bisect", "module list")
def salary_band(spark, t):
    limits = [25_000, 45_000, 70_000, 110_000]
    names = ["E", "D", "C", "B", "A"]
    band = udf(lambda s: names[bisect.bisect_right(limits, s)] if s is not None else None, StringType())
    return t.people.select("id", band("income"))


@case("udf", "hr", "list of initials", "upper", "join")
def initials(spark, t):
    @udf(StringType())
    def get_initials(name):
        if name is None:
            return None
        return ".".join([part[0].upper() for part in name.replace("-", " ").split()]) + "."

    return t.people.select("id", get_initials("name"))


@case("udf", "hr", "set intersection", "len", "division", "array arguments")
def skill_match(spark, t):
    def match(skills, wanted):
        if not skills or not wanted:
            return 0.0
        have = set([s.strip().lower() for s in skills])
        need = set([s.strip().lower() for s in wanted])
        return len(have & need) / float(len(have | need))

    match_udf = udf(match, DoubleType())
    return t.people.select("id", match_udf(col("skills"), col("wanted")).alias("jaccard"))


@case("udf", "hr", "mapping of strings to booleans", "in tuple", "None for the rest")
def yes_no(spark, t):
    def to_bool(v):
        if v is None:
            return None
        v = str(v).strip().lower()
        if v in ("y", "yes", "true", "1", "t"):
            return True
        elif v in ("n", "no", "false", "0", "f"):
            return False
        return None

    return t.people.select("id", udf(to_bool, BooleanType())("answer").alias("flag"))


Tariff = namedtuple("Tariff", ["name", "start", "end", "price"])


@case("udf", "energy", "namedtuple", "loop with a match", "wrap around midnight")
def time_of_use(spark, t):
    tariffs = [Tariff("off-peak", 22, 6, 0.11), Tariff("day", 6, 17, 0.19), Tariff("peak", 17, 22, 0.31)]

    def cost(hour, kilobytes):
        for tariff in tariffs:
            if tariff.start < tariff.end:
                inside = tariff.start <= hour < tariff.end
            else:
                inside = hour >= tariff.start or hour < tariff.end
            if inside:
                return tariff.price * kilobytes
        return None

    return t.logs_full.select("id", udf(cost, DoubleType())(col("hour"), col("bytes") / 1e6))



@case("udf", "real estate", "split by comma", "len checks", "struct result", "unpacked Nones")
def address_parts(spark, t):
    schema = StructType([
        StructField("street", StringType(), True),
        StructField("number", StringType(), True),
        StructField("postcode", StringType(), True),
        StructField("country", StringType(), True),
    ])

    def parse(address):
        parts = address.split(",")
        if len(parts) == 3:
            first = parts[0].strip().split(" ")
            number = first[0]
            street = " ".join(first[1:])
            postcode = parts[1].strip()
            country = parts[2].strip()
        else:
            street, number, postcode, country = None, None, None, None
        return street, number, postcode, country

    parse_udf = udf(parse, schema)
    return t.people_full.withColumn("a", parse_udf(col("address"))).select("id", "a.*")


@case("udf", "education", "sum over a generator", "array of longs", "Row result")
def grade_summary(spark, t):
    @udf("mean double, best bigint, passed int")
    def summary(marks):
        if not marks:
            return Row(mean=None, best=None, passed=0)
        passed = sum(1 for m in marks if m >= 50)
        return Row(mean=sum(marks) / len(marks), best=max(marks), passed=passed)

    return t.sensors.select("id", summary("counts").alias("s"))


@case("udf", "games", "while loop", "growth by int()", "level from points")
def player_level(spark, t):
    @udf(IntegerType())
    def level(xp):
        lvl, need = 1, 100
        while xp >= need and lvl < 60:
            xp -= need
            need = int(need * 1.15)
            lvl += 1
        return lvl

    return t.orders_full.select("id", level("views"))


@case("udf", "sports", "power of ten", "two columns", "lambda around a helper")
def elo_expected(spark, t):
    def expected(a, b):
        return 1 / (1 + 10 ** ((b - a) / 400))

    elo = udf(lambda a, b: round(expected(a, b), 4), DoubleType())
    return t.sensors_full.select("id", elo(col("n"), col("m")))



@case("udf", "ml", "toArray().tolist()", "lambda", "argument of a UDT")
def vector_to_list(spark, t):
    from pyspark.ml.feature import VectorAssembler

    assembled = VectorAssembler(inputCols=["u", "v"], outputCol="features").transform(t.sensors_full)
    to_array = udf(lambda v: v.toArray().tolist(), ArrayType(FloatType()))
    return assembled.select("id", to_array("features").alias("features"))


@case("udf", "ml", "element of a vector", "float()", "argument of a UDT")
def second_of_vector(spark, t):
    from pyspark.ml.feature import VectorAssembler

    assembled = VectorAssembler(inputCols=["x", "y", "z"], outputCol="probability").transform(t.sensors_full)
    prob = udf(lambda v: float(v[1]), FloatType())
    return assembled.select("id", prob("probability").alias("p1"))
