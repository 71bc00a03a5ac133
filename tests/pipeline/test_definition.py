from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import number_stages as ns
import pytest
from workbench import Bench

from pyrite.errors import PlanError
from pyrite.pipeline.plan import build_plan
from pyrite.pipeline.references import StepOutput

Faults = Callable[[str], list[str]]
DATA = "name: n\nsteps:\n  data: {stage: count}\n"


def test_the_matrix_is_expanded_and_keeps_types(bench: Bench) -> None:
    pipeline = bench.pipeline()
    assert list(pipeline.steps) == ["data", "change-1", "change-2", "sum", "page"]
    assert pipeline.steps["change-2"].settings == ns.ChangeSettings(rules=[ns.Plus(by=2), ns.Times()])
    assert pipeline.resources.shard_size == 2
    assert pipeline.publish == (StepOutput("page", "page"),)


def test_wildcards_name_inputs_by_step_and_mappings_by_their_own_names(bench: Bench) -> None:
    steps = bench.pipeline().steps
    assert steps["sum"].inputs["parts"] == {
        "change-1": StepOutput("change-1", "numbers"),
        "change-2": StepOutput("change-2", "numbers"),
    }
    assert steps["page"].inputs["parts"] == {
        "all": StepOutput("sum", "total"),
        "first": StepOutput("change-1", "numbers"),
    }


def test_a_matrix_is_a_product_and_other_braces_stay(bench: Bench) -> None:
    pipeline = bench.pipeline(
        'name: n\nsteps:\n  "c-{a}-{b}":\n    matrix: {a: [x, y], b: [1, 2]}\n    stage: count\n'
        '    settings: {source: "{a}{b} {other}", last: "{b}"}\n'
    )
    assert list(pipeline.steps) == ["c-x-1", "c-x-2", "c-y-1", "c-y-2"]
    assert pipeline.steps["c-y-2"].settings == ns.CountSettings(source="y2 {other}", last=2)


def test_steps_may_stand_in_any_order(bench: Bench) -> None:
    pipeline = bench.pipeline(
        "name: n\nsteps:\n  b: {stage: change, inputs: {numbers: a.numbers}}\n  a: {stage: count}\n"
    )
    assert list(pipeline.steps) == ["a", "b"]


def test_environment_variables_are_filled_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "given")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NO_WORD", raising=False)
    source = "${WORD}${EMPTY}/${NO_WORD:-..}/${EMPTY:-x}/$${WORD}"
    text = f'name: n\nsteps:\n  a: {{stage: count, settings: {{source: "{source}"}}}}\n'
    assert bench.pipeline(text).steps["a"].settings.source == "given/../x/${WORD}"


def test_overrides_replace_values_of_expanded_steps(bench: Bench) -> None:
    overrides = ("steps.change-2.settings.rules.0.by=7", "steps.data.settings.last=3", "resources.shard_size=9")
    pipeline = bench.pipeline(overrides=overrides)
    assert pipeline.steps["change-2"].settings.rules[0] == ns.Plus(by=7)
    assert pipeline.steps["change-1"].settings.rules[0] == ns.Plus(by=1)
    assert pipeline.steps["data"].settings.last == 3
    assert pipeline.resources.shard_size == 9


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps.dat.settings.last=1", "override steps.dat.settings.last: leads nowhere; did you mean 'steps.data'?"),
        ("steps.change-1.settings.rules.7.by=1", "the list has no item '7'; allowed: 0, 1"),
        ("nonsense", "override 'nonsense': wants PATH=VALUE"),
        ("steps.data.settings.last=0", "steps.data.settings.last: input should be greater than or equal to 1"),
    ],
)
def test_bad_overrides(bench: Bench, override: str, message: str) -> None:
    with pytest.raises(PlanError) as raised:
        bench.pipeline(overrides=(override,))
    assert message in str(raised.value)


