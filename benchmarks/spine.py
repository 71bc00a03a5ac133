"""Our whole mining call beside sentence-transformers' `mine_hard_negatives`, on SciFact's training queries.

Both get the same static encoder (WordLlama, 256 dimensions), the same corpus and pairs, depth 100, the same
relative margin (.95 of the positive's score) and draw the top 4; both end with the texts as an n-tuple
`datasets.Dataset`. The peer drops a pair that keeps fewer than 4 negatives. Our training set keeps it, with
fewer or none (the batch then gives them); the data set of n-tuples drops it here too, so that both do the same
work. Where a query has several positives we compare with the lowest, the peer with the pair's own: a few rows
fewer are complete. Every call has a process of its own, the two in turn. Not counted: imports, loading the
model, reading the collection.

Run with `make bench-spine`; reads PYRITE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Call, Measurement, Result, at_least, at_most, interleave, median, write_results

__all__ = ["main", "mine", "mine_by_peer", "prepare"]

NEGATIVES = 4
DEPTH = 100
SHARE = 0.95


@dataclass
class Material:
    """What both sides start from: encoder, collection, and each training query with each of its positives as texts."""

    model: Any
    collection: Any
    pairs: dict[str, list[str]]


def prepare() -> Material:
    """Load the encoder and the collection."""
    from pyrite.data.formats.beir import read_beir
    from pyrite.models.sentence_encoder import load_sentence_transformer
    from pyrite.models.settings import WordLlamaSettings

    folder = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data") / "scifact"
    collection = read_beir(folder)
    return Material(load_sentence_transformer(WordLlamaSettings()), collection, _pairs(collection))


def mine(material: Material) -> dict[str, Any]:
    """Mine with Pyrite."""
    from pyrite.data.formats import SentenceTransformersLayout, TrainingParts, to_dataset
    from pyrite.data.groups import training_groups
    from pyrite.mining import HardNegativeMiner, ShareFilter, TopSampler
    from pyrite.models.sentence_encoder import SentenceEncoder
    from pyrite.models.settings import Prompts
    from pyrite.search import DenseRetriever

    corpus, queries, qrels = material.collection.corpus, material.collection.queries, material.collection.split("train")
    encoder = SentenceEncoder(material.model, Prompts(), batch_size=32, weights="wordllama")
    miner = HardNegativeMiner(
        [DenseRetriever(encoder)], filters=[ShareFilter(share=SHARE)], sampler=TopSampler(count=NEGATIVES)
    )
    result = miner.mine(corpus, queries, qrels, depth=DEPTH)
    groups = training_groups(qrels, result.negatives)
    layout = SentenceTransformersLayout(negatives=NEGATIVES, incomplete="drop", ids=False)
    dataset, _ = to_dataset(TrainingParts(corpus, queries, groups), layout)
    pairs = sum(len(group.positive_ids) for group in groups.rows())
    return {"rows": len(dataset), "pairs": pairs, **_faults(dataset, material)}


def mine_by_peer(material: Material) -> dict[str, Any]:
    """Mine with sentence-transformers."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    dataset = mine_hard_negatives(
        Dataset.from_dict(material.pairs),
        material.model,
        corpus=material.collection.corpus.texts(),
        range_max=DEPTH,
        relative_margin=1 - SHARE,
        num_negatives=NEGATIVES,
        sampling_strategy="top",
        output_format="n-tuple",
        batch_size=32,
        verbose=False,
    )
    return {"rows": len(dataset), "pairs": len(dataset), **_faults(dataset, material)}


def _pairs(collection: Any) -> dict[str, list[str]]:
    judged = list(collection.split("train").relevant().rows())
    return {
        "anchor": _texts(collection.queries, [row.query_id for row in judged]),
        "positive": _texts(collection.corpus, [row.doc_id for row in judged]),
    }


def _texts(table: Any, ids: list[str]) -> list[str]:
    unique = list(dict.fromkeys(ids))
    texts = dict(zip(unique, table.select(unique).texts(), strict=True))
    return [texts[one] for one in ids]


def _faults(dataset: Any, material: Material) -> dict[str, int]:
    """Count known positives among the negatives."""
    known = set(zip(*material.pairs.values(), strict=True))
    names = [name for name in dataset.column_names if name.startswith("negative")]
    return {"positives": sum((row["anchor"], row[name]) in known for row in dataset for name in names)}


def main() -> None:
    """Measure both sides and write the results."""
    calls = {
        "ours": Call("benchmarks.spine:mine", prepare="benchmarks.spine:prepare"),
        "peer": Call("benchmarks.spine:mine_by_peer", prepare="benchmarks.spine:prepare"),
    }
    measured = interleave(calls, repeats=5)
    write_results("spine", results(measured["ours"], measured["peer"]))


def results(ours: list[Measurement], peer: list[Measurement]) -> list[Result]:
    """Return what the benchmark is judged by: at most the peer's cost, at least its yield, no fault."""
    seconds, memory = median(peer, "seconds"), median(peer, "peak_anonymous_mb")
    mined, theirs = ours[0].value, peer[0].value
    return [
        at_most("mining, wall time", median(ours, "seconds"), "s", target=seconds, peer=seconds),
        at_most("mining, peak anonymous memory", median(ours, "peak_anonymous_mb"), "MB", target=memory, peer=memory),
        at_least("pairs kept for training", mined["pairs"], "of 919", target=theirs["pairs"], peer=theirs["pairs"]),
        Result("pairs with all 4 negatives", mined["rows"], "of 919", peer=theirs["rows"]),
        at_most("known positives among the negatives", mined["positives"], "texts", target=0, peer=theirs["positives"]),
    ]


if __name__ == "__main__":
    main()
