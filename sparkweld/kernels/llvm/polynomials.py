"""Holds the minimax polynomials of elementary functions on the intervals that their arguments are reduced to.

They are from Remez' algorithm (Muller, Elementary Functions, 3rd edition, section 3.4) with 60 digits. The comments state the
function, the interval and the errors for f64 and f32.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Polynomial:
    """Coefficients of a minimax polynomial for results in f64, and of a shorter one for f32, lowest power first."""

    doubles: tuple[float, ...]
    singles: tuple[float, ...]


def _polynomial(doubles: str, singles: str = "") -> Polynomial:
    """Reads hexadecimal coefficients; without `singles`, f32 has those of f64."""
    return Polynomial(tuple(map(float.fromhex, doubles.split())), tuple(map(float.fromhex, (singles or doubles).split())))


#: (exp(r) - 1 - r) / r**2, |r| <= ln(2)/2, 2**-58 and 2**-28 of exp(r)
EXP = _polynomial(
    """0x1.000000000000bp-1 0x1.5555555555561p-3 0x1.5555555550022p-5 0x1.111111110d5eep-7 0x1.6c16c185aa940p-10
    0x1.a01a01baf9e44p-13 0x1.a019968a5cc8dp-16 0x1.71dddf9bd1b00p-19 0x1.28b052399f2eep-22 0x1.af85cc940405fp-26""",
    "0x1.000000523864ep-1 0x1.55548ed689c02p-3 0x1.55545d4bd3a4bp-5 0x1.123b655586c23p-7 0x1.6db48ebbeb9a9p-10",
)
#: (ln((1 + s)/(1 - s)) - 2*s) / s**3 in z = s**2, of (1 + s)/(1 - s) in [sqrt(1/2), sqrt(2)], 2**-58 and 2**-36
LOG = _polynomial(
    """0x1.5555555555592p-1 0x1.999999997fd31p-2 0x1.24924941f9017p-2 0x1.c71c52029655cp-3 0x1.746640613eb58p-3
    0x1.39a192a4dc40fp-3 0x1.2f070bed33034p-3""",
    "0x1.555554fd8d83cp-1 0x1.999a7aab051ffp-2 0x1.2438ceb90ea52p-2 0x1.e2f7d0120b5a1p-3",
)
#: The same less its first term, 2/3, divided by z, 2**-65; f32 does not use it
LOG_TAIL = _polynomial(
    """0x1.9999999999b30p-2 0x1.2492492457cbfp-2 0x1.c71c722d75050p-3 0x1.745ce9de01c43p-3 0x1.3b1eed11a4e73p-3
    0x1.0f7fd044bbc27p-3 0x1.0e43a466f5a98p-3""",
)
#: (sin(r) - r) / r**3 in r**2, |r| <= pi/2, 2**-62 and 2**-35
SIN = _polynomial(
    """-0x1.5555555555555p-3 0x1.11111111110cbp-7 -0x1.a01a01a01517cp-13 0x1.71de3a52c1237p-19 -0x1.ae6454e488226p-26
    0x1.6123d13f8b4bdp-33 -0x1.ae44a469da700p-41 0x1.88515cb464074p-49""",
    "-0x1.5555554958c1cp-3 0x1.11110cc12b51cp-7 -0x1.a017fd80c0c6dp-13 0x1.7174c62646435p-19 -0x1.9ac299b0f1031p-26",
)
#: The same for |r| <= pi/4, 2**-58 and 2**-37
SIN_SHORT = _polynomial(
    """-0x1.5555555555549p-3 0x1.111111110f87bp-7 -0x1.a01a019c119d2p-13 0x1.71de3577b79c0p-19 -0x1.ae5e663a7fe30p-26
    0x1.5d9300da50912p-33""",
    "-0x1.5555554cb9474p-3 0x1.11110895cfcfdp-7 -0x1.a00f9d3fee893p-13 0x1.6cd83f19e3f7ep-19",
)
#: (cos(r) - 1 + r**2/2) / r**4 in r**2, |r| <= pi/4, 2**-64 and 2**-33
COS_SHORT = _polynomial(
    """0x1.555555555554cp-5 -0x1.6c16c16c1517ep-10 0x1.a01a019cb1baep-16 -0x1.27e4f809ee0d8p-22 0x1.1ee9ebe727f0fp-29
    -0x1.8fae9b50f0fd0p-37""",
    "0x1.55554ab21e351p-5 -0x1.6c0c8a801a753p-10 0x1.9a01fcbbb3643p-16",
)
#: (atan(t) - t) / t**3 in t**2, |t| <= tan(pi/8), 2**-59 and 2**-35
ATAN = _polynomial(
    """-0x1.555555555553dp-2 0x1.99999999958adp-3 -0x1.24924922af847p-3 0x1.c71c70e6fae91p-4 -0x1.745cf8f7a329dp-4
    0x1.3b111aff37abbp-4 -0x1.10ebcd4b3e691p-4 0x1.df1073acafb7cp-5 -0x1.9cd7c1bc0a577p-5 0x1.37e1d6316a1c0p-5
    -0x1.2583c5e6f83c3p-6""",
    """-0x1.555554c842e09p-2 0x1.99991a0b8ba5ap-3 -0x1.247eff7348f08p-3 0x1.c4674b5bac471p-4 -0x1.5b413c8d8d43bp-4
    0x1.84e3aca53a636p-5""",
)
#: m**(-1/3), 1 <= m <= 2, 2**-14.7; what follows improves it
INVERSE_CBRT = _polynomial(
    "0x1.ab856c8b4838ap+0 -0x1.2c417613cc7b2p+0 0x1.64156323ad408p-1 -0x1.c516a0dcff198p-3 0x1.d46d132f8ed2bp-6",
)
