"""The manifests behind the numbers, made readable and linked to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyrite.settings import Json

__all__ = ["Input", "ManifestView", "anchors", "manifest_views"]


@dataclass(frozen=True, slots=True)
class Input:
    """What a step was given; `anchor` leads to the manifest of the step that made it, where it is on the page."""

    name: str
    reference: str
    anchor: str | None


@dataclass(frozen=True, slots=True)
class ManifestView:
    """One manifest.

    Attributes:
        name: What it is the manifest of.
        anchor: Its id on the page.
        facts: (label, value): step, stage, key.
        seconds: How long the step took, or "".
        inputs: What it was given.
        settings: As JSON, or "".
        outputs: As JSON, or "".
        environment: As JSON, or "".
    """

    name: str
    anchor: str
    facts: Sequence[tuple[str, str]]
    seconds: str
    inputs: Sequence[Input]
    settings: str
    outputs: str
    environment: str


def anchors(manifests: Mapping[str, Mapping[str, Json]]) -> dict[str, str]:
    """Return {name: id on the page}."""
    return {name: f"manifest-{place}" for place, name in enumerate(manifests)}


def manifest_views(manifests: Mapping[str, Mapping[str, Json]]) -> list[ManifestView]:
    """Return the manifests in order; one that lacks a key is shown without it."""
    ids = anchors(manifests)
    makers = {str(manifest["key"]): ids[name] for name, manifest in manifests.items() if "key" in manifest}
    return [
        ManifestView(
            name,
            ids[name],
            list(_facts(manifest)),
            f"{manifest['seconds']:.1f}" if "seconds" in manifest else "",
            [
                Input(label, reference, makers.get(_key(reference)))
                for label, reference in _flat(manifest.get("inputs", {}))
            ],
            *(_json(manifest.get(part)) for part in ("settings", "outputs", "environment")),
        )
        for name, manifest in manifests.items()
    ]


def _facts(manifest: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    if "step" in manifest:
        yield "Step", str(manifest["step"])
    if "kind" in manifest:
        version = f", version {manifest['version']}" if "version" in manifest else ""
        yield "Stage", f"{manifest['kind']}{version}"
    if "key" in manifest:
        yield "Key", str(manifest["key"])


def _flat(inputs: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name, reference) of inputs, those that are named many in one ("scores.bm25") included."""
    if isinstance(inputs, Mapping):
        for name, value in inputs.items():
            yield from _flat(value, f"{prefix}.{name}" if prefix else str(name))
    elif inputs is not None:
        yield prefix, str(inputs)


def _key(reference: str) -> str:
    """Return the key in "KIND/KEY.OUTPUT"."""
    return reference.rpartition(".")[0].rpartition("/")[2]


def _json(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str) if value else ""
