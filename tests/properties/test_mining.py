"""What must hold of every selection, on random small collections, and the fast path against plain Python."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pyrite.data import Candidate, Candidates, Corpus, Document, Judgment, Qrels, Queries, Query
from pyrite.data.text import normalise
from pyrite.mining import (
    CeilingFilter,
    FilterSettings,
    MarginFilter,
    RankWindow,
    Selection,
    ShareFilter,
    SimansSampler,
    StratifiedSampler,
    TopSampler,
    UniformSampler,
    select_negatives,
)
from pyrite.mining.pool import build_pool
from pyrite.mining.selection import SelectionResult

SOURCES = ("bm25", "dense")
KINDS = {"bm25": "bm25", "dense": "cosine"}
# Few words, so that copies are common; "d0" and "q0" are ids of documents and of queries both.
TEXTS = st.lists(st.sampled_from(["gold", "GOLD", "pyrite ", "a\u00a0streak"]), min_size=1, max_size=2).map(" ".join)
# Tenths, whose sums are not exact in binary: an order of summation that matters shows.
SCORES = st.integers(-20, 20).map(lambda tenths: tenths / 10)


@dataclass(frozen=True)
class Mined:
    """A random collection with candidates that sources could have given."""

    documents: list[Document]
    queries: list[Query]
    judgements: list[Judgment]
    candidates: list[Candidate]

    def select(self, settings: Selection, order: int = 0) -> SelectionResult:
        """Select, the rows of all tables turned by `order` places and then reversed where it is odd."""
        threshold = settings.masking.grade_threshold
        tables = (self.documents, self.queries, self.judgements, self.marked(threshold))
        documents, queries, judgements, candidates = (_turned(rows, order) for rows in tables)
        return select_negatives(
            Candidates.from_rows(candidates, {"scorers": KINDS, "grade_threshold": threshold}),
            Corpus.from_rows(documents),
            Queries.from_rows(queries),
            Qrels.from_rows(judgements),
            settings,
        )

    def marked(self, threshold: int) -> list[Candidate]:
        """Return the candidates as mining with a grade threshold marks them."""
        return [
            replace(row, is_positive=row.doc_id in self.positives(row.query_id, threshold)) for row in self.candidates
        ]

    def positives(self, query_id: str, threshold: int = 1) -> set[str]:
        return {j.doc_id for j in self.judgements if j.query_id == query_id and j.grade >= threshold}

    def text(self, doc_id: str) -> str:
        return next(document.text for document in self.documents if document.doc_id == doc_id)


def _turned(rows: list, places: int) -> list:
    turned = rows[places % len(rows) :] + rows[: places % len(rows)]
    return turned[::-1] if places % 2 else turned


@st.composite
def mined(draw: st.DrawFn) -> Mined:
    """Draw documents, queries with a positive each, and every pair ranked and scored by both sources."""
    documents = [Document(f"d{i}", draw(TEXTS)) for i in range(draw(st.integers(2, 7)))]
    documents.append(Document("q0", draw(TEXTS)))
    queries = [Query(f"q{i}", draw(TEXTS)) for i in range(draw(st.integers(1, 3)))]
    judgements, candidates = [], []
    for query in queries:
        grades = draw(
            st.lists(st.sampled_from([None, None, 0, 1, 2]), min_size=len(documents), max_size=len(documents))
        )
        grades[draw(st.integers(0, len(documents) - 1))] = 2
        judged = [(d.doc_id, grade) for d, grade in zip(documents, grades, strict=True) if grade is not None]
        judgements += [Judgment(query.query_id, doc_id, grade) for doc_id, grade in judged]
        positives = {doc_id for doc_id, grade in judged if grade >= 1}
        candidates += draw(_candidates(query.query_id, [d.doc_id for d in documents], positives))
    return Mined(documents, queries, judgements, candidates)


@st.composite
def _candidates(draw: st.DrawFn, query_id: str, doc_ids: list[str], positives: set[str]) -> list[Candidate]:
    """Rank some documents by each source; positives stand in it too, with a rank or without; all have both scores."""
    scores = {(scorer, doc_id): draw(SCORES) for scorer in SOURCES for doc_id in doc_ids}
    rows = []
    for source in SOURCES:
        ranking = draw(st.permutations(doc_ids))[: draw(st.integers(1, len(doc_ids)))]
        ranks = {doc_id: rank for rank, doc_id in enumerate(ranking, start=1)}
        for doc_id in [*ranking, *sorted(positives - set(ranking))]:
            for scorer in SOURCES:
                score = scores[scorer, doc_id]
                rows.append(Candidate(query_id, doc_id, source, ranks.get(doc_id), scorer, score, doc_id in positives))
    return rows


REFERENCES = st.sampled_from(["lowest", "highest", "mean"])
MARGINS = st.builds(MarginFilter, margin=st.sampled_from([0.0, 0.1, 0.3, 1.0]), reference=REFERENCES)
SHARES = st.builds(ShareFilter, share=st.sampled_from([0.5, 0.9, 0.95, 1.0]), reference=REFERENCES)
CEILINGS = st.builds(CeilingFilter, ceiling=SCORES)
WINDOWS = st.tuples(st.integers(1, 3), st.none() | st.integers(3, 6)).map(lambda w: RankWindow(first=w[0], last=w[1]))
COUNTS = st.integers(1, 8)
SAMPLERS = (
    st.builds(TopSampler, count=COUNTS)
    | st.builds(UniformSampler, count=COUNTS)
    | st.builds(SimansSampler, count=COUNTS, standardise=st.booleans(), reference=REFERENCES)
    | st.builds(
        StratifiedSampler,
        count=COUNTS,
        by=st.sampled_from(["source", "score", "rank"]),
        within=st.sampled_from(["top", "uniform"]),
    )
)


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    masking = {
        "grade_threshold": draw(st.sampled_from([1, 1, 2])),
        "trust_judged": draw(st.booleans()),
        "drop_same_id": draw(st.booleans()),
    }
    return Selection(
        sources=draw(st.sampled_from([(), ("bm25",), ("dense", "bm25")])),
        scorer=draw(st.sampled_from([None, *SOURCES])),
        masking=masking,
        filters=tuple(draw(st.lists(MARGINS | SHARES | CEILINGS | WINDOWS, max_size=3))),
        sampler=draw(SAMPLERS),
        shortage=draw(st.sampled_from(["fewer", "relax", "drop"])),
    )


def pairs(result: SelectionResult) -> set[tuple[str, str]]:
    return {(row.query_id, row.doc_id) for row in result.negatives.rows()}


@given(mined(), selections())
def test_no_known_positive_nor_a_copy_of_one_ever_leaves(collection: Mined, settings: Selection) -> None:
    for query_id, doc_id in pairs(collection.select(settings)):
        assert doc_id not in collection.positives(query_id)
        texts = {
            normalise(collection.text(other))
            for other in collection.positives(query_id, settings.masking.grade_threshold)
        }
        assert normalise(collection.text(doc_id)) not in texts


def everything(chosen: FilterSettings) -> Selection:
    return Selection(scorer="dense", filters=(chosen,), sampler=TopSampler(count=100))


@given(mined(), st.floats(0, 2), st.floats(0, 2), REFERENCES)
def test_a_larger_margin_keeps_a_subset(collection: Mined, one: float, two: float, reference: str) -> None:
    small, large = (
        collection.select(everything(MarginFilter(margin=margin, reference=reference))) for margin in sorted((one, two))
    )
    assert pairs(large) <= pairs(small)


@given(mined(), st.floats(0.01, 1), st.floats(0.01, 1), REFERENCES)
def test_a_smaller_share_keeps_a_subset(collection: Mined, one: float, two: float, reference: str) -> None:
    small, large = (
        collection.select(everything(ShareFilter(share=share, reference=reference))) for share in sorted((one, two))
    )
    assert pairs(small) <= pairs(large)


@given(mined(), selections(), st.integers(1, 50))
def test_the_order_of_rows_changes_nothing(collection: Mined, settings: Selection, order: int) -> None:
    one, two = collection.select(settings), collection.select(settings, order)
    assert one.negatives.fingerprint() == two.negatives.fingerprint()
    assert one.removals.fingerprint() == two.removals.fingerprint()
    assert one.audit == two.audit


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=9), st.randoms(use_true_random=False))
def test_the_order_of_positives_does_not_change_their_mean(scores: list[float], random: Random) -> None:
    rows = [Candidate("q", f"p{i}", "dense", i + 1, "dense", score, True) for i, score in enumerate(scores)]
    shuffled = random.sample(rows, len(rows))
    means = [
        build_pool(Candidates.from_rows(some, {"scorers": KINDS}), ("dense",), None).mean[0]
        for some in (rows, rows[::-1], shuffled)
    ]
    assert len(set(means)) == 1
    assert means[0] == pytest.approx(fsum(scores) / len(scores), abs=1e-12)


@given(mined(), selections())
def test_every_candidate_is_counted_once(collection: Mined, settings: Selection) -> None:
    result = collection.select(settings)
    audit, sources = result.audit, settings.sources or SOURCES
    proposed = {(c.query_id, c.doc_id) for c in collection.candidates if c.rank is not None and c.source in sources}
    removed = {(row.query_id, row.doc_id) for row in result.removals.rows()}
    assert audit.candidates == len(proposed) == len(removed) + audit.not_drawn + audit.negatives
    assert not removed & pairs(result)
    assert removed | pairs(result) <= proposed
    assert audit.negatives == len(result.negatives) == sum(audit.by_source.values())
    counts = result.removals.counts()
    assert {gate: number for gate, number in audit.removed.items() if number} == counts
    per_query = [len(result.negatives.by_query().get(query, [])) for query in {query for query, _ in proposed}]
    assert (audit.queries, audit.empty) == (len(per_query), per_query.count(0))
    assert audit.short == sum(number < settings.sampler.count for number in per_query)


def for_plain_python(settings: Selection) -> Selection:
    """Where scores of two scorers would be weighed against each other, rounding decides between equals."""
    several = settings.scorer is None and len(settings.sources) != 1
    shortage = "fewer" if several and settings.shortage == "relax" else settings.shortage
    return settings.model_copy(update={"sampler": TopSampler(count=3), "shortage": shortage})


@given(mined(), selections().map(for_plain_python))
def test_the_fast_path_equals_plain_python(collection: Mined, settings: Selection) -> None:
    result = collection.select(settings)
    negatives, removals = slow_selection(collection, settings)
    found = [(n.query_id, n.doc_id, n.source, n.rank, n.scorer, n.score) for n in result.negatives.rows()]
    assert found == negatives
    assert {(row.query_id, row.doc_id): row.gate for row in result.removals.rows()} == removals


@dataclass(frozen=True)
class Proposal:
    """One document proposed for a query, by the source that ranked it best."""

    doc_id: str
    source: str
    rank: int
    scorer: str
    score: float
    positives: tuple[float, ...]


def slow_selection(collection: Mined, settings: Selection) -> tuple[list[tuple], dict[tuple[str, str], str]]:
    """Select one document after the other; return rows of negatives and {(query, document): gate}."""
    negatives, removals = [], {}
    for query in sorted(collection.queries, key=lambda query: query.query_id):
        kept: list[Proposal] = []
        for proposal in proposals(collection, query.query_id, settings):
            gate = mask(collection, query, proposal, kept, settings)
            if gate is None:
                kept.append(proposal)
            else:
                removals[query.query_id, proposal.doc_id] = gate
        failed = {
            place: rule
            for place, proposal in enumerate(kept)
            if (rule := first_filter(collection, query.query_id, proposal, settings)) is not None
        }
        passed = [proposal for place, proposal in enumerate(kept) if place not in failed]
        if settings.shortage == "relax":
            back = relaxed(kept, failed, settings)[: max(settings.sampler.count - len(passed), 0)]
            failed = {place: rule for place, rule in failed.items() if place not in back}
            passed = [proposal for place, proposal in enumerate(kept) if place not in failed]
        removals |= {(query.query_id, kept[place].doc_id): rule.type for place, rule in failed.items()}
        if settings.shortage == "drop" and len(passed) < settings.sampler.count:
            removals |= {(query.query_id, proposal.doc_id): "shortage" for proposal in passed}
            passed = []
        negatives += [
            (query.query_id, p.doc_id, p.source, p.rank, p.scorer, p.score) for p in passed[: settings.sampler.count]
        ]
    return negatives, removals


def proposals(collection: Mined, query_id: str, settings: Selection) -> list[Proposal]:
    """Return a query's proposals: best rank first, then in the order of the sources, then by document id."""
    sources = settings.sources or SOURCES
    rows = [row for row in collection.marked(settings.masking.grade_threshold) if row.query_id == query_id]
    best: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.rank is not None and row.source in sources:
            place = (row.rank, sources.index(row.source))
            best[row.doc_id] = min(place, best.get(row.doc_id, place))
    found = []
    for doc_id, (rank, number) in sorted(best.items(), key=lambda item: (item[1], item[0])):
        scorer = settings.scorer or sources[number]
        scores = {row.doc_id: row.score for row in rows if row.scorer == scorer}
        positives = tuple(scores[other] for other in sorted({row.doc_id for row in rows if row.is_positive}))
        found.append(Proposal(doc_id, sources[number], rank, scorer, scores[doc_id], positives))
    return found


