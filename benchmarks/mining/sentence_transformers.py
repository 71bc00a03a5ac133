"""Our miner beside sentence-transformers', on SciFact grown to 100,000 documents and 10,000 queries.

All sides get the same static encoder (WordLlama, 256 dimensions), corpus and pairs, range 100, 4 negatives, n-tuples.
The peer searches with FAISS and keeps its cache folder. First runs start with an empty folder and a relative margin of
.05; second runs are fresh processes on the folder that the first left, with a margin of .1. A query mixed of two has
the positive of the first. Not counted: imports, loading the model, reading and growing the collection; memory is
anonymous memory above what that left.

Run with `python -m benchmarks.mining sentence_transformers`, or `... --small` for a tenth of it.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Call, Measurement, Result, at_least, at_most, measure, write_results
from benchmarks.mining.grown import grown_corpus, grown_pairs, scifact

__all__ = ["main", "mine", "mine_by_miner", "mine_by_peer", "prepare", "select_again"]

DEPTH = 100
NEGATIVES = 4
MODULE = "benchmarks.mining.sentence_transformers"


@dataclass
class Material:
    """What all sides start from."""

    model: Any
    pairs: Any
    documents: list[str]
    cache: str
    margin: float


def prepare(documents: int, queries: int, cache: str, margin: float) -> Material:
    """Load the encoder and grow the collection; import what either side needs."""
    import datasets
    import faiss  # noqa: F401
    import sentence_transformers.util  # noqa: F401

    import pyrite.compat
    import pyrite.mining  # noqa: F401
    from pyrite.models.sentence_encoder import load_sentence_transformer
    from pyrite.models.settings import WordLlamaSettings

    collection = scifact()
    anchors, positives = grown_pairs(collection, queries)
    pairs = datasets.Dataset.from_dict({"anchor": anchors, "positive": positives})
    texts = grown_corpus(collection.corpus, documents).texts()
    return Material(load_sentence_transformer(WordLlamaSettings()), pairs, texts, cache, margin)


def mine(material: Material) -> dict[str, int]:
    """Mine with the stand-in."""
    from pyrite.compat import mine_hard_negatives

    return _mine(mine_hard_negatives, material)


def mine_by_peer(material: Material) -> dict[str, int]:
    """Mine with sentence-transformers."""
    from sentence_transformers.util import mine_hard_negatives

    return _mine(mine_hard_negatives, material)


def _mine(function: Any, material: Material) -> dict[str, int]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        mined = function(
            material.pairs,
            material.model,
            corpus=material.documents,
            range_max=DEPTH,
            relative_margin=material.margin,
            num_negatives=NEGATIVES,
            output_format="n-tuple",
            use_faiss=True,
            cache_folder=material.cache,
        )
    reported = re.search(r"negatives for ([\d,]+) samples", told.getvalue())
    missing = int(reported[1].replace(",", "")) if reported else 0
    return {"rows": len(mined), "reported": missing, "given": len(material.pairs)}


def mine_by_miner(material: Material) -> dict[str, int]:
    """Mine with `HardNegativeMiner`, from files to files: what a pipeline's store would keep stays for `select_again`.

    The list of texts becomes a table on disk, a piece at a time, and the miner reads that.
    """
    from pyrite.mining import HardNegativeMiner, ShareFilter, TopSampler
    from pyrite.models.sentence_encoder import SentenceEncoder
    from pyrite.models.settings import Prompts
    from pyrite.search import DenseRetriever

    corpus, queries, qrels = _tables(material)
    encoder = SentenceEncoder(material.model, Prompts(), 32, "wordllama")
    filters = [ShareFilter(share=1 - material.margin)]
    miner = HardNegativeMiner([DenseRetriever(encoder)], filters=filters, sampler=TopSampler(count=NEGATIVES))
    result = miner.mine(corpus, queries, qrels, depth=DEPTH)
    corpus.save_keys(Path(material.cache))
    for table in (result.candidates, queries, qrels):
        table.save(Path(material.cache))
    return _counts(result.audit)


def select_again(material: Material) -> dict[str, int]:
    """Open what `mine_by_miner` left and select from it, as the stage `select` does."""
    from pyrite.data import Candidates, Corpus, Qrels, Queries
    from pyrite.mining import Selection, ShareFilter, TopSampler, select_negatives

    filters = (ShareFilter(share=1 - material.margin),)
    settings = Selection(filters=filters, sampler=TopSampler(count=NEGATIVES))
    folder = Path(material.cache)
    collection = (Corpus.open(folder), Queries.open(folder), Qrels.open(folder))
    return _counts(select_negatives(Candidates.open(folder), *collection, settings).audit)


def _tables(material: Material) -> tuple[Any, Any, Any]:
    import numpy as np
    import pyarrow as pa

    from pyrite.data import Corpus, Qrels, Queries, TableWriter
    from pyrite.data.batches import pieces

    anchors, positives = material.pairs["anchor"], material.pairs["positive"]
    ids = [f"d{place}" for place in range(len(material.documents))]
    folder = Path(material.cache)
    folder.mkdir(exist_ok=True)
    with TableWriter(Corpus, folder, unique=True) as writer:
        for rows in pieces(len(ids), writer.group_rows):
            some = slice(rows.start, rows.stop)
            # Given a str that is not ASCII, Arrow leaves its UTF-8 form in it for good.
            texts = pa.array([text.encode() for text in material.documents[some]], pa.binary()).cast(pa.string())
            writer.write_arrow(pa.table({"doc_id": ids[some], "text": texts, "title": [""] * len(rows)}))
    corpus = Corpus.open(folder)
    place = {text: name for name, text in zip(ids, material.documents, strict=True)}
    names = [f"q{number}" for number in range(len(anchors))]
    queries = Queries.from_columns(
        query_id=names, text=list(anchors), origin=["given"] * len(names), seed_doc_id=[None] * len(names)
    )
    qrels = Qrels.from_columns(
        query_id=names,
        doc_id=[place[text] for text in positives],
        grade=np.ones(len(names), dtype=np.int32),
        source=["human"] * len(names),
    )
    return corpus, queries, qrels


def _counts(audit: Any) -> dict[str, int]:
    return {"rows": audit.queries - audit.short, "reported": audit.short, "given": audit.queries}


def main() -> None:
    """Measure all sides, twice each, and write the results."""
    small = "--small" in sys.argv
    size = {"documents": 10_000, "queries": 1_000} if small else {"documents": 100_000, "queries": 10_000}
    with tempfile.TemporaryDirectory() as folder:
        sides = {"ours": ("mine", "mine"), "peer": ("mine_by_peer",) * 2, "miner": ("mine_by_miner", "select_again")}
        runs = {side: list(_both(side, names, Path(folder), size)) for side, names in sides.items()}
    write_results("mining-sentence_transformers" + "-small" * small, list(results(runs)))


def _both(side: str, functions: tuple[str, ...], folder: Path, size: dict[str, int]) -> Iterator[Measurement]:
    for function, margin in zip(functions, (0.05, 0.1), strict=True):
        arguments = {**size, "cache": str(folder / side), "margin": margin}
        run = measure(Call(f"{MODULE}:{function}", arguments, prepare=f"{MODULE}:prepare"))
        sys.stderr.write(f"{side}, {function}: {run}\n")
        yield run


def results(runs: dict[str, list[Measurement]]) -> Iterator[Result]:
    """Yield what the benchmark is judged by."""
    first, second = runs["peer"]
    memory = first.added_anonymous_mb
    for side, name in (("ours", "mine_hard_negatives"), ("miner", "HardNegativeMiner")):
        once, again = runs[side]
        yield at_most(f"{name}, first run", once.seconds, "s", target=first.seconds, peer=first.seconds)
        faster = second.seconds / again.seconds
        yield at_least(f"{name}, another margin: times the peer's speed", faster, "x", target=50)
        yield Result(f"{name}, another margin", again.seconds, "s", peer=second.seconds)
        added = once.added_anonymous_mb
        yield at_most(f"{name}, anonymous memory above the encoder", added, "MB", target=memory / 2, peer=memory)
        lost = sum(run.value["given"] - run.value["rows"] - run.value["reported"] for run in (once, again))
        yield at_most(f"{name}, queries lost without a report", lost, "queries", target=0)
        yield Result(f"{name}, pairs with all {NEGATIVES} negatives", once.value["rows"], "", peer=first.value["rows"])


if __name__ == "__main__":
    main()
