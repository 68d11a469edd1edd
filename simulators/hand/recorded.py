"""Recordings of the origin's device (Puck.js with GAMBIT firmware) in the schema of the hand simulator.

A file is JSON of format 2: `{version, timestamp, samples, labels, metadata}`. A sample holds raw counts `ax ay az`,
`gx gy gz`, `mx my mz` and its time `t` in ms; a label a span of samples, under two spellings, and a state for each
finger, as text or as code. Axes become the accelerometer's: x = +my, y = -mx, z = +mz. One file is one recording.
Source of the format: github.com/christopherdebeer/simcap, src/device/GAMBIT and docs.

What such a file cannot tell is absent: postures, magnets, the Earth's share, the device's iron.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.hand.spec import FINGERS, QUANTITIES, STATES
from simulators.sensor import LSM6DS3_ACCELEROMETER, LSM6DS3_GYROSCOPE, MMC5603NJ

COLUMNS = ("ax", "ay", "az", "gx", "gy", "gz", "my", "mx", "mz")
SIGNS = (1, 1, 1, 1, 1, 1, 1, -1, 1)
MODELS = (LSM6DS3_ACCELEROMETER, LSM6DS3_GYROSCOPE, MMC5603NJ)
SPELLINGS = (("start_sample", "end_sample"), ("startIndex", "endIndex"))
UNKNOWN = STATES.index("unknown")
CODES = {
    **{told: code for code, name in enumerate(STATES[:3]) for told in (name, str(code))},
    "unknown": UNKNOWN,
    "?": UNKNOWN,
}
"""What a label may say of a finger: a word or a number."""
RATE_HZ = 26.0
"""Nominal rate of the device's mode NORMAL, in which labelled files were made; true times are in `tick_ns`."""
GROUP = f"r{RATE_HZ:g}"
LATEST_MS = 4e12
"""Of this size times are no times: the year 2096, if they count from 1970."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Some files, understood; `recording(i)` makes the arrays of file i."""

    logs: tuple[Path, ...]
    attrs: dict[str, Any] = field(repr=False)

    def __len__(self) -> int:
        """Number of files, and so of recordings."""
        return len(self.logs)

    def recording(self, index: int) -> Arrays:
        """The arrays of a file, in the schema of the hand simulator."""
        return arrays_of(_load(self.logs[index]), self.logs[index])


def scan(logs: Sequence[Path], *, name: str | None = None) -> Source:
    """Read files once. `name` is by default that of the folder of the first. Raises InputError for one that is none."""
    logs = tuple(Path(log) for log in logs)
    if not logs:
        raise InputError("a recorded set must have at least one file; none was given")
    entries = []
    for log in logs:
        samples = arrays_of(_load(log), log)[f"inputs/{GROUP}/tick_ns"].size
        digest = hashlib.sha256(log.read_bytes()).hexdigest()
        entries.append({"name": log.name, "sha256": digest, "samples": samples})
    attrs = {
        "name": name or logs[0].absolute().parent.name,
        "logs": entries,
        "conventions": " ".join((__doc__ or "").split()),
    }
    return Source(logs=logs, attrs=attrs)