def mask(collection: Mined, query: Query, proposal: Proposal, kept: list[Proposal], settings: Selection) -> str | None:
    """Return the first mask that takes a proposal out, or None."""
    rules = settings.masking
    grade = grade_of(collection, query.query_id, proposal.doc_id)
    text = normalise(collection.text(proposal.doc_id))
    positives = collection.positives(query.query_id, rules.grade_threshold)
    if grade is not None and grade >= rules.grade_threshold:
        return "known-positive"
    if grade is not None and grade > 0:
        return "partly-relevant"
    if rules.drop_same_id and proposal.doc_id == query.query_id:
        return "same-id"
    if text in {normalise(collection.text(doc_id)) for doc_id in positives}:
        return "copy-of-positive"
    if text == normalise(query.text):
        return "copy-of-query"
    return "copy" if text in {normalise(collection.text(other.doc_id)) for other in kept} else None


def first_filter(collection: Mined, query_id: str, proposal: Proposal, settings: Selection) -> FilterSettings | None:
    """Return the first filter that takes a proposal out, or None."""
    trusted = settings.masking.trust_judged and grade_of(collection, query_id, proposal.doc_id) == 0
    for rule in settings.filters:
        if isinstance(rule, RankWindow):
            if outside(rule, proposal):
                return rule
        elif not trusted and not proposal.score < threshold(rule, proposal.positives):
            return rule
    return None


