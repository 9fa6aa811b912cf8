"""Translates scikit-learn's text vectorisers to `Terms`, without building a matrix."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.text_models import CHAR, CHAR_WB, LOG, LONGEST_HASHED, NORM_L1, NORM_L2, ONE, SIGNED, UNSIGNED, WORD, Analyzer
from sparkweld.ir.types import STR
from udf_compiler.frontends.models.by_version import uses
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.sparse_text_features import NORMS, Terms, TextPart
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.regex.parse import sre, sre_parse
from udf_compiler.frontends.tracing.session import refuse

_ANALYZERS = {"word": WORD, "char": CHAR, "char_wb": CHAR_WB}
_DTYPES = (np.dtype(np.float64), np.dtype(np.int64))


class Vectorizer(Translator):
    """The base of the three vectorisers: preprocessing, and the n-grams of a document."""

    def _document(self, x: Features) -> Value:
        """Returns a row's preprocessed string; missing strings are guarded, as the library raises for them. Refuses SW851."""
        call, model = self.call("transform"), self.model
        if isinstance(x, Terms) or x.ndim != 1 or len(x.columns) != 1 or x.types != (STR,):
            refuse("SW851", call=call)
        loop, (text,) = x.loop, x.values
        if text.type.nullable:
            loop.guard(loop.is_valid(text), local=True)
            text = loop.value_of(text)
        if model.lowercase:
            text = loop.emit(StrCall("lower"), text)
        if model.strip_accents:
            if model.strip_accents not in ("ascii", "unicode"):
                self._refuse_option("strip_accents")
            text = loop.emit(StrCall(f"strip_accents_{model.strip_accents}"), text)
        return text

    def _analyzer(self) -> Analyzer:
        """Returns the n-gram analyzer. Refuses (SW850) user functions and unsupported token patterns."""
        model = self.model
        if not isinstance(model.analyzer, str) or model.analyzer not in _ANALYZERS:
            self._refuse_option("analyzer")
        for option in ("preprocessor", "tokenizer"):
            if getattr(model, option) is not None and (option != "tokenizer" or model.analyzer == "word"):
                self._refuse_option(option)
        if model.input != "content":
            self._refuse_option("input")
        shortest, longest = model.ngram_range
        kind = _ANALYZERS[model.analyzer]
        if not (type(shortest) is type(longest) is int and 0 < shortest <= longest):
            self._refuse_option("ngram_range")
        if kind != WORD:
            return Analyzer(kind, shortest, longest)
        least = least_of_token(model.token_pattern)
        if least is None or (longest > 1 and re.fullmatch(model.token_pattern, " " * least)):
            refuse("SW850", name=self.name, option="token_pattern", value=repr(model.token_pattern))
        stop_words = frozenset(w for w in model.get_stop_words() or () if isinstance(w, str) and _is_text(w))
        return Analyzer(kind, shortest, longest, model.token_pattern, least, stop_words)

    def _refuse_option(self, option: str) -> Any:
        refuse("SW850", name=self.name, option=option, value=repr(getattr(self.model, option)))


class CountVectorizer(Vectorizer):
    """Counts each vocabulary term's occurrences; with `binary`, 1 for terms that occur."""

    def transform(self, x: Features) -> Terms:
        model = self.model
        if np.dtype(model.dtype) not in _DTYPES:
            self._refuse_option("dtype")
        vocabulary = {term: int(column) for term, column in self.fitted("vocabulary_").items() if _is_text(term)}
        columns = len(self.model.vocabulary_)
        if not all(0 <= column < columns for column in vocabulary.values()):
            refuse("SW850", name=self.name, option="vocabulary_", value="columns that do not count up")
        part = TextPart(self._document(x), self._analyzer(), vocabulary, columns)
        if model.binary:
            part = part.step(ONE)
        return Terms(x.loop, (part,), np.dtype(model.dtype))


class TfidfVectorizer(CountVectorizer):
    """Translates a CountVectorizer followed by a TfidfTransformer."""

    def transform(self, x: Features) -> Terms:
        if np.dtype(self.model.dtype) != np.float64:
            self._refuse_option("dtype")
        return tfidf_steps(self.fitted("_tfidf"), super().transform(x), self.call("transform"))


