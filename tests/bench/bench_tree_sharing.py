"""Counts the repeated computation in fitted ensembles: equal trees, splits and subtrees, and splits without effect.

    python tests/bench/bench_tree_sharing.py [--tables WORDS]

Models are fitted on the scoring benchmark's random numbers and on real tables in $SPARKWELD_SOURCES. Shares are of all trees
or splits. *Equal trees* equal an earlier one. *As previous* counts trees with the splits of the previous tree, for which the
mask form keeps the leaf numbers. *As earlier* counts trees with the splits of any earlier tree and any leaf values. *Equal
subtrees* counts splits of subtrees that repeat in the same tree with equal values. *Equal sides* counts splits whose sides have
equal values, and *decided* splits that ancestors decide. *Equal operations* counts operations of the mask form that repeat one
of the same tree.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from model_cases import numbers
from scoring_tables import CREDIT_NUMBERS, KDD_NUMBERS, has_sources, source

from sparkweld.ir.trees import Forest, TooLarge, Tree
from udf_compiler.frontends.models.forests import of_lightgbm, of_sklearn, of_xgboost

#: Identity of a subtree; None for leaves when values are ignored.
_Key = tuple[Any, ...] | bytes | None


def keys(tree: Tree, *, values: bool) -> dict[int, _Key]:
    """Returns node -> a key that equal subtrees share."""
    found: dict[int, _Key] = {}
    known: dict[_Key, int] = {}
    for node in reversed(below(tree)):
        if tree.hit[node] < 0:
            key: _Key = tree.values[node].tobytes() if values else None
        else:
            sides = (found[int(tree.hit[node])], found[int(tree.miss[node])])
            split = int(tree.feature[node]), tree.intervals(node), bool(tree.nan_hits[node])
            key = (split, *sides)
        # small numbers replace the tuples met before, so that keys stay short
        found[node] = (known.setdefault(key, len(known)),)
    return found


def below(tree: Tree) -> list[int]:
    """Returns the nodes, each before its descendants."""
    order, waiting = [], [0]
    while waiting:
        order.append(waiting.pop())
        if tree.hit[order[-1]] >= 0:
            waiting += [int(tree.hit[order[-1]]), int(tree.miss[order[-1]])]
    return order


def text_of(tree: Tree, *, values: bool) -> bytes:
    """Returns bytes that are equal for equal trees."""
    inner = ~tree.is_leaf
    parts = [tree.hit, tree.miss, tree.feature * inner, tree.threshold * inner, tree.nan_hits & inner]
    parts += [np.where(tree.is_leaf[:, None], tree.values, 0)] if values else []
    return b"".join(part.tobytes() for part in parts) + repr(sorted(tree.sets.items())).encode()


def decided(tree: Tree) -> int:
    """Returns the number of splits that the splits above decide; ignores NaN and category sets."""
    count, waiting = 0, [(0, {})]
    while waiting:
        node, spans = waiting.pop()
        if tree.hit[node] < 0:
            continue
        feature, threshold = int(tree.feature[node]), tree.threshold[node]
        low, high = spans.get(feature, (-np.inf, np.inf))
        count += node not in tree.sets and (high <= threshold or low >= threshold)
        sides = ((low, min(high, threshold)), (max(low, threshold), high)) if node not in tree.sets else ((low, high),) * 2
        children = tree.hit[node], tree.miss[node]
        waiting += [(int(child), {**spans, feature: side}) for child, side in zip(children, sides, strict=True)]
    return count


def shares(forest: Forest) -> list[str]:
    """Returns the cells of a line."""
    count, splits = len(forest.trees), sum(int((~t.is_leaf).sum()) for t in forest.trees)
    whole, alike = [text_of(t, values=True) for t in forest.trees], [text_of(t, values=False) for t in forest.trees]
    again, nothing = 0, 0
    for tree in forest.trees:
        known = keys(tree, values=True)
        inner = [node for node in below(tree) if tree.hit[node] >= 0]
        again += len(inner) - len({known[node] for node in inner})
        nothing += sum(known[int(tree.hit[node])] == known[int(tree.miss[node])] for node in inner)
    parts = [
        (count - len(set(whole)), count), (sum(a == b for a, b in zip(alike, alike[1:], strict=False)), count),
        (count - len(set(alike)), count), (again, splits), (nothing, splits), (sum(map(decided, forest.trees)), splits),
        operations(forest),
    ]  # fmt: skip
    return [f"{count:,}", f"{splits:,}", *(f"{part / of:.2%}" if of else "" for part, of in parts)]


def operations(forest: Forest) -> tuple[int, int]:
    """Returns (operations of the mask form that repeat an earlier one of the same tree, all operations)."""
    from sparkweld.ir.layouts import tree_masks

    made: list[list[tuple[int, int, int]]] = []
    scheduled = tree_masks._scheduled

    def counted(choices: list[tuple[int, int, int]], planes: list[int]) -> Any:
        made.append(list(choices))
        return scheduled(choices, planes)

    tree_masks._scheduled = counted
    try:
        tree_masks.mask_arrays(forest)
    except TooLarge:
        return 0, 0
    finally:
        tree_masks._scheduled = scheduled
    return sum(len(one) - len(set(one)) for one in made), sum(map(len, made))


def tables() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields (name, features, class)."""
    x, y, _ = numbers()
    yield "numbers", x, y
    if has_sources():
        for name, file, columns in (("credit", "credit_default", CREDIT_NUMBERS), ("KDD", "kddcup99_10pct", KDD_NUMBERS)):
            rows = pd.read_parquet(source(file), columns=[*columns, "label"]).sample(30_000, random_state=0)
            yield name, rows[columns].to_numpy(np.float64), pd.factorize(rows.label)[0].clip(0, 1)


