"""Faults planted into a clean set: the audit finds exactly those."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Qrels, Queries, Query, ScoreKind
from pyrite.data.formats import KnownTexts
from pyrite.errors import DataError, ModelError
from pyrite.recipes.audit import AuditSettings, Beside, audit_training_file
from pyrite.recipes.audit.false_negatives import EncoderScorer
from pyrite.report.audit import AuditReport
from pyrite.testing.encoders import HashingEncoder

WORDS = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "rstvz"]


class Planter:
    """A clean set of FlagEmbedding's rows, into which faults are put, each on queries of its own."""

    def __init__(self, queries: int = 160, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self.corpus: dict[str, str] = {}
        self.queries: dict[str, str] = {}
        self.train: list[tuple[str, str]] = []
        self.test: list[tuple[str, str]] = []
        self.rows = [self._row(number) for number in range(queries)]
        self._free = iter(list(self.rows))

    def text(self, words: int = 30) -> str:
        return " ".join(self._random.choices(WORDS, k=words)).capitalize() + "."

    def document(self, text: str | None = None) -> str:
        doc_id = f"d{len(self.corpus)}"
        self.corpus[doc_id] = text or self.text()
        return doc_id

    def _row(self, number: int) -> dict[str, Any]:
        query_id = f"q{number}"
        self.queries[query_id] = self.text(8)
        row: dict[str, Any] = {"query_id": query_id, "query": self.queries[query_id]}
        positive = self.document()
        self.train.append((query_id, positive))
        return self._fill(row, [positive], [self.document() for _ in range(4)])

    def _fill(self, row: dict[str, Any], positives: list[str], negatives: list[str]) -> dict[str, Any]:
        for side, ids in (("pos", positives), ("neg", negatives)):
            row |= {f"{side}_id": ids, side: [self.corpus[doc_id] for doc_id in ids]}
        return row

    def take(self, count: int) -> list[dict[str, Any]]:
        """Return rows that no other fault is planted in."""
        return [next(self._free) for _ in range(count)]

    def negative(self, row: dict[str, Any], doc_id: str) -> None:
        """Put a negative in the place of the first."""
        self._fill(row, row["pos_id"], [doc_id, *row["neg_id"][1:]])

    def almost(self, text: str) -> str:
        """Return a text with its last word changed."""
        return " ".join([*text.split()[:-1], "changed"])

    def write(self, path: Path) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")

    def beside(self, **more: Any) -> Beside:
        documents = Corpus.from_rows(Document(doc_id, text) for doc_id, text in self.corpus.items())
        queries = Queries.from_rows(Query(query_id, text) for query_id, text in self.queries.items())
        return Beside(KnownTexts(documents, queries), {"train": judged(self.train), "test": judged(self.test)}, **more)


def judged(pairs: Sequence[tuple[str, str]]) -> Qrels:
    if not pairs:
        return Qrels.empty()
    queries, documents = zip(*pairs, strict=True)
    return Qrels.from_columns(query_id=queries, doc_id=documents, grade=[1] * len(pairs), source=["human"] * len(pairs))


class MarkScorer:
    """Gives a text with the word "answer" 1, one with "nearly" .97, any other 0."""

    score_kind = ScoreKind.PROBABILITY

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        return np.array([1.0 if "answer" in text else 0.97 if "nearly" in text else 0.0 for _, text in pairs])

    def identity(self) -> str:
        return "marks"


def plant_leakage(p: Planter) -> None:
    """Make documents and queries of the set those of an evaluation split."""
    for number, row in enumerate(p.take(11)):
        p.test.append((f"t{number}", row["neg_id"][0]))
    for number, row in enumerate(p.take(12)):
        p.test.append((f"t{number}", row["pos_id"][0]))
    for number, row in enumerate(p.take(3)):
        p.queries[f"same{number}"] = f" {row['query'].upper()}"
        p.test.append((f"same{number}", "elsewhere"))
    for number, row in enumerate(p.take(2)):
        long = p.text(40)
        row["query"] = p.queries[row["query_id"]] = long
        p.queries[f"near{number}"] = p.almost(long)
        p.test.append((f"near{number}", "elsewhere"))


def planted() -> tuple[Planter, dict[str, int]]:  # noqa: C901
    """Return a set with another number of each fault, and the numbers."""
    p = Planter()
    for row in p.take(3):
        p.rows.append(json.loads(json.dumps(row)))
    for row in p.take(4):
        p.negative(row, row["neg_id"][1])
    for row in p.take(5):
        p.negative(row, row["pos_id"][0])
    for row in p.take(2):
        p.negative(row, p.document(row["pos"][0].upper()))
    for row in p.take(6):
        p.train.append((row["query_id"], row["neg_id"][0]))
    for row in p.take(7):
        p.negative(row, p.document(p.almost(row["pos"][0])))
    for row in p.take(8):
        p.negative(row, p.document(p.almost(row["neg"][1])))
    for row in p.take(9):
        p.negative(row, p.document(row["query"].lower()))
    for row in p.take(10):
        p._fill(row, row["pos_id"], [])
    plant_leakage(p)
    twins = p.take(14)
    for row, other in zip(twins, p.take(14), strict=True):
        p.negative(row, p.document(other["neg"][0]))
    return p, {
        "repeated-rows": 3,
        "repeated-negatives": 4,
        "positives-among-negatives": 5 + 2 + 6,
        "near-duplicates-of-positives": 7,
        "near-duplicate-negatives": 8,
        "copies-of-the-query": 9,
        "queries-without-negatives": 10,
        "evaluation-documents-among-negatives": 11,
        "evaluation-documents-among-positives": 12,
        "evaluation-queries": 3 + 2,
        "copied-documents": 2 + 14,
        "ids-of-several-texts": 0,
    }


def test_every_planted_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    p, numbers = planted()
    p.write(tmp_path / "mined.jsonl")
    report = audit_training_file(tmp_path / "mined.jsonl", beside=p.beside())
    found = {finding.name: finding.number for finding in report.findings if finding.name in numbers}
    assert found == numbers
    assert report.finding("positives-among-negatives").values == {"by judgements": 6}
    assert report.finding("evaluation-queries").values == {"the same but for letter case and spaces": 3}
    assert report.counts["queries"] == 160
    assert {finding.severity for finding in report.findings if finding.number == 0} == {"fine"}


def test_a_clean_set_is_clean(tmp_path: Path) -> None:
    p = Planter()
    p.write(tmp_path / "mined.jsonl")
    p.test.append(("other", "elsewhere"))
    report = audit_training_file(tmp_path / "mined.jsonl", beside=p.beside(scorer=MarkScorer(), scorer_name="marks"))
    assert {finding.name: finding.number for finding in report.findings if finding.number} == {
        # All score 0, the positives too: a judge that tells nothing flags everything.
        "estimated-false-negatives": 640
    }
    assert report.finding("length-shortcut").severity == report.finding("look-shortcuts").severity == "fine"


def test_texts_alone_are_enough_for_most(tmp_path: Path) -> None:
    p, numbers = planted()
    for row in p.rows:
        for key in ("query_id", "pos_id", "neg_id"):
            del row[key]
    p.write(tmp_path / "mined.jsonl")
    report = audit_training_file(tmp_path / "mined.jsonl", beside=p.beside())
    found = {finding.name: finding.number for finding in report.findings}
    for name in numbers.keys() - {"copied-documents", "ids-of-several-texts"}:
        assert found[name] == numbers[name], name


def test_ids_alone_say_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "negatives.jsonl"
    path.write_text('{"qid": 1, "pos": [2, 3], "neg": {"bm25": [3, 4], "dense": [5, 6]}}\n')
    report = audit_training_file(path)
    assert report.finding("positives-among-negatives").number == 1
    assert report.counts["documents without text"] == 5
    unchecked = {finding.name for finding in report.findings if finding.severity == "unchecked"}
    assert unchecked == {
        "estimated-false-negatives",
        "evaluation-queries",
        "evaluation-documents-among-negatives",
        "evaluation-documents-among-positives",
        "length-shortcut",
        "look-shortcuts",
        "source-shortcuts",
    }


def test_ids_with_two_texts(tmp_path: Path) -> None:
    rows = [
        {"query": f"q {n}", "pos": ["right"], "pos_id": ["p"], "neg": [f"wrong {n}"], "neg_id": ["n"]} for n in (1, 2)
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    finding = audit_training_file(tmp_path / "m.jsonl").finding("ids-of-several-texts")
    assert (finding.number, finding.severity, finding.instances[0].query) == (1, "error", "n")


def scored(tmp_path: Path, **settings: Any) -> AuditReport:
    p = Planter()
    for row in p.rows:
        for doc_id in row["pos_id"]:
            p.corpus[doc_id] += " answer"
        p._fill(row, row["pos_id"], row["neg_id"])
    for number, row in enumerate(p.take(20)):
        p.negative(row, p.document(p.text() + (" answer" if number < 15 else " nearly")))
    p.write(tmp_path / "mined.jsonl")
    beside = p.beside(scorer=MarkScorer(), scorer_name="marks")
    return audit_training_file(tmp_path / "mined.jsonl", beside=beside, settings=AuditSettings(**settings))


def test_a_scorer_finds_the_planted_false_negatives(tmp_path: Path) -> None:
    finding = scored(tmp_path).finding("estimated-false-negatives")
    assert (finding.number, finding.of, finding.severity) == (15, 640, "note")
    assert finding.values == {
        "share above the highest positive": 15 / 640,
        "share within 0.05 of the lowest": 20 / 640,
        "share above 0.9": 20 / 640,
    }
    assert finding.instances[0].note == "scores 1.000, the lowest positive 1.000"
    assert finding.instances[0].passages[1][1].endswith("answer")


def test_a_sample_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (scored(tmp_path, sample=40).finding("estimated-false-negatives") for _ in range(2))
    assert first == second
    assert first.of == 160


def test_an_encoder_scores_by_inner_products() -> None:
    encoder = HashingEncoder()
    scorer = EncoderScorer(encoder)
    pairs = [("gold", "gold"), ("gold", "iron pyrite"), ("iron", "iron pyrite")]
    vectors = [(encoder.encode([q], "query")[0], encoder.encode([d], "document")[0]) for q, d in pairs]
    expected = [float(np.dot(one.astype(np.float64), other)) for one, other in vectors]
    assert scorer.score(pairs).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("words", "severity", "side"), [(60, "error", 0.0), (10, "error", 1.0), (30, "fine", 0.5)])
def test_a_shortcut_by_length(tmp_path: Path, words: int, severity: str, side: float) -> None:
    p = Planter()
    for row in p.rows:
        p._fill(row, row["pos_id"], [p.document(p.text(words)) for _ in range(4)])
    p.write(tmp_path / "mined.jsonl")
    finding = audit_training_file(tmp_path / "mined.jsonl").finding("length-shortcut")
    assert finding.severity == severity
    assert finding.values["words"] == side


def test_a_shortcut_by_looks_and_by_several_looks_together(tmp_path: Path) -> None:
    p = Planter()
    for row in p.rows:
        p._fill(row, row["pos_id"], [p.document(f"<p>{p.text()}</p>") for _ in range(4)])
    p.write(tmp_path / "mined.jsonl")
    finding = audit_training_file(tmp_path / "mined.jsonl").finding("look-shortcuts")
    assert (finding.severity, finding.values["markup"], finding.values["begins with a capital"]) == ("error", 0.0, 1.0)
    assert finding.values["all together"] == 1.0


def test_a_file_that_cannot_be_read_is_told_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"query": "a", "pos": ["x"], "neg": ["y"]}\n{"query": "a", "pos": 3}\n')
    with pytest.raises(DataError) as caught:
        audit_training_file(tmp_path / "m.jsonl")
    assert {problem.line for problem in caught.value.problems} == {2}


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    class Broken(MarkScorer):
        def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            return np.full(len(pairs), np.nan)

    p = Planter(2)
    p.write(tmp_path / "mined.jsonl")
    with pytest.raises(ModelError, match="the scorer gave 10 scores that are no finite numbers"):
        audit_training_file(tmp_path / "mined.jsonl", beside=p.beside(scorer=Broken()))