class HashingVectorizer(Vectorizer):
    """Maps terms to columns by their hash; with `alternate_sign`, half of them count negatively, so that collisions cancel."""

    def transform(self, x: Features) -> Terms:
        model = self.model
        analyzer = self._analyzer()
        if np.dtype(model.dtype) != np.float64:
            self._refuse_option("dtype")
        if analyzer.longest > LONGEST_HASHED:
            self._refuse_option("ngram_range")
        part = TextPart(self._document(x), analyzer, None, int(model.n_features), SIGNED if model.alternate_sign else UNSIGNED)
        if model.binary:
            part = part.step(ONE)
        if model.norm is not None:
            part = part.step({"l1": NORM_L1, "l2": NORM_L2}[model.norm])
        return Terms(x.loop, (part,))


class TfidfTransformer(Translator):
    """Translates weights of a matrix of counts, of `Terms` only."""

    def transform(self, x: Features) -> Features:
        refuse("SW851", call=self.call("transform"))

    def transform_terms(self, x: Terms) -> Terms:
        call, options = self.call("transform"), {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}
        return tfidf_steps(self.model, x.validated(self.model, call, True, options), call)


def tfidf_steps(model: Any, x: Terms, call: str) -> Terms:
    """Applies a TfidfTransformer to counts."""
    if hasattr(model, "idf_") and uses(type(model).transform, "_idf_diag"):
        # Before 1.5, the product with a diagonal matrix reverses the terms of a row, and so the order of additions.
        refuse("SW814", name=type(model).__name__, attribute="idf_", type="a diagonal matrix, as before scikit-learn 1.5")
    made = replace(x, dtype=np.dtype(np.float64))
    if model.sublinear_tf:
        made = made.step(LOG, call)
    if hasattr(model, "idf_"):
        made = made.scaled(model.idf_)
    return made if model.norm is None else made.step(NORMS[model.norm], call)


def _is_text(term: object) -> bool:
    """Whether a term is a str that a column of strings can contain: no lone surrogates."""
    return isinstance(term, str) and (term.isascii() or not re.search("[\ud800-\udfff]", term))


def least_of_token(pattern: str) -> int | None:
    r"""Returns the minimum number of code points of a token, if the pattern matches maximal runs of one kind of code point.

    Examples: 1 for ``\w+`` and ``\S+``, 2 for ``(?u)\b\w\w+\b``, 3 for ``[a-z]{3,}``. None for other patterns. With ``\b`` on
    both sides, the kind must be ``\w``, since only a run of word characters has its boundaries exactly at its ends.
    """
    try:
        items = list(sre_parse.parse(pattern))
    except re.error:
        return None
    boundary = (sre.AT, sre.AT_BOUNDARY)
    if len(items) > 2 and items[0] == items[-1] == boundary:
        items = items[1:-1]
        word = (sre.IN, [(sre.CATEGORY, sre.CATEGORY_WORD)])
        if any(one != word for one in _repeated(items)):
            return None
    kinds = _repeated(items)
    if not kinds or any(kind != kinds[0] for kind in kinds) or kinds[0][0] not in (sre.IN, sre.LITERAL, sre.NOT_LITERAL):
        return None
    *singles, (_, (least, most, _)) = items
    return len(singles) + least if most == sre.MAXREPEAT and len(singles) + least > 0 else None


def _repeated(items: list[Any]) -> list[Any]:
    """Returns the code points of a sequence of single ones whose last is repeated; empty for other sequences."""
    if not items or items[-1][0] is not sre.MAX_REPEAT:
        return []
    (_, (_, _, body)) = items[-1]
    return [*items[:-1], *body] if len(body) == 1 else []


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.feature_extraction.text.CountVectorizer": CountVectorizer,
    "sklearn.feature_extraction.text.HashingVectorizer": HashingVectorizer,
    "sklearn.feature_extraction.text.TfidfTransformer": TfidfTransformer,
    "sklearn.feature_extraction.text.TfidfVectorizer": TfidfVectorizer,
}

__all__ = ["ESTIMATORS", "Vectorizer", "least_of_token"]
