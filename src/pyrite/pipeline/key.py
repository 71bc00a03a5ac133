"""The key of a step: a hash of everything that its result depends on."""

from __future__ import annotations

from collections.abc import Mapping

from pyrite.errors import PlanError
from pyrite.pipeline.references import StoredOutput, parse_reference
from pyrite.settings import Json, canonical_hash

__all__ = ["InputSources", "flat_sources", "format_sources", "parse_sources", "step_key"]

InputSources = Mapping[str, StoredOutput | Mapping[str, StoredOutput]]
"""Where each input of a step comes from; a mapping for an input that takes many."""


def step_key(kind: str, version: int, identity: Json, inputs: InputSources) -> str:
    """Return the key of a step: SHA-256, in hexadecimal.

    Args:
        kind: The stage's kind.
        version: The stage's version.
        identity: What the settings mean, from `settings.identity()`.
        inputs: Where each input comes from, keys in full. An optional input that is not given is
            left out.

    Example:
        >>> step_key("sum", 1, {"by": 2}, {}) == step_key("sum", 1, {"by": 3}, {})
        False
    """
    return canonical_hash({"kind": kind, "version": version, "settings": identity, "inputs": _input_keys(inputs)})


def format_sources(inputs: InputSources) -> dict[str, str | dict[str, str]]:
    """Return where inputs come from, as manifests write it: "KIND/KEY.OUTPUT".

    Example:
        >>> format_sources({"corpus": StoredOutput("load", "3f9a", "corpus")})
        {'corpus': 'load/3f9a.corpus'}
    """
    return {
        name: str(source) if isinstance(source, StoredOutput) else {key: str(one) for key, one in source.items()}
        for name, source in inputs.items()
    }


def parse_sources(inputs: Mapping[str, str | Mapping[str, str]]) -> InputSources:
    """Read what `format_sources` wrote.

    Raises:
        PlanError: A text names no output of a store.
    """
    return {
        name: _parse(source) if isinstance(source, str) else {key: _parse(one) for key, one in source.items()}
        for name, source in inputs.items()
    }


def flat_sources(inputs: InputSources) -> dict[str, StoredOutput]:
    """Return each single source by name, "INPUT.NAME" for one of many.

    Example:
        >>> list(flat_sources({"parts": {"a": StoredOutput("load", "3f9a", "corpus")}}))
        ['parts.a']
    """
    flat: dict[str, StoredOutput] = {}
    for name, source in inputs.items():
        if isinstance(source, StoredOutput):
            flat[name] = source
        else:
            flat |= {f"{name}.{key}": one for key, one in source.items()}
    return flat


def _parse(text: str) -> StoredOutput:
    source = parse_reference(text)
    if not isinstance(source, StoredOutput):
        raise PlanError(f"{text!r} is no output of a store; wants KIND/KEY.OUTPUT")
    return source


def _input_keys(inputs: InputSources) -> dict[str, Json]:
    return {
        name: _input_key(source)
        if isinstance(source, StoredOutput)
        else {many: _input_key(one) for many, one in source.items()}
        for name, source in inputs.items()
    }


def _input_key(source: StoredOutput) -> str:
    return f"{source.key}.{source.output}"
