"""The ranking of sets of negatives, in the terminal and as a page."""

from __future__ import annotations

from pathlib import Path

from pyrite.data import SetRanking
from pyrite.data.records import SetRank
from pyrite.report.score import RECONSTRUCTION, ScorePage, ScoreReport, render_score, score_text

METADATA = {"rank_by": "hardness", "encoder": "MiniLM", "judge": None, "queries": 1200}


def report(name: str = "hybrid") -> ScoreReport:
    rows = [
        SetRank(name, "hardness", 1, 0.5, 0.4, 0.6, 0.0, 0.0, 0.0, 1200),
        SetRank("random", "hardness", 2, 0.25, 0.2, 0.3, 0.25, 0.2, 0.3, 1200),
        SetRank(name, "eci_v1.safety", 1, 0.2, 0.1, 0.3, 0.0, 0.0, 0.0, 1200),
        SetRank("random", "eci_v1.safety", None, None, None, None, None, None, None, 0),
        SetRank(name, "eci_sem", 1, 0.00123, 0.001, 0.0015, 0.0, 0.0, 0.0, 1200),
        SetRank("random", "eci_sem", 2, 0.00012, 0.0001, 0.0002, 0.0011, 0.001, 0.0012, 1200),
        SetRank(name, "unsafe", 1, 0.125, 0.1, 0.2, 0.0, 0.0, 0.0, 1200),
        SetRank("random", "unsafe", 2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1200),
    ]
    facts = {name: {"queries": 1300, "without_negatives": 2, "pairs": 9000, "sources": {"bm25": 0.5}, "overlap": 1.0}}
    return ScoreReport("Scores", SetRanking.from_rows(rows, METADATA), facts, {"hardness": "mean cosine"})


def test_the_terminal_names_who_scored_and_what_is_reconstructed() -> None:
    text = score_text(report())
    lines = text.splitlines()
    assert lines[0] == "Scored by MiniLM, on the 1,200 queries that all sets have."
    assert lines[3].split() == [
        *("1", "hybrid", "0.500", "0.400", "to", "0.600", "0.000", "0.000", "to", "0.000"),
        *("0.00123", "0.200", "12.5", "%"),
    ]
    assert lines[4].split()[-2:] == ["0.0", "%"]
    assert lines[-1] == RECONSTRUCTION


def test_the_page_holds_what_was_measured_and_escapes_names() -> None:
    page = render_score(report("<b>mine"))
    assert "&lt;b&gt;mine" in page.html
    assert "<b>mine" not in page.html
    assert RECONSTRUCTION in page.html
    assert 'aria-label="Each set by its signal' in page.html
    assert page.content["measures"]["random"]["eci_v1.safety"] is None
    assert page.summary() == {"rank_by": "hardness", "sets": ["<b>mine", "random"]}
    assert render_score(report("<b>mine")).html == page.html


def test_the_page_is_saved_under_names_of_its_own(tmp_path: Path) -> None:
    page = render_score(report())
    page.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"scores.html", "scores.json"}
    assert ScorePage.open(tmp_path).fingerprint() == page.fingerprint()
