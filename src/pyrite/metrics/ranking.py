"""Ranking measures, computed by ir-measures on one order of the documents.

Two things are settled here and not left to the engine. **Ties**: documents with equal scores are ordered by
id, descending, as trec_eval orders them; ir-measures takes RR@k from another engine, which orders
them the other way, so that the same run would be ranked in two ways in one table. **Missing queries**: every judged
query counts, with 0 where the run holds nothing for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Qrels, QueryScores, Run
from pyrite.errors import DataError, SettingsError

if TYPE_CHECKING:
    import ir_measures

__all__ = ["DEFAULT_MEASURES", "canonical_measure", "measure_run", "short_name"]

DEFAULT_MEASURES = ("nDCG@10", "P@10", "R@100", "RR@10", "AP")
"""What is measured where nobody says otherwise, in ir-measures' notation."""

_SHORT_HEADS = {"r": "recall", "rr": "mrr", "ap": "map"}


def measure_run(
    run: Run,
    qrels: Qrels,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    system: str | None = None,
    drop_same_id: bool = True,
) -> QueryScores:
    """Measure a ranking against judgements, query by query.

    Every judged query counts: one without results scores 0, and so does one whose judgements are all of grade 0 (as
    in trec_eval and BEIR, which average over both). Queries of the run that nobody judged are left out and counted.
    Documents are ordered by score, then by id, descending. nDCG takes the grade itself as the gain, as trec_eval
    does (Järvelin & Kekäläinen 2002, without exponential gains); a grade below 0 gains nothing.

    Args:
        run: The ranking.
        qrels: The judgements; a pair without a row counts as not relevant.
        measures: Names as in `canonical_measure`.
        system: What to call the measured system; the run's scorer where None.
        drop_same_id: Leave out a document whose id equals the query's, as BEIR does (in ArguAna
            and Quora the queries are documents themselves). Those after it move up one rank.

    Returns:
        One row for each judged query and measure, ordered by query id. The metadata give the system, how many
        queries were judged ("queries"), had no results ("without_results"), had no relevant document
        ("without_relevant") or were in the run alone ("unjudged"), and how many documents were left out ("same_id").

    Raises:
        DataError: There are no judgements, or not one query of the run is judged.
        SettingsError: A measure is unknown, or no installed engine computes it.
    """
    import ir_measures

    parsed = {canonical_measure(name): _parse(name) for name in measures}
    if not parsed:
        raise SettingsError(f"name at least one measure, such as {', '.join(DEFAULT_MEASURES)}")
    judged = qrels.by_query()
    ranked, counts = _ranked(run, judged, drop_same_id)
    try:
        evaluator = ir_measures.evaluator(list(parsed.values()), _gains(judged))
    except ValueError as error:
        raise SettingsError(
            f"no installed engine of ir-measures computes all of {', '.join(parsed)}: {error}"
        ) from error
    values = {(m.query_id, str(m.measure)): float(m.value) for m in evaluator.iter_calc(ranked)}
    keys = [(query_id, measure) for query_id in sorted(judged) for measure in parsed]
    return QueryScores.from_columns(
        {"system": run.scorer if system is None else system, **counts},
        query_id=[query_id for query_id, _ in keys],
        measure=[measure for _, measure in keys],
        value=[values.get(key, 0.0) for key in keys],
    )


def canonical_measure(name: str) -> str:
    """Return a measure's name in ir-measures' notation.

    Args:
        name: Any case: "nDCG@10", "ndcg@10", "P@10", "precision@10", "R@100", "recall@100", "RR@10", "mrr@10",
            "AP", "map", and whatever else ir-measures names, parameters included: "P(rel=2)@10".

    Raises:
        SettingsError: There is no such measure, or a parameter is missing or out of range.

    Example:
        >>> [canonical_measure(name) for name in ("ndcg@10", "mrr@10", "recall@100", "map", "p(rel=2)@5")]
        ['nDCG@10', 'RR@10', 'R@100', 'AP', 'P(rel=2)@5']
    """
    return str(_parse(name))