def models() -> Iterator[tuple[str, Callable[[np.ndarray, np.ndarray], Forest]]]:
    """Yields (name, function that fits it)."""
    from sklearn import ensemble, tree

    def sklearn(model: Any, read: Callable[[Any], Forest]) -> Callable[[np.ndarray, np.ndarray], Forest]:
        return lambda x, y: read(model.fit(x, y))

    def lightgbm(**options: Any) -> Callable[[np.ndarray, np.ndarray], Forest]:
        from lightgbm import LGBMClassifier

        made = LGBMClassifier(n_jobs=1, verbose=-1, **options)
        return lambda x, y: of_lightgbm.read(made.fit(x, y).booster_.model_to_string()).forest

    def xgboost(**options: Any) -> Callable[[np.ndarray, np.ndarray], Forest]:
        import xgboost as library

        made = library.XGBClassifier(n_jobs=1, **options)
        return lambda x, y: of_xgboost.read(bytes(made.fit(x, y).get_booster().save_raw("json")), library.Booster).forest

    def stages(model: Any) -> Forest:
        return of_sklearn.boosted(model, np.zeros(1))

    def averaged(kind: str, **options: Any) -> Callable[[np.ndarray, np.ndarray], Forest]:
        return sklearn(getattr(ensemble, kind)(random_state=0, **options), of_sklearn.averaged)

    def boosted(**options: Any) -> Callable[[np.ndarray, np.ndarray], Forest]:
        return sklearn(ensemble.GradientBoostingClassifier(random_state=0, **options), stages)

    one = tree.DecisionTreeClassifier(max_depth=6)
    few = ensemble.BaggingClassifier(one, 100, max_samples=40, max_features=0.2, random_state=0)
    yield "RandomForest 100 x depth 10", averaged("RandomForestClassifier", n_estimators=100, max_depth=10)
    yield "ExtraTrees 100 x depth 10", averaged("ExtraTreesClassifier", n_estimators=100, max_depth=10)
    yield "RandomForest 50, full depth", averaged("RandomForestClassifier", n_estimators=50)
    yield "LightGBM 1,000 x 31", lightgbm(n_estimators=1000, num_leaves=31)
    yield "LightGBM DART 200 x 31", lightgbm(n_estimators=200, boosting_type="dart")
    yield "XGBoost 100 x depth 6", xgboost(n_estimators=100, max_depth=6)
    yield "GradientBoosting 100 x depth 5", boosted(max_depth=5)
    yield "GradientBoosting 200 stumps", boosted(n_estimators=200, max_depth=1)
    yield "AdaBoost 200 stumps", averaged("AdaBoostClassifier", n_estimators=200)
    yield "Bagging 100 of 40 rows", lambda x, y: few_rows(few.fit(x, y))


def few_rows(model: Any) -> Forest:
    """Converts trees of bootstraps so small that some may be equal."""
    parts = [
        of_sklearn.plain_tree(e.tree_, e.tree_.value.reshape(e.tree_.node_count, -1), 0, features)
        for e, features in zip(model.estimators_, model.estimators_features_, strict=True)
    ]
    return of_sklearn.forest_of(parts, model.n_features_in_, np.zeros(2))


_HEAD = (
    "model | table | trees | splits | equal trees | as previous | as earlier | equal subtrees | equal sides | decided | "
    "equal operations"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="numbers credit KDD", help="names of the tables to use")
    wanted = parser.parse_args().tables.split()
    print(f"| {_HEAD} |\n|---|---|{'---:|' * 9}")
    for table, x, y in tables():
        for name, fit in models() if table in wanted else ():
            print(f"| {name} | {table} | {' | '.join(shares(fit(x, y)))} |", flush=True)


if __name__ == "__main__":
    main()
