"""Training files of FlagEmbedding: exact lines, loops, and faults with their lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.data.formats import FlagEmbeddingLayout, TrainingParts, Written, read_flag_embedding, write_flag_embedding
from pyrite.errors import DataError

GROUPS = (
    TrainingGroup("q1", ("p1", "p2"), ("n1", "n2"), (0.5, 2.0), (0.9, None, 0.3, 0.25)),
    TrainingGroup("q2", ("n1",), ("p1",)),
)
NO_NEGATIVE = TrainingGroup("q3", ("p2",), (), None, (0.5,))


def parts_of(*groups: TrainingGroup, **metadata: str) -> TrainingParts:
    documents = [
        Document("p1", "pos\t1"),
        Document("p2", "2", "pos"),
        Document("n1", "neg\n1"),
        Document("n2", "neg é"),
    ]
    queries = [Query(f"q{number}", f"question {number}") for number in (1, 2, 3)]
    return TrainingParts(
        Corpus.from_rows(documents), Queries.from_rows(queries), TrainingSet.from_rows(groups, metadata)
    )


def written(tmp_path: Path, parts: TrainingParts, layout: FlagEmbeddingLayout) -> list[dict[str, Any]]:
    write_flag_embedding(parts, tmp_path / "train.jsonl", layout)
    return [json.loads(line) for line in (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()]


def faults(tmp_path: Path, *rows: object) -> list[tuple[int | None, str]]:
    path = tmp_path / "given.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_flag_embedding(path)
    return [(problem.line, problem.what) for problem in caught.value.problems]


def test_lines_without_ids(tmp_path: Path) -> None:
    layout = FlagEmbeddingLayout(ids=False, prompt="Find: ", task="normal")
    assert written(tmp_path, parts_of(*GROUPS), layout)[0] == {
        "query": "question 1",
        "pos": ["pos\t1", "pos 2"],
        "neg": ["neg\n1", "neg é"],
        "prompt": "Find: ",
        "type": "normal",
    }


def test_lines_with_ids_scores_and_weights(tmp_path: Path) -> None:
    rows = written(tmp_path, parts_of(*GROUPS), FlagEmbeddingLayout(scores=True, incomplete="keep"))
    assert rows[0] == {
        "query": "question 1",
        "pos": ["pos\t1", "pos 2"],
        "neg": ["neg\n1", "neg é"],
        "pos_scores": [0.9, None],
        "neg_scores": [0.3, 0.25],
        "query_id": "q1",
        "pos_id": ["p1", "p2"],
        "neg_id": ["n1", "n2"],
        "neg_weights": [0.5, 2.0],
    }
    assert rows[1]["pos_scores"] == [None]
    assert "neg_weights" not in rows[1]


def test_the_loop_keeps_everything(tmp_path: Path) -> None:
    parts = parts_of(*GROUPS, NO_NEGATIVE, prompt="Find: ", type="normal")
    path = tmp_path / "train.jsonl"
    report = write_flag_embedding(parts, path, FlagEmbeddingLayout(scores=True, incomplete="keep"))
    assert report == Written(rows=3, joined_titles=1)
    corpus, queries, training_set = read_flag_embedding(path)
    assert list(training_set.rows()) == [*GROUPS, NO_NEGATIVE]
    assert training_set.metadata == {"prompt": "Find: ", "type": "normal"}
    assert list(queries.rows()) == list(parts.queries.rows())
    texts = dict(zip(corpus.ids(), corpus.texts(), strict=True))
    assert texts == {"p1": "pos\t1", "p2": "pos 2", "n1": "neg\n1", "n2": "neg é"}


def test_a_setting_overrides_the_training_sets_own_prompt(tmp_path: Path) -> None:
    rows = written(tmp_path, parts_of(GROUPS[0], prompt="old"), FlagEmbeddingLayout(prompt=""))
    assert rows[0]["prompt"] == ""


def test_groups_that_its_trainer_fails_on(tmp_path: Path) -> None:
    parts = parts_of(*GROUPS, NO_NEGATIVE)
    with pytest.raises(DataError, match="FlagEmbedding's trainer fails on some groups") as caught:
        write_flag_embedding(parts, tmp_path / "t.jsonl", FlagEmbeddingLayout(scores=True))
    assert [problem.what for problem in caught.value.problems] == [
        "the query 'q1' lacks teacher scores",
        "the query 'q2' lacks teacher scores",
        "the query 'q3' has no negatives",
    ]
    report = write_flag_embedding(parts, tmp_path / "t.jsonl", FlagEmbeddingLayout(incomplete="drop", ids=False))
    assert report == Written(rows=2, dropped_groups=1, unused_weights=1, unused_scores=1, unused_ids=2, joined_titles=1)
    with pytest.raises(DataError, match="no group that can be written: FlagEmbedding's trainer"):
        write_flag_embedding(parts_of(NO_NEGATIVE), tmp_path / "t.jsonl", FlagEmbeddingLayout(incomplete="drop"))


def test_lines_without_ids_are_identified_by_their_texts(tmp_path: Path) -> None:
    path = tmp_path / "given.jsonl"
    path.write_text('{"query": "a", "pos": ["x"], "neg": ["y"]}\n{"query": "a", "pos": ["z"], "neg": ["y", "x2"]}\n')
    corpus, queries, training_set = read_flag_embedding(path)
    x, y, z, x2 = corpus.ids()
    assert corpus.texts() == ["x", "y", "z", "x2"]
    assert list(training_set.rows()) == [TrainingGroup(queries.ids()[0], (x, z), (y, x2))]
    assert training_set.metadata == {}


def test_every_fault_is_listed(tmp_path: Path) -> None:
    fine = {"query": "a", "pos": ["x"], "neg": ["y"], "prompt": "p"}
    rows = [
        fine,
        {"query": "a", "pos": ["x"], "prompt": "p"},
        {**fine, "pos": "x"},
        {**fine, "query": 3},
        {**fine, "neg": ["y", None]},
        {**fine, "pos_scores": [1, 2]},
        {**fine, "neg_scores": [True]},
        {**fine, "neg_id": [[1]]},
        {**fine, "prompt": "other"},
        {**fine, "query": "b", "pos": []},
        {**fine, "neg": [""]},
    ]
    assert faults(tmp_path, *rows) == [
        (2, "`neg` is missing"),
        (3, "`pos` is a string, wants a list"),
        (4, "`query` is a number, wants a string"),
        (5, "item 2 of `neg` is null, wants a string"),
        (6, "`pos_scores` has 2 items for 1 texts"),
        (7, "item 1 of `neg_scores` is a boolean, wants a finite number or null"),
        (8, "`neg_id[0]` is a list, wants a string"),
        (9, "`prompt` is 'other' and was 'p' in the first line; part the file by it"),
        (11, "a document has no text"),
        (10, "the query 'q-3e23e8160039594a33894f65' has no positive in the whole file"),
    ]
