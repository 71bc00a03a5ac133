"""A thousand duplicates of positives, planted among ten thousand documents: none leaves as a negative."""

from __future__ import annotations

import unicodedata

import numpy as np

from pyrite.data import Corpus, Document, Judgment, Qrels, Queries, Query
from pyrite.mining import HardNegativeMiner, NearDuplicateFilter, TopSampler
from pyrite.search import LexicalRetriever

QUERIES, DOCUMENTS = 200, 10_000
VOCABULARY = [f"{first}é{last}" for first in "bdfgklmnprst" for last in ("lan", "mor", "rit", "tus", "vek", "zon")]


def variants(title: str, text: str) -> dict[str, Document]:
    """Return duplicates of a document by what was done to it."""
    words = text.split()
    # Only behind the words that queries ask for: BM25 takes a letter and its parts for different words.
    decomposed = unicodedata.normalize("NFD", " ".join(words[30:]))
    edited = " ".join([*words[:20], "edited", *words[21:]])
    return {
        "case": Document("", text.upper(), title),
        "space": Document("", "  ".join(words) + "\n", title),
        "form": Document("", f"{' '.join(words[:30])} {decomposed}", title),
        "title": Document("", f"{title} {text}"),
        "edit": Document("", edited, f"{title}!"),
    }


def test_no_planted_duplicate_leaves_as_a_negative() -> None:
    draw = np.random.default_rng(11)
    texts = [" ".join(draw.choice(VOCABULARY, size=60)) for _ in range(DOCUMENTS - QUERIES * 5)]
    documents = [Document(f"d{i}", text, f"title{i}") for i, text in enumerate(texts)]
    for i in range(QUERIES):
        made = variants(f"title{i}", texts[i])
        documents += [Document(f"{kind}-{i}", copy.text, copy.title) for kind, copy in made.items()]
    queries = Queries.from_rows(Query(f"q{i}", f"title{i} " + texts[i][:60]) for i in range(QUERIES))
    qrels = Qrels.from_rows(Judgment(f"q{i}", f"d{i}", 1) for i in range(QUERIES))
    planted = {(f"q{i}", f"{kind}-{i}") for i in range(QUERIES) for kind in variants("", "")}
    miner = HardNegativeMiner([LexicalRetriever()], filters=[NearDuplicateFilter()], sampler=TopSampler(count=20))
    mined = miner.mine(Corpus.from_rows(documents), queries, qrels, depth=30)
    proposed = {(row.query_id, row.doc_id) for row in mined.candidates.rows()}
    assert len(planted) == 1000
    assert planted <= proposed
    assert not planted & {(row.query_id, row.doc_id) for row in mined.negatives.rows()}
    assert len(mined.negatives) > QUERIES * 10
    gates = {(row.query_id, row.doc_id): row.gate for row in mined.removals.rows()}
    found = {kind: {gates[f"q{i}", f"{kind}-{i}"] for i in range(QUERIES)} for kind in variants("", "")}
    exact, near = {"copy-of-positive"}, {"near-duplicate"}
    assert found == {"case": exact, "space": exact, "form": exact, "title": near, "edit": near}
