"""What the stand-in does beyond the function that it stands in for."""

from __future__ import annotations

import errno
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from pyrite.compat import cache as mining_cache
from pyrite.compat import distinct, encoding, files, mine_hard_negatives, retrieval
from pyrite.errors import ArgumentError, PyriteError, SearchError
from pyrite.testing.models import write_static_model
from pyrite.testing.stand_ins import HashedCrossEncoder, HashedSentenceTransformer

PAIRS = {"anchor": [f"q{n}" for n in range(6)], "positive": [f"d{n}" for n in range(6)]}
CORPUS = [f"d{n}" for n in range(40)]


def mine(model: Any, pairs: dict[str, list[Any]] = PAIRS, **options: Any) -> list[dict[str, Any]]:
    given = {"corpus": CORPUS, "verbose": False, "num_negatives": 2, **options}
    return list(mine_hard_negatives(Dataset.from_dict(pairs), model, **given))


def static_model(folder: Path, seed: int = 0) -> Any:
    from sentence_transformers import SentenceTransformer

    texts = [*CORPUS, *PAIRS["anchor"]]
    return SentenceTransformer(str(write_static_model(folder, texts, dimension=8, seed=seed)), device="cpu")


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every search and every shard that is encoded."""
    done: list[str] = []
    search, encode = mining_cache.search, encoding.TextEncoder.encode

    def noted_search(*arguments: Any) -> Any:
        done.append("search")
        return search(*arguments)

    def noted_encode(self: Any, texts: list[str], pool: Any) -> np.ndarray:
        done.append(self.role)
        return encode(self, texts, pool)

    monkeypatch.setattr(mining_cache, "search", noted_search)
    monkeypatch.setattr(encoding.TextEncoder, "encode", noted_encode)
    return done


class TestCache:
    def test_another_margin_neither_encodes_nor_searches(self, tmp_path: Path, searched: list[str]) -> None:
        model = static_model(tmp_path / "model")
        options = {"cache_folder": str(tmp_path / "cache"), "range_max": 20}
        mine(model, relative_margin=0.05, **options)
        assert searched == ["query", "document", "search"]
        again = mine(model, relative_margin=0.1, **options)
        narrower = mine(model, relative_margin=0.1, cache_folder=options["cache_folder"], range_max=7)
        assert searched == ["query", "document", "search"]
        assert again == mine(model, relative_margin=0.1, range_max=20)
        assert narrower == mine(model, relative_margin=0.1, range_max=7)

    def test_another_margin_scores_no_positive(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model, cache = static_model(tmp_path / "model"), str(tmp_path / "cache")
        mine(model, relative_margin=0.05, cache_folder=cache, range_max=20)
        wanted = mine(model, relative_margin=0.1, range_max=20)
        with monkeypatch.context() as patch:
            patch.setattr(mining_cache, "positive_scores", None)
            assert mine(model, relative_margin=0.1, cache_folder=cache, range_max=20) == wanted

    def test_other_pairs_of_the_same_texts_have_scores_of_their_own(self, tmp_path: Path) -> None:
        model = static_model(tmp_path / "model")
        pairs = {**PAIRS, "positive": PAIRS["positive"][::-1]}
        options: dict[str, Any] = {"relative_margin": 0.1, "range_max": 20}
        mine(model, cache_folder=str(tmp_path / "cache"), **options)
        assert mine(model, pairs, cache_folder=str(tmp_path / "cache"), **options) == mine(model, pairs, **options)

    def test_pairs_are_scored_by_the_models_own_similarity(self, tmp_path: Path) -> None:
        """With `use_faiss`, candidates are ranked by the inner product whatever that is."""
        model, cache = static_model(tmp_path / "model"), str(tmp_path / "cache")
        options: dict[str, Any] = {"relative_margin": 0.1, "range_max": 20, "use_faiss": True}
        mine(model, cache_folder=cache, **options)
        model.similarity_fn_name = "euclidean"
        assert mine(model, cache_folder=cache, **options) == mine(model, **options)

    def test_a_deeper_call_searches_and_does_not_encode(self, tmp_path: Path, searched: list[str]) -> None:
        model = static_model(tmp_path / "model")
        mine(model, cache_folder=str(tmp_path / "cache"), range_max=5)
        mine(model, cache_folder=str(tmp_path / "cache"), range_max=15)
        assert searched == ["query", "document", "search", "search"]

    def test_a_retrained_model_meets_no_stale_vectors(self, tmp_path: Path, searched: list[str]) -> None:
        """The peer names its cache by the base model alone, and would hand the old vectors out."""
        model = static_model(tmp_path / "model")
        cache = str(tmp_path / "cache")
        mine(model, cache_folder=cache)
        model[0].embedding.weight.data[3] *= -1
        after = mine(model, cache_folder=cache)
        assert searched == ["query", "document", "search"] * 2
        assert after == mine(model)

    @pytest.mark.parametrize(
        ("change", "encoded"),
        [
            ({"query_prompt": "q1 "}, ["query", "search"]),
            ({"corpus_prompt": "q1 "}, ["document", "search"]),
            ({"corpus": CORPUS[:-1]}, ["document", "search"]),
            ({"batch_size": 3, "use_faiss": True, "output_scores": True, "seed": 5}, []),
        ],
    )
    def test_what_a_change_costs(
        self, tmp_path: Path, searched: list[str], change: dict[str, Any], encoded: list[str]
    ) -> None:
        model = static_model(tmp_path / "model")
        mine(model, cache_folder=str(tmp_path / "cache"))
        searched.clear()
        mine(model, cache_folder=str(tmp_path / "cache"), **change)
        assert searched == encoded

    def test_texts_that_join_to_the_same_are_told_apart(self, tmp_path: Path, searched: list[str]) -> None:
        model = static_model(tmp_path / "model")
        mine(model, cache_folder=str(tmp_path / "cache"), corpus=["d7 d8", "d9"])
        searched.clear()
        mine(model, cache_folder=str(tmp_path / "cache"), corpus=["d7", " d8d9"])
        assert searched == ["document", "search"]

    def test_a_cross_encoder_scores_once(self, tmp_path: Path, searched: list[str]) -> None:
        class Named(HashedCrossEncoder):
            def identity(self) -> str:
                return "hashed"

        model, scorer = static_model(tmp_path / "model"), Named()
        options = {"cross_encoder": scorer, "cache_folder": str(tmp_path / "cache"), "range_max": 20}
        first = mine(model, max_score=0.9, **options)
        assert sum(scorer.asked) == 6 * 21 + 6
        second = mine(model, max_score=0.5, **options)
        assert sum(scorer.asked) == 6 * 21 + 6
        assert first != second == mine(model, max_score=0.5, cross_encoder=Named(), range_max=20)

    def test_an_interrupted_call_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: list[str]
    ) -> None:
        monkeypatch.setattr(encoding, "_SHARD", 10)
        model, cache = static_model(tmp_path / "model"), str(tmp_path / "cache")

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(mining_cache, "search", interrupted)
            with pytest.raises(KeyboardInterrupt):
                mine(model, cache_folder=cache)
        (sorted(Path(cache).glob("corpus_embeddings*/*"))[1]).unlink()
        searched.clear()
        assert mine(model, cache_folder=cache) == mine(model)
        assert searched[:2] == ["document", "search"]

    def test_a_model_that_hides_its_weights_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ArgumentError, match="without torch weights"):
            mine(HashedSentenceTransformer(), cache_folder=str(tmp_path))

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        model = static_model(tmp_path / "model")
        mine(model, cache_folder=str(tmp_path / "cache"))
        file = next((tmp_path / "cache").glob("candidates_*"))
        file.write_bytes(file.read_bytes()[:-7])
        with pytest.raises(SearchError, match=rf"{file.name}: damaged"):
            mine(model, cache_folder=str(tmp_path / "cache"))

    def test_a_full_disk_is_reported_and_finished_shards_stay(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: list[str]
    ) -> None:
        model, cache = static_model(tmp_path / "model"), tmp_path / "cache"

        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(retrieval.np.lib.format, "write_array_header_1_0", full)
            with pytest.raises(SearchError, match="No space left on device"):
                mine(model, cache_folder=str(cache))
        assert not list(cache.rglob("*.partial"))
        assert not list(cache.glob("candidates_*"))
        searched.clear()
        assert mine(model, cache_folder=str(cache)) == mine(model)
        assert searched[0] == "search"

    def test_a_file_appears_whole_or_not_at_all(self, tmp_path: Path) -> None:
        def write_half() -> None:
            with files.writing(tmp_path / "file") as stream:
                stream.write(b"half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_half()
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(SearchError, match=r"cache_folder: .* cannot be made"):
            mine(static_model(tmp_path / "model"), cache_folder=str(tmp_path / "file" / "cache"))


def _mine_apart(folder: str, answers: Any) -> None:
    answers.put(mine(static_model(Path(folder) / "model"), cache_folder=f"{folder}/cache", relative_margin=0.1))


def test_two_processes_share_a_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    model = static_model(tmp_path / "model")
    answers = context.Queue()
    processes = [context.Process(target=_mine_apart, args=(str(tmp_path), answers)) for _ in range(2)]
    for process in processes:
        process.start()
    given = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert given == [mine(model, relative_margin=0.1)] * 2
    assert not list((tmp_path / "cache").rglob("*.partial"))


class TestRandom:
    def test_the_seed_decides(self) -> None:
        options = {"sampling_strategy": "random", "range_max": 20}
        first, same, other = (mine(HashedSentenceTransformer(), seed=seed, **options) for seed in (1, 1, 2))
        assert first == same != other

    def test_a_draw_does_not_depend_on_the_other_anchors(self) -> None:
        options = {"sampling_strategy": "random", "range_max": 20}
        whole = mine(HashedSentenceTransformer(), **options)
        alone = mine(HashedSentenceTransformer(), {name: values[3:4] for name, values in PAIRS.items()}, **options)
        assert [row for row in whole if row["anchor"] == "q3"] == alone

    def test_all_that_is_left_is_taken(self) -> None:
        rows = mine(HashedSentenceTransformer(), corpus=["d0", "d9"], range_max=9, num_negatives=9)
        assert len(rows) == 6 * 6


# A copy of the positive, of the query, two copies of one another, and one of a kind.
COPIES = ["GOLD  is heavy", "Which metal?", "iron rusts", "Iron rusts", "tin bends"]
COPIED = {"anchor": ["which metal?"], "positive": ["gold is heavy"]}


class TestDuplicates:
    def test_copies_stay_by_default_as_in_the_peer(self) -> None:
        rows = mine(HashedSentenceTransformer(), COPIED, corpus=COPIES, range_max=9, num_negatives=9)
        assert {row["negative"] for row in rows} == set(COPIES)

    def test_copies_are_masked_and_counted(self, capsys: pytest.CaptureFixture[str]) -> None:
        options = {"corpus": COPIES, "range_max": 9, "num_negatives": 9, "mask_duplicates": True, "verbose": True}
        rows = mine(HashedSentenceTransformer(), COPIED, **options)
        left = sorted(row["negative"].lower() for row in rows)
        assert left == ["iron rusts", "tin bends"]
        assert "Skipped 3 potential negatives (30.00%) due to the mask_duplicates of True." in capsys.readouterr().out

    def test_of_two_copies_the_better_ranked_stays(self) -> None:
        options = {"corpus": COPIES, "range_max": 9, "num_negatives": 9}
        order = [row["negative"] for row in mine(HashedSentenceTransformer(), COPIED, **options)]
        masked = [row["negative"] for row in mine(HashedSentenceTransformer(), COPIED, mask_duplicates=True, **options)]
        first = next(text for text in order if text.lower() == "iron rusts")
        assert masked == [text for text in order if text in {first, "tin bends"}]


class TestHostileInput:
    def test_values_that_are_no_texts(self) -> None:
        with pytest.raises(ArgumentError, match="dataset, row 2, column 'positive': wants a text, holds a NoneType"):
            mine(HashedSentenceTransformer(), {"anchor": ["a", "b"], "positive": ["c", None]})
        with pytest.raises(ArgumentError, match="corpus: wants texts, holds a int as number 2"):
            mine(HashedSentenceTransformer(), corpus=["a", 7])
        with pytest.raises(ArgumentError, match="corpus: wants a list of texts, not one text"):
            mine(HashedSentenceTransformer(), corpus="iron rusts")

    def test_half_of_a_surrogate_pair_is_named(self) -> None:
        with pytest.raises(ArgumentError, match="corpus: number 2 holds half of a surrogate pair"):
            mine(HashedSentenceTransformer(), corpus=["iron", "tin \ud800"])

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"num_negatives": 2.5}, "num_negatives wants a whole number, got 2.5"),
            ({"num_negatives": None}, "num_negatives wants a whole number, got None"),
            ({"range_max": "9"}, "range_max wants a whole number, got '9'"),
            ({"absolute_margin": "0.1"}, "absolute_margin wants a number, got '0.1'"),
            ({"max_score": float("nan")}, "max_score wants a number, got nan"),
            ({"batch_size": 0}, "batch_size wants a number from 1 up, got 0"),
        ],
    )
    def test_numbers_that_are_none(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(ArgumentError, match=said):
            mine(HashedSentenceTransformer(), **options)

    def test_numpys_numbers_are_numbers(self) -> None:
        options = {"num_negatives": np.int64(2), "range_max": np.int32(9), "absolute_margin": np.float32(0.1)}
        assert mine(HashedSentenceTransformer(), **options) == mine(
            HashedSentenceTransformer(), num_negatives=2, range_max=9, absolute_margin=float(np.float32(0.1))
        )

    @pytest.mark.parametrize(
        "given",
        [[{"anchor": "a", "positive": "b"}], PAIRS, DatasetDict(train=Dataset.from_dict(PAIRS)), None],
        ids=["list", "dict", "splits", "none"],
    )
    def test_what_is_no_data_set(self, given: Any) -> None:
        with pytest.raises(ArgumentError, match=r"dataset: wants a datasets\.Dataset, not a "):
            mine_hard_negatives(given, HashedSentenceTransformer(), verbose=False)

    def test_an_error_is_pyrites_and_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="sampling_strategy is 'top' or 'random'") as caught:
            mine(HashedSentenceTransformer(), sampling_strategy="best")
        assert isinstance(caught.value, PyriteError)

    def test_vectors_that_are_no_numbers(self) -> None:
        class Broken(HashedSentenceTransformer):
            def encode_document(self, texts: Any, **options: Any) -> np.ndarray:
                vectors = super().encode_document(texts, **options)
                vectors[2] = np.nan
                return vectors

        with pytest.raises(SearchError, match=r"infinite or undefined component \(text 3 of a block, as a document\)"):
            mine(Broken())

    def test_another_number_of_vectors(self) -> None:
        class Broken(HashedSentenceTransformer):
            def encode_query(self, texts: Any, **options: Any) -> np.ndarray:
                return super().encode_query(texts, **options)[:-1]

        with pytest.raises(SearchError, match="for 6 texts; wants a row for each"):
            mine(Broken())

    def test_a_cross_encoder_with_two_scores(self) -> None:
        class Two(HashedCrossEncoder):
            def predict(self, pairs: Any, **options: Any) -> Any:
                return super().predict(pairs).reshape(-1, 1).repeat(1, 2)

        with pytest.raises(ArgumentError, match="num_labels=1"):
            mine(HashedSentenceTransformer(), cross_encoder=Two(), max_score=0.5)

    def test_one_document_gives_no_row_and_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        mined = mine_hard_negatives(
            Dataset.from_dict({"anchor": ["q"], "positive": ["d"]}), HashedSentenceTransformer()
        )
        assert len(mined) == 0
        assert mined.features["negative"].dtype == "string"
        assert "Could not find enough negatives for 3 samples (100.00%)" in capsys.readouterr().out

    def test_zero_vectors_rank_last_or_first_but_never_crash(self) -> None:
        class Silent(HashedSentenceTransformer):
            def encode_document(self, texts: Any, **options: Any) -> np.ndarray:
                return np.zeros((len(texts), self.dimension), dtype=np.float32)

        rows = mine(Silent(), output_scores=True)
        # All documents tie: the order of the corpus decides.
        assert [row["negative"] for row in rows[:2]] == ["d1", "d2"]
        assert {score for row in rows for score in row["scores"]} == {0.0}


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HashedSentenceTransformer()
    options = {"output_format": "labeled-list", "output_scores": True, "max_score": 0.8, "mask_duplicates": True}
    whole = mine(model, cross_encoder=HashedCrossEncoder(), **options)
    monkeypatch.setattr(retrieval.blocks, "__defaults__", (2,))
    monkeypatch.setattr(encoding, "_SHARD", 7)
    assert mine(model, cross_encoder=HashedCrossEncoder(), **options) == whole


def test_no_positive_of_many_is_a_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positives are looked for in blocks of pairs: also the last ones of a query that has several blocks of them."""
    pairs = {"anchor": ["q0"] * 37 + ["q1"] * 37, "positive": [*CORPUS[:37], *CORPUS[3:]]}
    monkeypatch.setattr(retrieval.blocks, "__defaults__", (2,))
    rows = mine(HashedSentenceTransformer(), pairs, num_negatives=3, range_max=40, output_format="labeled-list")
    drawn = {row["anchor"]: set(row["positive"][1:]) for row in rows}
    assert drawn == {"q0": set(CORPUS[37:]), "q1": set(CORPUS[:3])}


