"""Defines Mozart's workloads as benchmark cases: plain and lazy functions of NumPy and pandas data, with varied rows.

Mozart's own inputs of Black-Scholes, haversine, the crime index and data cleaning are constants, and its Numba Black-Scholes
computes another function than its NumPy one. Here all rows differ, and every variant computes the same function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pandas as pd
import scipy.special
import snowballstemmer
from sklearn.feature_extraction.text import CountVectorizer

import sparkweld
from sparkweld.annotations import Rows, annotate

FORMULA_TARGET, BLACK_BOX_TARGET = 5.0, 2.0

Data = tuple[Any, ...]


@dataclass(frozen=True)
class AnnotationCase:
    """One workload. `make(rng, rows)` returns its data, `run(*data)` its results, plain or lazy; `numba` is handwritten.

    `kind`: "formula", "black box", or "mixed" where whole-table operations (joins, groups) take most of the time. `rtol`: the
    relative difference that libm functions may cause.
    """

    name: str
    kind: str
    rows: int
    make: Callable[[np.random.Generator, int], Data]
    run: Callable[..., Any]
    numba: Callable[..., Any] | None = None
    rtol: float = 0.0

    @property
    def target(self) -> float:
        """Returns the required speedup of all cores over plain NumPy or pandas; 0: none."""
        return {"formula": FORMULA_TARGET, "black box": BLACK_BOX_TARGET}.get(self.kind, 0.0)


def _options(rng: np.random.Generator, n: int) -> Data:
    price, strike = rng.uniform(10, 200, n), rng.uniform(10, 200, n)
    return price, strike, rng.uniform(0.1, 2, n), rng.uniform(0.01, 0.1, n), rng.uniform(0.1, 0.5, n)


def black_scholes(price: Any, strike: Any, t: Any, rate: Any, vol: Any, cdf: Callable[[Any], Any]) -> Any:
    spread = vol * np.sqrt(t)
    d1 = (np.log(price / strike) + (rate + vol * vol * 0.5) * t) / spread
    d2 = d1 - spread
    discounted = strike * np.exp(-rate * t)
    call = price * cdf(d1) - discounted * cdf(d2)
    return call, discounted - price + call


def _by_erf(x: Any) -> Any:
    return 0.5 + 0.5 * scipy.special.erf(x * 0.7071067811865476)


def _by_tanh(x: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(x * 0.7978845608028654 * (1 + 0.044715 * x * x))


def _options_tanh(price: Any, strike: Any, t: Any, rate: Any, vol: Any) -> Any:
    return black_scholes(price, strike, t, rate, vol, _by_tanh)


def _options_erf(price: Any, strike: Any, t: Any, rate: Any, vol: Any) -> Any:
    return black_scholes(price, strike, t, rate, vol, _by_erf)


@numba.njit(parallel=True, cache=False)
def _options_numba(price, strike, t, rate, vol):  # type: ignore[no-untyped-def]
    call, put = np.empty_like(price), np.empty_like(price)
    for i in numba.prange(len(price)):
        spread = vol[i] * np.sqrt(t[i])
        d1 = (np.log(price[i] / strike[i]) + (rate[i] + vol[i] * vol[i] * 0.5) * t[i]) / spread
        d2 = d1 - spread
        discounted = strike[i] * np.exp(-rate[i] * t[i])
        n1 = 0.5 + 0.5 * np.tanh(d1 * 0.7978845608028654 * (1 + 0.044715 * d1 * d1))
        n2 = 0.5 + 0.5 * np.tanh(d2 * 0.7978845608028654 * (1 + 0.044715 * d2 * d2))
        call[i] = price[i] * n1 - discounted * n2
        put[i] = discounted - price[i] + call[i]
    return call, put


def _places(rng: np.random.Generator, n: int) -> Data:
    return rng.uniform(-60, 60, n), rng.uniform(-180, 180, n)


def haversine(lat: Any, lon: Any) -> Any:
    lat, lon = np.radians(lat), np.radians(lon)
    a = np.sin((lat - 0.7098) / 2) ** 2 + np.cos(0.7098) * np.cos(lat) * np.sin((lon + 1.2391) / 2) ** 2
    return 12742 * np.arcsin(np.sqrt(a))


@numba.njit(parallel=True, cache=False)
def _haversine_numba(lat, lon):  # type: ignore[no-untyped-def]
    out = np.empty_like(lat)
    for i in numba.prange(len(lat)):
        x, y = np.radians(lat[i]), np.radians(lon[i])
        a = np.sin((x - 0.7098) / 2) ** 2 + np.cos(0.7098) * np.cos(x) * np.sin((y + 1.2391) / 2) ** 2
        out[i] = 12742 * np.arcsin(np.sqrt(a))
    return out


def _pairs(rng: np.random.Generator, n: int) -> Data:
    bodies = max(2, int(n**0.5))
    position, mass = rng.normal(size=(3, bodies)), rng.uniform(0.1, 1, bodies)
    distances = tuple(np.subtract.outer(axis, axis).ravel() for axis in position)
    return *distances, np.broadcast_to(mass, (bodies, bodies)).ravel().copy()


def nbody(dx: Any, dy: Any, dz: Any, mass: Any) -> Any:
    """The accelerations that each pair of bodies gives; the sums over a body's row are NumPy's."""
    square = dx * dx + dy * dy + dz * dz + 0.01
    force = 6.67e-5 * mass / (square * np.sqrt(square))
    return force * dx, force * dy, force * dz


@numba.njit(parallel=True, cache=False)
def _nbody_numba(dx, dy, dz, mass):  # type: ignore[no-untyped-def]
    x, y, z = np.empty_like(dx), np.empty_like(dx), np.empty_like(dx)
    for i in numba.prange(len(dx)):
        square = dx[i] * dx[i] + dy[i] * dy[i] + dz[i] * dz[i] + 0.01
        force = 6.67e-5 * mass[i] / (square * np.sqrt(square))
        x[i], y[i], z[i] = force * dx[i], force * dy[i], force * dz[i]
    return x, y, z


def _cities(rng: np.random.Generator, n: int) -> Data:
    population = rng.lognormal(9, 1.5, n)
    frame = {"total": population, "adult": population * rng.uniform(0.5, 0.9, n), "robberies": rng.poisson(population / 2000)}
    return (pd.DataFrame(frame),)


def crime_index(cities: Any) -> Any:
    big = cities[cities["total"] > 5000]
    index = (big["total"] * 1.0 + big["adult"] * 2.0 - big["robberies"] * 2000.0) / 100000.0
    index[index > 0.2] = 0.32
    index[index < 0.01] = 0.05
    return index


@numba.njit(parallel=True, cache=False)
def _crime_arrays_numba(total, adult, robberies):  # type: ignore[no-untyped-def]
    """The kept rows' numbers and indexes: threads count the kept rows of their pieces, then write them behind each other."""
    pieces = 64
    ends, size = np.zeros(pieces + 1, np.int64), len(total) // pieces + 1
    for piece in numba.prange(pieces):
        count = 0
        for i in range(piece * size, min((piece + 1) * size, len(total))):
            count += total[i] > 5000
        ends[piece + 1] = count
    ends = np.cumsum(ends)
    rows, out = np.empty(ends[-1], np.int64), np.empty(ends[-1])
    for piece in numba.prange(pieces):
        at = ends[piece]
        for i in range(piece * size, min((piece + 1) * size, len(total))):
            if total[i] > 5000:
                index = (total[i] * 1.0 + adult[i] * 2.0 - robberies[i] * 2000.0) / 100000.0
                index = 0.32 if index > 0.2 else index
                rows[at], out[at] = i, 0.05 if index < 0.01 else index
                at += 1
    return rows, out