def test_scorers_of_logits_are_held_to_probabilities(tmp_path: Path) -> None:
    class Logits(MarkScorer):
        score_kind = ScoreKind.LOGIT

        def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            # The logistic function of 2.2 is .9002, of 2.1 .8909.
            return np.array([2.2 if "answer" in text else 2.1 for _, text in pairs])

    p = Planter(4)
    for row in p.take(1):
        p.negative(row, p.document(p.text() + " answer"))
    p.write(tmp_path / "mined.jsonl")
    report = audit_training_file(tmp_path / "mined.jsonl", beside=p.beside(scorer=Logits()))
    assert report.finding("estimated-false-negatives").values["share above 0.9"] == 1 / 16


def test_a_positive_among_the_negatives_does_not_count_as_near_another(tmp_path: Path) -> None:
    p = Planter(1)
    (row,) = p.rows
    twin = p.document(p.almost(row["pos"][0]))
    p._fill(row, [*row["pos_id"], twin], [twin, *row["neg_id"]])
    p.write(tmp_path / "mined.jsonl")
    report = audit_training_file(tmp_path / "mined.jsonl")
    assert report.finding("positives-among-negatives").number == 1
    assert report.finding("near-duplicates-of-positives").number == 0


@pytest.mark.parametrize(("mark", "severity", "value"), [("**", "warning", 1.0), ("", "fine", 0.5)])
def test_a_source_that_gives_itself_away(tmp_path: Path, mark: str, severity: str, value: float) -> None:
    p = Planter()
    for row in p.rows:
        p._fill(row, row["pos_id"], [p.document(p.text() + (mark if place < 2 else "")) for place in range(4)])
        row["neg_sources"] = [["llm"], ["llm"], ["bm25"], ["bm25", "dense"]]
    p.write(tmp_path / "mined.jsonl")
    finding = audit_training_file(tmp_path / "mined.jsonl").finding("source-shortcuts")
    assert finding.severity == severity
    assert finding.values["llm"] == pytest.approx(value, abs=0.05)
    assert set(finding.values) == {"bm25", "dense", "llm"}
