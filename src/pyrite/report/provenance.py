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
    settings: str = ""
    outputs: str = ""
    environment: str = ""


def anchors(manifests: Mapping[str, Mapping[str, Json]], made_by: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return {name: id on the page} of every manifest, and of every system or method that links to some.

    What one manifest is behind leads to it; what several are behind leads to a list of them.
    """
    ids = {name: f"manifest-{place}" for place, name in enumerate(manifests)}
    for place, (name, behind) in enumerate(made_by.items()):
        if behind:
            ids[name] = ids[behind[0]] if len(behind) == 1 else f"manifests-{place}"
    return ids


def manifest_views(
    manifests: Mapping[str, Mapping[str, Json]], made_by: Mapping[str, Sequence[str]]
) -> list[ManifestView]:
    """Return the manifests in order, behind the lists of those that one number was averaged from.

    A manifest that lacks a key is shown without it.
    """
    own = anchors(manifests, {})
    makers = {str(manifest["key"]): own[name] for name, manifest in manifests.items() if "key" in manifest}
    ids = anchors(manifests, made_by)
    lists = [
        ManifestView(
            f"{name}: {len(behind)} results", ids[name], [], "", [Input("mean of", of, own[of]) for of in behind]
        )
        for name, behind in made_by.items()
        if len(behind) > 1
    ]
    return [*lists, *(_view(name, own[name], manifest, makers) for name, manifest in manifests.items())]


def _view(name: str, anchor: str, manifest: Mapping[str, Json], makers: Mapping[str, str]) -> ManifestView:
    inputs = [Input(label, of, makers.get(_key(of))) for label, of in _flat(manifest.get("inputs", {}))]
    return ManifestView(
        name,
        anchor,
        list(_facts(manifest)),
        f"{manifest['seconds']:.1f}" if "seconds" in manifest else "",
        inputs,
        *(_json(manifest.get(part)) for part in ("settings", "outputs", "environment")),
    )


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
