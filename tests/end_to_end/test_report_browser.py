"""The report in a real browser: it loads nothing, fits narrow and wide windows, and its folds open."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import (
    Candidate,
    Candidates,
    Comparison,
    Comparisons,
    Corpus,
    Document,
    Judgment,
    LogEntry,
    Negative,
    Negatives,
    Qrels,
    Queries,
    Query,
    QueryScore,
    QueryScores,
    Removal,
    Removals,
    Run,
    ScoreKind,
    TrainingLog,
)
from pyrite.report import Contrast, MiningRecord, ReportData, write_report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)
MEASURES = ("nDCG@10", "P@10", "R@100", "RR@10", "AP")
SYSTEMS = ("bm25", "untrained", "in-batch", "bm25-negatives", "dense-negatives", "hybrid-filtered")
TOPICS = (
    "Folic acid lowers the risk of neural tube defects",
    "Vitamin D status does not predict all-cause mortality",
    "A high-salt diet raises blood pressure in resistant hypertension",
    "Statins reduce the incidence of major vascular events",
    "Sleep restriction impairs insulin sensitivity in healthy adults",
)
HOSTILE = "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\"> & \"quotes\""
UNBROKEN = "Methylenetetrahydrofolate" * 12
LONG = "The cohort was followed for eleven years, and the outcome was adjudicated by two blinded readers. " * 60


def queries_and_documents() -> tuple[Queries, Corpus]:
    texts = [f"{topic}, trial {i}." for i, topic in enumerate(TOPICS * 8)]
    texts[0], texts[1], texts[2] = HOSTILE, UNBROKEN, LONG
    documents = [
        Document(f"d{i}", f"{topic}. {LONG if i % 7 == 0 else topic + ' in a randomised trial.'}", f"Study {i}")
        for i, topic in enumerate(TOPICS * 12)
    ]
    documents[1] = Document("d1", f"{HOSTILE} {UNBROKEN}", HOSTILE)
    return (
        Queries.from_rows([Query(f"q{i}", text) for i, text in enumerate(texts)]),
        Corpus.from_rows(documents),
    )


def scores(system: str, level: float, rng: np.random.Generator) -> QueryScores:
    rows = [
        QueryScore(f"q{i}", measure, float(np.clip(rng.normal(level, 0.3), 0, 1)))
        for i in range(40)
        for measure in MEASURES
    ]
    table = QueryScores.from_rows(rows, {"system": system})
    if system in ("bm25", "untrained"):
        return table
    means = [{name: mean + 0.01 * seed for name, mean in table.means().items()} for seed in (-1, 0, 1)]
    return QueryScores(table.arrow, {"system": system, "seeds": 3, "means": means})


def run(name: str, rng: np.random.Generator) -> Run:
    rows = [(f"q{q}", f"d{d}", rank) for q in range(40) for rank, d in enumerate(rng.permutation(60)[:20], start=1)]
    return Run.build(
        name,
        ScoreKind.COSINE,
        query_id=[row[0] for row in rows],
        doc_id=[row[1] for row in rows],
        rank=[row[2] for row in rows],
        score=[1 - row[2] / 100 for row in rows],
    )


def mining(sources: dict[str, tuple[str, float, float]], rng: np.random.Generator) -> MiningRecord:
    candidates, negatives, removals = [], [], []
    for q in range(20, 40):
        positive = {s: float(rng.normal(high, 0.12 * high)) for s, (_, _, high) in sources.items()}
        documents = [f"d{d}" for d in rng.permutation(60)[:30]]
        for rank, doc_id in enumerate(documents, start=1):
            for s, (_, low, high) in sources.items():
                score = positive[s] if rank == 1 else float(rng.normal(low + (high - low) / rank, 0.15 * high))
                candidates.append(Candidate(f"q{q}", doc_id, s, rank, s, score, rank == 1))
        gates = {1: "known-positive", 2: "margin", 3: "margin", 4: "ceiling", 5: "copy-of-positive"}
        best = next(iter(sources))
        for rank, doc_id in enumerate(documents, start=1):
            if rank in gates:
                removals.append(Removal(f"q{q}", doc_id, gates[rank], 0.9, 0.8))
            elif rank <= 10:
                score = next(c.score for c in candidates if (c.query_id, c.doc_id, c.source) == (f"q{q}", doc_id, best))
                negatives.append(Negative(f"q{q}", doc_id, best, rank, score, positive[best], best))
            else:
                removals.append(Removal(f"q{q}", doc_id, "not-drawn"))
    return MiningRecord(
        Candidates.from_rows(candidates, {"scorers": {s: kind for s, (kind, _, _) in sources.items()}, "depth": 30}),
        Negatives.from_rows(negatives),
        Removals.from_rows(removals, {"gates": ["known-positive", "copy-of-positive", "ceiling", "margin"]}),
    )


def training_log(rng: np.random.Generator) -> TrainingLog:
    losses = [LogEntry(s, s / 100, "loss", 2.5 * np.exp(-s / 150) + rng.normal(0, 0.08)) for s in range(1, 401)]
    dev = [LogEntry(s, s / 100, "dev-ndcg@10", 0.6 - 0.3 * np.exp(-s / 120)) for s in range(50, 401, 50)]
    return TrainingLog.from_rows([*losses, *dev])


def manifest(place: int) -> dict[str, Any]:
    return {
        "step": f"score-{place}",
        "kind": "evaluate",
        "version": 1,
        "key": f"{place:064x}",
        "settings": {"measures": list(MEASURES), "filters": [{"type": "margin", "margin": 0.05}]},
        "inputs": {"run": f"search/{'c' * 64}.run", "qrels": f"evaluate/{max(0, place - 1):064x}.qrels"},
        "outputs": {"scores": {"kind": "query_scores", "rows": 200}},
        "environment": {"python": "3.11.9", "packages": {"numpy": "2.4.6", "torch": "2.13.0"}},
        "seconds": 1.25,
    }


def report_data() -> ReportData:
    rng = np.random.default_rng(7)
    queries, corpus = queries_and_documents()
    tables = [scores(system, 0.35 + 0.05 * place, rng) for place, system in enumerate(SYSTEMS)]
    rows = [
        Comparison(system, "untrained", "nDCG@10", 0.04 * place - 0.06, 0.04 * place - 0.11, 0.04 * place - 0.02, p, 40)
        for place, (system, p) in enumerate(zip(SYSTEMS[2:], (0.04, 0.31, 0.02, 0.0001), strict=True))
    ]
    qrels = [Judgment(f"q{q}", f"d{d}", int(d % 3)) for q in range(40) for d in rng.permutation(60)[:12]]
    return ReportData(
        title="Hard negatives on the standard library",
        dataset="python-stdlib test",
        scores=tables,
        comparisons=Comparisons.from_rows(rows),
        chosen="hybrid-filtered",
        mining={
            "bm25-negatives": mining({"bm25": ("bm25", 4, 22)}, rng),
            "dense-negatives": mining({"dense": ("cosine", 0.3, 0.7)}, rng),
            "hybrid-filtered": mining({"dense": ("cosine", 0.3, 0.7), "bm25": ("bm25", 4, 22)}, rng),
        },
        logs={system: training_log(rng) for system in SYSTEMS[2:]},
        contrast=Contrast("untrained", "hybrid-filtered", run("a", rng), run("b", rng), Qrels.from_rows(qrels)),
        corpus=corpus,
        queries=queries,
        manifests={system: manifest(place) for place, system in enumerate(SYSTEMS)},
    )
