"""`pyrite mine --run`: rankings that other systems made, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrite.cli import main
from pyrite.data.formats.beir import write_beir
from pyrite.testing.tiny import tiny_collection

INPUTS = [part for name in ("corpus", "queries") for part in ("--input", f"{name}=latest:load.{name}")]


@pytest.fixture(autouse=True)
def _loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Load the tiny collection in a working folder of the test's own, beside a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYRITE_STORE", raising=False)
    write_beir(tiny_collection(), Path("tiny"))
    Path("elastic.run").write_text("q01 Q0 gold 1 3.5 x\nq01 Q0 talc 2 2.5 x\n")
    assert main(["load", "--set", "source={type: beir, folder: tiny}", "--quiet"]) == 0
    capsys.readouterr()


def mine(run: str) -> int:
    return main(["mine", "--run", run, *INPUTS, "--input", "qrels=latest:load.train", "--json", "--quiet"])


@pytest.mark.parametrize(("run", "name"), [("elastic.run", "elastic"), ("vespa=elastic.run", "vespa")])
def test_a_run_is_a_source(run: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = mine(run)
    out = capsys.readouterr()
    assert code == 0, out.err
    assert list(json.loads(out.out)["outputs"]["candidates"]["summary"]["scorers"]) == [name]


@pytest.mark.parametrize(
    ("run", "content", "said"),
    [
        ("nowhere.run", None, "nowhere.run"),
        ("=elastic.run", None, "wants FILE or NAME=FILE"),
        ("bad.run", "q01 Q0 unheard 1 3.5 x\n", "document 'unheard'"),
        ("bad.run", "q01 Q0 gold 1 3.5 x\nq01 gold\n", "bad.run:2"),
    ],
)
def test_a_bad_run_is_told(run: str, content: str | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        Path("bad.run").write_text(content)
    assert mine(run) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
