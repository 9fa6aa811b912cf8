"""Declares functions of clinical codes, doses, ages, lab values, identifiers and gene sequences."""

import re
from collections import Counter, defaultdict
from datetime import date, datetime

import pyspark.sql.functions as F
from pyspark.sql.functions import col, udf
from pyspark.sql.types import *

from tests.sample.case import Cases

case = Cases()


@case("udf", "health", "if/elif chain", "helper function", "slices", "lambda around a function")
def icd_chapter(spark, t):
    def get_chapter(code):
        if code is None or code == "":
            return "UNKNOWN"
        code = code.strip().upper()
        letter = code[0]
        if letter in ("A", "B"):
            return "Infectious"
        elif letter == "C" or (letter == "D" and code[1:3] < "50"):
            return "Neoplasms"
        elif letter == "I":
            return "Circulatory"
        elif letter == "J":
            return "Respiratory"
        elif letter == "K":
            return "Digestive"
        elif letter == "M":
            return "Musculoskeletal"
        elif letter == "Z":
            return "Factors"
        else:
            return "Other"

    chapter_udf = udf(lambda x: get_chapter(x.split("|")[0]) if x else None, StringType())
    return t.orders.withColumn("chapter", chapter_udf(col("codes"))).select("id", "chapter")


CHARLSON = {"K2": 1, "J0": 1, "M5": 2, "I2": 3, "E11": 1, "C": 6}


@case("udf", "health", "loop with state", "startswith", "dict.items", "set")
def charlson_index(spark, t):
    @udf(returnType=IntegerType())
    def charlson(codes):
        if not codes:
            return 0
        score = 0
        seen = set()
        for code in codes.split("|"):
            code = code.strip()
            for prefix, weight in CHARLSON.items():
                if code.startswith(prefix) and prefix not in seen:
                    seen.add(prefix)
                    score += weight
        return score

    return t.orders.select("id", charlson("codes").alias("cci"))


@case("udf", "health", "nested conditional expressions", "lambda", "int buckets")
def age_band(spark, t):
    age_udf = F.udf(
        lambda a: "0-17" if a < 18 else ("18-39" if a < 40 else ("40-64" if a < 65 else "65+")) , StringType()
    )
    return t.people_full.select("id", age_udf(F.col("age")).alias("age_band"))



dose_schema = StructType([
    StructField("amount", DoubleType(), True),
    StructField("unit", StringType(), True),
])


@case("udf", "health", "re.search", "groups", "struct result", "tuple")
def parse_dose(spark, t):
    def parse(note):
        if note is None:
            return (None, None)
        m = re.search(r"(\d+(?:\.\d+)?)\s*(mg|ml|%|severe)?", note.lower())
        if not m:
            return (None, None)
        return (float(m.group(1)), m.group(2) or "unit")

    parse_udf = udf(parse, dose_schema)
    return t.people.withColumn("dose", parse_udf("bio")).select("id", "dose.amount", "dose.unit")


REF_RANGES = {"P": (3.5, 5.1), "Q": (10, 14), "R": (11.5, 12.5), "S": (0, 12)}


@case("udf", "health", "dict of tuples", "tuple unpacking", "KeyError in try", "bare except")
def lab_flag(spark, t):
    @F.udf("string")
    def flag(test, value):
        try:
            low, high = REF_RANGES[test]
            if value < low:
                return "L"
            elif value > high:
                return "H"
            return "N"
        except:
            return None

    return t.sensors.select("id", flag("kind", "y").alias("flag"))


@case("udf", "health", "mod 11 check digit", "enumerate", "isdigit", "boolean result")
def valid_nhs(spark, t):
    def is_valid_nhs(number):
        digits = re.sub(r"[^0-9]", "", number or "")
        if len(digits) != 10:
            return False
        total = 0
        for i, d in enumerate(digits[:9]):
            total += int(d) * (10 - i)
        check = 11 - (total % 11)
        if check == 11:
            check = 0
        return check == int(digits[9])

    return t.people.select("id", udf(is_valid_nhs, BooleanType())(col("phone")))


@case("udf", "health", "date attributes", "tuple comparison of months")
def age_on_admission(spark, t):
    @udf(returnType=IntegerType())
    def age_at(joined, born):
        if joined is None or born is None:
            return None
        birthday = date(born, 7, 1)
        return joined.year - birthday.year - ((joined.month, joined.day) < (birthday.month, birthday.day))

    return t.people.select("id", age_at("joined", "born").alias("age_at_admission"))


@case("udf", "health", "datetime.now", in_principle=False, stable=False)
def current_age(spark, t):
    calculate_age = udf(lambda birth_year: datetime.now().year - birth_year if birth_year else None, IntegerType())
    return t.people.select("id", calculate_age(col("born")))


def with_sequence(frame):
    return frame.withColumn("seq", F.translate("session", "0123456789abcdef-", "ACGTACGTACGTACGT"))


@case("udf", "genomics", "str.count", "division", "round")
def gc_content(spark, t):
    def gc(seq):
        seq = seq.upper()
        return round((seq.count("G") + seq.count("C")) / len(seq) * 100, 2)

    gc_udf = udf(gc, FloatType())
    return with_sequence(t.logs_full).select("id", gc_udf("seq").alias("gc"))


@case("udf", "genomics", "dict comprehension lookup", "reversed", "join over a generator")
def reverse_complement(spark, t):
    complement = {"A": "T", "C": "G", "G": "C", "T": "A"}

    @udf(StringType())
    def revcomp(seq):
        if seq is None:
            return None
        return "".join(complement.get(base, "N") for base in reversed(seq))

    return with_sequence(t.logs).select("id", revcomp("seq"))


@case("udf", "genomics", "Counter", "slices in a comprehension", "dict() of a Counter", "map result")
def kmer_counts(spark, t):
    k = 3

    def count_kmers(seq):
        kmers = [seq[i:i + k] for i in range(len(seq) - k + 1)]
        return dict(Counter(kmers))

    kmer_udf = udf(count_kmers, MapType(StringType(), IntegerType()))
    return with_sequence(t.logs_full).select("id", kmer_udf(col("seq")).alias("kmers"))


CODONS = {
    "ATA": "I", "ATC": "I", "ATT": "I", "ATG": "M", "ACA": "T", "ACC": "T", "ACG": "T", "ACT": "T",
    "AAC": "N", "AAT": "N", "AAA": "K", "AAG": "K", "GCA": "A", "GCC": "A", "GCG": "A", "GCT": "A",
    "TAA": "_", "TAG": "_", "TGA": "_", "TGG": "W", "CGT": "R", "CGG": "R", "GAT": "D", "GAA": "E",
}


@case("udf", "genomics", "range with a step", "string building in a loop", "break", "dict.get")
def translate_codons(spark, t):
    @udf("string")
    def translate(seq):
        protein = ""
        for i in range(0, len(seq) - len(seq) % 3, 3):
            codon = seq[i:i + 3]
            aa = CODONS.get(codon, "X")
            if aa == "_":
                break
            protein += aa
        return protein

    return with_sequence(t.logs_full).select("id", translate("seq").alias("protein"))
