"""The commands, and what the process answers when one fails."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group

from pyrite import __version__
from pyrite.cli.replies import Reply, say
from pyrite.errors import PyriteError, StageError
from pyrite.stages import CATALOG

__all__ = ["build_app", "main"]

# Set by torchrun, which `accelerate launch` calls.
_LAUNCHER = "TORCHELASTIC_RUN_ID"
_PIPELINES = {
    "run": "Run a pipeline file: what the store has is left alone.",
    "plan": "Show the steps of a pipeline file with their keys, and which would run.",
    "why": "Say why each step of a pipeline file would run, or need not.",
    "validate": "Check a pipeline file, and list every fault.",
    "demo": "Mine, train and measure on the standard library of this Python.",
}
_TRAINING_FILES = {
    "audit": "Look through anyone's mined set for what spoils training or measurements, and say what to do about it.",
    "convert": "Turn a training file into another toolkit's format, ids kept, and say what it cannot hold.",
}
_HOUSEKEEPING = {
    "verify": "Compare results in the store with their manifests.",
    "gc": "List what no run needs any more; delete it with --yes.",
    "stages": "List the stages that a pipeline file can use.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: The arguments; those of the process where not given.

    Returns:
        The exit code: 0 where all went well, 1 for an error that Pyrite describes, 2 for a command
        line that is none, 130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _quieten_libraries(given)
    try:
        if _follows():
            return 0
        code = _answer(given)
        _dismiss()
        return code
    except CycloptsError as error:
        return _fail(str(error), error, given, code=2)
    except PyriteError as error:
        if isinstance(error, StageError) and error.__cause__ and _is_fault(error.__cause__):
            _show_traceback(error.__cause__)
        return _fail(str(error), error, given, code=1)
    except KeyboardInterrupt as error:
        return _fail("interrupted; what was finished is kept", error, given, code=130)
    except Exception as error:
        if _is_fault(error):
            _show_traceback(error)
        return _fail(f"{type(error).__name__}: {error}", error, given, code=1)


def _follows() -> bool:
    """Where a launcher started this process as one behind a first, take part in the first one's trainings."""
    if _LAUNCHER not in os.environ:
        return False
    from pyrite.train.launched import follow, is_follower

    if is_follower():
        follow()
    return is_follower()


def _dismiss() -> None:
    """Let the processes go that follow this one. After a failure the launcher ends them."""
    if _LAUNCHER in os.environ:
        from pyrite.train.launched import dismiss

        dismiss()


def _quieten_libraries(arguments: Sequence[str]) -> None:
    """Keep the chatter of libraries from standard error, and their bars where nobody sees them move."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        # Some loggers are set to DEBUG by their own libraries; what counts for those is the handler.
        handler.setLevel(logging.WARNING)
    if "--quiet" in arguments or sys.stderr is None or not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _answer(arguments: Sequence[str]) -> int:
    reply = build_app(arguments)(arguments, exit_on_error=False, print_error=False)
    if not isinstance(reply, Reply):
        return 0
    if reply.write():
        return reply.code
    say(sys.stderr, "error: standard output cannot be written to; the command was carried out all the same\n")
    return 1


def build_app(arguments: Sequence[str]) -> App:
    """Make the command line's commands; the modules of the one that is called are loaded when it is called.

    Args:
        arguments: The arguments: a stage that they start with is loaded for its help.
    """
    app = App(
        name="pyrite",
        help="Mine hard negatives, train dense retrievers with them, and measure what they gained.",
        version=__version__,
        help_format="plaintext",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    _add(app, "pyrite.cli.pipelines", _PIPELINES, Group("Pipelines", sort_key=1))
    _add(app, "pyrite.cli.training_files", _TRAINING_FILES, Group("Training files", sort_key=2))
    _add(app, "pyrite.cli.housekeeping", _HOUSEKEEPING, Group("Housekeeping", sort_key=3))
    _add_stages(app, arguments)
    app["--help"].group = app["--version"].group = Group("Other", sort_key=5)
    return app


def _add(app: App, module: str, commands: dict[str, str], group: Group) -> None:
    for name, summary in commands.items():
        app.command(f"{module}:{name}", name=name, help=summary, group=group)


def _add_stages(app: App, arguments: Sequence[str]) -> None:
    group = Group("Single stages", sort_key=4)
    called = arguments[0] if arguments else None
    for kind in CATALOG:
        if kind != called:
            app.command("pyrite.cli.stage_command:stage_command", name=kind, help=CATALOG.summary(kind), group=group)
        else:
            from pyrite.cli.stage_command import stage_command
            from pyrite.cli.stage_help import stage_help

            app.command(stage_command(kind), name=kind, help=stage_help(CATALOG[kind]), group=group)


def _fail(message: str, error: BaseException, arguments: Sequence[str], code: int) -> int:
    """Say what went wrong, on standard error, and on standard output as well where JSON is wanted."""
    say(sys.stderr, f"error: {message}\n")
    if "--json" in arguments:
        text = json.dumps({"error": {"type": type(error).__name__, "message": message}}, indent=2)
        say(sys.stdout, f"{text}\n")
    return code


def _is_fault(error: BaseException) -> bool:
    """Say whether an error is a fault in the code: neither told on purpose nor the system's, such as a full disk."""
    refused = isinstance(error, OSError | MemoryError) and not isinstance(error, FileNotFoundError)
    return not refused and not isinstance(error, PyriteError)


def _show_traceback(error: BaseException) -> None:
    say(sys.stderr, "".join(traceback.format_exception(error)))
    say(sys.stderr, "This is a fault in Pyrite or in a plug-in: please report it with the text above.\n")
