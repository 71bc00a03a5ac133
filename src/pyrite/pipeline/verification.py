"""Whether the store still holds what was put into it."""

from __future__ import annotations

from collections.abc import Mapping

from pyrite.errors import PyriteError
from pyrite.pipeline.artifact import Artifact
from pyrite.pipeline.key import parse_sources, step_key
from pyrite.pipeline.manifest import Manifest
from pyrite.pipeline.stage import Stage
from pyrite.pipeline.store import Entry

__all__ = ["verify_entry"]


def verify_entry(entry: Entry, catalog: Mapping[str, Stage]) -> list[str]:
    """Read everything of a step again and compare it with its manifest.

    Args:
        entry: The step.
        catalog: The stages, for the classes of the outputs.

    Returns:
        One sentence for each thing that is damaged or missing; nothing where all is sound.
    """
    try:
        manifest = entry.manifest
        faults = _verify_key(entry, manifest)
        types = catalog[entry.kind].outputs
    except PyriteError as error:
        return [str(error)]
    faults += [f"the manifest does not name the output {name!r}" for name in types if name not in manifest.outputs]
    for name in manifest.outputs:
        if name not in types:
            faults.append(f"the output {name!r} is unknown to this version of the stage {entry.kind!r}")
        else:
            faults += _verify_output(entry, name, types[name])
    return faults


def _verify_key(entry: Entry, manifest: Manifest) -> list[str]:
    try:
        sources = parse_sources(manifest.inputs)
    except PyriteError as error:
        return [f"the manifest names an input that cannot be: {error}"]
    key = step_key(manifest.kind, manifest.version, manifest.identity, sources)
    if (entry.kind, entry.key) == (manifest.kind, manifest.key) and key == entry.key:
        return []
    return ["the manifest does not belong to this key: its kind, version, settings or inputs were changed"]


def _verify_output(entry: Entry, name: str, artifact: type[Artifact]) -> list[str]:
    record = entry.manifest.outputs[name]
    try:
        found = artifact.open(entry.output(name)).fingerprint()
    except Exception as error:  # a damaged file may fail in any way, in any library
        return [f"the output {name!r} cannot be opened ({type(error).__name__}: {error})"]
    if found != record.fingerprint:
        return [f"the output {name!r} has changed (fingerprint {found[:12]}, was {record.fingerprint[:12]})"]
    return []
