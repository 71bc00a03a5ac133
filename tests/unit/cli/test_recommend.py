"""`pyrite recommend`: from candidates to a step for a pipeline file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pyrite.cli import main
from pyrite.data.formats.beir import write_beir
from pyrite.mining import Selection
from pyrite.testing.models import write_static_model
from pyrite.testing.tiny import tiny_collection


def collected(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    capsys.readouterr()
    assert main([*arguments, "--json", "--quiet"]) == 0
    return {name: output["ref"] for name, output in json.loads(capsys.readouterr().out)["outputs"].items()}


def test_a_step_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYRITE_STORE", raising=False)
    tiny = tiny_collection()
    write_beir(tiny, Path("tiny"))
    write_static_model(Path("words"), [*tiny.corpus.texts(), *tiny.queries.texts()])
    data = collected(capsys, "load", "--set", "source={type: beir, folder: tiny}")
    texts = [part for name in ("corpus", "queries") for part in ("--input", f"{name}={data[name]}")]
    qrels = ["--input", f"qrels={data['train']}"]
    bm25 = collected(capsys, "index-bm25", *texts[:2])["index"]
    mined = collected(capsys, "mine", "--set", "depth=8", *texts[2:], *qrels, "--input", f"indices.bm25={bm25}")
    model = collected(capsys, "model", "--set", "encoder={type: sentence-transformers, model: words}")["model"]
    inputs = [*texts, *qrels, "--input", f"candidates={mined['candidates']}", "--input", f"model={model}"]
    call = ["recommend", *inputs, "--set", "counts=[2]", "--set", "filters=[[]]", "--set", "rounds=100", "--quiet"]
    assert main([*call, "--write", "gone/step.yaml"]) == 1
    assert "--write: no such folder: gone" in capsys.readouterr().err
    assert main([*call, "--write", "step.yaml"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Scored by encoder, on the ")
    assert "3 selections tried, 1 could not be" in out  # none has a rank of 10
    step = yaml.safe_load(Path("step.yaml").read_text())["recommended"]
    assert (step["stage"], set(step["inputs"])) == ("select", {"candidates", "corpus", "queries", "qrels"})
    assert Selection.model_validate(step["settings"]).sources == ("bm25",)