def short_name(measure: str) -> str:
    """Return the lower-case name that summaries use as a key.

    `canonical_measure` reads it back.

    Example:
        >>> [short_name(name) for name in ("nDCG@10", "P@10", "R@100", "RR@10", "AP", "Success@5")]
        ['ndcg@10', 'p@10', 'recall@100', 'mrr@10', 'map', 'success@5']
    """
    head, rest = re.fullmatch(r"([^(@]*)(.*)", measure, re.DOTALL).groups()  # type: ignore[union-attr]
    return _SHORT_HEADS.get(head.lower(), head.lower()) + rest


def _parse(name: str) -> ir_measures.Measure:
    """Read a measure's name; ir-measures' own reader uses parts of `ast` that Python 3.12 deprecates."""
    from ir_measures.measures import registry

    try:
        head, parameters, cutoff = _split(name)
        known = {key.lower(): measure for key, measure in registry.items()}
        measure: ir_measures.Measure = known[head.lower()](**parameters)
        if cutoff is not None:
            measure = measure @ cutoff
        measure.validate_params()  # type: ignore[no-untyped-call]
    except (SyntaxError, ValueError, KeyError, AssertionError) as error:
        raise SettingsError(
            f"{name!r} names no measure; allowed: {', '.join(DEFAULT_MEASURES)} "
            f"and the other names of ir-measures, such as 'Success@5' or 'P(rel=2)@10'"
        ) from error
    return measure


def _split(name: str) -> tuple[str, dict[str, Any], int | float | None]:
    """Split "head(key=value, ...)@cutoff" into its parts."""
    node = ast.parse(name.strip(), mode="eval").body
    cutoff = None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        cutoff, node = ast.literal_eval(node.right), node.left
        if not isinstance(cutoff, int | float) or cutoff <= 0:
            raise ValueError("a cut-off is a number above 0")
    parameters = {}
    if isinstance(node, ast.Call) and not node.args:
        parameters = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
        node = node.func
    if not isinstance(node, ast.Name):
        raise ValueError("a measure starts with its name")
    return node.id, parameters, cutoff


def _ranked(
    run: Run, judged: dict[str, dict[str, int]], drop_same_id: bool
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Order the documents of the judged queries; return {query_id: {doc_id: minus its position}} and counts.

    Positions stand in for scores so that every engine sees the same order without ties; trec_eval also rounds scores
    to single precision, which would tie documents that the run tells apart.
    """
    if not judged:
        raise DataError("there are no judgements to measure a run against")
    asked = set(pc.unique(run.column("query_id")).to_pylist())
    if asked and asked.isdisjoint(judged):
        raise DataError(
            f"not one of the {len(asked)} queries of the run {run.scorer!r} is among the {len(judged)} judged ones "
            f"(the run has {min(asked)!r}, the judgements have {min(judged)!r}); were they made of the same split?"
        )
    rows = run.arrow.filter(pc.is_in(run.column("query_id"), pa.array(list(judged), pa.string())))
    rows = rows.sort_by([("query_id", "ascending"), ("score", "descending"), ("doc_id", "descending")])
    ranked: dict[str, dict[str, float]] = {}
    dropped = 0
    for query_id, doc_id in zip(rows.column("query_id").to_pylist(), rows.column("doc_id").to_pylist(), strict=True):
        if drop_same_id and query_id == doc_id:
            dropped += 1
            continue
        documents = ranked.setdefault(query_id, {})
        documents[doc_id] = -float(len(documents))
    return ranked, {
        "queries": len(judged),
        "without_results": len(judged.keys() - ranked.keys()),
        "without_relevant": sum(max(grades.values()) < 1 for grades in judged.values()),
        "unjudged": len(asked - judged.keys()),
        "same_id": dropped,
    }


def _gains(judged: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return the judgements with grades below 0 raised to 0, which is what they are worth to every measure."""
    return {query: {doc: max(grade, 0) for doc, grade in grades.items()} for query, grades in judged.items()}
