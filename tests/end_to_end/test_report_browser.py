"""The report in a real browser: it loads nothing, fits narrow and wide windows, and its folds open."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pyrite.data import (
    Candidate,
    Candidates,
    Comparison,
    Comparisons,
    Corpus,
    Document,
    Judgment,
    LogEntry,
    Negative,
    Negatives,
    Qrels,
    Queries,
    Query,
    QueryScore,
    QueryScores,
    Removal,
    Removals,
    Run,
    ScoreKind,
    TrainingLog,
)
from pyrite.report import Contrast, MiningRecord, ReportData, write_report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)
MEASURES = ("nDCG@10", "P@10", "R@100", "RR@10", "AP")
SYSTEMS = ("bm25", "untrained", "in-batch", "bm25-negatives", "dense-negatives", "hybrid-filtered")
TOPICS = (
    "Folic acid lowers the risk of neural tube defects",
    "Vitamin D status does not predict all-cause mortality",
    "A high-salt diet raises blood pressure in resistant hypertension",
    "Statins reduce the incidence of major vascular events",
    "Sleep restriction impairs insulin sensitivity in healthy adults",
)
HOSTILE = "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\"> & \"quotes\""
UNBROKEN = "Methylenetetrahydrofolate" * 12
LONG = "The cohort was followed for eleven years, and the outcome was adjudicated by two blinded readers. " * 60


def queries_and_documents() -> tuple[Queries, Corpus]:
    texts = [f"{topic}, trial {i}." for i, topic in enumerate(TOPICS * 8)]
    texts[0], texts[1], texts[2] = HOSTILE, UNBROKEN, LONG
    documents = [
        Document(f"d{i}", f"{topic}. {LONG if i % 7 == 0 else topic + ' in a randomised trial.'}", f"Study {i}")
        for i, topic in enumerate(TOPICS * 12)
    ]
    documents[1] = Document("d1", f"{HOSTILE} {UNBROKEN}", HOSTILE)
    return (
        Queries.from_rows([Query(f"q{i}", text) for i, text in enumerate(texts)]),
        Corpus.from_rows(documents),
    )


def scores(system: str, level: float, rng: np.random.Generator) -> QueryScores:
    rows = [
        QueryScore(f"q{i}", measure, float(np.clip(rng.normal(level, 0.3), 0, 1)))
        for i in range(40)
        for measure in MEASURES
    ]
    table = QueryScores.from_rows(rows, {"system": system})
    if system in ("bm25", "untrained"):
        return table
    means = [{name: mean + 0.01 * seed for name, mean in table.means().items()} for seed in (-1, 0, 1)]
    return QueryScores(table.arrow, {"system": system, "seeds": 3, "means": means})


def run(name: str, rng: np.random.Generator) -> Run:
    rows = [(f"q{q}", f"d{d}", rank) for q in range(40) for rank, d in enumerate(rng.permutation(60)[:20], start=1)]
    return Run.build(
        name,
        ScoreKind.COSINE,
        query_id=[row[0] for row in rows],
        doc_id=[row[1] for row in rows],
        rank=[row[2] for row in rows],
        score=[1 - row[2] / 100 for row in rows],
    )


def mining(sources: dict[str, tuple[str, float, float]], rng: np.random.Generator) -> MiningRecord:
    candidates, negatives, removals = [], [], []
    for q in range(20, 40):
        positive = {s: float(rng.normal(high, 0.12 * high)) for s, (_, _, high) in sources.items()}
        documents = [f"d{d}" for d in rng.permutation(60)[:30]]
        for rank, doc_id in enumerate(documents, start=1):
            for s, (_, low, high) in sources.items():
                score = positive[s] if rank == 1 else float(rng.normal(low + (high - low) / rank, 0.15 * high))
                candidates.append(Candidate(f"q{q}", doc_id, s, rank, s, score, rank == 1))
        gates = {1: "known-positive", 2: "margin", 3: "margin", 4: "ceiling", 5: "copy-of-positive"}
        best = next(iter(sources))
        for rank, doc_id in enumerate(documents, start=1):
            if rank in gates:
                removals.append(Removal(f"q{q}", doc_id, gates[rank], 0.9, 0.8))
            elif rank <= 10:
                score = next(c.score for c in candidates if (c.query_id, c.doc_id, c.source) == (f"q{q}", doc_id, best))
                negatives.append(Negative(f"q{q}", doc_id, best, rank, score, positive[best], best))
    return MiningRecord(
        Candidates.from_rows(candidates, {"scorers": {s: kind for s, (kind, _, _) in sources.items()}, "depth": 30}),
        Negatives.from_rows(negatives),
        Removals.from_rows(removals, {"gates": ["known-positive", "copy-of-positive", "ceiling", "margin"]}),
    )


def training_log(rng: np.random.Generator) -> TrainingLog:
    losses = [LogEntry(s, s / 100, "loss", 2.5 * np.exp(-s / 150) + rng.normal(0, 0.08)) for s in range(1, 401)]
    dev = [LogEntry(s, s / 100, "dev", 0.6 - 0.3 * np.exp(-s / 120)) for s in range(50, 401, 50)]
    return TrainingLog.from_rows([*losses, *dev])


def manifest(place: int) -> dict[str, Any]:
    return {
        "step": f"score-{place}",
        "kind": "evaluate",
        "version": 1,
        "key": f"{place:064x}",
        "settings": {"measures": list(MEASURES), "filters": [{"type": "margin", "margin": 0.05}]},
        "inputs": {"run": f"search/{'c' * 64}.run", "qrels": f"evaluate/{max(0, place - 1):064x}.qrels"},
        "outputs": {"scores": {"kind": "query_scores", "rows": 200}},
        "environment": {"python": "3.11.9", "packages": {"numpy": "2.4.6", "torch": "2.13.0"}},
        "seconds": 1.25,
    }


def report_data() -> ReportData:
    rng = np.random.default_rng(7)
    queries, corpus = queries_and_documents()
    tables = [scores(system, 0.35 + 0.05 * place, rng) for place, system in enumerate(SYSTEMS)]
    rows = [
        Comparison(system, "untrained", "nDCG@10", 0.04 * place - 0.06, 0.04 * place - 0.11, 0.04 * place - 0.02, p, 40)
        for place, (system, p) in enumerate(zip(SYSTEMS[2:], (0.04, 0.31, 0.02, 0.0001), strict=True))
    ]
    qrels = [Judgment(f"q{q}", f"d{d}", int(d % 3)) for q in range(40) for d in rng.permutation(60)[:12]]
    return ReportData(
        title="Hard negatives on the standard library",
        dataset="python-stdlib test",
        scores=tables,
        comparisons=Comparisons.from_rows(rows),
        chosen="hybrid-filtered",
        mining={
            "bm25-negatives": mining({"bm25": ("bm25", 4, 22)}, rng),
            "dense-negatives": mining({"dense": ("cosine", 0.3, 0.7)}, rng),
            "hybrid-filtered": mining({"dense": ("cosine", 0.3, 0.7), "bm25": ("bm25", 4, 22)}, rng),
        },
        logs={system: training_log(rng) for system in SYSTEMS[2:]},
        contrast=Contrast("untrained", "hybrid-filtered", run("a", rng), run("b", rng), Qrels.from_rows(qrels)),
        corpus=corpus,
        queries=queries,
        manifests={system: manifest(place) for place, system in enumerate(SYSTEMS)},
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    write_report(report_data(), folder)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser: Any, page: str, width: int = 1280, **features: str) -> None:
    """Load the page in a window of this width, with these media features emulated."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    browser.get("about:blank")
    browser.get(page)