def test_every_fault_is_listed_with_its_line(faults: Faults) -> None:
    found = faults(
        """\
name: n
stepz: {}
publish: [data.nothing]
resources: {shard_sice: 3}
steps:
  data: {stage: cuont}
  good: {stage: count, setings: {}}
  more:
    stage: change
    inputs: {number: good.numbers}
    settings:
      rules:
        - {type: plus, by: much}
  sum: {stage: total, inputs: {parts: [godo.numbers, good.total], base: good.numbers}}
"""
    )
    assert found[0] == "p.yaml: 10 faults"
    assert found[1:] == [
        "p.yaml:2: stepz: unknown key; did you mean 'steps'? Allowed: name, publish, resources, steps",
        "p.yaml:4: resources.shard_sice: unknown setting; allowed: device, encode_batch_size, "
        "mini_batch_tokens, shard_size, trackers",
        "p.yaml:6: steps.data.stage: unknown stage 'cuont'; did you mean 'count'? "
        "Allowed: broken, change, count, page, total",
        "p.yaml:7: steps.good.setings: unknown key; did you mean 'settings'? Allowed: inputs, matrix, settings, stage",
        "p.yaml:10: steps.more.inputs.number: unknown input; did you mean 'numbers'? Allowed: numbers",
        "p.yaml:10: steps.more.inputs: the input 'numbers' is missing; wants an output of the kind numbers",
        "p.yaml:13: steps.more.settings.rules.0.plus.by: input should be a valid integer, unable to parse string as an "
        "integer (given: 'much')",
        "p.yaml:14: steps.sum.inputs.parts.0: unknown step 'godo'; did you mean 'good'? Allowed: data, good, more, sum",
        "p.yaml:14: steps.sum.inputs.parts.1: step 'good' (stage 'count') has no output 'total'; allowed: numbers",
        "p.yaml:14: steps.sum.inputs.base: 'good.numbers' is of the kind 'numbers'; wants: total",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a\n", "p.yaml: wants a mapping (given: ['a'])"),
        (
            "steps: {a: {stage: count}}\n",
            "p.yaml: name: wants a printable name without '/' that does not start with '.' (given: None)",
        ),
        ("name: n\n", "p.yaml: steps: there is no step; wants a mapping from ids to steps"),
        (
            DATA + "  data: {stage: count}\n",
            "p.yaml:4: steps.data: stands here twice; the keys of a mapping are unique",
        ),
        (
            DATA + "  'x{a}': {stage: count, matrix: {a: [1, 1]}}\n",
            "p.yaml:4: steps.x{a}: gives the id 'x1' twice; put every name of the matrix into the id",
        ),
        (
            DATA + "  x: {stage: count, matrix: {seed: [1]}}\n",
            "p.yaml:4: steps.x.matrix.seed: is used nowhere in the step; write {seed} where its value goes",
        ),
        (
            DATA + "  'x{a}': {stage: count, matrix: {a: 1}}\n",
            "p.yaml:4: steps.x{a}.matrix.a: wants a name of letters, digits and '_', and a list of at least one value",
        ),
        (
            DATA + "  a b: {stage: count}\n",
            "p.yaml:4: steps.a b: 'a b' cannot be a step's id; wants letters, digits, '_', '-', '+' and '.'",
        ),
        (
            DATA + "  x: {stage: change, inputs: {numbers: '*.numbers'}}\n",
            "p.yaml:4: steps.x.inputs.numbers: '*.numbers' may name several outputs, and this input takes one",
        ),
        (
            DATA + "  x: {stage: total, inputs: {parts: ['y*.numbers']}}\n",
            "p.yaml:4: steps.x.inputs.parts.0: 'y*.numbers' fits no output; steps: data, x",
        ),
        (
            DATA + "  x: {stage: change, inputs: {numbers: data}}\n",
            "p.yaml:4: steps.x.inputs.numbers: 'data' names no output; wants STEP.OUTPUT, or KIND/KEY.OUTPUT for one "
            "in the store",
        ),
        (
            "name: n\nsteps:\n  a: {stage: change, inputs: {numbers: b.numbers}}\n"
            "  b: {stage: change, inputs: {numbers: a.numbers}}\n",
            "p.yaml:3: steps.a: needs its own output: a needs b needs a",
        ),
        (
            "name: n\nsteps:\n  a: {stage: count, settings: {source: '${NO_SUCH_VARIABLE}'}}\n",
            "p.yaml:3: steps.a.settings.source: the environment variable NO_SUCH_VARIABLE is not set; set it, or write "
            "${NO_SUCH_VARIABLE:-default}",
        ),
        (
            DATA + "publish: [data.pages]\n",
            "p.yaml:4: publish.0: step 'data' (stage 'count') has no output 'pages'; allowed: numbers",
        ),
    ],
)
def test_faults(faults: Faults, text: str, fault: str) -> None:
    assert fault in faults(text)


def test_a_file_that_is_no_yaml_names_line_and_column(faults: Faults) -> None:
    assert faults("name: [n\nsteps: {}\n")[0].startswith("p.yaml:2:6: no valid YAML: ")


def test_a_file_that_is_not_there(bench: Bench) -> None:
    bench.file.unlink()
    with pytest.raises(PlanError, match=r"numbers\.yaml: no such file"):
        bench.pipeline()


def test_targets_plan_what_they_need(bench: Bench) -> None:
    pipeline = bench.pipeline()
    assert list(build_plan(pipeline, bench.store, ["change-2"]).steps) == ["data", "change-2"]
    assert list(build_plan(pipeline, bench.store, ["change-*"]).steps) == ["data", "change-1", "change-2"]
    with pytest.raises(PlanError, match="unknown step 'chang-1'; did you mean 'change-1'"):
        build_plan(pipeline, bench.store, ["chang-1"])


def test_an_input_may_come_from_the_store(bench: Bench, tmp_path: Path) -> None:
    done = {step.id: step for step in bench.run().result.steps}
    text = "name: m\nsteps:\n  more: {{stage: change, inputs: {{numbers: count/{key}.{output}}}}}\n"
    finished = bench.run(bench.pipeline(text.format(key=done["data"].key[:10], output="numbers")))
    entry = bench.store.find("change", finished.result.steps[0].key)
    assert entry.manifest.inputs == {"numbers": f"count/{done['data'].key}.numbers"}
    with pytest.raises(PlanError, match="holds nothing named 'count/ffff'"):
        build_plan(bench.pipeline(text.format(key="ffff", output="numbers")), bench.store)
    total = text.replace("count/", "total/").format(key=done["sum"].key[:10], output="total")
    with pytest.raises(PlanError, match="is of the kind 'total'; wants: numbers"):
        build_plan(bench.pipeline(total), bench.store)


@pytest.mark.parametrize("value", ["2001-13-45", "!!int abc"])
def test_a_value_that_yaml_itself_refuses(faults: Callable[[str], list[str]], value: str) -> None:
    assert "no valid YAML" in faults(f"name: {value}\nsteps: {{}}\n")[0]


def test_a_name_that_no_folder_can_have(faults: Callable[[str], list[str]]) -> None:
    assert "name: wants a printable name" in faults('name: "a\\0b"\nsteps: {}\n')[1]
