"""What tells positives from negatives without reading the query: lengths and looks of the texts.

A model that can separate the two by a shortcut learns the shortcut. Each feature is measured by the AUROC of telling a
positive from a negative by it alone; all of them together by a linear discriminant, fitted on the other half of the
queries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from pyrite.metrics.separation import auroc, auroc_error
from pyrite.recipes.audit.mined_set import MinedDocument, MinedSet
from pyrite.report.audit import Finding, Severity
from pyrite.seeds import rng

__all__ = ["FEATURES", "length_shortcut", "look_shortcuts", "separations", "source_shortcuts"]

_MARKUP = re.compile(r"<[^>]{1,40}>|https?://|\[[^\]]*\]\(|```|\*\*|&[a-z]{2,6};")
_WARNING, _ERROR = 0.15, 0.30
# Standard deviations of an AUROC that tells nothing, before a difference is one at all.
_SURE = 4.0
_FEW = 20


def _share(count: Callable[[str], bool]) -> Callable[[MinedDocument], float]:
    return lambda document: sum(map(count, document.full)) / max(len(document.full), 1)


FEATURES: Mapping[str, Callable[[MinedDocument], float]] = {
    "characters": lambda document: len(document.full),
    "words": lambda document: len(document.full.split()),
    "digits": _share(str.isdigit),
    "capitals": _share(str.isupper),
    "punctuation": _share(lambda letter: not letter.isalnum() and not letter.isspace()),
    "other scripts": _share(lambda letter: ord(letter) > 127),
    "markup": lambda document: len(_MARKUP.findall(document.full)) / max(len(document.full), 1),
    "line ends": lambda document: document.full.count("\n"),
    "begins with a capital": lambda document: float(document.full[:1].isupper()),
    "ends with a full stop": lambda document: float(document.full.rstrip()[-1:] in {".", "!", "?"}),
    "has a title": lambda document: float(document.title != ""),
}
"""{name: what is measured of a document, its query unseen}."""

_LENGTHS = ("characters", "words")
_JOINT = "all together"


def separations(mined: MinedSet) -> dict[str, float] | None:
    """Return {feature: AUROC of telling positives from negatives by it}, and that of all together.

    Pairs of a query and a document count, each once. Above .5 positives have more of it, below less.

    Returns:
        None where one side has no texts.
    """
    sides = [_side(mined, side) for side in ("positives", "negatives")]
    if any(len(values) == 0 for _, values in sides):
        return None
    (upper_queries, upper), (lower_queries, lower) = sides
    found = {name: auroc(upper[:, place], lower[:, place]) for place, name in enumerate(FEATURES)}
    queries = np.concatenate([upper_queries, lower_queries])
    labels = np.concatenate([np.ones(len(upper)), np.zeros(len(lower))])
    return found | {_JOINT: _discriminated(np.concatenate([upper, lower]), labels, queries)}


def _side(mined: MinedSet, side: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(query, document) for query, found in enumerate(getattr(mined, side)()) for document in found]
    return _measured(mined, pairs)


def _measured(mined: MinedSet, pairs: Iterable[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the query and the features of each pair whose text is at hand: shapes (n,) and (n, features)."""
    there = [pair for pair in pairs if mined.documents[pair[1]].text is not None]
    measured = {
        document: [measure(mined.documents[document]) for measure in FEATURES.values()]
        for document in {document for _, document in there}
    }
    values = [measured[document] for _, document in there]
    queries = np.array([query for query, _ in there], dtype=np.int64)
    return queries, np.array(values, dtype=np.float64).reshape(-1, len(FEATURES))


