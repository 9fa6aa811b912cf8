"""Collects functions of arrays: scores, tags, baskets and embeddings of a row."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tests.corpus.case import arrow_udf, pandas_udf, udf

WEIGHTS = [0.25, -0.5, 1.0, 0.125, -1.5, 0.75, 2.0, -0.0625]
CENTRE = np.array([0.1, -0.2, 0.3, 0.0, 0.5, -0.5, 0.25, 1.0])


@udf("double", "visits", "scores")
def mean_score(scores):
    """The mean of what is there."""
    if not scores:
        return None
    return sum(scores) / len(scores)


@udf("double", "visits", "ratings")
def mean_known_rating(ratings):
    """The mean without the gaps."""
    known = [r for r in ratings or [] if r is not None]
    return sum(known) / len(known) if known else None


@udf("string", "visits", "tags")
def first_tag(tags):
    """The first of a list that may be empty."""
    return tags[0] if tags else None


@udf("string", "visits", "tags")
def last_tag(tags):
    """The last one, with a default."""
    if tags is None or len(tags) == 0:
        return "none"
    return tags[-1]


@udf("int", "visits", "basket")
def basket_size(basket):
    """A length."""
    return len(basket) if basket is not None else 0


@udf("long", "visits", "basket")
def distinct_items(basket):
    """A set of the items."""
    return len(set(basket)) if basket else 0


@udf("int", "visits", "scores")
def above_threshold(scores):
    """Counts in a loop."""
    count = 0
    for s in scores or []:
        if s > 0.8:
            count += 1
    return count


@udf("boolean", "visits", "tags")
def is_sale(tags):
    """Membership of a constant."""
    return tags is not None and "sale" in tags


@udf("boolean", "visits", "tags")
def any_new(tags):
    """any of a test of each text."""
    return any(t.startswith("new") for t in tags or [])


@udf("string", "visits", "tags")
def tag_list(tags):
    """Joins with a comma."""
    return ",".join(tags) if tags else ""


@udf("double", "visits", "embedding")
def strongest(embedding):
    """The largest component."""
    return max(embedding) if embedding else None


@udf("double", "visits", "embedding")
def linear_score(embedding):
    """A dot product with a constant vector."""
    return sum(x * w for x, w in zip(embedding, WEIGHTS))  # noqa: B905 - as people write it


@udf("double", "visits", "embedding other")
def cosine(a, b):
    """Cosine similarity of two vectors, in a loop."""
    dot = norm_a = norm_b = 0.0
    for x, y in zip(a, b):  # noqa: B905 - as people write it
        dot += x * y
        norm_a += x * x
        norm_b += y * y
    if norm_a == 0 or norm_b == 0:
        return 0.0
    return dot / math.sqrt(norm_a * norm_b)


@udf("array<double>", "visits", "scores")
def percentages(scores):
    """A comprehension that gives a list."""
    return None if scores is None else [s * 100 for s in scores]


@udf("array<long>", "visits", "basket")
def positive_items(basket):
    """A comprehension with a condition."""
    return [item for item in basket or [] if item > 0]


@udf("array<double>", "visits", "embedding")
def unit_vector(embedding):
    """A list made from a norm."""
    norm = math.sqrt(sum(x * x for x in embedding))
    return [x / norm for x in embedding] if norm > 0 else embedding


@udf("array<double>", "visits", "scores")
def running_total(scores):
    """A list that grows in a loop."""
    total, out = 0.0, []
    for s in scores or []:
        total += s
        out.append(total)
    return out


@udf("array<string>", "visits", "path")
def path_parts(path):
    """The parts of a path."""
    return path.split("/")


@udf("array<string>", "visits", "tags")
def clean_tags(tags):
    """Lower case and no blanks."""
    return [t.strip().lower() for t in tags if t.strip()] if tags else []


@pandas_udf("long", "visits", "tags")
def tag_count(tags: pd.Series) -> pd.Series:
    """The lengths by the accessor, 0 for NULL."""
    return tags.str.len().fillna(0).astype("int64")


@pandas_udf("double", "visits", "scores")
def spread_of_scores(scores: pd.Series) -> pd.Series:
    """Methods of each array."""
    return scores.apply(lambda v: float(v.max() - v.min()) if v is not None and len(v) else 0.0)


@pandas_udf("double", "visits", "embedding")
def centred_norm(embedding: pd.Series) -> pd.Series:
    """A matrix of all rows."""
    x = np.stack(embedding.to_numpy()) - CENTRE
    return pd.Series(np.sqrt((x * x).sum(axis=1)))


@pandas_udf("array<double>", "visits", "embedding")
def stretched(embedding: pd.Series) -> pd.Series:
    """NumPy's arithmetic on each array."""
    return embedding.apply(lambda v: v * 2.0 + 1.0)


@arrow_udf("int", "visits", "basket")
def basket_length(basket: pa.Array) -> pa.Array:
    """Lengths by Arrow."""
    return pc.fill_null(pc.list_value_length(basket), 0)


@udf("array<long>", "visits", "embedding")
def strongest_positions(embedding):
    """Where the three largest numbers are."""
    return np.argsort(embedding)[::-1][:3].tolist() if embedding else []


@udf("array<double>", "visits", "scores")
def running_scores(scores):
    """Sums up to each score."""
    return np.cumsum(scores).tolist() if scores else None


@udf("float", "visits", "embedding")
def similarity_to_centre(embedding):
    """The cosine with a constant in single precision."""
    if not embedding:
        return None
    x = np.array(embedding, dtype=np.float32)
    size = np.linalg.norm(x) * np.linalg.norm(CENTRE)
    return round(float(np.dot(x, CENTRE) / size), 3) if size > 0 else 0.0
