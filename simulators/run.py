"""From a spec to a published set: which recordings, in which blocks, on what. Resumable, the same bits everywhere.

A block is whole shards of whole recordings. One task function makes one block, in this process or in a pool of worker
processes; a recording depends on its key alone, so who makes it and in what order does not matter.
"""

import dataclasses
import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from scenarios.errors import InputError
from scenarios.layout import Header, Layout, shapes_of
from scenarios.schema import Arrays, check
from scenarios.spec import Spec, canonical
from scenarios.store import Stage, open_stage, publish, published, todo, verify, write_block
from simulators.rng import Key

RECORDINGS = {"train": 64, "validation": 16, "test": 32}
"""Recordings of each split, unless told otherwise."""

Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did: the set's place and manifest, whether it was there before, and the work behind it."""

    path: Path
    manifest: dict[str, Any]
    existed: bool
    samples: int
    seconds: float


def key_of(simulator: str, scenario: str, spec: Spec, split: str, index: int) -> Key:
    """The key of one recording of a scenario."""
    return Key(
        simulator=simulator, scenario=scenario, scenario_version=spec.version, seed=spec.seed, split=split, index=index
    )


def header_for(
    simulator: str,
    scenario: str,
    spec: Spec,
    splits: Mapping[str, int],
    first: Mapping[str, int] | None = None,
    *,
    changed: bool = False,
    command: str = "",
) -> Header:
    """The header of a simulated set; makes its first recording to learn what recordings hold.

    `changed` says that the spec, the seed or the recordings are not the scenario's own: then the identity tells them
    apart by 12 hex digits of what was resolved.
    """
    module = import_module(f"simulators.{simulator}")
    first = dict(first or {})
    split = next(s for s, n in splits.items() if n)
    arrays = module.simulate_arrays(spec, key_of(simulator, scenario, spec, split, first.get(split, 0)))
    variables = check(arrays, module.SCHEMA)
    resolved = json.dumps([canonical(spec), dict(splits), first], sort_keys=True)
    return Header(
        simulator=simulator,
        scenario=scenario,
        scenario_version=spec.version,
        simulator_version=module.VERSION,
        spec=canonical(spec),
        variables=variables,
        shapes=shapes_of(variables, arrays),
        splits={s: n for s, n in splits.items() if n},
        first=first,
        attrs=module.attrs_of(spec) if hasattr(module, "attrs_of") else {},
        suffix="+" + hashlib.sha256(resolved.encode()).hexdigest()[:12] if changed else "",
        command=command,
        card=_card(simulator),
    )


def _card(simulator: str) -> str:
    """What the data card says beside the header; a simulator that imports recordings is held against them."""
    if find_spec(f"simulators.{simulator}.recorded") is None:
        return ""
    return f"- Fidelity: how far the simulator is from real recordings: `python -m benchmarks.fidelity {simulator}`."


def channel_samples(arrays: Arrays) -> int:
    """Samples of all channels of a recording."""
    return sum(int(a.sum()) for name, a in arrays.items() if name.startswith("inputs/") and name.endswith("/n_samples"))


def _recordings(simulator: str, scenario: str, spec: Spec, split: str, indices: range) -> Iterator[Arrays]:
    module = import_module(f"simulators.{simulator}")
    spare: dict[str, Any] = {}
    for index in indices:
        yield module.simulate_arrays(spec, key_of(simulator, scenario, spec, split, index), spare)


def make_block(stage: str, header: Header, scenario: str, split: str, block: int) -> int:
    """The task: make and store one block; returns its channel samples. Runs in any process."""
    module = import_module(f"simulators.{header.simulator}")
    spec = module.Spec.model_validate_json(header.spec)
    made = 0

    def counted() -> Iterator[Arrays]:
        nonlocal made
        for arrays in _recordings(header.simulator, scenario, spec, split, Layout(header).indices(split, block)):
            made += channel_samples(arrays)
            yield arrays

    write_block(Path(stage), header, split, block, counted())
    return made


