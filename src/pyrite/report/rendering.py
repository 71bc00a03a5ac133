"""Turn a report's data into HTML: each part of the page is prepared elsewhere, the templates only lay it out."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from pyrite.metrics.ranking import short_name
from pyrite.report.contrast import sides
from pyrite.report.distributions import distributions
from pyrite.report.examples import examples
from pyrite.report.funnel import funnel
from pyrite.report.headline import comparison_rows, lead, system_rows
from pyrite.report.passages import Passages
from pyrite.report.provenance import anchors, manifest_views
from pyrite.report.records import ReportData
from pyrite.report.text import count, number, p_value, percent, signed
from pyrite.report.training import curves, keys
from pyrite.settings import Json

if TYPE_CHECKING:
    import jinja2

__all__ = ["render_html", "render_page"]


def render_html(data: ReportData, summary: dict[str, Json]) -> str:
    """Return the page.

    Args:
        data: What to show.
        summary: Its numbers, from `summarise`.
    """
    return render_page("report.html.j2", data=data, **_results(data, summary), **_mining(data), **_training(data))


def render_page(template: str, **values: Any) -> str:
    """Return a page that loads nothing from anywhere: style and script stand in it.

    Args:
        template: The name of its template.
        values: What the template lays out, beside `style`, `script` and `script_hash`.
    """
    environment = _environment()
    style, script = (_asset(environment, name) for name in ("report.css", "report.js"))
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page: str = environment.get_template(template).render(style=style, script=script, script_hash=script_hash, **values)
    return page


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pyrite.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(count=count, number=number, p_value=p_value, percent=percent, signed=signed)
    return environment


def _asset(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _results(data: ReportData, summary: dict[str, Json]) -> dict[str, Any]:
    measures = list(dict.fromkeys(measure for scores in data.scores for measure in scores.means()))
    rows = system_rows(summary, [short_name(measure) for measure in measures])
    return {
        "measures": measures,
        "rows": rows,
        "several_seeds": any(row.seeds > 1 for row in rows),
        "judged": max((len(set(scores.column("query_id").to_pylist())) for scores in data.scores), default=0),
        "comparisons": comparison_rows(data.comparisons),
        "lead": lead(data.comparisons, data.chosen),
        "anchors": anchors(data.manifests, data.made_by),
        "manifests": manifest_views(data.manifests, data.made_by),
    }


def _mining(data: ReportData) -> dict[str, Any]:
    passages = Passages(data.corpus, data.queries)
    contrast = data.contrast
    return {
        "funnels": [funnel(method, record) for method, record in data.mining.items()],
        "examples": examples(data.mining, passages),
        "distributions": [
            plot
            for place, (method, record) in enumerate(data.mining.items())
            for plot in distributions(method, record, f"scores-{place}")
        ],
        "sides": None if contrast is None else sides(contrast, data.scores, data.mining, passages),
    }


def _training(data: ReportData) -> dict[str, Any]:
    return {"curves": curves(data.logs), "keys": keys(data.logs)}
