"""The stages that join the library to the pipeline engine, one module each.

Nothing is imported until a stage is asked for: `CATALOG["mine"]` imports `pyrite.stages.mine`.
"""

from __future__ import annotations

from pyrite.pipeline.stage import Catalog

__all__ = ["CATALOG"]

_SUMMARIES = {
    "load": "Read a collection: corpus, queries and judgements of each split.",
    "load-training-set": "Read a training file of any format: its groups, documents and queries.",
    "model": "Bring an encoder into the store, with the prompts it is to be used with.",
    "index-bm25": "Build a BM25 index of a corpus.",
    "embed": "Encode a corpus into vectors, shard by shard; texts that the store has vectors of are not encoded again.",
    "index-faiss": "Search the vectors of a corpus through FAISS, exactly or nearly so; nothing is encoded again.",
    "index-random": "Propose random documents of a corpus, as a baseline for other sources.",
    "load-run": "Read a run of Elasticsearch, Vespa, OpenSearch or any other system, in TREC's format.",
    "search": "Rank the documents of an index for each query of a split.",
    "mine": "Collect candidates for each query from several indices and runs, and score the positives by each.",
    "scorer": "Bring a model that scores a query and a document together into the store, for `rescore`.",
    "rescore": "Score all candidates and positives by one index or model, so that filters can compare them.",
    "calibrate": "Turn a scorer's scores into probabilities of relevance, on which one threshold suits all.",
    "cet-light": "Estimate from scores which unlabelled candidates are relevant, and how biased the judges' pool was.",
    "select": "Choose negatives among candidates, and say why each other one was dropped.",
    "score": "Score sets of negatives before training: signal, safety and how they rank, with intervals.",
    "recommend": "Search mixtures, filters, ranks and set sizes for negatives that score best; nothing is trained.",
    "assemble": "Join positives and negatives into a training set.",
    "teacher-scores": "Score the positives and negatives of a training set by a teacher: any scorer, judge or index.",
    "train": "Train an encoder on positives and negatives; the best epoch on dev is kept.",
    "train-reranker": "Train a model that scores pairs; the best epoch on reranked dev candidates is kept.",
    "cet": "Train a reranker together with a model of what the judges' pool showed; score candidates by both.",
    "train-rounds": "Mine and train in turn, each round with the encoder of the round before; the best one is kept.",
    "rerank": "Order the first documents of a ranking anew by a model that scores pairs.",
    "evaluate": "Measure a run against judgements, query by query.",
    "compare": "Compare systems on the same queries, with intervals and p-values.",
    "choose": "Choose the best of several systems on development queries.",
    "report": "Write one self-contained HTML page on everything measured.",
    "export": "Write a training set in the format of another toolkit.",
}


def _place(kind: str) -> str:
    name = kind.replace("-", "_")
    return f"pyrite.stages.{name}:{name}"


CATALOG = Catalog({kind: _place(kind) for kind in _SUMMARIES}, _SUMMARIES)
"""Every stage that Pyrite has, by kind."""