def _crime_index_numba(cities: pd.DataFrame) -> pd.Series:
    rows, out = _crime_arrays_numba(*(cities[name].to_numpy() for name in ("total", "adult", "robberies")))
    return pd.Series(out, index=pd.Index(rows))


def _zips(rng: np.random.Generator, n: int) -> Data:
    codes = np.char.zfill(rng.integers(0, 99999, n).astype(str), 5).astype(object)
    odd = rng.random(n)
    codes[odd < 0.1] = codes[odd < 0.1] + "-" + rng.integers(1000, 9999, (odd < 0.1).sum()).astype(str).astype(object)
    codes[odd > 0.95] = rng.choice(np.array(["N/A", "NO CLUE", "0", "00000"], object), (odd > 0.95).sum())
    return (pd.Series(codes),)


def clean_zips(typed: Any) -> Any:
    short = typed.str.strip().str.slice(0, 5)
    return short.where(short.str.len() == 5, "").where(short != "00000", "")


def _births(rng: np.random.Generator, n: int) -> Data:
    names = np.array([f"{a}{b}" for a in ("Les", "Ann", "Jo", "Mi", "Ka") for b in ("lie", "ley", "a", "n", "y", "ia")], object)
    years = rng.integers(1880, 2020, n)
    return (
        pd.DataFrame({"name": rng.choice(names, n), "year": years, "births": rng.integers(5, 5000, n), "f": rng.random(n) < 0.5}),
    )


def births(names: Any) -> Any:
    lesley = names[(names["year"] > 1950) & (names["births"] > 50)]
    lesley["share"] = lesley["births"] / 4995.0
    return lesley.groupby("year")["share"].sum()