def test_batches_of_a_cross_encoder_go_across_anchors() -> None:
    scorer = HashedCrossEncoder()
    mine(HashedSentenceTransformer(), cross_encoder=scorer, max_score=0.8, range_max=20)
    assert scorer.asked == [6 * 21, 6]


def test_a_pair_scorer_will_do() -> None:
    class Scorer:
        def score(self, pairs: Any) -> np.ndarray:
            return HashedCrossEncoder().predict(pairs).numpy().astype(np.float64)

    options = {"max_score": 0.7, "output_scores": True}
    ours = mine(HashedSentenceTransformer(), cross_encoder=Scorer(), **options)
    assert ours == mine(HashedSentenceTransformer(), cross_encoder=HashedCrossEncoder(), **options)


def test_texts_with_equal_hashes_are_different_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = {"anchor": ["q1", "q2", "q1", ""], "positive": ["d1", "d2", "d3", "d1"]}
    model, options = static_model(tmp_path / "model"), {"relative_margin": 0.1, "corpus": [*CORPUS, "d1", ""]}
    wanted = mine(model, pairs, **options)
    monkeypatch.setattr(distinct, "text_digests", lambda texts: np.zeros((len(texts), 2), dtype=np.uint64))
    assert mine(model, pairs, **options) == wanted


