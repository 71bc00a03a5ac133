"""Links between steps: whose output each input takes, and whether it is of a kind that fits."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from pyrite.errors import PlanError
from pyrite.pipeline.document import Faults
from pyrite.pipeline.expansion import RawStep
from pyrite.pipeline.references import Reference, StepOutput, parse_reference
from pyrite.pipeline.stage import InputSpec, Stage
from pyrite.pipeline.text import did_you_mean, listing

__all__ = ["Linker"]

_Place = tuple[str, str]
"""A dotted path as messages show it, and as it stands in the file."""


class Linker:
    """Resolves references among the steps of one pipeline.

    Args:
        stages: The stage of each step by id; None for a step whose stage is unknown.
        faults: Where to note what is wrong.
    """

    def __init__(self, stages: Mapping[str, Stage | None], faults: Faults) -> None:
        self._stages = stages
        self._faults = faults

    def inputs(self, step: RawStep) -> dict[str, Reference | Mapping[str, Reference]]:
        """Return where each input of a step comes from, leaving out those with a fault."""
        stage = self._stages[step.id]
        given = step.body.get("inputs") or {}
        path, at = f"{step.path}.inputs", f"{step.place}.inputs"
        if not isinstance(given, dict):
            self._faults.add(path, f"wants a mapping from input names to outputs (given: {given!r})", at)
            return {}
        if stage is None:
            return {}
        for name in (name for name in given if name not in stage.inputs):
            self._faults.add(f"{path}.{name}", f"unknown input{did_you_mean(str(name), stage.inputs)}", f"{at}.{name}")
        linked: dict[str, Reference | Mapping[str, Reference]] = {}
        for name, spec in stage.inputs.items():
            place = f"{path}.{name}", f"{at}.{name}"
            if not given.get(name):
                self._missing(name, spec, (path, at))
            elif spec.many:
                linked[name] = self._many(given[name], spec, step.id, place)
            elif found := self._one(given[name], spec, place):
                linked[name] = found
        return linked

    def outputs(self, given: Any, path: str) -> tuple[StepOutput, ...]:
        """Return the outputs that a list of references names, wildcards allowed."""
        if not isinstance(given, list):
            self._faults.add(path, f"wants a list of outputs, such as [report.page] (given: {given!r})")
            return ()
        found: list[StepOutput] = []
        for index, text in enumerate(given):
            place = f"{path}.{index}", f"{path}.{index}"
            reference = self._parse(text, place)
            if isinstance(reference, StepOutput):
                found += self._matches(reference, None, place) if reference.is_pattern else [reference]
                self._check(reference, None, place)
            elif reference is not None:
                self._faults.add(place[0], f"{reference} lies in the store already; wants STEP.OUTPUT")
        return tuple(dict.fromkeys(found))

    def _missing(self, name: str, spec: InputSpec, place: _Place) -> None:
        if not spec.optional:
            self._faults.add(place[0], f"the input {name!r} is missing; wants an output of the kind {spec}", place[1])

    def _one(self, text: Any, spec: InputSpec, place: _Place) -> Reference | None:
        reference = self._parse(text, place)
        if isinstance(reference, StepOutput):
            if reference.is_pattern:
                self._faults.add(place[0], f"{text!r} may name several outputs, and this input takes one", place[1])
                return None
            if not self._check(reference, spec, place):
                return None
        return reference

    def _many(self, given: Any, spec: InputSpec, own_id: str, place: _Place) -> dict[str, Reference]:
        if isinstance(given, dict):
            named = {
                str(name): self._one(text, spec, (f"{place[0]}.{name}", f"{place[1]}.{name}"))
                for name, text in given.items()
            }
            return {name: reference for name, reference in named.items() if reference is not None}
        texts = given if isinstance(given, list) else [given]
        found: dict[str, Reference] = {}
        for index, text in enumerate(texts):
            inner = (f"{place[0]}.{index}", f"{place[1]}.{index}") if isinstance(given, list) else place
            for reference in self._expand(text, spec, own_id, inner):
                if found.setdefault(reference.step, reference) != reference:
                    what = f"takes two outputs of {reference.step!r}; give a mapping from names to outputs"
                    self._faults.add(inner[0], what, inner[1])
        return found

    def _expand(self, text: Any, spec: InputSpec, own_id: str, place: _Place) -> list[StepOutput]:
        reference = self._parse(text, place)
        if reference is None:
            return []
        if not isinstance(reference, StepOutput):
            what = f"{reference} has no step id to be named by; give a mapping from names to outputs"
            self._faults.add(place[0], what, place[1])
            return []
        found = self._matches(reference, own_id, place) if reference.is_pattern else [reference]
        return [one for one in found if self._check(one, spec, place)]

    def _matches(self, pattern: StepOutput, own_id: str | None, place: _Place) -> list[StepOutput]:
        found = [
            StepOutput(step_id, pattern.output)
            for step_id, stage in self._stages.items()
            if step_id != own_id
            and fnmatchcase(step_id, pattern.step)
            and (stage is None or pattern.output in stage.outputs)
        ]
        if not found:
            self._faults.add(place[0], f"'{pattern}' fits no output; steps: {listing(self._stages)}", place[1])
        return found

    def _check(self, reference: StepOutput, spec: InputSpec | None, place: _Place) -> bool:
        """Check that an output exists and, where `spec` says which, is of a kind that fits."""
        if reference.is_pattern:
            return True
        if reference.step not in self._stages:
            what = f"unknown step {reference.step!r}{did_you_mean(reference.step, self._stages)}"
        elif (stage := self._stages[reference.step]) is None:
            return True
        elif reference.output not in stage.outputs:
            what = (
                f"step {reference.step!r} (stage {stage.kind!r}) has no output {reference.output!r}"
                f"{did_you_mean(reference.output, stage.outputs)}"
            )
        elif spec and stage.outputs[reference.output].kind not in spec.kinds:
            kind = stage.outputs[reference.output].kind
            what = f"'{reference}' is of the kind {kind!r}; wants: {' | '.join(spec.kinds)}"
        else:
            return True
        self._faults.add(place[0], what, place[1])
        return False

    def _parse(self, text: Any, place: _Place) -> Reference | None:
        try:
            return parse_reference(str(text))
        except PlanError as error:
            self._faults.add(place[0], str(error), place[1])
            return None
