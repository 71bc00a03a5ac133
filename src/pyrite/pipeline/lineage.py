"""What a result was made from, back to the first step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyrite.pipeline.key import InputSources, flat_sources
from pyrite.pipeline.references import StoredOutput
from pyrite.pipeline.store import Store
from pyrite.settings import Json

__all__ = ["lineage"]


def lineage(store: Store, sources: InputSources, ids: Mapping[str, str]) -> dict[str, Json]:
    """Return the manifests of all that inputs were made from, each after those that it was made from itself.

    Args:
        store: The store, which holds the inputs.
        sources: Where the inputs lie.
        ids: The ids of steps by key: what to call a step. One that is not among them has the id of its manifest.

    Returns:
        The manifests as JSON, by step id; two steps of one id are told apart by the beginnings of their keys.

    Raises:
        StoreError: A manifest is damaged.
    """
    found: dict[str, Json] = {}
    _follow(store, flat_sources(sources).values(), set(), found)
    named: dict[str, Json] = {}
    for key, manifest in found.items():
        name = ids.get(key, manifest["step"])
        named[f"{name} ({key[:8]})" if name in named else name] = manifest
    return named


def _follow(store: Store, sources: Iterable[StoredOutput], seen: set[str], found: dict[str, Json]) -> None:
    for source in sources:
        entry = store.find(source.kind, source.key)
        if entry is not None and source.key not in seen:
            seen.add(source.key)
            _follow(store, entry.manifest.sources().values(), seen, found)
            found[source.key] = entry.manifest.as_json()
