"""Sensors with clocks of their own: where each ran without a pause, which ran together, and all at one uniform rate.

A big text file is walked once for the bytes and the times of its stretches; a stretch is read when it is asked for.
Signals come to a uniform rate by `simulators.resample` (anti-aliased), labels are held.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel, Recording
from simulators.resample import hold_uniform, uniform

PAUSE_S = 5.0
"""A step of the clock by more, either way, ends a stretch."""
LEAST_S = 1.0
"""What ran together for less is no recording."""
MOST_PAUSES = 100
"""A recording of more samples than this for one that came has a stamp that is wrong."""
MOST_BACK = 0.01
"""Share of samples that may come with an earlier stamp than one before them; they are left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """What one sensor wrote: times (n,) in s, signals (rows, n) in SI, labels (n,)."""

    times_s: np.ndarray
    signals: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Rows of one key that follow each other without a pause: their bytes in the file, their first and last time."""

    key: tuple[str, ...]
    path: Path
    first: int
    end: int
    start_s: float
    stop_s: float


Parse = Callable[[list[bytes]], tuple[tuple[str, ...], float]]
"""Cells of a row to its key and its time in s."""


def stretches_of(path: Path, parse: Parse, *, skip: int = 0, separator: bytes = b",") -> list[Stretch]:
    """The stretches of a text file below its first `skip` rows. Raises InputError for a row that `parse` refuses."""
    found: list[Stretch] = []
    key: tuple[str, ...] = ()
    first = at = 0
    start = last = 0.0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            here, at = at, at + len(line)
            if number < skip or not line.strip():
                continue
            try:
                own, time = parse(line.split(separator))
            except (ValueError, IndexError) as error:
                raise InputError(f"row {number + 1} of '{path}' must name its subject and time; {error}") from error
            if own != key or abs(time - last) > PAUSE_S:
                if key:
                    found.append(Stretch(key=key, path=path, first=first, end=here, start_s=start, stop_s=last))
                key, first, start = own, here, time
            last = time
    if key:
        found.append(Stretch(key=key, path=path, first=first, end=at, start_s=start, stop_s=last))
    return found


def lines_of(stretch: Stretch) -> list[str]:
    """The rows of a stretch."""
    with stretch.path.open("rb") as file:
        file.seek(stretch.first)
        return file.read(stretch.end - stretch.first).decode("utf-8", "replace").splitlines()


def concurrent(stretches: Iterable[Stretch]) -> list[list[Stretch]]:
    """Stretches of equal keys that overlap in time, directly or by way of others: each list is one recording.

    What lasts less than `LEAST_S` is left out.
    """
    groups: list[list[Stretch]] = []
    stop = float("-inf")
    for own in sorted(stretches, key=lambda s: (s.key, s.start_s)):
        if not groups or groups[-1][0].key != own.key or own.start_s > stop:
            groups.append([])
            stop = float("-inf")
        groups[-1].append(own)
        stop = max(stop, own.stop_s)
    return [own for own in groups if max(s.stop_s for s in own) - own[0].start_s >= LEAST_S]


def joined(name: object, logs: Sequence[Log]) -> Log:
    """Logs of one sensor, one after the other, without samples whose stamp is not later than all before.

    Raises InputError where more than `MOST_BACK` of all step back.
    """
    times = np.concatenate([log.times_s for log in logs])
    ahead = np.r_[True, times[1:] > np.maximum.accumulate(times)[:-1]]
    back = np.count_nonzero(np.diff(times) < 0)
    if back > MOST_BACK * times.size or np.count_nonzero(ahead) < 2:
        raise InputError(f"times of recording '{name}' must ascend; {back} of {times.size} step back")
    return Log(
        times_s=times[ahead],
        signals=np.concatenate([log.signals for log in logs], axis=1)[:, ahead],
        labels=np.concatenate([log.labels for log in logs])[ahead],
    )


def check_steps(name: object, times_s: np.ndarray, least_hz: float, most_hz: float) -> None:
    """Raises InputError where the median step of ascending times (n,), s, is no rate between two."""
    found = 1 / float(np.median(np.diff(times_s)))
    if not least_hz <= found <= most_hz:
        raise InputError(
            f"times of recording '{name}' must be of {least_hz:g} to {most_hz:g} Hz; they say {found:.4g}: other units?"
        )


def recording_of(
    name: str, logs: Sequence[Log], channels: tuple[Channel, ...], rate_hz: float, subject: int, session: int = 0
) -> Recording:
    """The recording of logs, one of each three channels, at one clock that begins with the last of them."""
    signals, labels, first = together([name], logs, rate_hz)
    times = np.rint((np.arange(labels.size) / rate_hz + first) * 1e9).astype(np.int64)
    return Recording(
        name=name, channels=channels, signals=signals, rate_hz=rate_hz, labels=labels, subject=subject,
        session=session, times_ns=times,
    )  # fmt: skip


def together(names: Sequence[Any], logs: Sequence[Log], rate_hz: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Signals (all rows, n) and labels (n,) of logs over the time that all cover, and the time of sample 0 in s.

    Where labels differ there is none. Raises InputError where the logs cover no time in common.
    """
    first, last = max(log.times_s[0] for log in logs), min(log.times_s[-1] for log in logs)
    outputs = int(np.floor((last - first) * rate_hz + 1e-6)) + 1
    if outputs < 2:
        raise InputError(f"recordings '{names[0]}' and '{names[-1]}' must be of one time; they are not")
    if outputs > MOST_PAUSES * max(log.times_s.size for log in logs):
        raise InputError(
            f"times of recording '{names[0]}' must not leap; they cover {last - first:.4g} s, all but pauses"
        )
    parts = [at_one_clock(log, first, outputs, rate_hz) for log in logs]
    labels = parts[0][1].copy()
    for _, others in parts[1:]:
        labels = np.where(labels == others, labels, "unlabelled")
    return np.concatenate([signals for signals, _ in parts]), labels, float(first)


def at_one_clock(log: Log, first_s: float, outputs: int, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """A log's signals (rows, outputs) and labels (outputs,) at first_s + n / rate_hz, what came before in reach.

    A resampler counts from its first sample; a missing one, put a whole number of periods before `first_s`, sets that.
    """
    before = int(np.ceil((first_s - log.times_s[0]) * rate_hz)) + 1
    times = np.r_[first_s - before / rate_hz, log.times_s]
    signals = np.concatenate([np.full((len(log.signals), 1), np.nan), log.signals], axis=1)
    labels = np.r_[["unlabelled"], log.labels]
    cut = slice(before, before + outputs)
    return uniform(times, signals, rate_hz)[:, cut], hold_uniform(times, labels, rate_hz)[cut]