def _ratings(rng: np.random.Generator, n: int) -> Data:
    movies = pd.DataFrame({"movie": np.arange(5000), "year": rng.integers(1920, 2020, 5000)})
    who, what = rng.integers(0, n // 20 + 1, n), rng.zipf(1.3, n) % 5000
    return pd.DataFrame({"user": who, "movie": what, "rating": rng.integers(0, 11, n)}), movies


def movielens(ratings: Any, movies: Any) -> Any:
    active = ratings[ratings["rating"] > 0]
    active["scaled"] = (active["rating"] - 5.5) / 4.5
    return active.merge(movies, on="movie").groupby("year")["scaled"].mean()


def _unit(rng: np.random.Generator, n: int) -> Data:
    return rng.uniform(0.01, 0.99, n), rng.uniform(0.5, 3, n), rng.uniform(0.5, 3, n)


def distributions(x: Any, a: Any, b: Any) -> Any:
    return scipy.special.erfinv(scipy.special.gammainc(b, scipy.special.gammaincc(a, scipy.special.betainc(a, b, x))))


_ANALYZE = CountVectorizer(stop_words="english", ngram_range=(1, 2)).build_analyzer()


def terms(text: str) -> int:
    """Words and pairs of words that count, as scikit-learn finds them."""
    return len(_ANALYZE(text))


TERMS = annotate(terms, (Rows(container="list", dtype="str"),), returns=Rows(container="list"), elementwise=True)


def _reviews(rng: np.random.Generator, n: int) -> Data:
    words = np.array(
        "the a movie plot was really good bad slow and funny not actor scene of it very in with this".split(), object
    )
    picked, ends = rng.choice(words, n * 12), np.cumsum(rng.integers(3, 21, n))
    return (pd.Series([" ".join(picked[e % len(picked) : e % len(picked) + 8]).upper() for e in ends]),)


def review_terms(text: Any) -> Any:
    return np.log1p(text.str.lower().map(TERMS) * 1.0)


_STEMMER = snowballstemmer.stemmer("english")


def stem(word: str) -> str:
    """The word without its ending, by Snowball's rules, which are pure Python here."""
    return _STEMMER.stemWord(word)  # type: ignore[no-any-return]


STEM = annotate(stem, (Rows(container="list", dtype="str"),), returns=Rows(container="list"), elementwise=True)


def _words(rng: np.random.Generator, n: int) -> Data:
    starts = "connect relat walk hope general nation color operat rang teach light move writ govern".split()
    ends = ",s,ed,ing,ion,ions,ive,ively,al,ally,er,ers,ization,fulness".split(",")
    forms = np.array([f"{a}{b}{c}" for a in starts for b in ends for c in ("", "'s", "ly")], object)
    return (pd.Series(forms[rng.zipf(1.2, n) % len(forms)]).str.capitalize(),)


def word_stems(words: Any) -> Any:
    stems = words.str.lower().map(STEM)
    return stems, stems.str.len() / words.str.len()


#: Mozart's constants of the time step, with the cell width of the water surface.
_GRAVITY, _DEPTH, _FRICTION, _STEP, _CELL = 9.8, 10.0, 0.2, 0.01, 2.0


def _water(rng: np.random.Generator, n: int) -> Data:
    side = max(2, int(n**0.5))
    return tuple(rng.normal(0, 0.1, side * side) for _ in range(3))


def _roll(x: Any, by: int, axis: int) -> Any:
    side = int(len(x) ** 0.5)
    return np.roll(x.reshape(side, side), by, axis).ravel()


#: Each result row is another row of the argument, so no pipeline crosses this call: NumPy moves whole arrays.
_rolled = sparkweld.lazy(_roll)


def shallow_water(eta: Any, u: Any, v: Any) -> Any:
    """One step of the shallow water equations: formulas are fused, between the calls of np.roll."""

    def derivative(x: Any, axis: int) -> Any:
        return (_rolled(x, -1, axis) - _rolled(x, 1, axis)) / (2.0 * _CELL)

    new_u = u + _STEP * (-_GRAVITY * derivative(eta, 1) - _FRICTION * u)
    new_v = v + _STEP * (-_GRAVITY * derivative(eta, 0) - _FRICTION * v)
    flow = derivative((eta + _DEPTH) * u, 1) + derivative((eta + _DEPTH) * v, 0)
    return eta - _STEP * flow, new_u, new_v


CASES = (
    AnnotationCase("black_scholes", "formula", 4_000_000, _options, _options_tanh, _options_numba, 1e-9),
    AnnotationCase("haversine", "formula", 4_000_000, _places, haversine, _haversine_numba, 1e-12),
    AnnotationCase("nbody", "formula", 4_000_000, _pairs, nbody, _nbody_numba, 1e-12),
    AnnotationCase("crime_index", "formula", 4_000_000, _cities, crime_index, _crime_index_numba),
    AnnotationCase("black_scholes_erf", "black box", 2_000_000, _options, _options_erf, rtol=1e-9),
    AnnotationCase("distributions", "black box", 400_000, _unit, distributions),
    AnnotationCase("data_cleaning", "mixed", 400_000, _zips, clean_zips),
    AnnotationCase("births", "mixed", 2_000_000, _births, births, rtol=1e-12),
    AnnotationCase("movielens", "mixed", 2_000_000, _ratings, movielens, rtol=1e-12),
    AnnotationCase("shallow_water", "mixed", 4_000_000, _water, shallow_water, rtol=1e-12),
    AnnotationCase("review_terms", "mixed", 100_000, _reviews, review_terms, rtol=1e-12),
    AnnotationCase("word_stems", "mixed", 50_000, _words, word_stems, rtol=1e-12),
)
