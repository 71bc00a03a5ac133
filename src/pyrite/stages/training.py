"""What the stages that train an encoder share: the job, and what its card tells of the steps before."""

from __future__ import annotations

import yaml

from pyrite.models.folder import ModelFolder
from pyrite.models.protocols import Encoder
from pyrite.models.stored import open_encoder
from pyrite.pipeline.context import Context
from pyrite.pipeline.events import Event
from pyrite.train import TrainingJob

__all__ = ["open_guide", "origin", "training_job"]


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


def open_guide(guide: ModelFolder | None, context: Context) -> Encoder | None:
    """Return a guide ready to encode, or None where there is none."""
    if guide is None:
        return None
    resources = context.resources
    return open_encoder(guide, device=resources.device, batch_size=resources.encode_batch_size)


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
