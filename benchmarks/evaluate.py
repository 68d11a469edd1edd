"""One entry, one track, one seed: fit, settle thresholds, predict every test recording, score.

Recordings stream: one is in memory at a time. An entry is given inputs alone, read-only; while it is at work, files of
sets are out of its reach (see `guard`). Whatever goes wrong with an entry ends up as one line in its result.
"""

import contextlib
import dataclasses
import itertools
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.depends import depends
from benchmarks.entries import entry_of
from benchmarks.guard import entry_at_work
from benchmarks.sets import AbsentError, Recordings, Source, find, name_of
from benchmarks.statistics import draws, score
from benchmarks.track import (
    SCHEMA,
    Context,
    Declared,
    Entry,
    Inputs,
    Prediction,
    Result,
    SetOf,
    Split,
    Test,
    Track,
    Truth,
)
from scenarios.errors import InputError

PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "stumpy", "river", "torch", "zarr")
Row = dict[str, Any]
LONGEST = 300
"""Characters of a reason."""


def evaluate(track: Track, name: str, seed: int, sets: Path | None = None) -> tuple[Result, list[Row]]:
    """The result of an entry on a track with one seed, and its rows; never raises for what an entry does."""
    digests: dict[str, str] = {}
    try:
        declared = entry_of(track, name)
        sources = _sources(track, sets)
        digests = {name_of(of): source.digest for of, source in sources.items()}
        _reset_peak()
        return _score(track, name, declared, seed, sources, digests)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an entry may raise anything, SystemExit too
        text = " ".join(f"{'' if isinstance(error, InputError) else type(error).__name__ + ': '}{error}".split())
        return empty(track, name, seed, "failed", text[:LONGEST], digests), []


def empty(
    track: Track, name: str, seed: int, status: str, reason: str, digests: Mapping[str, str] | None = None
) -> Result:
    """A result that says why there is none."""
    try:
        declared = entry_of(track, name)
    except InputError:
        declared = Declared(make=object)  # type: ignore[arg-type]
    return Result(
        schema=SCHEMA, track=track.id, track_version=track.version, entry=name, entry_version=declared.version,
        package=declared.package, about=declared.about, capped=declared.capped, oracle=declared.oracle, seed=seed,
        deterministic=declared.deterministic, status=status, reason=reason, depends=depends(track, declared),
        digests=dict(digests or {}), chosen={}, scores={}, cost={}, record=record(),
    )  # fmt: skip


def _score(
    track: Track, name: str, declared: Declared, seed: int, sources: Mapping[SetOf, Source], digests: dict[str, str]
) -> tuple[Result, list[Row]]:
    train, validation = (split_of(track, sources, split) for split in ("train", "validation"))
    began = time.perf_counter()
    entry, chosen = _fit(track, declared, name, seed, train, validation, sources)
    fit_s = time.perf_counter() - began
    calibration = calibrate(track, declared, entry, sources)
    rows: list[Row] = []
    clock = Clock()
    for test in track.tests:
        rows += rows_of(track, declared, entry, test, sources, calibration, clock)
    result = empty(track, name, seed, "ok", "", digests)
    parameters = getattr(entry, "parameters", None)
    cost = {
        "fit_s": fit_s, "predict_s": clock.seconds, "samples": clock.samples, "recordings": clock.recordings,
        "samples_per_s": clock.samples / max(clock.seconds, 1e-9), "peak_bytes": _peak(),
        "parameters": None if parameters is None else float(parameters),
    }  # fmt: skip
    told = {"chosen": chosen, "scores": scores_of(track, rows), "cost": cost, "calibration": _plain(calibration)}
    return dataclasses.replace(result, **told), rows  # type: ignore[arg-type]


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it; numbers that are not finite are None."""
    found: dict[str, Any] = {}
    for name, value in told.items():
        if isinstance(value, Mapping):
            found[name] = _plain(value)
        elif isinstance(value, float) and not np.isfinite(value):
            found[name] = None
        else:
            found[name] = value
    return found


@dataclasses.dataclass
class Clock:
    """Time that an entry spent predicting, and on how much."""

    seconds: float = 0.0
    samples: float = 0.0
    recordings: float = 0.0


def rows_of(
    track: Track,
    declared: Declared,
    entry: Entry,
    test: Test,
    sources: Mapping[SetOf, Source],
    calibration: Mapping[str, Any],
    clock: Clock,
) -> list[Row]:
    """The columns of every recording of a test. Sets that are absent (real ones) add none."""
    rows: list[Row] = []
    for of in test.sets:
        if of not in sources:
            continue
        for index, inputs, truth, prediction in answers(track, declared, entry, of, sources[of], test, clock):
            columns = track.task.columns(inputs, truth, prediction, calibration)
            rows.append(
                {"test": test.name, "kind": of.kind, "index": index} | {k: float(v) for k, v in columns.items()}
            )
    return rows


def answers(
    track: Track, declared: Declared, entry: Entry, of: SetOf, source: Source, test: Test, clock: Clock
) -> Iterator[tuple[int, Inputs, Truth, Prediction]]:
    """(index, inputs, truth, checked answer) of each recording; the truth is read after the answer was given."""
    for index, stored in source.inputs(test.split):
        inputs = _readonly(track.task.view(stored) if track.task.view else stored)
        context = context_of(track, declared, of, source, test.split, index)
        prediction = _predict(entry, inputs, context, clock)
        track.task.check(inputs, prediction)
        yield index, inputs, source.truth(test.split, index), prediction


def context_of(track: Track, declared: Declared, of: SetOf, source: Source, split: str, index: int) -> Context:
    """What an entry is told beside a recording's inputs: what the task declares; an oracle also truth, spec and key."""
    told = {name: make(of, split, index) for name, make in track.task.context.items()}
    if declared.oracle:
        told |= {"truth": source.truth(split, index), **source.secrets(split, index)}
    return told


