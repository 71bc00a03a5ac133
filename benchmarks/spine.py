"""Our whole mining call beside sentence-transformers' `mine_hard_negatives`, on SciFact's training queries.

Both get the same static encoder (WordLlama, 256 dimensions), the same corpus and pairs, depth 100, the same
relative margin (.95 of the positive's score) and draw the top 4; both end with the texts as an n-tuple
`datasets.Dataset`. The peer drops a pair that keeps fewer than 4; so do we here, to compare rows. Every call has a
process of its own, the two in turn. Not counted: imports, loading the model, reading the collection.

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
    """What both sides start from."""

    model: Any
    collection: Any


def prepare() -> Material:
    """Load the encoder and the collection."""
    from pyrite.data.formats.beir import read_beir
    from pyrite.models.sentence_encoder import load_sentence_transformer
    from pyrite.models.settings import WordLlamaSettings

    folder = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data") / "scifact"
    return Material(load_sentence_transformer(WordLlamaSettings()), read_beir(folder))


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
    return {"rows": len(dataset), **_faults(dataset, material)}


def mine_by_peer(material: Material) -> dict[str, Any]:
    """Mine with sentence-transformers."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    dataset = mine_hard_negatives(
        Dataset.from_dict(_pairs(material)),
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
    return {"rows": len(dataset), **_faults(dataset, material)}


def _pairs(material: Material) -> dict[str, list[str]]:
    """Return each training query with each of its positives, as texts."""
    collection = material.collection
    queries = dict(zip(collection.queries.ids(), collection.queries.texts(), strict=True))
    documents = dict(zip(collection.corpus.ids(), collection.corpus.texts(), strict=True))
    judged = list(collection.split("train").relevant().rows())
    return {
        "anchor": [queries[row.query_id] for row in judged],
        "positive": [documents[row.doc_id] for row in judged],
    }


def _faults(dataset: Any, material: Material) -> dict[str, int]:
    """Count known positives among the negatives, and the queries that got a row."""
    known = set(zip(*_pairs(material).values(), strict=True))
    names = [name for name in dataset.column_names if name.startswith("negative")]
    wrong = sum((row["anchor"], row[name]) in known for row in dataset for name in names)
    return {"positives": wrong, "queries": len(set(dataset["anchor"]))}


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
        at_least("rows with 4 negatives", mined["rows"], "rows of 919", target=theirs["rows"], peer=theirs["rows"]),
        at_least("queries with a row", mined["queries"], "of 809", target=theirs["queries"], peer=theirs["queries"]),
        at_most("known positives among the negatives", mined["positives"], "texts", target=0, peer=theirs["positives"]),
    ]


if __name__ == "__main__":
    main()