def test_further_columns_are_not_read() -> None:
    pairs = {"id": [1, 2], "anchor": ["q0", "q1"], "positive": ["d0", "d1"]}
    rows = mine(HashedSentenceTransformer(), pairs, anchor_column_name="anchor", positive_column_name="positive")
    assert rows[0].keys() == {"anchor", "positive", "negative"}


@pytest.mark.parametrize("rescored", [False, True])
def test_a_window_beyond_the_corpus_costs_no_more_than_the_corpus(
    capsys: pytest.CaptureFixture[str], rescored: bool
) -> None:
    scorer = HashedCrossEncoder() if rescored else None
    options = {"cross_encoder": scorer, "min_score": -0.9, "relative_margin": 0.05, "verbose": True}
    whole = mine(HashedSentenceTransformer(), range_max=60, **options)
    counted = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Skipped")]
    assert mine(HashedSentenceTransformer(), range_max=10**9, **options) == whole
    # As over there, ranks that the corpus does not have count as candidates below `min_score`: 6 anchors, 10**9 + 1
    # candidates each, of which 40 are documents.
    ranks = 6 * (10**9 + 1)
    more = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Skipped")]
    skipped, skipped_of_more = ([int(line.split()[1].replace(",", "")) for line in found] for found in (counted, more))
    assert skipped_of_more == [skipped[0], skipped[1] + ranks - 6 * 61]
