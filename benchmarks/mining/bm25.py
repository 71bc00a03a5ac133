"""BM25 over 100,000 documents, top 100, from the texts of queries to results: beside rank-bm25 and beside bm25s.

The corpus is SciFact grown by mixing halves of its documents; the queries are SciFact's, train and test, 1,109.
Each side has a process of its own, and its compiled loops run once before the clock starts (ours when the index is
built and by one query, bm25s' by one call of the same shape). A run searches for all queries several times; the median
counts.

- **bm25s** gets its own tokeniser with the same stemmer and stop words, its numba backend with as many threads as we
  use, and gives back arrays of rows. We give back a run with ids.
- **rank-bm25** is asked a fixed sample of 100 queries, cut into the same words, since all would take many minutes. Our
  engine has its very formula (k1 1.5, b .75, negative IDF floored at a quarter of the mean). Rankings are compared in
  that process: rank by rank the same score within 1e-6, and a document that only one side has ties with the last rank.
- **pyserini**: nDCG@10 on SciFact's test queries by Lucene, where `make test-pyserini` has fetched it into `.java`, or
  it is installed.

Run with `python -m benchmarks.mining bm25`; reads PYRITE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.harness import ROOT, Call, Result, at_least, at_most, measure, write_results
from benchmarks.mining.grown import grown_corpus, scifact

__all__ = ["beside_rank_bm25", "bm25s", "main", "ours", "pyserini"]

DOCUMENTS, DEPTH, SAMPLE = 100_000, 100, 100
RUNS = 9
ROUNDS = 3
PUBLISHED, NEAR = 0.679, 0.001
TIE = 1e-6
JAVA = ROOT / ".java"


def ours(formula: str = "lucene", k1: float = 0.9, b: float = 0.4) -> dict[str, float]:
    """Build our index and search it for all queries."""
    collection = scifact()
    corpus = grown_corpus(collection.corpus, DOCUMENTS)
    _build_ours(collection.corpus, formula, k1, b).search(collection.queries, DEPTH)
    start = time.perf_counter()
    index = _build_ours(corpus, formula, k1, b)
    build = time.perf_counter() - start
    seconds = _median_seconds(lambda: index.search(collection.queries, DEPTH))
    return {"build": build, "rate": len(collection.queries) / seconds}


def bm25s() -> dict[str, float]:
    """Build the index of the library bm25s and search it for all queries."""
    import bm25s as library
    import Stemmer

    from pyrite.search.lexical.analysis import LUCENE_STOPWORDS

    collection = scifact()
    documents = grown_corpus(collection.corpus, DOCUMENTS).texts()
    queries = collection.queries.texts()
    threads = len(os.sched_getaffinity(0))
    start = time.perf_counter()
    tokenizer = library.tokenization.Tokenizer(
        stemmer=Stemmer.Stemmer("english"), stopwords=sorted(LUCENE_STOPWORDS), splitter=r"(?u)\b\w+\b"
    )
    tokens = tokenizer.tokenize(documents, return_as="ids", show_progress=False)
    index = library.BM25(k1=0.9, b=0.4, method="lucene", backend="numba")
    index.index((tokens, tokenizer.get_vocab_dict()), show_progress=False)
    build = time.perf_counter() - start

    def search() -> None:
        asked = tokenizer.tokenize(queries, update_vocab=False, return_as="ids", show_progress=False)
        index.retrieve(asked, k=DEPTH, n_threads=threads, show_progress=False)

    search()
    return {"build": build, "rate": len(queries) / _median_seconds(search)}


def beside_rank_bm25() -> dict[str, float]:
    """Search by rank-bm25 for the sample, and compare our rankings with its."""
    import rank_bm25

    from pyrite.search.lexical.analysis import Analysis

    collection = scifact()
    corpus = grown_corpus(collection.corpus, DOCUMENTS)
    chosen = np.random.default_rng(0).choice(len(collection.queries), SAMPLE, replace=False)
    sample = collection.queries.select([collection.queries.ids()[row] for row in np.sort(chosen)])
    analysis = Analysis()
    textbook = rank_bm25.BM25Okapi([analysis.tokens(text) for text in corpus.texts()], k1=1.5, b=0.75, epsilon=0.25)
    scores, seconds = [], 0.0
    for text in sample.texts():
        start = time.perf_counter()
        every = textbook.get_scores(analysis.tokens(text))
        np.argsort(every)[::-1][:DEPTH]
        seconds += time.perf_counter() - start
        scores.append(every)
    run = _build_ours(corpus, "okapi", 1.5, 0.75).search(sample, DEPTH).by_query()
    rows = {doc_id: row for row, doc_id in enumerate(corpus.ids())}
    hits = [[(rows[hit.doc_id], hit.score) for hit in run.get(query_id, [])] for query_id in sample.ids()]
    different = sum(not _same_top(*pair) for pair in zip(hits, scores, strict=True))
    return {"rate": SAMPLE / seconds, "different": different}


def pyserini() -> float:
    """Return nDCG@10 of Lucene on SciFact's test queries."""
    from pyrite.eval import evaluate_index
    from pyrite.search import LexicalRetriever
    from pyrite.search.lexical.engines import PyseriniSettings
    from pyrite.search.lexical.index import LexicalSettings

    collection = scifact()
    index = LexicalRetriever(LexicalSettings(engine=PyseriniSettings())).build(collection.corpus)
    _, scores = evaluate_index(index, collection.queries, collection.split("test"), ["nDCG@10"])
    return scores.means()["nDCG@10"]


