"""`pyrite recommend`: which negatives to train with, as a step for a pipeline."""

from __future__ import annotations

from pathlib import Path

from pyrite.cli.options import Inputs, Options, ResourceOptions, Sets
from pyrite.cli.page_files import check_page, write_page
from pyrite.cli.replies import Reply
from pyrite.cli.stage_run import FinishedStage, body_of, carry_out, inputs_of
from pyrite.data import SetRanking
from pyrite.report.score import ScoreReport, score_text
from pyrite.stages.artifacts import Recommendation

__all__ = ["recommend_command"]

_NO_OPTIONS = Options()
_NO_RESOURCES = ResourceOptions()


def recommend_command(
    *,
    input_: Inputs = (),
    set_: Sets = (),
    settings: Path | None = None,
    write: Path | None = None,
    options: Options = _NO_OPTIONS,
    resources: ResourceOptions = _NO_RESOURCES,
) -> Reply:
    """Recommend a selection.

    Args:
        input_: NAME=REF: where an input comes from; NAME.KEY=REF for one of many.
        set_: NAME=VALUE: a setting, the value as in a pipeline file; NAME.0.INNER=VALUE inside lists.
        settings: A YAML file with settings; --set comes on top.
        write: Where to write the step as YAML, for a pipeline file; replaced where it is there.
        options: Common options.
        resources: Resources.
    """
    check_page(write, "--write")
    body = body_of("recommend", settings, set_, inputs_of(input_, options.open_runs()))
    return _reply(carry_out({"recommend": body}, "recommend", options, resources), write, options)


def _reply(finished: FinishedStage, write: Path | None, options: Options) -> Reply:
    found = Recommendation.open(Path(finished.outputs["recommendation"]["folder"]))
    ranking = SetRanking.open(Path(finished.outputs["ranking"]["folder"]))
    parts = [score_text(ScoreReport("Recommendation", ranking, {})), found.yaml().rstrip()]
    left_out = sum(found.left_out.values())
    parts.append(f"{len(found.trials)} selections tried, {left_out} could not be. The step is that of the first.")
    if write is not None:
        write_page(write, found.yaml())
        parts.append(f"step: {write}")
    return Reply("\n\n".join(parts), {**finished.data(), "step": found.step}, options.json)
