"""Whatever becomes of standard output and standard error, the work is done and the exit code tells the truth."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyrite.cli.progress import PlainProgress, show_progress
from pyrite.cli.replies import say
from pyrite.pipeline.events import Event

PYRITE = [sys.executable, "-c", "import sys; from pyrite.cli import main; sys.exit(main())"]
FULL = Path("/dev/full")


def pyrite(arguments: str, redirected: str = "") -> subprocess.CompletedProcess[str]:
    shell = ["sh", "-c", f'"$@" {redirected}', "sh", *PYRITE, *arguments.split()]
    return subprocess.run(shell, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "redirected", "code"),
    [
        ("stages", ">&-", 0),
        ("run nowhere.yaml --json", ">&-", 1),
        ("run nowhere.yaml --json", "2>&-", 1),
        ("run nowhere.yaml --json", ">/dev/full", 1),
        ("stages --json", ">/dev/full", 1),
        ("run nowhere.yaml", "2>/dev/full", 1),
    ],
)
def test_closed_and_full_streams(arguments: str, redirected: str, code: int) -> None:
    if "full" in redirected and not FULL.exists():
        pytest.skip("needs /dev/full")
    answer = pyrite(arguments, redirected)
    assert answer.returncode == code
    assert "Traceback" not in answer.stderr


def test_a_lost_answer_is_told() -> None:
    if not FULL.exists():
        pytest.skip("needs /dev/full")
    assert "standard output cannot be written to" in pyrite("stages", ">/dev/full").stderr


class Gone(io.StringIO):
    """A stream that refuses everything."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self._error = OSError(code, "refused")

    def write(self, text: str) -> int:
        raise self._error

    def fileno(self) -> int:
        return self.spare

    spare = -1


def test_a_reader_who_goes_away_ends_no_run(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as file:
        stream = Gone(errno.EPIPE)
        stream.spare = file.fileno()
        show = PlainProgress(stream)
        show(Event("step-started", "embed", "key"))
        show(Event("published", "embed", "key"))


def test_what_say_returns(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as file:
        for code, well in ((errno.EPIPE, True), (errno.ENOSPC, False)):
            stream = Gone(code)
            stream.spare = file.fileno()
            assert say(stream, "text") is well
    assert say(None, "text")


def test_letters_that_a_stream_lacks_are_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert say(stream, "für")
    assert stream.buffer.getvalue() == b"f\\xfcr"  # type: ignore[attr-defined]


def test_json_is_json_in_any_encoding() -> None:
    answer = subprocess.run(
        [*PYRITE, "run", "für.yaml", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert json.loads(answer.stdout)["error"]["message"] == "für.yaml: no such file"


def test_no_progress_where_there_is_no_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with show_progress(quiet=False) as observe:
        observe(Event("step-started", "embed", "key"))
