"""Commands on the store and on what Pyrite has."""

from __future__ import annotations

from pyrite.cli.options import Files, Options, Switch
from pyrite.cli.replies import Reply, table
from pyrite.errors import SettingsError, StoreError
from pyrite.pipeline.definition import read_pipeline
from pyrite.pipeline.garbage import Garbage, collect_garbage, find_garbage
from pyrite.pipeline.plan import build_plan
from pyrite.pipeline.store import Store
from pyrite.pipeline.text import count, human_size
from pyrite.pipeline.verification import verify_entry
from pyrite.stages import CATALOG

__all__ = ["gc", "stages", "verify"]

_NO_OPTIONS = Options()


def verify(*keys: str, options: Options = _NO_OPTIONS) -> Reply:
    """Read results in the store again and compare them with their manifests; exit code 1 where one is damaged.

    Args:
        keys: Keys, or their beginnings, perhaps after the stage: 3f9a or mine/3f9a. All, where none is given.
        options: Common options.
    """
    store = options.open_store()
    entries = [store.resolve(key) for key in keys] if keys else list(store.entries())
    found = {f"{entry.kind}/{entry.key}": verify_entry(entry, CATALOG) for entry in entries}
    damaged = {name: faults for name, faults in found.items() if faults}
    lines = [f"{name}: {fault}" for name, faults in damaged.items() for fault in faults]
    lines.append(f"{count(len(found), 'step')} verified, {len(damaged)} damaged")
    return Reply("\n".join(lines), {"verified": len(found), "damaged": damaged}, options.json, code=int(bool(damaged)))


def gc(
    *,
    keep: Files = (),
    keep_runs: int | None = None,
    yes: Switch = False,
    options: Options = _NO_OPTIONS,
) -> Reply:
    """List what no run needs any more; delete it with --yes.

    Args:
        keep: Keep also what this pipeline file needs.
        keep_runs: Keep what the last N runs need; all runs, where not given.
        yes: Delete.
        options: Common options.
    """
    store = options.open_store()
    garbage = find_garbage(store, _kept(store, keep, keep_runs, options))
    if yes:
        collect_garbage(store, garbage)
    data = {
        "deleted": yes,
        "bytes": garbage.size,
        "steps": {f"{entry.kind}/{entry.key}": size for entry, size in garbage.entries},
        "unfinished": dict(garbage.work),
        "shared": {path.name: size for path, size in garbage.shared},
        "curves": {f"{path.parent.name}/{path.name}": size for path, size in garbage.curves},
    }
    return Reply(_describe_garbage(garbage, yes), data, options.json)


def stages(*, options: Options = _NO_OPTIONS) -> Reply:
    """List the stages that a pipeline file can use.

    Args:
        options: Common options.
    """
    found = {kind: CATALOG.summary(kind) for kind in CATALOG}
    text = table(["stage", "what it does"], found.items())
    return Reply(f"{text}\n\npyrite STAGE --help shows inputs, outputs and settings.", found, options.json)


def _kept(store: Store, files: Files, last_runs: int | None, options: Options) -> set[str]:
    if last_runs is not None and last_runs < 0:
        raise SettingsError(f"--keep-runs: wants a number from 0 up, not {last_runs}")
    records = [record for _, record in options.open_runs().records()]
    if not records and not files and last_runs is None:
        raise StoreError(
            f"{options.runs}: holds no run, so nothing says what to keep; give the folder of runs (--runs), pipeline "
            "files (--keep FILE), or --keep-runs 0 to keep nothing"
        )
    chosen = records if last_runs is None else records[:last_runs]
    keys = {step.key for record in chosen for step in record.steps}
    for file in files:
        keys |= {step.key for step in build_plan(read_pipeline(file, CATALOG), store).steps.values()}
    return keys


def _describe_garbage(garbage: Garbage, deleted: bool) -> str:
    rows = [[f"{entry.kind}/{entry.key[:12]}", human_size(size)] for entry, size in garbage.entries]
    rows += [[f"unfinished {key[:12]}", human_size(size)] for key, size in garbage.work]
    rows += [[f"curves of {path.parent.name}/{path.name}", human_size(size)] for path, size in garbage.curves]
    if garbage.shared:
        rows.append([f"{count(len(garbage.shared), 'shared file')}", human_size(sum(s for _, s in garbage.shared))])
    if not rows:
        return "nothing to delete"
    end = "deleted" if deleted else "to delete; run again with --yes"
    return f"{table(['what', 'size'], rows)}\n\n{human_size(garbage.size)} {end}"