def _discriminated(values: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> float:
    """Return the AUROC of Fisher's linear discriminant, each half of the queries scored by the other half's.

    Fisher, "The Use of Multiple Measurements in Taxonomic Problems" (1936), on ranks, so that no long tail rules.
    """
    ranks = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable") / max(len(values) - 1, 1)
    # Equal values have equal ranks: the first of them.
    for place in range(values.shape[1]):
        _, first = np.unique(values[:, place], return_inverse=True)
        ranks[:, place] = first / max(int(first.max()), 1)
    half = rng(0, "audit", "halves").random(int(queries.max()) + 1)[queries] < 0.5
    scores = np.zeros(len(values))
    for side in (half, ~half):
        one, other = ranks[side & (labels == 1)], ranks[side & (labels == 0)]
        if len(one) < 2 or len(other) < 2:
            return float("nan")
        pooled = np.cov(one.T) * (len(one) - 1) + np.cov(other.T) * (len(other) - 1)
        ridge = 1e-3 * np.eye(len(pooled)) * max(float(np.trace(pooled)), 1e-9) / len(pooled)
        weights = np.linalg.solve(pooled + ridge, one.mean(axis=0) - other.mean(axis=0))
        scores[~side] = ranks[~side] @ weights
    folds = [(scores[side & (labels == 1)], scores[side & (labels == 0)]) for side in (half, ~half)]
    return float(np.mean([auroc(upper, lower) for upper, lower in folds]))


def length_shortcut(mined: MinedSet, found: Mapping[str, float] | None) -> Finding:
    """Say whether positives and negatives differ in length."""
    lengths = None if found is None else {name: found[name] for name in _LENGTHS}
    return _finding(
        mined,
        "length-shortcut",
        "telling positives from negatives by their length",
        lengths,
        "A model can learn that long (AUROC above .5) or short (below) texts are right, and never read them.",
        "Choose negatives of the lengths of the positives, or cut both the same way.",
    )


def look_shortcuts(mined: MinedSet, found: Mapping[str, float] | None) -> Finding:
    """Say whether positives and negatives look different, lengths apart."""
    looks = None if found is None else {name: value for name, value in found.items() if name not in _LENGTHS}
    return _finding(
        mined,
        "look-shortcuts",
        "telling positives from negatives by how they look",
        looks,
        "Where the two come from different sources (a corpus and a language model, say) their looks give them away.",
        "Take positives and negatives from one source, or clean both the same way.",
    )


def _finding(
    mined: MinedSet, name: str, title: str, values: Mapping[str, float] | None, meaning: str, remedy: str
) -> Finding:
    pairs = [sum(map(len, side)) for side in (mined.positives(), mined.negatives())]
    if values is None:
        advice = "The texts are not at hand: give --corpus."
        return Finding(name, title, "unchecked", None, sum(pairs), "pairs", meaning, advice)
    values = {key: value for key, value in values.items() if not math.isnan(value)}
    far = {key: value for key, value in values.items() if abs(value - 0.5) > _SURE * auroc_error(*pairs)}
    worst = max((abs(value - 0.5) for value in far.values()), default=0.0)
    severity: Severity = "fine" if not far else "note"
    if worst >= _WARNING:
        severity = "error" if worst >= _ERROR else "warning"
    # The joint one first, then the single features that tell most.
    shown = dict(sorted(values.items(), key=lambda pair: (pair[0] != _JOINT, -abs(pair[1] - 0.5)))[:5])
    advice = remedy if worst >= _WARNING else "Nothing to do."
    return Finding(name, title, severity, None, sum(pairs), "pairs", meaning, advice, values=shown)


def source_shortcuts(mined: MinedSet) -> Finding:
    """Say whether the negatives of one source can be told from those of the others by their looks."""
    name, title = "source-shortcuts", "telling a source's negatives from the others' by how they look"
    meaning = "Where a source gives itself away (written by a language model, say), a model can learn the source."
    pairs = sum(map(len, mined.negatives()))
    if len(mined.sources) < 2:
        advice = "The file names no two sources of negatives; some formats do."
        return Finding(name, title, "unchecked", None, pairs, "pairs", meaning, advice)
    values = {source: _told_apart(mined, source) for source in sorted(mined.sources)}
    values = {source: value for source, value in values.items() if not math.isnan(value)}
    if not values:
        advice = f"No two sources have {_FEW} negatives each whose texts are at hand."
        return Finding(name, title, "unchecked", None, pairs, "pairs", meaning, advice)
    worst = max(value - 0.5 for value in values.values())
    severity: Severity = "warning" if worst >= _ERROR else "note" if worst >= _WARNING else "fine"
    advice = "Clean all sources the same way, or weigh them." if worst >= _WARNING else "Nothing to do."
    return Finding(name, title, severity, None, pairs, "pairs", meaning, advice, values=values)


def _told_apart(mined: MinedSet, source: str) -> float:
    """Return the AUROC of telling a source's own negatives from those that it did not propose, all features together.

    nan where one side has fewer than 20 pairs.
    """
    own = mined.sources[source]
    others = set().union(*mined.sources.values()) - own
    (own_queries, own_values), (queries, values) = (_measured(mined, sorted(pairs)) for pairs in (own, others))
    if min(len(own_values), len(values)) < _FEW:
        return math.nan
    labels = np.concatenate([np.ones(len(own_values)), np.zeros(len(values))])
    return _discriminated(np.concatenate([own_values, values]), labels, np.concatenate([own_queries, queries]))
