"""Write docs/cli/: what `pyrite COMMAND --help` says, so that the pages cannot differ from it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pyrite.cli.app import build_app
from pyrite.stages import CATALOG

__all__ = ["main", "pages"]

FOLDER = Path(__file__).resolve().parent / "cli"
COMMANDS = ("run", "plan", "why", "validate", "demo", "verify", "gc", "stages")
TRAINING_FILES = ("audit", "convert")
SHARED = ("Common options:", "Resources (they change no result):")
WIDTH = 160

INDEX = """\
# Command line

The pages of this section are generated from the command itself by `make docs`. The commands on
[pipelines and the store](commands.md) work on a file or a store, those on [training files](training-files.md) on
anyone's; each [stage](stages.md) is a command too, a pipeline of one step through the same runner.

Results go to standard output, progress and errors to standard error. With `--json` the result is JSON and nothing else
is written there. Exit codes: 0 all went well, 1 an error that the message describes, 2 a command line that is none, 130
after Ctrl-C.

{help}
## Shared options

Commands that run something take all of these, the others those of the first group; those on training files take
`--json` and `--quiet`.

{shared}"""


def help_of(command: Sequence[str]) -> list[str]:
    """Return the help of a command, paragraph by paragraph."""
    app = build_app(command)
    for shown in (app, *(app[name] for name in command)):
        shown.help_formatter = "plain"
    text = io.StringIO()
    app.help_print(command, console=Console(file=text, width=WIDTH, color_system=None, force_terminal=False))
    lines = [line.rstrip() for line in text.getvalue().strip().splitlines()]
    return "\n".join(lines).split("\n\n")


def pages() -> dict[str, str]:
    """Return {file name: content} of the generated pages."""
    run = help_of(["run"])
    shared = [paragraph for paragraph in run if paragraph.startswith(SHARED)]
    return {
        "index.md": INDEX.format(help=_block(help_of([])), shared=_block(shared)),
        "commands.md": "# Pipelines and the store\n\n" + _sections(COMMANDS),
        "training-files.md": "# Training files\n\n" + _sections(TRAINING_FILES),
        "stages.md": "# Stages\n\nThe settings are those of a step in a pipeline file.\n\n" + _sections(tuple(CATALOG)),
    }


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in pages().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


def _sections(commands: Sequence[str]) -> str:
    note = "Besides: the [shared options](index.md#shared-options).\n"
    parts = []
    for command in commands:
        own = [paragraph for paragraph in help_of([command]) if not paragraph.startswith(SHARED)]
        parts.append(f"## pyrite {command}\n\n{_block(own)}\n{note}")
    return "\n".join(parts)


def _block(paragraphs: Sequence[str]) -> str:
    return "```text\n" + "\n\n".join(paragraphs) + "\n```\n"


if __name__ == "__main__":
    main()
