"""The stand-in for sentence-transformers' miner beside the original."""

from __future__ import annotations

import logging
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrite.compat import mine_hard_negatives
from pyrite.testing.models import write_static_model
from pyrite.testing.stand_ins import HashedCrossEncoder, HashedSentenceTransformer

datasets = pytest.importorskip("datasets")
theirs = pytest.importorskip("sentence_transformers.util").mine_hard_negatives

SHAPES = ["triplet", "n-tuple", "labeled-pair", "labeled-list"]


def pairs(*rows: tuple[int, int]) -> Any:
    return datasets.Dataset.from_dict(
        {"question": [f"question {a}" for a, _ in rows], "answer": [f"passage {b}" for _, b in rows]}
    )


def corpus(size: int) -> list[str]:
    return [f"passage {number}" for number in range(size)]


SEVERAL = pairs((0, 0), (1, 1), (0, 2), (2, 3), (1, 1), (3, 40), (4, 5), (0, 2), (5, 6))


def same(ours: Any, peer: Any) -> None:
    """Check columns, types, rows and their order; scores up to rounding."""
    assert ours.column_names == peer.column_names
    assert len(ours) == len(peer)
    if len(peer):
        assert ours.features == peer.features
    for name in peer.column_names:
        left, right = list(ours[name]), list(peer[name])
        if "score" in name:
            assert np.concatenate([np.atleast_1d(x) for x in [[], *left]]) == pytest.approx(
                np.concatenate([np.atleast_1d(x) for x in [[], *right]]), abs=1e-5
            )
        else:
            assert left == right


def both(dataset: Any, model: Any, cross_encoder: bool = False, **options: Any) -> tuple[Any, Any]:
    """Return what each side gives, or the kind of error that it raises."""
    outcomes = []
    for mine in (mine_hard_negatives, theirs):
        scorer = HashedCrossEncoder() if cross_encoder else None
        try:
            outcomes.append(mine(dataset, model, cross_encoder=scorer, **{"verbose": False, **options}))
        except ValueError:
            outcomes.append(ValueError)
    return outcomes[0], outcomes[1]


def compare(*arguments: Any, **options: Any) -> None:
    ours, peer = both(*arguments, **options)
    if peer is ValueError or ours is ValueError:
        assert ours is peer
    else:
        same(ours, peer)


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cross_encoder", [False, True])
@pytest.mark.parametrize("faiss", [False, True])
def test_every_shape(shape: str, scores: bool, cross_encoder: bool, faiss: bool) -> None:
    options = {"corpus": corpus(50), "relative_margin": 0.05, "range_max": 12, "num_negatives": 4}
    shaped = {"output_format": shape, "output_scores": scores, "use_faiss": faiss}
    compare(SEVERAL, HashedSentenceTransformer(), cross_encoder, **options, **shaped)


FILTERS = [
    {"absolute_margin": 0.1},
    {"absolute_margin": -0.2},
    {"relative_margin": 0.2},
    {"absolute_margin": 0.05, "relative_margin": 0.1, "max_score": 0.7, "min_score": -0.3},
    {"max_score": 0.2},
    {"min_score": 0.3},
    {"margin": 0.3},
]
RANGES = [{}, {"range_min": 2}, {"range_max": 5}, {"range_min": 1, "range_max": 9, "num_negatives": 2}]


@pytest.mark.parametrize(("filters", "ranges"), list(product([{}, *FILTERS], RANGES)))
@pytest.mark.parametrize("cross_encoder", [False, True])
def test_every_filter_and_range(filters: dict[str, Any], ranges: dict[str, Any], cross_encoder: bool) -> None:
    """Seven passages are fewer than most ranges; forty are more."""
    for size in (7, 40):
        options = {"corpus": corpus(size), "output_format": "labeled-list", "output_scores": True, **filters, **ranges}
        compare(SEVERAL, HashedSentenceTransformer(), cross_encoder, **options)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
@pytest.mark.parametrize("faiss", [False, True])
def test_every_similarity(similarity: str, faiss: bool) -> None:
    model = HashedSentenceTransformer(similarity=similarity)
    compare(SEVERAL, model, corpus=corpus(60), output_scores=True, use_faiss=faiss, max_score=10, num_negatives=5)


@pytest.mark.parametrize("options", [{}, {"output_format": "labeled-pair"}, {"relative_margin": 0.1}, {"range_min": 1}])
def test_positives_included(options: dict[str, Any]) -> None:
    compare(
        SEVERAL, HashedSentenceTransformer(), include_positives=True, corpus=corpus(9), output_scores=True, **options
    )


@pytest.mark.parametrize(
    "options",
    [
        {"num_negatives": 0},
        {"num_negatives": 9, "range_max": 4},
        {"range_min": -1},
        {"range_min": 5, "range_max": 5},
        {"output_format": "pairs"},
        {"faiss_batch_size": 0},
        {"positive_column_name": "no such column", "anchor_column_name": "nor this"},
        {"as_triplets": False},
        {"as_triplets": True},
        {"output_format": "n-tuple-scores"},
    ],
)
def test_bad_and_outdated_arguments(options: dict[str, Any]) -> None:
    compare(SEVERAL, HashedSentenceTransformer(), **options)


def test_one_column_is_refused_alike() -> None:
    compare(SEVERAL.select_columns(["question"]), HashedSentenceTransformer())
    compare(SEVERAL.select([]), HashedSentenceTransformer())


