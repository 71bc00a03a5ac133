"""What an audit found, as data, in the terminal and on a page."""

from __future__ import annotations

import json

import pytest

from pyrite.report.audit import AuditReport, Finding, Instance, audit_text, render_audit

INSTANCE = Instance(3, "what is <gold>", (("negative n7", "It is \u0022fool's gold\u0022 <b>"),), "a positive")
BAD = Finding(
    "positives",
    "known positives",
    "error",
    5,
    20,
    "negatives",
    "They teach wrong.",
    "Drop them.",
    {"by id": 2},
    (INSTANCE,),
)
FINE = Finding("rows", "rows twice", "fine", 0, 10, "rows", "They count twice.", "Nothing to do.")
OPEN = Finding(
    "scores", "high scores", "unchecked", None, 0, "negatives", "A judge.", "Give a scorer.", {"none": float("nan")}
)
REPORT = AuditReport("mined.jsonl", "tevatron", {"rows": 10, "queries": 1234}, (FINE, OPEN, BAD), {"scorer": "MiniLM"})


def test_the_worst_comes_first_and_only_what_is_bad_has_advice() -> None:
    assert audit_text(REPORT).splitlines() == [
        "mined.jsonl (tevatron): 10 rows, 1,234 queries",
        "",
        "severity   what             found  of             share  more",
        "error      known positives      5  20 negatives  25.0 %  by id 2",
        "fine       rows twice           0  10 rows",
        "unchecked  high scores                                   none nan",
        "",
        "known positives",
        "  They teach wrong.",
        "  Drop them.",
    ]


def test_json_has_everything() -> None:
    data = json.loads(json.dumps(REPORT.as_dict(), allow_nan=False))
    assert data["severities"] == {"error": 1, "fine": 1, "unchecked": 1}
    assert [one["name"] for one in data["findings"]] == ["rows", "scores", "positives"]
    assert data["findings"][2]["share"] == 0.25
    assert data["findings"][2]["instances"][0]["passages"][0][0] == "negative n7"
    assert (data["findings"][1]["number"], data["findings"][1]["share"], data["findings"][1]["values"]) == (
        None,
        None,
        {"none": None},
    )


def test_the_page_is_whole_escaped_and_the_same_each_time() -> None:
    page = render_audit(REPORT)
    assert page == render_audit(REPORT)
    assert "<title>Audit of mined.jsonl</title>" in page
    assert "what is &lt;gold&gt;" in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.index("They teach wrong.") < page.index("They count twice.")


def test_a_finding_by_name() -> None:
    assert REPORT.finding("rows") is FINE
    with pytest.raises(KeyError):
        REPORT.finding("nothing")
