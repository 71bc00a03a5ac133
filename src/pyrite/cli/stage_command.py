"""One command for each stage: a pipeline of one step, through the same runner."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pyrite.cli.options import Inputs, Options, ResourceOptions, RunFiles, Sets
from pyrite.cli.recommend_command import recommend_command
from pyrite.cli.replies import Reply
from pyrite.cli.score_command import score_command
from pyrite.cli.stage_run import body_of, carry_out, inputs_of
from pyrite.errors import SettingsError
from pyrite.pipeline.overrides import assign
from pyrite.settings import Json

__all__ = ["stage_command"]

_NO_OPTIONS = Options()
_NO_RESOURCES = ResourceOptions()


def stage_command(kind: str) -> Callable[..., Reply]:
    """Return the command of a stage."""

    def command(
        *,
        input_: Inputs = (),
        set_: Sets = (),
        settings: Path | None = None,
        options: Options = _NO_OPTIONS,
        resources: ResourceOptions = _NO_RESOURCES,
    ) -> Reply:
        """Run one stage.

        Args:
            input_: NAME=REF: where an input comes from; NAME.KEY=REF for one of many.
            set_: NAME=VALUE: a setting, the value as in a pipeline file; NAME.0.INNER=VALUE inside lists.
            settings: A YAML file with settings; --set comes on top.
            options: Common options.
            resources: Resources.
        """
        body = body_of(kind, settings, set_, inputs_of(input_, options.open_runs()))
        return carry_out({kind: body}, kind, options, resources).reply(options.json)

    own: dict[str, Callable[..., Reply]] = {
        "mine": _mine_command,
        "recommend": recommend_command,
        "score": score_command,
    }
    return own.get(kind, command)


def _mine_command(
    *,
    input_: Inputs = (),
    run: RunFiles = (),
    set_: Sets = (),
    settings: Path | None = None,
    options: Options = _NO_OPTIONS,
    resources: ResourceOptions = _NO_RESOURCES,
) -> Reply:
    """Run one stage.

    Args:
        input_: NAME=REF: where an input comes from; NAME.KEY=REF for one of many.
        run: FILE or NAME=FILE: a run in TREC's format, as one more source; FILE goes by its own name.
        set_: NAME=VALUE: a setting, the value as in a pipeline file; NAME.0.INNER=VALUE inside lists.
        settings: A YAML file with settings; --set comes on top.
        options: Common options.
        resources: Resources.
    """
    inputs = inputs_of(input_, options.open_runs())
    steps: dict[str, Json] = {}
    named = inputs.get("runs")
    taken = set(named) if isinstance(named, dict) else set()
    for text in run:
        name, file = _named_file(text)
        if name in taken:
            raise SettingsError(f"--run {text!r}: there is a run {name!r} already; give it a name, NAME=FILE")
        taken.add(name)
        step = f"load-run-{len(steps) + 1}"
        steps[step] = body_of("load-run", None, (f"file={json.dumps(file)}",), {})
        assign(inputs, ["runs", name], f"{step}.run", f"--run {text}")
    return carry_out({**steps, "mine": body_of("mine", settings, set_, inputs)}, "mine", options, resources).reply(
        options.json
    )


def _named_file(text: str) -> tuple[str, str]:
    """Take NAME=FILE apart; a file alone goes by its name without endings."""
    name, equals, file = text.partition("=")
    if not equals:
        name, file = Path(text).name.split(".")[0], text
    if not name or not file:
        raise SettingsError(f"--run {text!r}: wants FILE or NAME=FILE, such as elastic=elastic.run")
    return name, file