texts = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), min_size=1, max_size=12)
maybe = st.none() | st.floats(-0.5, 0.9).map(lambda value: round(value, 2) + 0.00137)


options = st.fixed_dictionaries(
    {
        "corpus": st.none() | st.integers(0, 30).map(corpus),
        "output_format": st.sampled_from(SHAPES),
        "num_negatives": st.integers(1, 6),
        "range_min": st.integers(0, 5),
        "range_max": st.none() | st.integers(1, 20),
        "include_positives": st.booleans(),
        "use_faiss": st.booleans(),
        **dict.fromkeys(("max_score", "min_score", "absolute_margin", "relative_margin"), maybe),
    }
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(texts, options, st.booleans())
def test_any_call(rows: Any, options: dict[str, Any], cross_encoder: bool) -> None:
    compare(pairs(*rows), HashedSentenceTransformer(), cross_encoder, output_scores=True, **options)


def numbers_of(text: str) -> list[list[str]]:
    """Return the numbers of each line of statistics; wording and tables of contents apart."""
    told = [
        line for line in text.splitlines() if re.match(r"(Count|Mean|Median|Std|Min|Max|\d\d%|Skipped|Could)", line)
    ]
    return [re.findall(r"-?[\d.,]*\d%?", line) for line in told]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "filters", [{"relative_margin": 0.2, "absolute_margin": 0.05, "max_score": 0.5}, {"min_score": 0.1}]
)
def test_the_same_statistics(capsys: pytest.CaptureFixture[str], shape: str, filters: dict[str, float]) -> None:
    options = {"corpus": corpus(60), "range_max": 60, "output_format": shape, "verbose": True, **filters}
    mine_hard_negatives(SEVERAL, HashedSentenceTransformer(), **options)
    ours = numbers_of(capsys.readouterr().out)
    theirs(SEVERAL, HashedSentenceTransformer(), **options)
    peer = numbers_of(capsys.readouterr().out)
    assert len(peer) > 9
    assert ours == peer


@pytest.mark.parametrize(
    "options",
    [
        {"as_triplets": True},
        {"margin": 0.1},
        {"output_format": "n-tuple-scores"},
        {"include_positives": True},
        {"include_positives": True, "range_min": 1, "output_format": "n-tuple"},
        {"include_positives": True, "output_format": "n-tuple"},
    ],
)
def test_as_many_warnings(caplog: pytest.LogCaptureFixture, options: dict[str, Any]) -> None:
    counts = []
    for mine in (mine_hard_negatives, theirs):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            mine(SEVERAL, HashedSentenceTransformer(), verbose=False, **options)
        counts.append(len(caplog.records))
    assert counts[0] == counts[1]


def test_random_draws_come_from_the_same_candidates() -> None:
    """Which of them is left to the seed there and here."""
    options = {"corpus": corpus(40), "sampling_strategy": "random", "range_max": 8, "num_negatives": 3}
    ours, peer = both(SEVERAL, HashedSentenceTransformer(), relative_margin=0.1, **options)
    whole = {**options, "sampling_strategy": "top", "num_negatives": 8}
    allowed = mine_hard_negatives(SEVERAL, HashedSentenceTransformer(), relative_margin=0.1, verbose=False, **whole)
    assert len(ours) == len(peer)
    assert {tuple(row.values()) for row in ours} <= {tuple(row.values()) for row in allowed}
    assert list(ours["question"]) == list(peer["question"])


def test_a_static_model_with_prompts(tmp_path: Path) -> None:
    """Static embeddings take a faster way here: the vectors, prompts and scores must be the same."""
    from sentence_transformers import SentenceTransformer

    topics = ["gold ore", "iron pyrite", "fool's gold", "copper vein", "quartz seam"]
    # No two of them hold the same words, which would be a tie.
    documents = [f"{a} beside {b} passage" for place, a in enumerate(topics) for b in topics[place:]]
    dataset = datasets.Dataset.from_dict({"q": [f"{t} question" for t in topics], "p": documents[:5]})
    model = SentenceTransformer(str(write_static_model(tmp_path, documents + list(dataset["q"]))), device="cpu")
    compare(dataset, model, corpus=documents, output_scores=True, query_prompt="gold ", corpus_prompt="quartz ")
    model.prompts = {"query": "iron ", "passage": "copper ", "other": "vein "}
    compare(dataset, model, corpus=documents, output_scores=True)
    compare(dataset, model, corpus=documents, output_scores=True, query_prompt_name="other", corpus_prompt_name="other")
    compare(dataset, model, query_prompt_name="unheard of")
    model.truncate_dim = 4
    compare(dataset, model, corpus=documents, output_scores=True, relative_margin=0.1)


@pytest.mark.slow
def test_scifact_with_a_transformer(test_data: Any, minilm: Path) -> None:
    from sentence_transformers import SentenceTransformer

    from pyrite.data.formats.beir import read_beir

    collection = read_beir(test_data("scifact"))
    texts_of = dict(zip(collection.corpus.ids(), collection.corpus.texts(), strict=True))
    asked = dict(zip(collection.queries.ids(), collection.queries.texts(), strict=True))
    judged = list(collection.split("test").relevant().rows())[:60]
    dataset = datasets.Dataset.from_dict(
        {"q": [asked[row.query_id] for row in judged], "p": [texts_of[row.doc_id] for row in judged]}
    )
    model = SentenceTransformer(str(minilm), device="cpu")
    documents = list(texts_of.values())[:300]
    compare(dataset, model, corpus=documents, relative_margin=0.05, output_scores=True, output_format="labeled-list")
