"""What the stages that train an encoder share: the job, and what its card tells of the steps before."""

from __future__ import annotations

import yaml

from pyrite.pipeline.context import Context
from pyrite.pipeline.events import Event
from pyrite.train import TrainingJob

__all__ = ["origin", "training_job"]


def training_job(context: Context) -> TrainingJob:
    """Return the job of a stage that trains in its working folder and tells of each step."""
    resources = context.resources
    return TrainingJob(
        context.workdir,
        device=resources.device,
        mini_batch_tokens=resources.mini_batch_tokens,
        trackers=_names(resources.trackers),
        trackers_folder=context.curves,
        # From the first step of all, also where a former, killed try did it.
        on_step=lambda done, total: context.observe(Event("progress", context.step, "train", done, total, "steps")),
        on_checkpoint=context.checkpoint,
    )


def origin(context: Context) -> str:
    """Return the steps behind the model, as a section of its card."""
    manifests = context.manifests()
    if not manifests:
        return "Outside a pipeline: nothing is known of it."
    steps = {
        name: {"stage": manifest["kind"], "key": manifest["key"][:12], "settings": manifest["settings"]}
        for name, manifest in manifests.items()
    }
    return f"```yaml\n{yaml.safe_dump(steps, sort_keys=False).strip()}\n```"


def _names(trackers: str) -> list[str]:
    """Take a resource's list of trackers apart."""
    names = [name.strip() for name in trackers.split(",")]
    return [] if names == ["none"] else names
