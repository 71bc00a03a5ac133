"""`pyrite score`: anyone's training files, ranked from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrite.cli import main
from pyrite.testing.models import write_static_model

TEXTS = {
    "which stone is red": ("Ruby is a red gem.", "Garnet is a red stone.", "Halite is rock salt."),
    "what is salt as a mineral": ("Halite is rock salt.", "Sylvite is a salt too.", "Basalt is dark lava."),
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYRITE_STORE", raising=False)
    write_static_model(Path("words"), [text for query, texts in TEXTS.items() for text in (query, *texts)])
    for name, place in (("hard", 1), ("easy", 2)):
        rows = [{"query": query, "pos": [texts[0]], "neg": [texts[place]]} for query, texts in TEXTS.items()]
        Path(f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_files_are_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["score", "easy.jsonl", "mined=hard.jsonl", "--encoder", "words", "--set", "rank_by=hardness", "--quiet"]
    assert main([*call, "--report", "page.html"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Scored by words, on the 2 queries that all sets have.")
    assert [line.split()[1] for line in out.splitlines()[3:5]] == ["mined", "easy"]
    assert out.rstrip().endswith("report: page.html")
    assert "mined" in Path("page.html").read_text(encoding="utf-8")
    assert main([*call, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "cached"
    assert [row["set_name"] for row in answer["scores"]["ranking"]] == ["mined", "easy"]


def test_another_encoder_judges(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["score", "hard.jsonl", "--encoder", "words", "--judge", "words", "--json", "--quiet"]
    assert main(call) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert (scores["rank_by"], scores["scored_by"]["judge"]) == ("judged_hardness", "words")
    measures = scores["measures"]["hard"]
    assert measures["judge.false_negatives"] == measures["false_negatives"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.jsonl"], "'nothing.jsonl': no such file, and no reference such as latest:select.negatives"),
        (["=hard.jsonl"], "wants FILE, NAME=FILE or NAME=REF"),
        (["hard.jsonl", "hard=easy.jsonl"], "there is a set 'hard' already"),
        (["hard.jsonl"], "score wants either `index` or `model`"),
        (["hard.jsonl", "--encoder", "words", "--report", "gone/page.html"], "--report: no such folder: gone"),
        (["hard.jsonl", "--encoder", "words", "--set", "rank_by=luck"], "rank_by: 'luck' was not measured"),
    ],
)
def test_what_cannot_be_scored_is_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", *arguments, "--quiet"]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
