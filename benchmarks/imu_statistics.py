"""Stretches of one activity at one place, real or simulated, and the figures that tell them apart.

Real ones come from the converted recordings in `PROVINGGROUND_DATA`/imu (`NAME.npz`: `x_int16 * scale` in SI, one
segment a stretch). Norms are of the specific force with gravity, m/s^2. `pooled` gives the figures of the fact sheet's
tables; shares and frequencies depend on how long a stretch is, so `alike` cuts two sides to the same lengths first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import welch

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.imu.labels import LABELS, PLACEMENTS
from simulators.imu.spec import QUANTITIES

WINDOW_S = 2.56
SPECTRUM_S = 5.12
PADDED_S = 20.0
"""Zeros fill pieces up to this for the dominant frequency and its share, so a short stretch has a fine spectrum."""
BAND_HZ = (0.5, 8.0)
"""Where the dominant frequency is sought."""
AROUND_HZ = 0.3
STATISTICS = ("mean", "std", "p5", "p95", "f", "share", "gyro", "above 5", "above 15")
"""Mean, spread within 2.56 s, 5th and 95th percentile of the norm, m/s^2; its dominant frequency, Hz, and the share of
power about it; rad/s of all gyroscope axes; shares of the three axes' power above 5 and 15 Hz. Shares are of the power
from AROUND_HZ on."""
LONGEST_S = 120.0
"""Of a stretch so much is read."""
LEAST_SAMPLES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """Some time of one activity."""

    accelerometer: np.ndarray
    """(3, n) m/s^2"""
    gyroscope: np.ndarray | None
    """(3, n) rad/s"""
    rate_hz: float
    activity: str
    placement: str
    subject: str
    source: str


def real_stretches(path: Path, longest_s: float = LONGEST_S) -> list[Stretch]:
    """The stretches of a file of real recordings, each up to `longest_s`. Raises InputError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            x, scale = file["x_int16"], file["scale"]
            columns = [file[name] for name in ("start", "length", "rate_hz", "activity", "placement", "subject")]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"recordings '{path}' must be an .npz file of segments; {error}") from error
    found = []
    for start, length, rate, activity, placement, subject in zip(*columns, strict=True):
        values = (x[start : start + int(min(length, longest_s * rate))] * scale).T.astype(float)
        gyroscope = values[3:6] if len(values) >= 6 else None
        found.append(
            Stretch(
                accelerometer=values[:3], gyroscope=gyroscope, rate_hz=float(rate), activity=str(activity),
                placement=str(placement), subject=str(subject), source=path.stem,
            )
        )  # fmt: skip
    return found


def stretches_of(arrays: Arrays, subject: str, source: str) -> list[Stretch]:
    """The bouts of a recording in the simulator's schema, one stretch for each device that has an accelerometer."""
    group = next(name for name in arrays if name.endswith("/counts")).removesuffix("/counts")
    rate = float(group.split("/r")[1])
    valid = np.asarray(arrays[f"{group}/valid"].all(0))
    quantity, sensor = arrays[f"{group}/quantity"], arrays[f"{group}/sensor"]
    found = []
    for unit in np.unique(sensor):
        at = {name: np.flatnonzero((sensor == unit) & (quantity == i))[:3] for i, name in enumerate(QUANTITIES[:2])}
        if not at["accelerometer"].size:
            continue
        values = {k: arrays[f"{group}/counts"][rows] * arrays[f"{group}/lsb"][rows, None] for k, rows in at.items()}
        place = PLACEMENTS[int(arrays[f"{group}/placement"][at["accelerometer"][0]])]
        for first, end, code in zip(*(arrays[f"truth/bout_{n}"] for n in ("start", "end", "activity")), strict=True):
            keep = np.flatnonzero(valid[first:end]) + first
            if keep.size:
                gyroscope = values["gyroscope"][:, keep] if at["gyroscope"].size else None
                found.append(
                    Stretch(
                        accelerometer=values["accelerometer"][:, keep], gyroscope=gyroscope, rate_hz=rate,
                        activity=LABELS[code], placement=place, subject=subject, source=source,
                    )
                )  # fmt: skip
    return found


