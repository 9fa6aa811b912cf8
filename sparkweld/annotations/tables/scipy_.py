"""Annotates scipy.special's functions of numbers and the distributions of scipy.stats: each is row-local."""

from __future__ import annotations

from sparkweld.annotations.split_types import Broadcast, Rows
from sparkweld.annotations.tables.row import Row

_X = Rows(container="array")
_N = Rows(container="array", dtype="int64")

_ONE = """erf erfc erfcx erfinv erfcinv erfi dawsn wofz gamma gammaln loggamma rgamma digamma psi expit logit log_expit log1p
expm1 exp2 exp10 cbrt entr i0 i0e i1 i1e k0 k0e k1 k1e j0 j1 y0 y1 ndtr ndtri log_ndtr zetac spence exprel sindg cosdg tandg
cotdg ellipk ellipe ellipkm1 expi exp1 sinc itstruve0 itmodstruve0 it2struve0 ber bei ker kei ndtri_exp cosm1 gammasgn kolmogorov
kolmogi wrightomega round""".split()
_TWO = """beta betaln gammainc gammaincc binom rel_entr kl_div hyp0f1 ellipkinc ellipeinc agm poch boxcox boxcox1p inv_boxcox
inv_boxcox1p xlogy xlog1py owens_t huber pseudo_huber chdtr chdtrc chdtri pdtr pdtrc stdtr stdtrit gammaincinv gammainccinv powm1
elliprc""".split()
_THREE = """betainc betaincc betaincinv betainccinv fdtr fdtrc fdtri gdtr gdtrc btdtria btdtrib voigt_profile elliprd elliprf
elliprg""".split()

_DISTRIBUTIONS = """norm uniform expon logistic laplace cauchy gumbel_r gumbel_l rayleigh halfnorm maxwell
arcsine hypsecant""".split()
_SHAPED = {"t": 5.0, "chi2": 3.0, "gamma": 2.0, "lognorm": 0.5, "pareto": 2.5, "weibull_min": 1.5, "powerlaw": 1.7}
_METHODS = ("pdf", "cdf", "sf", "logpdf", "logcdf", "ppf", "isf")

ROWS = (
    *(Row(f"scipy.special:{name}", (_X,), _X) for name in _ONE),
    *(Row(f"scipy.special:{name}", (_X, _X), _X) for name in _TWO),
    *(Row(f"scipy.special:{name}", (_X, _X, _X), _X) for name in _THREE),
    Row("scipy.special:comb", (_N, Broadcast(2)), _X),
    Row("scipy.special:factorial", (_N,), _X),
    *(Row(f"scipy.stats:{name}.{method}", (_X,), _X) for name in _DISTRIBUTIONS for method in _METHODS),
    *(
        Row(f"scipy.stats:{name}.{method}", (_X, Broadcast(shape)), _X)
        for name, shape in _SHAPED.items()
        for method in _METHODS
    ),
)
