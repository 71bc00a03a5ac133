"""What stages ask for, and what they do without."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrite.errors import SettingsError
from pyrite.eval import evaluate
from pyrite.pipeline.context import Context
from pyrite.search import LexicalRetriever
from pyrite.settings import parse_settings
from pyrite.stages.report import ReportInputs, ReportSettings, report
from pyrite.stages.search import SearchSettings
from pyrite.testing.tiny import tiny_collection


def test_a_search_names_its_system() -> None:
    """Runs of one name are averaged as seeds: by a default name, two encoders would become one system."""
    with pytest.raises(SettingsError, match=r"search\.system: field required"):
        parse_settings(SearchSettings, {}, "search")


def test_a_report_does_without_mining_training_and_comparisons(tmp_path: Path) -> None:
    tiny = tiny_collection()
    run = LexicalRetriever().build(tiny.corpus).search(tiny.queries_of("test"), 10)
    scores = {"bm25": evaluate(run, tiny.split("test"), ["mrr@10"])}
    inputs = ReportInputs(tiny.corpus, tiny.queries, tiny.split("test"), scores)
    page = report(ReportSettings(), inputs, Context(tmp_path)).page
    assert page.content["metrics"] == {"bm25": {"mrr@10": 0.875}}