def statistics_of(stretch: Stretch) -> dict[str, float]:
    """STATISTICS of a stretch of LEAST_SAMPLES or more; NaN where it has no gyroscope.

    >>> t = np.arange(1024) / 50
    >>> wave = np.stack([0 * t, 0 * t, 9.81 + 2 * np.sin(2 * np.pi * 2 * t)])
    >>> one = Stretch(accelerometer=wave, gyroscope=None, rate_hz=50, activity="walking", placement="waist",
    ...               subject="1", source="sine")
    >>> found = statistics_of(one)
    >>> [round(found[name], 2) for name in ("mean", "std", "f", "share", "above 5")]
    [9.81, 1.41, 2.0, 0.99, 0.0]
    """
    a, rate = stretch.accelerometer, stretch.rate_hz
    norm = np.sqrt((a * a).sum(0))
    size = int(WINDOW_S * rate)
    whole = norm[: norm.size // size * size].reshape(-1, size) if norm.size >= size else norm[None]
    found = {"mean": norm.mean(), "std": whole.std(1).mean()}
    found["p5"], found["p95"] = np.percentile(norm, [5, 95])
    length = min(norm.size, int(SPECTRUM_S * rate))
    f, power = welch(norm, rate, nperseg=length, nfft=max(length, int(PADDED_S * rate)))
    inside = (f >= BAND_HZ[0]) & (f <= BAND_HZ[1])
    found["f"] = f[inside][power[inside].argmax()]
    found["share"] = power[np.abs(f - found["f"]) <= AROUND_HZ].sum() / max(1e-12, power[f >= AROUND_HZ].sum())
    f, axes = welch(a, rate, nperseg=length)
    total = axes.sum(0)
    for least in (5, 15):
        found[f"above {least}"] = total[f > least].sum() / max(1e-12, total[f >= AROUND_HZ].sum())
    gyroscope = stretch.gyroscope
    found["gyro"] = math.nan if gyroscope is None else np.sqrt(gyroscope.var(1).sum())
    return {name: float(found[name]) for name in STATISTICS}


def _mean(rows: Sequence[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Means of statistics weighted by samples, of `f` the median."""
    weights = [n for n, _ in rows]
    found = {name: float(np.average([r[name] for _, r in rows], weights=weights)) for name in STATISTICS}
    return found | {"f": float(np.median([r["f"] for _, r in rows]))}


def pooled(stretches: Iterable[Stretch]) -> dict[str, float]:
    """Statistics of all stretches as the fact sheet has them."""
    return _mean([(s.accelerometer.shape[1], statistics_of(s)) for s in stretches if _long(s)])


def by_subject(stretches: Iterable[Stretch], least_s: float = 0.0) -> dict[str, dict[str, float]]:
    """Statistics of each subject over its stretches of `least_s` or longer."""
    rows: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for s in stretches:
        if _long(s, least_s):
            rows.setdefault(s.subject, []).append((s.accelerometer.shape[1], statistics_of(s)))
    return {subject: _mean(own) for subject, own in rows.items()}


def _long(stretch: Stretch, least_s: float = 0.0) -> bool:
    return stretch.accelerometer.shape[1] >= max(LEAST_SAMPLES, least_s * stretch.rate_hz)


def directions_of(stretches: Iterable[Stretch]) -> np.ndarray:
    """(subjects, 3) unit vectors of each subject's mean specific force in device axes."""
    sums: dict[str, np.ndarray] = {}
    for s in stretches:
        sums[s.subject] = sums.get(s.subject, np.zeros(3)) + s.accelerometer.sum(1)
    found = np.array(list(sums.values())).reshape(-1, 3)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two vectors (3,).

    >>> angle_deg(np.array([1.0, 0, 0]), np.array([1.0, 1, 0]))
    45.0
    """
    cosine = float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))
    return round(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))), 6)


GRID_HZ = np.arange(0.5, 20.01, 0.5)


def spectra_of(stretches: Iterable[Stretch], least_s: float = 1.0) -> np.ndarray:
    """(subjects, len(GRID_HZ)) power of the norm in dB, by subject, of pieces of WINDOW_S or what there is of it."""
    rows: dict[str, list[np.ndarray]] = {}
    for s in stretches:
        if _long(s, least_s):
            norm = np.sqrt((s.accelerometer**2).sum(0))
            f, power = welch(norm, s.rate_hz, nperseg=min(norm.size, int(WINDOW_S * s.rate_hz)))
            rows.setdefault(s.subject, []).append(np.interp(GRID_HZ, f, power))
    return 10 * np.log10(np.array([np.mean(own, 0) for own in rows.values()]).reshape(-1, GRID_HZ.size) + 1e-6)


def log_spectral_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Rms over GRID_HZ of the difference of two spectra (..., len(GRID_HZ)) in dB.

    >>> log_spectral_distance(np.zeros(40), np.full(40, 3.0))
    3.0
    """
    return float(np.sqrt(((a - b) ** 2).mean()))


def part(stretch: Stretch, first: int, end: int) -> Stretch:
    """Samples from `first` to before `end` of a stretch."""
    gyroscope = None if stretch.gyroscope is None else stretch.gyroscope[:, first:end]
    return replace(stretch, accelerometer=stretch.accelerometer[:, first:end], gyroscope=gyroscope)


def cut(stretches: Iterable[Stretch], lengths_s: Sequence[float]) -> list[Stretch]:
    """Stretches cut into pieces of these lengths, taken in turn again and again; what is shorter stays whole."""
    found, turn = [], 0
    for s in stretches:
        n, first = s.accelerometer.shape[1], 0
        while first < n:
            size = max(LEAST_SAMPLES, round(lengths_s[turn % len(lengths_s)] * s.rate_hz))
            if first and first + size > n:
                break
            found.append(part(s, first, first + size))
            first, turn = first + size, turn + 1
    return found


def alike(real: Sequence[Stretch], ours: Sequence[Stretch]) -> tuple[list[Stretch], list[Stretch]]:
    """Both sides in pieces of the same lengths: none longer than our median stretch, ours as long as the real ones."""
    longest = float(np.median([s.accelerometer.shape[1] / s.rate_hz for s in ours]))
    pieces = cut(real, [longest])
    lengths = [s.accelerometer.shape[1] / s.rate_hz for s in pieces]
    order = np.random.default_rng(0).permutation(len(lengths))
    return pieces, cut(ours, [lengths[i] for i in order])


def fall_of(stretch: Stretch) -> dict[str, float]:
    """Peak norm, lowest in the 2 s before it, time between them, gyroscope peak, change of posture in degrees."""
    a, rate = stretch.accelerometer, stretch.rate_hz
    norm = np.sqrt((a * a).sum(0))
    peak = int(norm.argmax())
    before = norm[max(0, peak - int(2 * rate)) : peak + 1]
    low = int(before.argmin()) + max(0, peak - int(2 * rate))
    size = max(4, int(0.5 * rate))
    gyro = np.nan if stretch.gyroscope is None else float(np.sqrt((stretch.gyroscope**2).sum(0)).max())
    return {
        "peak": float(norm[peak]),
        "lowest before": float(norm[low]),
        "seconds between": (peak - low) / rate,
        "gyro peak": gyro,
        "posture change": angle_deg(a[:, :size].mean(1), a[:, -size:].mean(1)),
    }


def grouped(stretches: Iterable[Stretch]) -> Mapping[tuple[str, str], list[Stretch]]:
    """Stretches by (placement, activity)."""
    found: dict[tuple[str, str], list[Stretch]] = {}
    for s in stretches:
        found.setdefault((s.placement, s.activity), []).append(s)
    return found