def _build_ours(corpus: Any, formula: str, k1: float, b: float) -> Any:
    from pyrite.search import LexicalRetriever
    from pyrite.search.lexical.engines import Bm25sSettings
    from pyrite.search.lexical.index import LexicalSettings

    engine = Bm25sSettings.model_validate({"formula": formula, "k1": k1, "b": b})
    return LexicalRetriever(LexicalSettings(engine=engine)).build(corpus)


def _same_top(hits: list[tuple[int, float]], scores: np.ndarray) -> bool:
    """Say whether a ranking is the textbook's, up to ties."""
    best = np.sort(scores)[::-1][: len(hits)]
    given = np.array([score for _, score in hits])
    own = scores[[row for row, _ in hits]]
    complete = len(hits) == min(DEPTH, int((scores > 0).sum()))
    return complete and bool(np.all(abs(given - best) <= TIE) and np.all(abs(given - own) <= TIE))


def _median_seconds(search: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        search()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@contextmanager
def _with_java() -> Iterator[bool]:
    """Let processes find what `make test-pyserini` fetched; give whether there is any pyserini."""
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(part for part in (before, str(JAVA)) if part)
    try:
        yield (JAVA / "pyserini").is_dir() or importlib.util.find_spec("pyserini") is not None
    finally:
        os.environ["PYTHONPATH"] = before


def main() -> None:
    """Measure all sides in turn and write the results."""
    here = "benchmarks.mining.bm25"
    okapi = {"formula": "okapi", "k1": 1.5, "b": 0.75}
    calls = {"ours": Call(f"{here}:ours"), "bm25s": Call(f"{here}:bm25s"), "okapi": Call(f"{here}:ours", okapi)}
    values: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            values[name].append(measure(call).value)
    textbook = measure(Call(f"{here}:beside_rank_bm25")).value
    rate = {name: statistics.median(run["rate"] for run in runs) for name, runs in values.items()}
    build = {name: statistics.median(run["build"] for run in runs) for name, runs in values.items()}
    results = [
        at_least("BM25 beside bm25s (numba)", rate["ours"], "queries/s", target=rate["bm25s"], peer=rate["bm25s"]),
        at_least("BM25Okapi beside rank-bm25", rate["okapi"] / textbook["rate"], "times its queries/s", target=500),
        Result("BM25Okapi", rate["okapi"], "queries/s", peer=textbook["rate"]),
        at_most("rankings unlike rank-bm25's", textbook["different"], f"of {SAMPLE}", target=0),
        Result("index of 100,000 documents, beside bm25s", build["ours"], "s", peer=build["bm25s"]),
    ]
    with _with_java() as there:
        if there:
            reached = measure(Call(f"{here}:pyserini")).value
            near = abs(reached - PUBLISHED) <= NEAR
            results.append(Result("SciFact by pyserini", reached, "nDCG@10", target=PUBLISHED, met=near))
        else:
            Console().print("SciFact by pyserini is not measured: `make test-pyserini` fetches what it needs")
    write_results("mining-bm25", results)


if __name__ == "__main__":
    main()
