"""Names of artifacts: an output of a step of the same file, or an output that the store holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyrite.errors import PlanError

__all__ = ["Reference", "StepOutput", "StoredOutput", "parse_reference"]

_STEP_OUTPUT = re.compile(r"(?P<step>[^/:\s]+)\.(?P<output>\w+)")
_STORED_OUTPUT = re.compile(r"(?P<kind>[a-z0-9-]+)/(?P<key>[0-9a-f]+)\.(?P<output>\w+)")


@dataclass(frozen=True, slots=True)
class StepOutput:
    """An output of a step, or of several where `step` holds a wildcard: "mine-bm25.candidates"."""

    step: str
    output: str

    def __str__(self) -> str:
        return f"{self.step}.{self.output}"

    @property
    def is_pattern(self) -> bool:
        """Whether it names steps by wildcards."""
        return any(character in self.step for character in "*?[")


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """An output in the store: "mine/3f9a.candidates"; the key may be a prefix until it is resolved."""

    kind: str
    key: str
    output: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}.{self.output}"


Reference = StepOutput | StoredOutput


def parse_reference(text: str) -> Reference:
    """Read "STEP.OUTPUT" or "KIND/KEY.OUTPUT".

    Raises:
        PlanError: It is neither.

    Example:
        >>> parse_reference("data.corpus")
        StepOutput(step='data', output='corpus')
        >>> parse_reference("mine/3f9a.candidates")
        StoredOutput(kind='mine', key='3f9a', output='candidates')
    """
    if match := _STORED_OUTPUT.fullmatch(text):
        return StoredOutput(**match.groupdict())
    if match := _STEP_OUTPUT.fullmatch(text):
        return StepOutput(**match.groupdict())
    raise PlanError(f"{text!r} names no output; wants STEP.OUTPUT, or KIND/KEY.OUTPUT for one in the store")
