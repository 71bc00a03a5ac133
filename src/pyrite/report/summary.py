"""What a report says in JSON: the part that programs and the terminal read."""

from __future__ import annotations

from collections.abc import Mapping

from pyrite.data import QueryScores
from pyrite.errors import DataError, SettingsError
from pyrite.metrics.ranking import short_name
from pyrite.report.records import ReportData
from pyrite.settings import Json

__all__ = ["check_report", "summarise"]


def summarise(data: ReportData) -> dict[str, Json]:
    """Return the content of `summary.json`.

    Returns:
        {"title", "dataset", "metrics": {system: {"ndcg@10": mean over queries}}, "comparisons": [{"a", "b", "metric",
        "delta", "low", "high", "p", "queries"}], "chosen": system or None, "seeds": {system: {"ndcg@10": [one mean
        for each seed]}} of the systems that were trained several times, "passes": {step: {output or source: how many
        queries the first pass of a dense search left open}}}.
    """
    return {
        "title": data.title,
        "dataset": data.dataset,
        "metrics": {scores.system: _short(scores.means()) for scores in data.scores},
        "comparisons": [
            {
                "a": row.a,
                "b": row.b,
                "metric": short_name(row.measure),
                "delta": row.delta,
                "low": row.low,
                "high": row.high,
                "p": row.p,
                "queries": row.queries,
            }
            for row in data.comparisons.rows()
        ],
        "chosen": data.chosen,
        "seeds": {scores.system: _by_seed(scores) for scores in data.scores if "means" in scores.metadata},
        "passes": {step: passes for step, manifest in data.manifests.items() if (passes := _passes(manifest))},
    }


def check_report(data: ReportData) -> None:
    """Check that the parts of a report speak of the same systems.

    Raises:
        DataError: Two tables of scores have the same system, or a comparison is of a system without scores.
        SettingsError: The chosen system, or one of the two to contrast, has no scores; or `made_by` names a manifest
            that is not given.
    """
    systems = [scores.system for scores in data.scores]
    if len(set(systems)) < len(systems):
        raise DataError(f"a report shows each system once; given: {', '.join(systems)}")
    compared = {name for row in data.comparisons.rows() for name in (row.a, row.b)} - set(systems)
    if compared:
        raise DataError(f"the comparisons speak of {', '.join(sorted(compared))}, the scores of {', '.join(systems)}")
    contrast = data.contrast
    for what, name in (
        ("chosen", data.chosen),
        ("contrast.before", contrast and contrast.before),
        ("contrast.after", contrast and contrast.after),
    ):
        if name is not None and name not in systems:
            raise SettingsError(f"{what}: no scores of a system {name!r}; there are: {', '.join(systems) or 'none'}")
    unknown = {name for behind in data.made_by.values() for name in behind} - data.manifests.keys()
    if unknown:
        raise SettingsError(
            f"made_by: no manifest {', '.join(sorted(unknown))}; there are: {', '.join(data.manifests)}"
        )


def _short(means: dict[str, float]) -> dict[str, float]:
    return {short_name(measure): value for measure, value in means.items()}


def _passes(manifest: Mapping[str, Json]) -> dict[str, Json]:
    """Return what a step that searches tells of its passes; steps that hand a table on would say it again."""
    found: dict[str, Json] = {}
    if manifest.get("kind") in {"search", "mine"}:
        for name, record in manifest.get("outputs", {}).items():
            passes = record["summary"].get("passes", {})
            found |= {name: passes} if "share" in passes else passes
    return found


def _by_seed(scores: QueryScores) -> dict[str, list[float]]:
    seeds: list[dict[str, float]] = scores.metadata["means"]
    return {short_name(measure): [means[measure] for means in seeds] for measure in scores.means()}