def of(browser: Any, script: str) -> Any:
    return browser.execute_script(f"return {script}")


def test_it_loads_nothing_and_reports_no_error(browser: Any, page: str) -> None:
    browser.get_log("performance")
    show(browser, page)
    assert browser.get_log("browser") == []
    assert of(browser, "performance.getEntriesByType('resource').map(e => e.name)") == []
    requested = {
        message["params"]["request"]["url"].split(":", 1)[0]
        for entry in browser.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"] == "Network.requestWillBeSent"
    }
    assert requested <= {"file", "about", "data"}


def test_the_policy_forbids_what_the_page_does_not_need(browser: Any, page: str) -> None:
    show(browser, page)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.intruder = 1'; document.body.append(s);"
        "const i = new Image(); i.src = 'https://example.org/x.png'; document.body.append(i);"
    )
    assert of(browser, "window.intruder") is None
    messages = [entry["message"] for entry in browser.get_log("browser")]
    assert len(messages) == 2
    assert all("Content Security Policy" in message for message in messages)


def test_texts_stay_texts(browser: Any, page: str) -> None:
    show(browser, page)
    assert browser.title == "Hard negatives on the standard library"
    assert of(browser, "document.querySelectorAll('main img, main script').length") == 0
    assert of(browser, "document.body.textContent.includes(\"<script>document.title = 'hacked'\")")


