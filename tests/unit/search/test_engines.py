from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrite.errors import SettingsError
from pyrite.search.dense.engines import (
    ExactEngine,
    FaissFlat,
    FaissHnsw,
    FaissIvfFlat,
    FaissIvfPq,
    parse_engine,
    read_engine,
    resolve_engine,
)


def test_a_name_stands_for_an_engine_with_its_defaults() -> None:
    assert parse_engine("exact") == ExactEngine()
    assert parse_engine("faiss-flat") == FaissFlat()
    assert parse_engine("faiss-hnsw") == FaissHnsw()
    engine = FaissIvfPq(bits=4)
    assert parse_engine(engine) is engine
    assert read_engine(engine.identity(), "here") == engine
    names = "exact, faiss-flat, faiss-ivf-flat, faiss-ivf-pq, faiss-hnsw, or the settings of one"
    with pytest.raises(SettingsError, match=f"engine: 'annoy'; allowed: {names}"):
        parse_engine("annoy")
    with pytest.raises(SettingsError, match=r"here\.engine\.faiss-hnsw\.links: input should be greater"):
        read_engine({"type": "faiss-hnsw", "links": 1}, "here")


def test_what_is_unset_follows_from_the_corpus() -> None:
    # 4 sqrt(10,000) = 400 lists would leave 25 vectors each: 10,000 / 39 = 256.4.
    small = FaissIvfFlat(lists=256, probes=32, train_sample=10_000)
    assert resolve_engine(FaissIvfFlat(), 10_000, 384) == small
    # 4 sqrt(1,000,000) = 4000; 4000 / 16 = 250; 64 x 4000 = 256,000.
    large = FaissIvfFlat(lists=4000, probes=500, train_sample=256_000)
    assert resolve_engine(FaissIvfFlat(), 1_000_000, 384) == large
    # log2(5000 / 39) = 7.002; 384 / 4 = 96; of 6 components and more, 7 divides 14.
    assert resolve_engine(FaissIvfPq(), 5000, 384) == FaissIvfPq(
        lists=128, probes=16, train_sample=5000, bits=7, subquantizers=96
    )
    assert resolve_engine(FaissIvfPq(), 5000, 14).model_dump()["subquantizers"] == 2
    assert resolve_engine(FaissIvfPq(), 5000, 3).model_dump()["subquantizers"] == 1
    assert resolve_engine(FaissHnsw(), 5000, 384) == FaissHnsw()


@given(st.integers(2, 10**8), st.integers(1, 4096))
def test_defaults_fit_every_corpus(documents: int, dimension: int) -> None:
    engine = resolve_engine(FaissIvfPq(), documents, dimension)
    assert isinstance(engine, FaissIvfPq)
    assert engine.lists is not None
    assert engine.probes is not None
    assert engine.train_sample is not None
    assert 1 <= engine.probes <= engine.lists <= engine.train_sample <= documents


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 100))
def test_what_is_given_stays(lists: int, probes: int, sample: int) -> None:
    engine = FaissIvfFlat(lists=lists, probes=probes, train_sample=sample, seed=3)
    if probes <= lists <= sample:
        assert resolve_engine(engine, 100, 8) == engine
    else:
        with pytest.raises(SettingsError, match="allowed: 1 to"):
            resolve_engine(engine, 100, 8)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (
            FaissIvfFlat(lists=100),
            r"engine faiss-ivf-flat: lists: 100 wants as many vectors, and the sample that it learns from has 30 "
            r"\(train_sample; the corpus has 30 documents\); allowed: 1 to 30, or take the engine exact or faiss-hnsw",
        ),
        (FaissIvfFlat(lists=20, train_sample=10), "the sample that it learns from has 10 .*; allowed: 1 to 10, or"),
        (FaissIvfFlat(lists=4, probes=5), "probes: 5 is more than there are lists; allowed: 1 to 4"),
        (FaissIvfPq(bits=8), r"engine faiss-ivf-pq: bits: 8 wants 256 vectors, and .* has 30 .*; allowed: 1 to 4, or"),
        (FaissIvfPq(subquantizers=5), "subquantizers: 5 does not divide the dimension 12; allowed: 1, 2, 3, 4, 6, 12"),
    ],
)
def test_a_corpus_too_small_is_told(engine: FaissIvfFlat | FaissIvfPq, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        resolve_engine(engine, 30, 12)


def test_one_document_is_too_few_for_codes() -> None:
    with pytest.raises(SettingsError, match=r"bits: 1 wants 2 vectors.*documents\); or take the engine exact"):
        resolve_engine(FaissIvfPq(), 1, 8)
    assert resolve_engine(FaissIvfFlat(), 1, 8) == FaissIvfFlat(lists=1, probes=1, train_sample=1)
