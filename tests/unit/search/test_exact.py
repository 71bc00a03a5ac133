"""Exact search gives what a search in float64 throughout gives, whatever the data, or a clear error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrite.data import ScoreKind
from pyrite.errors import SearchError
from pyrite.search.dense import exact, exact_kernels, panel_kernels, rounding_kernels, threshold
from pyrite.search.dense.embeddings import Embeddings, write_head
from pyrite.search.dense.exact import exact_search, pair_scores
from pyrite.search.dense.threshold import RoughPrecision, capacity, precisions, threshold_pass
from pyrite.search.topk import top_indices
from pyrite.threads import Team

PRECISIONS: list[RoughPrecision] = ["int8", "bf16", "fp32"]
DIMENSION = 48
DEPTH = 10
MANY = capacity(DEPTH) + 400


def store(documents: np.ndarray, folder: Path, shard_size: int = 1000) -> Embeddings:
    folder.mkdir(exist_ok=True)
    paths = []
    for start in range(0, len(documents), shard_size):
        paths.append(folder / f"{start}.npy")
        np.save(paths[-1], documents[start : start + shard_size])
    ids = pa.chunked_array([[f"d{row}" for row in range(len(documents))]])
    return write_head(paths, ids, score_kind=ScoreKind.DOT, identity={})


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_unit(generator: np.random.Generator, rows: int) -> np.ndarray:
    return unit(generator.standard_normal((rows, DIMENSION)))


def clustered(generator: np.random.Generator, rows: int) -> np.ndarray:
    centres = random_unit(np.random.default_rng(7), 12)
    return unit(centres[generator.integers(12, size=rows)] + 0.3 * random_unit(generator, rows))


def cone(generator: np.random.Generator, rows: int) -> np.ndarray:
    return unit(random_unit(np.random.default_rng(8), 1) + 0.3 * random_unit(generator, rows))


def duplicated(generator: np.random.Generator, rows: int) -> np.ndarray:
    return random_unit(generator, 40)[generator.integers(40, size=rows)]


def near_ties(generator: np.random.Generator, rows: int) -> np.ndarray:
    """Vectors whose components differ in their last bits alone."""
    vectors = np.repeat(random_unit(np.random.default_rng(9), 1), rows, axis=0)
    return (vectors * (1 + generator.integers(-3, 4, size=vectors.shape) * 2.0**-23)).astype(np.float32)


def lengths_far_apart(generator: np.random.Generator, rows: int) -> np.ndarray:
    return (random_unit(generator, rows) * 10.0 ** generator.uniform(-6, 4, size=(rows, 1))).astype(np.float32)


def tiny(generator: np.random.Generator, rows: int) -> np.ndarray:
    """Below the smallest normal number of float32."""
    return (random_unit(generator, rows) * 1e-39).astype(np.float32)


def huge(generator: np.random.Generator, rows: int) -> np.ndarray:
    return (random_unit(generator, rows) * 1e37).astype(np.float32)


def outlying_component(generator: np.random.Generator, rows: int) -> np.ndarray:
    vectors = random_unit(generator, rows)
    vectors[:, 3] *= 50
    return vectors


def some_zero(generator: np.random.Generator, rows: int) -> np.ndarray:
    vectors = random_unit(generator, rows)
    vectors[generator.random(rows) < 0.7] = 0
    return vectors


DATA = [
    random_unit, clustered, cone, duplicated, near_ties, lengths_far_apart, tiny, huge, outlying_component, some_zero,
]  # fmt: skip
each_data = pytest.mark.parametrize("make", DATA, ids=lambda make: make.__name__)
each_precision = pytest.mark.parametrize("precision", PRECISIONS)


def reference(queries: np.ndarray, documents: np.ndarray, depth: int, ties: np.ndarray) -> list[np.ndarray]:
    """Rank by scores in float64, rounded to nine digits, and ties."""
    products = np.array([[np.round(np.dot(d, q), 9) for d in documents.astype(float)] for q in queries.astype(float)])
    return [np.lexsort((ties, -row))[:depth] for row in products]


def check(hits: exact.DenseHits, queries: np.ndarray, documents: np.ndarray, depth: int, ties: np.ndarray) -> None:
    """Scores are those of the pairs, and nothing left out is better, up to what a sum in another order may change."""
    wide = documents.astype(np.float64)
    for query, rows, scores in zip(queries, hits.positions, hits.scores, strict=True):
        each = np.repeat(query[None], len(documents), axis=0)
        every = pair_scores(each, documents)
        np.testing.assert_array_equal(rows, np.lexsort((ties, -every))[:depth])
        np.testing.assert_array_equal(scores, every[rows])
        sizes = np.linalg.norm(wide, axis=1) * np.linalg.norm(query.astype(float))
        np.testing.assert_allclose(every, wide @ query.astype(float), rtol=0, atol=1e-9 + 1e-13 * sizes.max())


def only(precision: RoughPrecision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "precisions", lambda: [precision])
    monkeypatch.setattr(exact, "_LEAST_TO_ROUND", 1)


@each_data
@each_precision
def test_search_equals_float64_throughout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., np.ndarray], precision: RoughPrecision
) -> None:
    only(precision, monkeypatch)
    generator = np.random.default_rng(1)
    documents = make(generator, MANY)
    queries = np.vstack([make(generator, 6), documents[:2], np.zeros((1, DIMENSION))]).astype(np.float32)
    ties = generator.permutation(MANY)
    hits = exact_search(queries, store(documents, tmp_path), DEPTH, ties)
    check(hits, queries, documents, DEPTH, ties)
    assert sum(hits.decided_by.values()) == len(queries)


def test_the_reference_agrees_with_numpys_own_product(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    documents, queries = clustered(generator, 300), clustered(generator, 4)
    ties = generator.permutation(300)
    hits = exact_search(queries, store(documents, tmp_path), 20, ties)
    for found, wanted in zip(hits.positions, reference(queries, documents, 20, ties), strict=True):
        assert found.tolist() == wanted.tolist()


@each_data
@each_precision
def test_every_exact_score_lies_between_its_bounds(
    tmp_path: Path, make: Callable[..., np.ndarray], precision: RoughPrecision
) -> None:
    generator = np.random.default_rng(3)
    documents, queries = make(generator, 700), make(generator, 80)
    embeddings = store(documents, tmp_path, 300)
    side = threshold._SIDES[precision](queries, threshold._sampled_centre(embeddings))
    if make is huge:
        # Float32 has no room for the products: these queries go to float64.
        assert (side.lengths > threshold._LARGEST).all()
        return
    kept = threshold._no_survivors(len(queries), 700)
    with Team() as team:
        for first, prepared in threshold._prepared_blocks(embeddings, side, team):
            # With all documents wanted none is dropped.
            side.search(prepared, first, kept, 700, (0, len(queries)))
    assert (kept.counts == 700).all()
    centre = side.centre.astype(np.longdouble)
    shifted = queries @ (documents.astype(np.longdouble) - centre).T
    for query, rows in enumerate(kept.rows):
        assert (kept.lower[query] <= shifted[query, rows]).all()
        assert (kept.upper[query] >= shifted[query, rows]).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), dimension=st.integers(1, 500), magnitude=st.integers(-120, 120))
def test_lengths_measured_in_float32_are_not_below_the_true_ones(seed: int, dimension: int, magnitude: int) -> None:
    """Also where squares leave the range of float32 on either side, and where components cancel each other."""
    generator = np.random.default_rng(seed)
    centre = (generator.standard_normal(dimension, dtype=np.float32) * np.float32(2.0**magnitude)).astype(np.float64)
    spread = np.float32(2.0 ** (magnitude - generator.integers(0, 22)))
    documents = centre.astype(np.float32) + generator.standard_normal((5, dimension), dtype=np.float32) * spread
    block = threshold._empty_block(5, dimension, np.int8)
    rounding_kernels.quantise_rows(documents, centre, block, 0, (0, 5))
    exact_left = documents.astype(np.longdouble) - centre
    lost = exact_left - block.rows * block.scales[:, None].astype(np.longdouble)
    norms, residuals = np.sqrt((exact_left**2).sum(axis=1)), np.sqrt((lost**2).sum(axis=1))
    # What is far from 1 is measured in float64, which rounds to nearest, and against steps rounded to float32.
    nearest = np.where((norms > 2.0**-29) & (norms < 2.0**49), 0, 1e-7 * norms + 2.0**-140)
    assert (block.norms >= norms * (1 - 1e-14)).all()
    assert (block.residuals >= residuals * (1 - 1e-14) - nearest).all()
    assert (block.norms <= norms * 1.0001).all()
    assert (block.residuals <= residuals + 1e-4 * norms).all()
    if magnitude < 55:
        wanted = exact_left @ centre
        error = rounding_kernels.offset_error(centre) * norms + 2.0**-24 * np.abs(wanted) + 2.0**-126
        assert (np.abs(block.offsets - wanted) <= error).all()


@each_precision
def test_the_bound_is_not_idle(tmp_path: Path, precision: RoughPrecision) -> None:
    """Few more survive than are wanted, also in a cone: the centre is what makes that so."""
    generator = np.random.default_rng(4)
    documents, queries = cone(generator, 20_000), cone(generator, 64)
    with Team() as team:
        survivors = threshold_pass(queries, store(documents, tmp_path, 20_000), DEPTH, precision, team)
    counts = [len(rows) for rows in survivors if rows is not None]
    assert len(counts) == 64
    assert np.mean(counts) < {"int8": 4, "bf16": 2, "fp32": 1.2}[precision] * DEPTH


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    make=st.sampled_from(DATA),
    precision=st.sampled_from(PRECISIONS),
    shard_size=st.integers(100, 1500),
    panels=st.integers(2, 60),
    rounded=st.integers(1, 4),
    queries=st.integers(1, 5),
    depth=st.integers(1, 30),
)
def test_neither_blocks_nor_shards_change_a_result(  # noqa: PLR0917
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    make: Callable[..., np.ndarray],
    precision: RoughPrecision,
    shard_size: int,
    panels: int,
    rounded: int,
    queries: int,
    depth: int,
) -> None:
    generator = np.random.default_rng(seed)
    documents = make(generator, capacity(depth) + 100)
    asked = make(generator, queries)
    ties = generator.permutation(len(documents))
    with pytest.MonkeyPatch.context() as monkeypatch:
        only(precision, monkeypatch)
        monkeypatch.setattr(threshold, "_DOCUMENT_BLOCK", 32 * panels)
        monkeypatch.setattr(threshold, "_ROUNDED_BLOCK", 32 * panels * rounded)
        monkeypatch.setattr(exact, "_QUERY_BLOCK", 2)
        hits = exact_search(asked, store(documents, tmp_path_factory.mktemp("shards"), shard_size), depth, ties)
    check(hits, asked, documents, depth, ties)


def test_ties_everywhere_go_by_rank_and_take_no_time(tmp_path: Path) -> None:
    documents = np.full((40_000, DIMENSION), 0.1, dtype=np.float32)
    embeddings = store(documents, tmp_path, 40_000)
    exact_search(documents[:1], embeddings, 5, np.arange(40_000))
    started = time.perf_counter()
    hits = exact_search(documents[:100], embeddings, 5, np.arange(40_000)[::-1])
    assert time.perf_counter() - started < 20
    assert hits.decided_by["fp64"] == hits.uncertified == 100
    assert all(rows.tolist() == [39_999, 39_998, 39_997, 39_996, 39_995] for rows in hits.positions)


def test_what_the_first_pass_could_not_decide_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    documents = np.ones((MANY, 4), dtype=np.float32)
    with caplog.at_level(logging.INFO, "pyrite.search.dense.exact"):
        hits = exact_search(documents[:3], store(documents, tmp_path), DEPTH, np.arange(MANY))
    assert (hits.uncertified, hits.decided_by) == (3, {"fp32": 0, "fp64": 3})
    assert "3 of 3 queries needed more than the first pass" in caplog.text


def test_queries_that_one_pass_cannot_decide_leave_the_others_alone(tmp_path: Path) -> None:
    """Half of the queries look along an axis on which most documents are equal."""
    generator = np.random.default_rng(5)
    documents = random_unit(generator, 3 * MANY)
    documents[: 2 * MANY, 0] = 2
    documents[: 2 * MANY, 1:] = 0
    queries = random_unit(generator, 200)
    queries[:100] = np.eye(DIMENSION, dtype=np.float32)[0]
    ties = generator.permutation(len(documents))
    hits = exact_search(queries, store(documents, tmp_path), DEPTH, ties)
    assert hits.decided_by["fp64"] >= 100
    assert sum(hits.decided_by.values()) == 200
    some = exact.DenseHits(hits.positions[95:105], hits.scores[95:105], {})
    check(some, queries[95:105], documents, DEPTH, ties)


@pytest.mark.parametrize("depth", [1, 7, 8, 100])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_depth_beyond_the_corpus_returns_all(tmp_path: Path, depth: int, count: int) -> None:
    documents = random_unit(np.random.default_rng(6), count)
    hits = exact_search(documents, store(documents, tmp_path), depth, np.arange(count))
    assert [len(rows) for rows in hits.positions] == [min(depth, count)] * count
    check(hits, documents, documents, depth, np.arange(count))


def test_a_depth_of_nearly_all_documents(tmp_path: Path) -> None:
    documents = random_unit(np.random.default_rng(6), 1500)
    hits = exact_search(documents[:3], store(documents, tmp_path), 1499, np.arange(1500))
    check(hits, documents[:3], documents, 1499, np.arange(1500))


def test_no_queries_give_no_hits(tmp_path: Path) -> None:
    embeddings = store(np.ones((3, 2), dtype=np.float32), tmp_path)
    hits = exact_search(np.zeros((0, 2), dtype=np.float32), embeddings, 2, np.arange(3))
    assert (hits.positions, hits.scores, hits.uncertified) == ([], [], 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [20, MANY])
@pytest.mark.parametrize("queries", [1, 70])
def test_a_document_that_is_no_vector_is_named(tmp_path: Path, bad: float, count: int, queries: int) -> None:
    documents = random_unit(np.random.default_rng(7), count)
    documents[17, 5] = bad
    with pytest.raises(SearchError, match=r"document row 17 .* infinite or undefined"):
        exact_search(
            random_unit(np.random.default_rng(8), queries), store(documents, tmp_path, 10), 3, np.arange(count)
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_query_that_is_no_vector_is_named(tmp_path: Path, bad: float) -> None:
    queries = np.ones((3, 4))
    queries[2, 1] = bad
    with pytest.raises(SearchError, match=r"query row 2 .* infinite or undefined"):
        exact_search(queries, store(np.ones((5, 4), dtype=np.float32), tmp_path), 2, np.arange(5))


@pytest.mark.parametrize("shape", [(2, 3), (2, 5), (4,)])
def test_queries_of_another_dimension_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(SearchError, match="the documents have 4 components"):
        exact_search(np.ones(shape), store(np.ones((5, 4), dtype=np.float32), tmp_path), 2, np.arange(5))


def test_a_depth_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="at least 1, not 0"):
        exact_search(np.ones((1, 4)), store(np.ones((5, 4), dtype=np.float32), tmp_path), 0, np.arange(5))


def test_a_given_first_pass_that_finds_too_little_is_not_trusted(tmp_path: Path) -> None:
    documents = random_unit(np.random.default_rng(9), 100)

    def blind(queries: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(queries), kept), -np.inf, np.float32), np.full((len(queries), kept), -1)

    hits = exact_search(documents[:2], store(documents, tmp_path), 3, np.arange(100), first_pass=blind)
    assert hits.decided_by == {"given": 0, "fp64": 2}
    check(hits, documents[:2], documents, 3, np.arange(100))


def test_products_of_steps_do_not_overflow_on_this_processor() -> None:
    import torch

    extremes = torch.full((64, 1024), 127, dtype=torch.int8)
    assert (torch._int_mm(extremes, -extremes.T) == -127 * 127 * 1024).all()


def test_torch_and_panels_let_the_same_documents_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(10)
    embeddings, queries = store(clustered(generator, 9_001), tmp_path, 2_000), clustered(generator, 301)
    found = []
    for offered in {panel_kernels.offered(), False}:
        monkeypatch.setattr(panel_kernels, "offered", lambda offered=offered: offered)
        with Team() as team:
            survivors = threshold_pass(queries, embeddings, DEPTH, "int8", team)
        found.append([rows if rows is None else rows.tolist() for rows in survivors])
    assert found[0] == found[-1]


def test_float32_is_always_there() -> None:
    assert precisions()[-1] == "fp32"
    assert precisions() == [name for name in PRECISIONS if name in precisions()]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=40), st.integers(1, 12))
@settings(deadline=None)
def test_the_heap_keeps_the_best(pairs: list[tuple[int, int]], depth: int) -> None:
    ties = np.array([tie * 100 + place for place, (_, tie) in enumerate(pairs)], dtype=np.int64)
    documents = np.array([[score] for score, _ in pairs], dtype=np.float32).reshape(-1, 1)
    shape = (1, depth)
    best = exact_kernels.Ranking(
        np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64), np.zeros(1, np.int64)
    )
    exact_kernels.offer_all(np.ones((1, 1)), documents, ties, 0, best, (0, 1))
    wanted = np.lexsort((ties, -documents[:, 0]))[:depth]
    assert sorted(best.rows[0, : best.counts[0]].tolist()) == sorted(wanted.tolist())


@given(st.lists(st.lists(st.integers(0, 3), max_size=40), min_size=1, max_size=4), st.integers(1, 12), st.randoms())
@settings(deadline=None)
def test_pairs_are_ranked_as_by_sorting(scores: list[list[int]], depth: int, random: Random) -> None:
    counts = np.array([len(some) for some in scores])
    each = np.array([score for some in scores for score in some], dtype=np.float64)
    ties = np.array(random.sample(range(1000), len(each)), dtype=np.int64)
    best = exact._empty_ranking(len(scores) + 1, depth)
    exact_kernels.rank_pairs(each, ties, ties + 5, np.cumsum(counts), best, 1)
    for query, (stop, count) in enumerate(zip(np.cumsum(counts), counts, strict=True), 1):
        wanted = top_indices(each[stop - count : stop], depth, ties[stop - count : stop]) + stop - count
        here = slice(0, best.counts[query])
        assert best.rows[query, here].tolist() == (ties[wanted] + 5).tolist()
        assert best.scores[query, here].tolist() == each[wanted].tolist()


def test_parts_of_a_team_start_at_whole_tiles() -> None:
    for count in (0, 5, 12, 13, 1000):
        seen: list[tuple[int, int]] = []
        with Team() as team:
            team.share(count, seen.append, least=1, whole=12)
        seen.sort()
        assert all(start % 12 == 0 for start, _ in seen)
        assert [place for part in seen for place in range(*part)] == list(range(count))


def test_a_team_covers_everything_once() -> None:
    seen: list[int] = []
    with Team() as team:
        team.share(1000, lambda part: seen.extend(range(*part)))
    assert sorted(seen) == list(range(1000))


def test_an_error_in_a_part_comes_out_once_all_parts_are_done() -> None:
    for failing in (0, 500):
        done: list[int] = []

        def run(part: tuple[int, int], failing: int = failing, done: list[int] = done) -> None:
            if part[0] == failing:
                raise ValueError(f"from {failing}")
            time.sleep(0.05)
            done.append(part[0])

        with Team() as team:
            team.size = 2
            with pytest.raises(ValueError, match=f"from {failing}"):
                team.share(1000, run)
            assert done == [500 - failing]


def test_no_part_of_a_team_is_too_small() -> None:
    seen: list[tuple[int, int]] = []
    with Team() as team:
        team.share(1000, seen.append, least=600)
    assert seen == [(0, 1000)]


def test_torch_starts_no_threads_inside_a_team_and_as_many_as_before_outside() -> None:
    import torch

    before = torch.get_num_threads()
    with threshold._one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    inside: list[int] = []

    def ask(_: tuple[int, int]) -> None:
        with threshold._one_thread():
            inside.append(torch.get_num_threads())

    with Team() as team:
        team.share(1000, ask)
    assert set(inside) == {1}
    assert torch.get_num_threads() == before


def test_a_teams_size_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Team().size == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert Team().size >= 1