def test_headings_and_tables_are_there(browser: Any, page: str) -> None:
    show(browser, page)
    headings = of(browser, "[...document.querySelectorAll('h2')].map(h => h.innerText)")
    assert headings == ["Results", "Differences", "Mining", "Scores", "Training", "Wins and losses", "Manifests"]
    rows = of(browser, "[...document.querySelectorAll('#results tbody th')].map(h => h.firstChild.textContent.trim())")
    assert rows == list(SYSTEMS)
    assert of(browser, "document.querySelectorAll('#differences tbody tr').length") == 4
    assert of(browser, "document.querySelectorAll('.funnel table').length") == 3
    assert of(browser, "document.querySelectorAll('#scores svg[role=img][aria-label]').length") == 4
    unlabelled = "[...document.querySelectorAll('svg')].filter(s => !s.ariaLabel && s.ariaHidden !== 'true').length"
    assert of(browser, unlabelled) == 0


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("folded", [True, False])
def test_it_fits_the_window(browser: Any, page: str, width: int, folded: bool) -> None:
    show(browser, page, width)
    if not folded:
        browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert of(browser, "innerWidth") == width
    assert of(browser, "document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    spilling = of(
        browser,
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, pre, svg') && e.offsetWidth"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))",
    )
    assert spilling == []


def test_folds_open_on_a_click(browser: Any, page: str) -> None:
    show(browser, page)
    fold = browser.find_element("css selector", "#queries details.gain")
    assert not fold.find_element("css selector", ".case-body").is_displayed()
    fold.find_element("css selector", "summary").click()
    assert fold.find_element("css selector", ".case-body").is_displayed()
    assert "First results of untrained" in fold.text
    assert "First results of hybrid-filtered" in fold.text


def test_a_number_leads_to_its_manifest(browser: Any, page: str) -> None:
    show(browser, page)
    browser.find_element("css selector", "#results tbody tr:last-child td a").click()
    assert browser.find_element("id", "manifest-5").is_displayed()
    assert "score-5" in browser.find_element("id", "manifest-5").text


def test_columns_sort_by_number_both_ways(browser: Any, page: str) -> None:
    show(browser, page)
    values = "[...document.querySelectorAll('#results tbody td:nth-of-type(1)')].map(c => Number(c.dataset.value))"
    button = browser.find_element("css selector", "#results thead th:nth-of-type(2) button")
    button.click()
    falling = of(browser, values)
    button.click()
    assert falling == sorted(falling, reverse=True)
    assert of(browser, values) == sorted(falling)
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"


def test_it_can_be_read_without_scripts(browser: Any, page: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, page)
        assert [browser.find_element("id", part).is_displayed() for part in ("results", "mining", "queries")] == [
            True
        ] * 3
        assert browser.find_elements("css selector", "#results button") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_it_prints_unfolded_within_the_paper(browser: Any, page: str) -> None:
    show(browser, page, 720)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert of(browser, "document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        folded = "document.querySelectorAll('details.case:not([open])').length"
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert of(browser, folded) == 0
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        assert of(browser, folded) == 13
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(browser: Any, page: str, scheme: str) -> None:
    """WCAG 2, level AA: a contrast of at least 4.5 for text and 3 for what a plot is drawn with."""
    show(browser, page, prefers_color_scheme=scheme)
    read = "getComputedStyle(document.documentElement).getPropertyValue('--{}').trim()"
    paper = luminance(of(browser, read.format("paper")))
    for name in ("ink", "muted", "accent", "gain", "loss"):
        assert contrast_ratio(luminance(of(browser, read.format(name))), paper) >= 4.5, name
    for name in ("positive", "negative", "candidate", *(f"series-{i}" for i in range(6))):
        assert contrast_ratio(luminance(of(browser, read.format(name))), paper) >= 3, name
    assert (paper < 0.1) == (scheme == "dark")


def luminance(colour: str) -> float:
    """Return the relative luminance of "#rrggbb" (WCAG 2)."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast_ratio(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
