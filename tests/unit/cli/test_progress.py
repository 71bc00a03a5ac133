from __future__ import annotations

import io

import pytest

from pyrite.cli.progress import PlainProgress, show_progress
from pyrite.pipeline.events import Event


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(done: int, total: int | None = 1000, step: str = "embed") -> Event:
    return Event("progress", step, "encode", done, total, "documents")


def test_plain_progress_is_one_line_now_and_then_with_rate_and_time_left() -> None:
    stream, clock = io.StringIO(), Clock()
    show = PlainProgress(stream, interval=10.0, clock=clock)
    show(Event("step-started", "embed", "key"))
    for second in range(26):
        clock.now = float(second)
        show(progress(second * 20))
    show(Event("shard-finished", "embed", "shard"))
    show(Event("published", "embed", "key", seconds=26.25))
    assert stream.getvalue().splitlines() == [
        "embed: started",
        "embed: encode: 200 of 1,000 documents (20%), 20.0/s, 40 s left",
        "embed: encode: 400 of 1,000 documents (40%), 20.0/s, 30 s left",
        "embed: done in 26.2 s",
    ]


def test_each_piece_of_work_has_its_own_rate_and_a_total_may_be_unknown() -> None:
    stream, clock = io.StringIO(), Clock()
    show = PlainProgress(stream, interval=10.0, clock=clock)
    show(progress(0))
    clock.now = 100.0
    show(progress(0, None, "train"))
    clock.now = 110.0
    show(progress(30, None, "train"))
    assert stream.getvalue() == "train: encode: 30 documents, 3.0/s\n"


def test_what_a_former_try_did_does_not_count_for_the_rate() -> None:
    stream, clock = io.StringIO(), Clock()
    show = PlainProgress(stream, interval=10.0, clock=clock)
    show(progress(800))
    clock.now = 10.0
    show(progress(900))
    assert stream.getvalue() == "embed: encode: 900 of 1,000 documents (90%), 10.0/s, 10 s left\n"


def test_a_terminal_gets_bars_on_standard_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with show_progress(quiet=False) as observe:
        for event in (
            Event("step-started", "embed"),
            progress(0),
            progress(500),
            Event("published", "embed", seconds=2.0),
        ):
            observe(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert "embed: done in 2.0 s" in err


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture) -> None:
    with show_progress(quiet=True) as observe:
        observe(Event("step-started", "embed"))
    assert capsys.readouterr() == ("", "")
