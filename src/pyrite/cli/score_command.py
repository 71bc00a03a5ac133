"""`pyrite score`: sets of negatives, anyone's and our own, measured and ranked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from pyrite.cli.options import Inputs, Options, ResourceOptions, Sets
from pyrite.cli.page_files import check_page, write_page
from pyrite.cli.replies import Reply
from pyrite.cli.stage_run import FinishedStage, body_of, carry_out, inputs_of
from pyrite.data import SetRanking
from pyrite.data.formats.parts import Conflicts
from pyrite.errors import SettingsError
from pyrite.pipeline.overrides import assign, parse_assignment
from pyrite.report.score import ScorePage, ScoreReport, score_text
from pyrite.settings import Json

__all__ = ["ScoreOptions", "score_command"]

_NO_OPTIONS = Options()
_NO_RESOURCES = ResourceOptions()


@Parameter(name="*", group=Group("Who scores", sort_key=60))
@dataclass(frozen=True)
class ScoreOptions:
    """Who scores, how files are read, and where the page goes."""

    encoder: str | None = None
    """The encoder that scores, best the one to be trained: a folder, or a name on the hub. Or --input index=REF, the
    corpus as it was embedded."""

    judge: str | None = None
    """Who says which negatives are safe, best independent and stronger: a folder of an encoder or a cross-encoder, the
    name of an encoder on the hub, or the settings of a scorer, such as '{type: cross-encoder, model: NAME}'."""

    conflicts: Conflicts = "error"
    """What becomes of negatives in files that are positives of their query: a fault each, or left out and counted."""

    report: Path | None = None
    """Where to write the HTML page, with a plot of signal against safety; replaced where it is there."""


_WHO = ScoreOptions()


def score_command(
    *negatives: Annotated[str, Parameter(name="SETS")],
    who: ScoreOptions = _WHO,
    input_: Inputs = (),
    set_: Sets = (),
    settings: Path | None = None,
    options: Options = _NO_OPTIONS,
    resources: ResourceOptions = _NO_RESOURCES,
) -> Reply:
    """Rank sets of negatives.

    Args:
        negatives: FILE, NAME=FILE or NAME=REF, any number: a training file of any format, or what a run made.
        who: Who scores.
        input_: NAME=REF: where an input comes from; NAME.KEY=REF for one of many.
        set_: NAME=VALUE: a setting, the value as in a pipeline file; NAME.0.INNER=VALUE inside lists.
        settings: A YAML file with settings; --set comes on top.
        options: Common options.
        resources: Resources.
    """
    check_page(who.report)
    inputs = inputs_of(input_, options.open_runs())
    steps: dict[str, Json] = {}
    for text in negatives:
        _add_set(text, steps, inputs, who, options)
    named = _add_models(steps, inputs, who)
    body = body_of("score", settings, (*named, *set_), inputs)
    return _reply(carry_out({**steps, "score": body}, "score", options, resources), who, options)


def _add_set(text: str, steps: dict[str, Json], inputs: dict[str, Any], who: ScoreOptions, options: Options) -> None:
    name, equals, place = text.partition("=")
    if not equals:
        name, place = Path(text).name.split(".")[0], text
    if not name or not place:
        raise SettingsError(f"{text!r}: wants FILE, NAME=FILE or NAME=REF, such as mined=mined.jsonl")
    taken = inputs.get("sets", {})
    if name in taken:
        raise SettingsError(f"{text!r}: there is a set {name!r} already; give it another name, NAME=FILE")
    if Path(place).is_file():
        step = f"file-{len(steps) + 1}"
        texts = {given: inputs[given] for given in ("corpus", "queries", "qrels") if given in inputs}
        assignments = {"file": place, "conflicts": who.conflicts}
        steps[step] = {"stage": "load-training-set", "settings": assignments, "inputs": texts}
        for many, output in (("sets", "training_set"), ("corpora", "corpus"), ("more_queries", "queries")):
            assign(inputs, [many, name], f"{step}.{output}", text)
    elif ":" in place or "/" in place:
        located = str(options.open_runs().locate(place)) if ":" in place else place
        assign(inputs, ["sets", name], located, text)
    else:
        raise SettingsError(f"{text!r}: no such file, and no reference such as latest:select.negatives")


def _add_models(steps: dict[str, Json], inputs: dict[str, Any], who: ScoreOptions) -> tuple[str, ...]:
    """Add the steps that bring the encoder and the judge in; return what to call them, as settings."""
    named = []
    if who.encoder is not None:
        steps["encoder"] = _model(who.encoder)
        assign(inputs, ["model"], "encoder.model", "--encoder")
        named.append(f"encoder={Path(who.encoder).name}")
    if who.judge is not None:
        given = parse_assignment(f"judge={who.judge}")[1]
        scorer = _scorer(given)
        steps["judge"] = _model(who.judge) if scorer is None else {"stage": "scorer", "settings": {"scorer": scorer}}
        assign(inputs, ["judge"], "judge.model" if scorer is None else "judge.scorer", "--judge")
        called = given.get("model", given.get("type", "judge")) if isinstance(given, dict) else given
        named.append(f"judge={Path(str(called)).name}")
    return tuple(named)


def _model(name: str) -> Json:
    return {"stage": "model", "settings": {"encoder": {"type": "sentence-transformers", "model": name}}}


def _scorer(given: Json) -> Json:
    """Return the settings of a scorer of pairs; None where an encoder is named."""
    if isinstance(given, dict):
        return given
    from pyrite.models.folder import find_folder
    from pyrite.recipes.audit.judges import is_cross_encoder

    return {"type": "cross-encoder", "model": str(given)} if is_cross_encoder(find_folder(str(given))) else None


def _reply(finished: FinishedStage, who: ScoreOptions, options: Options) -> Reply:
    page = ScorePage.open(Path(finished.outputs["page"]["folder"]))
    ranking = SetRanking.open(Path(finished.outputs["ranking"]["folder"]))
    text = score_text(ScoreReport(page.content["title"], ranking, page.content["sets"]))
    place = Path(finished.outputs["page"]["folder"]) / ScorePage.files[0]
    if who.report is not None:
        write_page(who.report, page.html)
        place = who.report
    data = finished.data()
    return Reply(f"{text}\n\nreport: {place}", {**data, "scores": page.content}, options.json)
