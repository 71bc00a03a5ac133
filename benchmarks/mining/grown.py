"""A corpus of any size out of a small one: each new document is the first half of one and the second half of another.

The vocabulary, the lengths and the term statistics stay those of real text, and no two documents are the same.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks.harness import ROOT
from pyrite.data import Corpus
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir

__all__ = ["grown_corpus", "grown_pairs", "grown_queries", "scifact"]


def scifact() -> Collection:
    """Read SciFact from PYRITE_TEST_DATA (default ../shared/data)."""
    return read_beir(Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data") / "scifact")


def grown_corpus(corpus: Corpus, documents: int, seed: int = 0) -> Corpus:
    """Return the corpus with as many mixed documents behind it as make `documents`; titles are part of the texts.

    Args:
        corpus: The documents that stay, and whose halves are mixed.
        documents: How many come out, at least as many as go in.
        seed: Decides which halves meet.
    """
    texts = corpus.texts()
    halves = [_halves(text) for text in texts]
    generator = np.random.default_rng(seed)
    wanted = documents - len(texts)
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < wanted:
        drawn = generator.integers(len(texts), size=(wanted - len(pairs), 2)).tolist()
        pairs.update(((a, b), None) for a, b in drawn if a != b)
    mixed = [f"{halves[a][0]} {halves[b][1]}" for a, b in pairs]
    ids = [*corpus.ids(), *(f"mixed-{number}" for number in range(wanted))]
    return Corpus.from_columns(doc_id=ids, text=[*texts, *mixed], title=[""] * documents)


def grown_queries(texts: list[str], queries: int, seed: int = 0) -> list[str]:
    """Return the texts and as many mixtures of their halves behind them as make `queries`, all different."""
    return list(_mixed(texts, queries, seed))


def grown_pairs(collection: Collection, queries: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return the texts of as many queries, and for each the text of a document: its own first positive.

    A query mixed of two has the positive of the query that gave its first half.
    """
    documents = dict(zip(collection.corpus.ids(), collection.corpus.texts(), strict=True))
    texts = dict(zip(collection.queries.ids(), collection.queries.texts(), strict=True))
    judged: dict[str, str] = {}
    for split in ("train", "test"):
        for row in collection.split(split).relevant().rows():
            judged.setdefault(texts[row.query_id], documents[row.doc_id])
    known = list(judged)
    mixed = _mixed(known, queries, seed)
    return list(mixed), [judged[known[first]] for first in mixed.values()]


def _mixed(texts: list[str], queries: int, seed: int) -> dict[str, int]:
    """Return {query: the text that it is, or that its first half is of}."""
    halves = [_halves(text) for text in texts]
    generator = np.random.default_rng(seed)
    out = {text: place for place, text in enumerate(texts)}
    while len(out) < queries:
        a, b = generator.integers(len(texts), size=2).tolist()
        out.setdefault(f"{halves[a][0]} {halves[b][1]}", a)
    return dict(list(out.items())[:queries])


def _halves(text: str) -> tuple[str, str]:
    words = text.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])