def arrays_of(table: Mapping[str, Any], log: Path) -> Arrays:
    """The arrays of a file's content (`_load`). Raises InputError naming what is wrong."""
    samples = table["samples"]
    raw = np.array([[sample[name] for name in COLUMNS] for sample in samples], float).T
    limit = np.iinfo(np.int16)
    fits = (raw == np.rint(raw)) & (raw >= limit.min) & (raw <= limit.max)
    if not fits.all():
        row, number = np.argwhere(~fits)[0]
        raise InputError(
            f"recording '{log}' must hold counts of 16 bits; '{COLUMNS[row]}' of sample {number} is "
            f"{samples[number][COLUMNS[row]]}"
        )
    counts = raw.astype(np.int32) * np.array(SIGNS, np.int32)[:, None]
    times = np.array([sample["t"] for sample in samples], float)
    if not (np.abs(times) < LATEST_MS).all() or (np.diff(times) < 0).any():
        raise InputError(f"recording '{log}' must have times 't' in ms that ascend; they do not")
    ticks = np.rint(times * 1e6).astype(np.int64)
    count = len(samples)
    state = np.full((5, count), UNKNOWN, np.int8)
    spans = [_span(label, count, log) for label in table.get("labels") or ()]
    holds = [(first, end, states) for first, end, states in spans if (states != UNKNOWN).any()]
    for first, end, states in holds:
        state[:, first:end] = states[:, None]
    kinds = np.repeat(np.arange(3), 3)
    return {
        f"inputs/{GROUP}/counts": np.minimum(counts, limit.max),
        f"inputs/{GROUP}/channel_id": np.arange(9, dtype=np.int32),
        f"inputs/{GROUP}/n_samples": np.full(9, count, np.int32),
        f"inputs/{GROUP}/start_ns": np.full(9, ticks[0], np.int64),
        f"inputs/{GROUP}/lsb": np.repeat([model.lsb for model in MODELS], 3),
        f"inputs/{GROUP}/quantity": kinds.astype(np.int8),
        f"inputs/{GROUP}/axis": np.tile(np.arange(3, dtype=np.int8), 3),
        f"inputs/{GROUP}/sensor": np.where(kinds == QUANTITIES.index("magnetometer"), 0, -1).astype(np.int32),
        f"inputs/{GROUP}/clipped": (raw == limit.min) | (raw == limit.max),
        f"inputs/{GROUP}/tick_ns": ticks,
        f"truth/{GROUP}/state": state,
        "truth/hold_start": np.array([h[0] for h in holds], np.int32),
        "truth/hold_end": np.array([h[1] for h in holds], np.int32),
        "truth/hold_state": np.array([h[2] for h in holds], np.int8).reshape(-1, 5),
        "truth/person": np.array(0, np.int32),
    }


def _load(log: Path) -> dict[str, Any]:
    """The content of a file, held against the format."""
    try:
        table = json.loads(log.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise InputError(f"recording '{log}' must be a JSON file; {reason}") from error
    samples = table.get("samples") if isinstance(table, dict) else None
    if not isinstance(samples, list) or not samples:
        raise InputError(f"recording '{log}' must hold a list 'samples'; it is of another format or empty")
    if not str(table.get("version", "2")).startswith("2"):
        raise InputError(f"recording '{log}' must be of format 2; it is of '{table['version']}'")
    if not isinstance(table.get("labels") or [], list):
        raise InputError(f"labels of recording '{log}' must be a list; they are none")
    for number, sample in enumerate(samples):
        told = sample if isinstance(sample, dict) else {}
        for name in (*COLUMNS, "t"):
            if not isinstance(told.get(name), int | float):
                raise InputError(
                    f"recording '{log}' must be of a device with accelerometer, gyroscope and magnetometer; "
                    f"sample {number} has no number '{name}'"
                )
    return dict(table)


def _span(label: object, count: int, log: Path) -> tuple[int, int, np.ndarray]:
    """(first sample, one after the last, state of each finger) of a label."""
    table = label if isinstance(label, Mapping) else {}
    ends = next(((table[first], table[end]) for first, end in SPELLINGS if first in table and end in table), None)
    if ends is None:
        raise InputError(f"a label of recording '{log}' must have start_sample and end_sample; it has {sorted(table)}")
    start, stop = ends
    if not (isinstance(start, int) and isinstance(stop, int) and 0 <= start <= stop <= count):
        raise InputError(f"a label of recording '{log}' must lie within its {count} samples; it is {start} to {stop}")
    nested = table.get("labels", table)
    told = (nested.get("fingers") if isinstance(nested, Mapping) else None) or {}
    if isinstance(told, str) and len(told) == len(FINGERS):
        told = dict(zip(FINGERS, told, strict=True))
    if not isinstance(told, Mapping):
        raise InputError(f"fingers of a label of recording '{log}' must be a table; they are '{told}'")
    named = {**told, "little": told.get("little", told.get("pinky"))}
    return start, stop, np.array([_state(named.get(name), log) for name in FINGERS], np.int8)


def _state(told: object, log: Path) -> int:
    """The code of a state; a finger that a label does not name is unknown."""
    if told is None:
        return UNKNOWN
    if str(told) not in CODES:
        raise InputError(
            f"a label of recording '{log}' must say extended, partial, flexed or unknown; it says '{told}'"
        )
    return CODES[str(told)]