def _predict(entry: Entry, inputs: Inputs, context: Context, clock: Clock) -> Prediction:
    began = time.perf_counter()
    try:
        with entry_at_work():
            return entry.predict(inputs, context)
    finally:
        clock.seconds += time.perf_counter() - began
        clock.samples += samples_of(inputs)
        clock.recordings += 1


def samples_of(inputs: Inputs) -> int:
    """Channel samples of a recording."""
    if "inputs/score" in inputs:
        return int(inputs["inputs/score"].size)
    return sum(int(np.sum(a)) for name, a in inputs.items() if name.endswith("/n_samples"))


def _fit(
    track: Track,
    declared: Declared,
    name: str,
    seed: int,
    train: Split,
    validation: Split,
    sources: Mapping[SetOf, Source],
) -> tuple[Entry, dict[str, Any]]:
    """The fitted entry; of a grid the best by the main metric on the validation split, and what was chosen."""
    best: tuple[float, Entry, dict[str, Any]] | None = None
    choices = [dict(zip(declared.grid, values, strict=True)) for values in itertools.product(*declared.grid.values())]
    for chosen in choices:
        with entry_at_work():
            entry = declared.make(**chosen)
            entry.fit(train, validation, rng_of(track.id, name, seed))
        if len(choices) == 1:
            return entry, chosen
        metric = track.task.metric(track.task.main)
        calibration = calibrate(track, declared, entry, sources)
        test = Test(name="validation", sets=track.train, split="validation")
        rows = rows_of(track, declared, entry, test, sources, calibration, Clock())
        kinds = [row["kind"] for row in rows]
        value = score(metric, columns_of(rows, metric.columns), kinds, draws(kinds, 1)).value
        value = (value if metric.higher_is_better else -value) if np.isfinite(value) else -np.inf
        if best is None or value > best[0]:
            best = (value, entry, chosen)
    assert best is not None  # a grid has at least one choice
    return best[1], best[2]


def calibrate(track: Track, declared: Declared, entry: Entry, sources: Mapping[SetOf, Source]) -> Mapping[str, Any]:
    """What the task settles on the answers to the validation split."""
    if track.task.calibrate is None:
        return {}
    test = Test(name="validation", sets=track.train, split="validation")

    def every() -> Iterator[tuple[Inputs, Truth, Prediction]]:
        for of in test.sets:
            for _, inputs, truth, prediction in answers(track, declared, entry, of, sources[of], test, Clock()):
                yield inputs, truth, prediction

    return track.task.calibrate(every())


def split_of(track: Track, sources: Mapping[SetOf, Source], split: str) -> Recordings:
    """A split of the training sets as the track shows it."""
    return Recordings([(of, sources[of]) for of in track.train], split, track.task.view, track.labels)


def rng_of(track: str, entry: str, seed: int) -> np.random.Generator:
    """The generator that an entry is given: a stream of its own for each track, entry and seed."""
    key = int.from_bytes(blake2b(f"{track}\0{entry}\0{seed}".encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def _sources(track: Track, sets: Path | None) -> dict[SetOf, Source]:
    found: dict[SetOf, Source] = {}
    for of in track.sets:
        try:
            found[of] = find(of, sets)
        except AbsentError:
            continue
    return found


def columns_of(rows: Iterable[Row], names: tuple[str, ...]) -> np.ndarray:
    """Columns of rows as an array (rows, names); what a row lacks is 0."""
    return np.array([[row.get(name, 0.0) for name in names] for row in rows], float).reshape(-1, len(names))


def scores_of(track: Track, rows: list[Row]) -> dict[str, dict[str, Any]]:
    """Every metric on every test, with its interval; a metric that nothing can be scored by is left out."""
    found: dict[str, dict[str, Any]] = {}
    for test in track.tests:
        own = [row for row in rows if row["test"] == test.name]
        if not own:
            continue
        kinds = np.array([row["kind"] for row in own])
        weights = draws(kinds)
        for metric in track.task.metrics:
            scored = score(metric, columns_of(own, metric.columns), kinds, weights)
            if np.isfinite(scored.value):
                found.setdefault(test.name, {})[metric.name] = scored.told()
    return found


def _readonly(inputs: Inputs) -> Inputs:
    found = {}
    for name, array in inputs.items():
        view = np.asarray(array).view()
        view.flags.writeable = False
        found[name] = view
    return found


def _reset_peak() -> None:
    """Let the process's peak memory count from here, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Peak memory of this process, bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def record() -> dict[str, Any]:
    """When, with what and on what a result was made."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")), "python": platform.python_version(),
        "system": platform.system(), "machine": platform.machine(), "cpu": _cpu(), "packages": versions,
    }  # fmt: skip


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False,
                              cwd=Path(__file__).parent)  # fmt: skip
    except OSError:
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
