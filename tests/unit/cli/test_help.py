from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from pyrite.stages import CATALOG

HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "bm25s", "ir_measures", "matplotlib", "pyarrow"}
SCRIPT = "import sys, json; from pyrite.cli import main; code = main(sys.argv[1:]); sys.stderr.write(json.dumps(sorted(sys.modules))); sys.exit(code)"  # noqa: E501


def in_a_process(*arguments: str) -> tuple[subprocess.CompletedProcess[str], set[str], float]:
    """Run a command line in a fresh interpreter; return also the modules that it loaded and its seconds."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False)
    return done, {name.split(".")[0] for name in json.loads(done.stderr)}, time.monotonic() - started


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    done, modules, seconds = in_a_process("--help")
    assert done.returncode == 0
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("│ ")}
    commands = {"run", "plan", "why", "validate", "verify", "gc", "demo", "stages", "audit", "convert"}
    assert commands | set(CATALOG) <= listed
    assert modules & HEAVY == set()
    assert seconds < 3.0


def test_without_arguments_it_shows_the_help() -> None:
    done, modules, _ = in_a_process()
    assert done.returncode == 0
    assert "Pipelines" in done.stdout
    assert modules & HEAVY == set()


def test_listing_stages_loads_no_stage() -> None:
    done, modules, _ = in_a_process("stages", "--json")
    assert list(json.loads(done.stdout)) == list(CATALOG)
    assert modules & HEAVY == set()


def test_a_reader_that_leaves_early_is_no_error() -> None:
    script = "import sys; from pyrite.cli import main; sys.exit(main(['stages']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_help_of_a_stage_shows_inputs_outputs_and_settings(pyrite: Callable) -> None:
    shown = pyrite("change", "--help").out
    for text in (
        "Change each number, a checkpoint after each rule.",
        "  numbers: numbers\n",
        "  rules: list of (type=plus | type=times), default",
        "      Applied one after the other.\n",
        "      type=times: Multiplies by a number.\n        by: integer, default 2\n            What to multiply by.\n",
        "  fail: boolean, default false\n      Whether to fail on purpose.\n",
        "KIND/KEY.OUTPUT",
        "--settings",
        "--shard-size",
    ):
        assert text in shown
    assert "  last: integer (>= 1), default 6\n      The last number.\n" in pyrite("count", "--help").out
    assert "  parts: numbers | total (many)\n  base: total (optional)\n" in pyrite("total", "--help").out
    assert "Settings (--set NAME=VALUE)\n  none\n" in pyrite("total", "--help").out


def test_version(pyrite: Callable) -> None:
    from pyrite import __version__

    assert pyrite("--version").out.strip() == __version__
