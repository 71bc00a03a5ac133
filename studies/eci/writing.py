"""Write what was found: tables, plots and a summary in Markdown."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from studies.eci.analysis import Analysis, Outcome, Row, Studied, chosen, regret_of
from studies.eci.plots import interval_chart, scatter_chart
from studies.eci.predictors import BASELINE
from studies.eci.tasks import DEVELOPMENT
from studies.eci.trainings import MEASURE

__all__ = ["summary", "write_all"]

_TOLD = ("eci_v1/static", "eci_sem/static", "eci_v1/static|minilm", "judged hardness/static|minilm", BASELINE)
_BEST = 8
_HABITS = ("dense-top-4", "dense-share95-4")
"""Sets that one would take without any score."""


def write_all(studied: Sequence[Studied], analysis: Analysis, folder: Path) -> None:
    """Write `sets.csv`, `predictors.csv`, `analysis.json`, the plots and `summary.md` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / "predictors.csv", [_flat(row) for row in analysis.rows])
    _write_rows(folder / "sets.csv", [row for one in studied for row in _sets(one)])
    told = {
        "chosen": chosen(analysis),
        "development": DEVELOPMENT,
        "outcomes": [{**asdict(one), "reached": one.reached.tolist()} for one in analysis.outcomes],
        "rows": [asdict(row) for row in analysis.rows],
        "agreements": [asdict(one) for one in analysis.agreements],
        "untrained": {one.collection: dict(one.untrained) for one in studied},
    }
    (folder / "analysis.json").write_text(json.dumps(told, indent=1))
    by_name = {one.collection: one for one in studied}
    for outcome in analysis.outcomes:
        _plots(by_name[outcome.collection], outcome, analysis, folder)
    (folder / "summary.md").write_text(summary(studied, analysis))


def _write_rows(file: Path, rows: Sequence[dict[str, object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _flat(row: Row) -> dict[str, object]:
    columns = asdict(row)
    without = columns.pop("without")
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in columns.items()}
    worst = min(without, key=without.get) if without else ""
    return {**rounded, "weakest_without": worst, "spearman_without": round(without[worst], 4) if worst else ""}


def _sets(studied: Studied) -> Iterator[dict[str, object]]:
    """Yield a row for each set: facts, what was reached in each mode and target, and every score."""
    means = studied.predictions.means()
    for place, one in enumerate(studied.sets):
        row: dict[str, object] = {"collection": studied.collection, "set": one.settings.name}
        row |= {"family": one.settings.family, **one.facts}
        for mode in sorted(studied.outcomes):
            for target, values in sorted(studied.outcomes[mode].values.items()):
                reached = values[place].mean(axis=1)
                row[f"{mode}: {target}"] = round(float(reached.mean()), 4)
                row[f"{mode}: {target}, deviation of seeds"] = round(float(reached.std(ddof=len(reached) > 1)), 4)
        scores = means[:, place].tolist()
        yield row | {name: round(score, 5) for name, score in zip(studied.predictions.names, scores, strict=True)}


def _plots(studied: Studied, outcome: Outcome, analysis: Analysis, folder: Path) -> None:
    stem = f"{outcome.collection}-{outcome.mode}-{outcome.where.replace(' ', '-')}"
    rows = [row for row in analysis.of(outcome) if np.isfinite(row.spearman)]
    shown = {row.predictor: (row.low, row.spearman, row.high) for row in rows}
    interval_chart(folder / f"{stem}.svg", shown, "Spearman with the outcome", outcome.ceiling.value)
    for name in dict.fromkeys([*_TOLD, chosen(analysis) or BASELINE]):
        predicted = studied.predictions.of(name)
        file = folder / f"{stem}-{name.translate(str.maketrans('/| ', '---'))}.svg"
        scatter_chart(file, predicted, outcome.reached, studied.families, (name, f"{MEASURE}, {outcome.where}"))


def summary(studied: Sequence[Studied], analysis: Analysis) -> str:
    """Return what was found, as Markdown for `docs/studies/eci.md`."""
    best = chosen(analysis)
    lines = [
        f"Chosen on {DEVELOPMENT}, the highest mean Spearman in domain: "
        + (f"`{best}`. On every other collection its figures confirm, or do not." if best else "not studied."),
        "",
        "Intervals are 95 %: families of sets, training queries and test queries drawn anew. The ceiling is the",
        "square root of the reliability of the mean over seeds (Spearman-Brown).",
    ]
    for one in studied:
        facts = ", ".join(f"{target} {value:.4f}" for target, value in one.untrained.items())
        seeds = next(iter(one.outcomes.values())).values[one.collection].shape[1]
        lines += ["", f"## {one.collection}", ""]
        lines += [f"{len(one.sets)} sets of {len(set(one.families))} families, {seeds} seeds; untrained: {facts}.", ""]
        for agreement in (agreed for agreed in analysis.agreements if agreed.collection == one.collection):
            apart = ", ".join(f"{name} ({first} and {second})" for name, first, second in agreement.apart)
            lines.append(
                f"`{agreement.one}` and `{agreement.other}` agree at {agreement.spearman:.2f}; apart: {apart}."
            )
        for outcome in (found for found in analysis.outcomes if found.collection == one.collection):
            lines += _told(one, outcome, analysis, best)
    return "\n".join(lines) + "\n"


def _told(studied: Studied, outcome: Outcome, analysis: Analysis, best: str | None) -> list[str]:
    noise, order = outcome.ceiling, np.argsort(-outcome.reached)
    names = [studied.sets[row].settings.name for row in order.tolist()]
    rows = analysis.of(outcome)
    shown = [*rows[:_BEST], *(row for row in rows[_BEST:] if row.predictor in (*_TOLD, best, "size"))]
    return [
        "",
        f"### {outcome.collection}, {outcome.mode}, {outcome.where} ({outcome.role})",
        "",
        f"{MEASURE} from {outcome.reached.min():.4f} to {outcome.reached.max():.4f}. Best: {', '.join(names[:3])}; "
        f"worst: {', '.join(names[-3:])}. Ceiling {noise.value:.2f} (seed to rest {noise.seed_to_rest:.2f}; "
        f"halves of the test queries {noise.queries:.2f}). Regret of "
        + ", ".join(f"{name} {regret_of(outcome, studied, name):.4f}" for name in _HABITS)
        + ".",
        "",
        "| predictor | Spearman | 95 % | Kendall | above hardness | 95 % | of the ceiling | weakest without | regret |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in shown),
    ]


def _line(row: Row) -> str:
    worst = min(row.without, key=lambda family: row.without[family]) if row.without else None
    weakest = f"{worst} ({row.without[worst]:.2f})" if worst else ""
    predictor = row.predictor.replace("|", "\\|")
    return (
        f"| {predictor} | {row.spearman:.2f} | {row.low:.2f} to {row.high:.2f} | {row.kendall:.2f} | "
        f"{row.difference:+.2f} | {row.difference_low:+.2f} to {row.difference_high:+.2f} | "
        f"{row.share_of_ceiling:.2f} | {weakest} | {row.regret:.4f} |"
    )
