"""The page as an artifact: what it says, that it is deterministic, and that nothing in it is trusted."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pyrite.data import Comparison, Comparisons, Corpus, Document, QueryScore, QueryScores
from pyrite.errors import DataError, SettingsError
from pyrite.report import ReportData, ReportPage, render_report, write_report

VOID = {"br", "hr", "img", "input", "link", "meta"}


class Structure(HTMLParser):
    """Collects ids, links, headings and tags that are never closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.references: list[str] = []
        self.headings: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        self.references += [
            name for key in ("aria-labelledby", "aria-describedby") for name in given.get(key, "").split()
        ]
        if re.fullmatch(r"h\d", tag):
            self.headings.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text(html: str) -> str:
    """Return what a reader sees, white space collapsed."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_the_summary_is_what_programs_read(data: ReportData) -> None:
    assert render_report(data).content == {
        "title": "A small report",
        "dataset": "tiny test",
        "metrics": {"before": {"ndcg@10": pytest.approx(1.25 / 3)}, "after": {"ndcg@10": 0.5}},
        "comparisons": [
            {
                "a": "after",
                "b": "before",
                "metric": "ndcg@10",
                "delta": 0.0833,
                "low": -0.5,
                "high": 0.75,
                "p": 0.5,
                "queries": 3,
            }
        ],
        "chosen": "after",
        "seeds": {"after": {"ndcg@10": [0.25, 0.75]}},
        "passes": {},
    }


def test_a_saved_report_opens_again(data: ReportData, tmp_path: Path) -> None:
    page = write_report(data, tmp_path / "page")
    assert sorted(file.name for file in (tmp_path / "page").iterdir()) == ["report.html", "summary.json"]
    assert json.loads((tmp_path / "page" / "summary.json").read_text(encoding="utf-8")) == page.content
    again = ReportPage.open(tmp_path / "page")
    assert (again.html, again.content) == (page.html, page.content)
    assert again.fingerprint() == page.fingerprint()
    assert again.summary() == {"dataset": "tiny test", "systems": 2, "chosen": "after"}


def test_line_ends_of_quoted_texts_survive(data: ReportData, tmp_path: Path) -> None:
    corpus = Corpus.from_rows([Document(f"d{i}", "one\r\ntwo\rthree\u2028four \x00") for i in range(1, 8)])
    page = write_report(dataclasses.replace(data, corpus=corpus), tmp_path)
    assert ReportPage.open(tmp_path).fingerprint() == page.fingerprint()


def test_a_page_that_is_no_text_is_refused(data: ReportData, tmp_path: Path) -> None:
    write_report(data, tmp_path)
    (tmp_path / "report.html").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="the report is damaged"):
        ReportPage.open(tmp_path)


def test_the_same_data_give_the_same_page(data: ReportData) -> None:
    assert render_report(data).html == render_report(data).html


def test_the_fingerprint_is_of_the_content_and_not_of_the_time_it_took(data: ReportData) -> None:
    page = render_report(data)
    slower = {**data.manifests, "before": {**data.manifests["before"], "seconds": 99.0}}
    slow = render_report(dataclasses.replace(data, manifests=slower))
    assert slow.html != page.html
    assert slow.fingerprint() == page.fingerprint()
    assert render_report(dataclasses.replace(data, title="Other")).fingerprint() != page.fingerprint()
    assert ReportPage(page.html.replace("question", "answer"), page.content).fingerprint() != page.fingerprint()


@pytest.mark.parametrize("name", ["report.html", "summary.json"])
def test_half_a_report_is_refused(data: ReportData, tmp_path: Path, name: str) -> None:
    write_report(data, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"holds no report \\({name} is missing\\)"):
        ReportPage.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "the report is damaged"), ("[]", "wants an object, holds a list")]
)
def test_a_damaged_summary_is_refused(data: ReportData, tmp_path: Path, content: str, message: str) -> None:
    write_report(data, tmp_path)
    (tmp_path / "summary.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        ReportPage.open(tmp_path)


def test_the_page_is_well_formed(data: ReportData) -> None:
    structure = Structure(render_report(data).html)
    assert structure.open == []
    assert [name for name, times in Counter(structure.ids).items() if times > 1] == []
    assert {link[1:] for link in structure.links if link.startswith("#")} <= set(structure.ids)
    assert set(structure.references) <= set(structure.ids)
    assert [link for link in structure.links if not link.startswith("#")] == ["data:,"]
    levels = [int(heading[1]) for heading in structure.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_page_says_it_all(data: ReportData) -> None:
    said = text(render_report(data).html)
    for part in (
        "after changed the mean nDCG@10 by +0.083 against before: 95 % interval",
        "\N{MINUS SIGN}0.500 to +0.750, p = 0.500, over 3 queries.",
        "before 0.417",
        "after 2 seeds chosen on dev 0.500 ± 0.354",
        "1 of 2 queries have negatives",
        "Values are means over seeds",
        "nDCG@10 rose for 1 queries, stayed the same for 1 and fell for 1",
        "+0.750 question q1 0.250 → 1.000",
        "rank 2 → rank 1, grade 2",
        "\N{MINUS SIGN}0.500 question q2 0.750 → 0.250",
        "Stage evaluate, version 1",
        "2.0 s",
    ):
        assert part in said


def test_texts_are_escaped(data: ReportData) -> None:
    hostile = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"
    corpus = Corpus.from_rows([Document(f"d{i}", hostile, hostile) for i in range(1, 8)])
    html = render_report(dataclasses.replace(data, corpus=corpus, title=hostile, dataset=hostile)).html
    assert "<img" not in html
    assert html.count("<script") == html.count("</script>") == 1
    assert Structure(html).open == []


def test_long_texts_are_cut(data: ReportData) -> None:
    corpus = Corpus.from_rows([Document(f"d{i}", "word " * 20_000) for i in range(1, 8)])
    html = render_report(dataclasses.replace(data, corpus=corpus)).html
    assert "and 95,999 more characters" in html
    assert len(html) < 300_000


def test_what_is_not_given_is_left_out(data: ReportData) -> None:
    empty = ReportData(title="Nothing", dataset="none", scores=[], comparisons=Comparisons.empty())
    structure = Structure(render_report(empty).html)
    assert structure.headings == ["h1"]
    no_texts = dataclasses.replace(data, corpus=None, queries=None)
    said = text(render_report(no_texts).html)
    assert "The text is not part of this report." in said
    assert "+0.750 q1" in said


def test_systems_may_be_measured_differently(data: ReportData) -> None:
    other = QueryScores.from_rows([QueryScore("q1", "AP", 0.125)], {"system": "other"})
    page = render_report(dataclasses.replace(data, scores=[*data.scores, other]))
    assert page.content["metrics"]["other"] == {"map": 0.125}
    assert "other \N{EN DASH} 0.125" in text(page.html)


def test_parts_that_do_not_fit_together_are_refused(data: ReportData) -> None:
    with pytest.raises(SettingsError, match="chosen: no scores of a system 'best'; there are: before, after"):
        render_report(dataclasses.replace(data, chosen="best"))
    assert data.contrast is not None
    with pytest.raises(SettingsError, match=r"contrast.before: no scores of a system 'x'"):
        render_report(dataclasses.replace(data, contrast=dataclasses.replace(data.contrast, before="x")))
    with pytest.raises(DataError, match="shows each system once"):
        render_report(dataclasses.replace(data, scores=[*data.scores, data.scores[0]]))
    unknown = Comparisons.from_rows([Comparison("x", "before", "AP", 0.1, 0.0, 0.2, 0.5, 3)])
    with pytest.raises(DataError, match="the comparisons speak of x, the scores of before, after"):
        render_report(dataclasses.replace(data, comparisons=unknown))
    with pytest.raises(SettingsError, match="made_by: no manifest x; there are: before, after"):
        render_report(dataclasses.replace(data, made_by={"after": ["x"]}))
    with pytest.raises(DataError, match="no 'AP' among the scores of 'before'"):
        render_report(dataclasses.replace(data, contrast=dataclasses.replace(data.contrast, measure="AP")))


def test_importing_the_report_loads_no_plotting_library() -> None:
    import subprocess
    import sys

    code = "import sys, pyrite.report; sys.exit(bool({'matplotlib', 'jinja2', 'rich', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
