"""Probabilities that carry over between scorers."""

from __future__ import annotations

import numpy as np
import pytest

from pyrite.data import Candidates, Corpus, Document, Qrels, Queries, Query
from pyrite.errors import DataError
from pyrite.mining import CeilingFilter, Selection, TopSampler, select_negatives
from pyrite.mining.calibration import Calibration, calibrate

QUERIES, DOCS = 120, 10


def scored() -> tuple[Candidates, Qrels]:
    """Return pairs whose relevance has the probability sigma(score), and a monotone transform as a second scorer."""
    draw = np.random.default_rng(5)
    query = np.repeat([f"q{i:03}" for i in range(QUERIES)], DOCS)
    doc = np.tile([f"d{i}" for i in range(DOCS)], QUERIES)
    logits = draw.normal(size=QUERIES * DOCS) * 2
    relevant = draw.random(len(logits)) < 1 / (1 + np.exp(-logits))
    count = len(logits)
    columns = {"query_id": np.tile(query, 2), "doc_id": np.tile(doc, 2), "source": ["s"] * count * 2}
    candidates = Candidates.from_columns(
        {"scorers": {"logit": "logit", "cube": "unknown"}, "grade_threshold": 1},
        **columns,
        rank=np.tile(np.arange(1, DOCS + 1), QUERIES * 2),
        scorer=["logit"] * count + ["cube"] * count,
        score=np.concatenate([logits, logits**3 * 100 - 7]),
        is_positive=np.tile(relevant, 2),
    )
    judged = (np.arange(count) % 3 > 0) | relevant
    grades = relevant[judged].astype(int)
    return candidates, Qrels.from_columns(
        query_id=query[judged], doc_id=doc[judged], grade=grades, source=["human"] * int(judged.sum())
    )


def test_scorers_that_order_alike_select_alike_after_calibration() -> None:
    candidates, qrels = scored()
    corpus = Corpus.from_rows(Document(f"d{i}", f"text {i}") for i in range(DOCS))
    queries = Queries.from_rows(Query(f"q{i:03}", f"ask {i}") for i in range(QUERIES))
    chosen = []
    for scorer in ("logit", "cube"):
        made = calibrate(candidates, qrels, Calibration(scorer=scorer, name="p"))
        settings = Selection(scorer="p", filters=(CeilingFilter(ceiling=0.4),), sampler=TopSampler(count=3))
        chosen.append(select_negatives(made, corpus, queries, qrels, settings).negatives)
    assert 0 < len(chosen[0]) < QUERIES * 3
    assert chosen[0].fingerprint() == chosen[1].fingerprint()


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_probabilities_are_reliable_on_queries_held_out(method: str) -> None:
    candidates, qrels = scored()
    made = calibrate(candidates, qrels, Calibration(scorer="logit", name="p", method=method))
    report = made.metadata["calibration"]["p"]
    assert made.metadata["scorers"]["p"] == "probability"
    assert report["ece"] < 0.15
    assert report["brier"] < 0.2
    assert report["fitted"] > report["held_out_pairs"] > 50
    values = [row.score for row in made.rows() if row.scorer == "p"]
    assert len(values) == QUERIES * DOCS
    assert all(value is not None and 0 <= value <= 1 for value in values)


def test_what_is_lacking_is_said() -> None:
    candidates, qrels = scored()
    with pytest.raises(DataError, match=r"there are scores by \['cube', 'logit'\]"):
        calibrate(candidates, qrels, Calibration(scorer="none", name="p"))
    with pytest.raises(DataError, match="and 0 negatives in all"):
        calibrate(candidates, qrels.relevant(), Calibration(scorer="logit", name="p"))
    with pytest.raises(DataError, match="wants positives and assumed negatives"):
        calibrate(candidates, qrels, Calibration(scorer="logit", name="p", negatives="assumed"))
    made = calibrate(candidates, qrels, Calibration(scorer="logit", name="p", negatives="assumed", source="s"))
    assert made.metadata["calibration"]["p"]["negatives"] == "assumed"