def outside(window: RankWindow, proposal: Proposal) -> bool:
    return proposal.rank < window.first or (window.last is not None and proposal.rank > window.last)


def relaxed(kept: list[Proposal], failed: dict[int, FilterSettings], settings: Selection) -> list[int]:
    """Return the places of what may come back, nearest to the threshold first."""
    possible = []
    for place, rule in failed.items():
        later = settings.filters[[other is rule for other in settings.filters].index(True) + 1 :]
        if isinstance(rule, RankWindow) or any(isinstance(w, RankWindow) and outside(w, kept[place]) for w in later):
            continue
        possible.append((kept[place].score - threshold(rule, kept[place].positives), place))
    return [place for _, place in sorted(possible)]


def threshold(rule: FilterSettings, positives: tuple[float, ...]) -> float:
    if isinstance(rule, CeilingFilter):
        return rule.ceiling
    assert not isinstance(rule, RankWindow)
    mean = sum(sorted(positives)) / len(positives)
    positive = {"lowest": min(positives), "highest": max(positives), "mean": mean}[rule.reference]
    return positive - (rule.margin if isinstance(rule, MarginFilter) else (1 - rule.share) * abs(positive))


def grade_of(collection: Mined, query_id: str, doc_id: str) -> int | None:
    return next((j.grade for j in collection.judgements if (j.query_id, j.doc_id) == (query_id, doc_id)), None)