def _begin_worker() -> None:
    """One thread a worker; and a worker ends when its parent does, in whatever way."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def run_blocks(
    stage: Path,
    header: Header,
    blocks: list[tuple[str, int]],
    workers: int,
    progress: Progress | None = None,
    task: Callable[[str, Header, str, str, int], int] = make_block,
) -> int:
    """Make blocks in this process, or in a pool of `workers`; returns their channel samples.

    A block of a worker that died is made again, once; then InputError says so.
    """
    made = done = 0
    report = progress or (lambda what, now, of: None)
    report("blocks", 0, len(blocks))
    if workers <= 1 or len(blocks) <= 1:
        for split, block in blocks:
            made += task(str(stage), header, header.scenario, split, block)
            report("blocks", done := done + 1, len(blocks))
        return made
    left = list(blocks)
    for _ in range(2):
        try:
            with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_worker) as pool:
                futures = {pool.submit(task, str(stage), header, header.scenario, *b): b for b in left}
                while futures:
                    for future in wait(futures, return_when=FIRST_COMPLETED).done:
                        made += future.result()
                        left.remove(futures.pop(future))
                        report("blocks", done := done + 1, len(blocks))
            return made
        except BrokenProcessPool:
            continue
    raise InputError(
        f"workers must live to finish a block; one died twice with {len(left)} of {len(blocks)} blocks left"
    )


def _publish(target: Path, header: Header, fill: Callable[[Stage], int], progress: Progress | None = None) -> Outcome:
    """Verify the set at `target`, or let `fill` write the blocks of a stage (it returns their samples) and publish."""
    began = time.perf_counter()
    samples = 0
    existed = published(target, header) is not None
    if existed:
        try:
            manifest = verify(target, progress=progress)
        except InputError as error:
            raise InputError(f"{error}; remove '{target}' and run the same command to make it again") from error
    else:
        with open_stage(target, header) as stage:
            samples = fill(stage)
            manifest = publish(stage, progress)
    seconds = time.perf_counter() - began
    return Outcome(path=target, manifest=manifest, existed=existed, samples=samples, seconds=seconds)


def generate(target: Path, header: Header, workers: int = 1, progress: Progress | None = None) -> Outcome:
    """Make and publish a simulated set, or verify the one that is there already.

    Takes up from the receipts of a run that was stopped. Raises InputError where a set of another header is in the
    way, another process is writing, or the disk is full.
    """
    return _publish(
        target, header, lambda stage: run_blocks(stage.path, header, todo(stage), workers, progress), progress
    )


class Recorded(Protocol):
    """Imported recordings, made one at a time, and what a set of them says about itself."""

    @property
    def attrs(self) -> dict[str, Any]:
        """JSON-able texts, among them `name` and `logs`; where they decide what is read, `view`, `bus` and `dbc`."""

    def __len__(self) -> int:
        """How many recordings there are."""

    def recording(self, index: int) -> Arrays:
        """One of them, in the simulator's schema."""


def header_of_recorded(simulator: str, source: Recorded, command: str = "") -> Header:
    """The header of a set of imported recordings: one split, `test`; its spec names the sources by their digests."""
    module = import_module(f"simulators.{simulator}")
    shapes: dict[str, tuple[int | None, ...]] = {}
    for index in range(len(source)):
        arrays = source.recording(index)
        variables = check(arrays, module.SCHEMA)
        for name, shape in shapes_of(variables, arrays).items():
            old = shapes.get(name, shape)
            shapes[name] = tuple(a if a is None else max(a, b or 0) for a, b in zip(shape, old, strict=True))
    attrs = source.attrs
    spec = {name: attrs[name] for name in ("name", "view", "bus", "logs", "dbc") if name in attrs}
    return Header(
        simulator=simulator,
        scenario="-".join(["recorded/" + attrs["name"], *([attrs["view"]] if "view" in attrs else [])]),
        scenario_version=1,
        simulator_version=module.VERSION,
        spec=json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        variables=variables,
        shapes=shapes,
        splits={"test": len(source)},
        attrs=attrs,
        command=command,
        card="- Imported from recordings; the licence is that of their source.",
        licence="as the source",
    )


def store_recorded(target: Path, header: Header, source: Recorded, progress: Progress | None = None) -> Outcome:
    """Publish recordings that were imported rather than simulated, or verify the set that is there already."""

    def fill(stage: Stage) -> int:
        samples = 0

        def counted(indices: range) -> Iterator[Arrays]:
            nonlocal samples
            for index in indices:
                arrays = source.recording(index)
                samples += channel_samples(arrays)
                yield arrays

        for split, block in todo(stage):
            write_block(stage.path, header, split, block, counted(stage.layout.indices(split, block)))
        return samples

    return _publish(target, header, fill, progress)
