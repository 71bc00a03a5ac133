"""What the page shows, before it is laid out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pyrite.data import Comparison, Comparisons, LogEntry, Negatives, Removals, TrainingLog
from pyrite.mining import HardNegativeMiner, MarginFilter, TopSampler
from pyrite.report import Contrast, MiningRecord, ReportData
from pyrite.report.contrast import sides
from pyrite.report.distributions import distributions
from pyrite.report.examples import examples
from pyrite.report.funnel import Gate, funnel
from pyrite.report.headline import comparison_rows, lead, system_rows
from pyrite.report.passages import Passages
from pyrite.report.provenance import Input, anchors, manifest_views
from pyrite.report.summary import summarise
from pyrite.report.text import excerpt, number, p_value, signed
from pyrite.report.training import curves, keys
from pyrite.search import LexicalRetriever
from pyrite.search.passes import left_open
from pyrite.testing.tiny import tiny_collection


def test_the_funnel_counts_pairs(record: MiningRecord) -> None:
    found = funnel("hybrid", record)
    assert (found.candidates, found.negatives, found.queries, found.served, found.unexplained) == (8, 2, 2, 1, 0)
    assert found.gates == [
        Gate("margin", 3, 8 / 8, 5 / 8),
        Gate("known-positive", 2, 5 / 8, 3 / 8),
        Gate("not drawn", 1, 3 / 8, 2 / 8),
    ]
    assert found.share == found.gates[-1].after


def test_gates_stand_in_the_order_that_the_removals_name(record: MiningRecord) -> None:
    named = Removals(record.removals.arrow, {"gates": ["known-positive", "ceiling", "margin"]})
    found = funnel("hybrid", dataclasses.replace(record, removals=named))
    assert [gate.name for gate in found.gates] == ["known-positive", "margin", "not drawn"]


def test_a_silent_drop_shows(record: MiningRecord) -> None:
    audited = Removals(record.removals.arrow, {"audit": {"not_drawn": 1}})
    assert funnel("hybrid", dataclasses.replace(record, removals=audited)).unexplained == 0
    silent = Removals(record.removals.arrow.slice(1), {"audit": {"not_drawn": 1}})
    assert funnel("hybrid", dataclasses.replace(record, removals=silent)).unexplained == 1


def test_what_the_miner_gives_adds_up() -> None:
    tiny = tiny_collection()
    miner = HardNegativeMiner([LexicalRetriever()], filters=[MarginFilter(margin=0.5)], sampler=TopSampler(count=2))
    result = miner.mine(tiny.corpus, tiny.queries, tiny.splits["train"], depth=10)
    found = funnel("bm25", MiningRecord(result.candidates, result.negatives, result.removals))
    assert found.unexplained == 0
    assert found.candidates == result.audit.candidates == found.negatives + sum(gate.removed for gate in found.gates)
    assert (found.queries, found.served) == (result.audit.queries, result.audit.queries - result.audit.empty)
    assert [gate.name for gate in found.gates][-1] == "not drawn"


def test_an_empty_funnel(record: MiningRecord) -> None:
    empty = MiningRecord(
        type(record.candidates)(record.candidates.arrow.slice(0, 0), record.candidates.metadata),
        Negatives.empty(),
        Removals.empty(),
    )
    found = funnel("none", empty)
    assert (found.candidates, found.share, found.unexplained, list(found.gates)) == (0, 0.0, 0, [])


def test_scores_of_two_scorers_never_share_a_plot(record: MiningRecord) -> None:
    bm25, dense = distributions("hybrid", record, "p")
    assert bm25.heading == "hybrid: bm25"
    assert bm25.note == "Median score 3.000 for 3 positives, 4.500 for 4 candidates."
    assert dense.note == (
        "Median score 0.400 for 1 positive, 0.300 for 3 candidates, 0.350 for 2 negatives. "
        "50.0 % of the negatives reach the best positive of their query."
    )
    assert ">dense (cosine)</text>" in dense.plot
    assert ">bm25</text>" in bm25.plot
    assert 'id="p-0-' in bm25.plot
    assert 'id="p-1-' in dense.plot


def test_plots_take_their_colours_from_the_page(record: MiningRecord) -> None:
    plots = "".join(distribution.plot for distribution in distributions("hybrid", record, "p"))
    assert "var(--positive)" in plots
    assert "var(--negative)" in plots
    assert "#" not in plots.replace('"#p-', "").replace("url(#p-", "")


def test_examples_show_positives_and_negatives(record: MiningRecord, data: ReportData) -> None:
    (example,) = examples({"hybrid": record}, Passages(data.corpus, data.queries))
    assert example.query.short == "question t1"
    assert [passage.doc_id for passage in example.positives] == ["d1"]
    (method,) = example.methods
    assert [(negative.found, negative.score) for negative in method.negatives] == [
        ("dense, rank 1", "0.500, best positive 0.400"),
        ("dense, rank 4", "0.200, best positive 0.400"),
    ]


def test_sides_show_ranks_and_grades(contrast: Contrast, data: ReportData, record: MiningRecord) -> None:
    found = sides(contrast, data.scores, {"hybrid": record}, Passages(data.corpus, data.queries))
    assert (found.wins, found.ties, found.losses) == (1, 1, 1)
    (gain,), (loss,) = found.gained, found.lost
    assert (gain.before, gain.after, gain.delta) == ("0.250", "1.000", "+0.750")
    (positive,) = gain.positives
    assert (positive.passage.doc_id, positive.grade, positive.before, positive.after) == ("d1", 2, 2, 1)
    # The document with the query's own id is no hit, as in the measures.
    assert [(hit.passage.doc_id, hit.rank, hit.grade) for hit in gain.hits_before] == [("d2", 1, 0), ("d1", 2, 2)]
    assert [(hit.passage.doc_id, hit.rank, hit.grade) for hit in gain.hits_after] == [("d1", 1, 2), ("d3", 2, None)]
    assert loss.positives[0].after is None
    assert gain.mined == []


def test_a_query_that_was_trained_on_shows_its_negatives(
    contrast: Contrast, data: ReportData, record: MiningRecord
) -> None:
    arrow = record.negatives.arrow.set_column(0, record.negatives.schema.field(0), [["q1", "q1"]])
    trained = dataclasses.replace(record, negatives=Negatives(arrow))
    found = sides(contrast, data.scores, {"hybrid": trained}, Passages(data.corpus, data.queries))
    assert [negative.passage.doc_id for negative in found.gained[0].mined[0].negatives] == ["d4", "d5"]


def test_only_as_many_cases_as_wanted(contrast: Contrast, data: ReportData) -> None:
    none = sides(dataclasses.replace(contrast, shown=0), data.scores, {}, Passages(None, None))
    assert (none.wins, len(none.gained), len(none.lost)) == (1, 0, 0)


def test_one_curve_for_each_number(data: ReportData) -> None:
    log = TrainingLog.from_rows([LogEntry(1, 1.0, "loss", float("nan")), LogEntry(2, 2.0, "loss", 0.25)])
    logs = {**data.logs, "other": log}
    loss, dev = curves(logs)
    assert (loss.name, loss.note) == ("loss", "Last value: after 0.500, other 0.250.")
    assert (dev.name, dev.note) == ("dev", "Last value: after 0.500.")
    assert "var(--series-0)" in loss.plot
    assert "var(--series-1)" in loss.plot
    assert "var(--series-1)" not in dev.plot


def test_lines_beyond_the_colours_differ_in_style(data: ReportData) -> None:
    found = keys({str(i): data.logs["after"] for i in range(8)})
    assert (found[1].colour, found[1].style) == (1, "solid")
    assert (found[7].colour, found[7].style) == (1, "dashed")


def test_long_logs_are_thinned() -> None:
    steps = np.arange(10_000)
    log = TrainingLog.from_columns(step=steps, epoch=steps / 100, name=["loss"] * 10_000, value=1 / (1 + steps))
    (plot,) = curves({"s": log})
    assert len(plot.plot) < 20_000


def test_rows_of_the_headline(data: ReportData) -> None:
    before, after = system_rows(summarise(data), ["ndcg@10"])
    assert (before.chosen, before.seeds, after.chosen, after.seeds) == (False, 1, True, 2)
    assert (before.cells[0].text, before.cells[0].spread, before.cells[0].best) == ("0.417", "", False)
    assert (after.cells[0].text, after.cells[0].spread, after.cells[0].best) == ("0.500", "0.354", True)


@pytest.mark.parametrize(
    ("low", "high", "direction"), [(0.01, 0.2, "gain"), (-0.2, -0.01, "loss"), (-0.1, 0.1, "open"), (0.0, 0.1, "open")]
)
def test_a_difference_counts_where_its_interval_leaves_out_0(low: float, high: float, direction: str) -> None:
    (row,) = comparison_rows(Comparisons.from_rows([Comparison("a", "b", "AP", 0.0, low, high, 0.5, 9)]))
    assert row.direction == direction


def test_intervals_share_one_scale() -> None:
    rows = [Comparison("a", "b", "AP", 0.2, 0.1, 0.4, 0.5, 9), Comparison("c", "b", "AP", -0.1, -0.2, 0.0, 0.5, 9)]
    first, second = comparison_rows(Comparisons.from_rows(rows))
    assert 'x1="74.0" y1="8" x2="116.0"' in first.plot
    assert 'x1="32.0" y1="8" x2="60.0"' in second.plot


def test_the_page_opens_with_the_chosen_system() -> None:
    rows = [Comparison(a, "b", "AP", 0.2, 0.1, 0.4, 0.5, 9) for a in ("first", "chosen")]
    comparisons = Comparisons.from_rows(rows)
    assert [found.a for name in ("chosen", "other", None) if (found := lead(comparisons, name))] == [
        "chosen",
        "first",
        "first",
    ]
    assert lead(Comparisons.empty(), "chosen") is None


def test_manifests_lead_to_each_other(data: ReportData) -> None:
    before, after = manifest_views(data.manifests, {})
    assert before.inputs == [Input("run", "search/k9.run", None)]
    assert after.inputs == [Input("scores.before", "evaluate/k0.scores", before.anchor)]
    assert (before.seconds, after.seconds) == ("2.0", "")
    assert after.settings == '{\n  "margin": 0.05\n}'


def test_a_number_of_several_seeds_leads_to_all_of_them(data: ReportData) -> None:
    made_by = {"one": ["after"], "mean": ["after", "before"], "none": []}
    ids = anchors(data.manifests, made_by)
    assert ids["one"] == ids["after"]
    assert "none" not in ids
    mean, *rest = manifest_views(data.manifests, made_by)
    assert mean.anchor == ids["mean"]
    assert mean.inputs == [Input("mean of", "after", ids["after"]), Input("mean of", "before", ids["before"])]
    assert [view.name for view in rest] == ["before", "after"]


def test_texts_are_cut_at_words_and_lines() -> None:
    assert excerpt(" short ").short == "short"
    long = excerpt("word " * 100)
    assert (long.short, long.full, long.left_out) == ("word " * 47 + "word …", ("word " * 100).strip(), 0)
    assert excerpt("\n".join("abcdefgh")).short == "a\nb\nc\nd\ne\nf …"
    unbroken = excerpt("x" * 5000)
    assert (unbroken.short, len(unbroken.full or ""), unbroken.left_out) == ("x" * 240 + " …", 4000, 1000)


def test_numbers_have_one_look() -> None:
    assert [number(0.5), signed(0.0004), signed(-0.0006), p_value(0.001), p_value(0.00099)] == [
        "0.500",
        "0.000",
        "\N{MINUS SIGN}0.001",
        "0.001",
        "< 0.001",
    ]


def test_the_summary_tells_what_the_first_pass_left_open(data: ReportData) -> None:
    passes = left_open({"int8": 3, "fp64": 1}, "int8")
    told = {
        "search": {"kind": "search", "outputs": {"run": {"summary": {"rows": 4, "passes": passes}}}},
        "mine": {"kind": "mine", "outputs": {"candidates": {"summary": {"passes": {"dense": passes}}}}},
        "rescore": {"kind": "rescore", "outputs": {"candidates": {"summary": {"passes": {"dense": passes}}}}},
        "bm25": {"kind": "search", "outputs": {"run": {"summary": {"rows": 4}}}},
    }
    searched = dataclasses.replace(data, manifests=told, made_by={})
    assert summarise(searched)["passes"] == {"search": {"run": passes}, "mine": {"dense": passes}}
