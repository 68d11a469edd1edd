"""Detectors of lasting change, as running statistics: on score streams, and on the bin means of all channels.

A detector that only alarms is turned into a statistic by a ladder of sensitivities: at each step the strictest rung at
which it alarms. All are causal: the statistic at a step hangs on that step and those before.

A bus holds counters, rolling halves, flags and slow tones, on which such statistics are always large. What is compared
over the channels of a recording is therefore how many times a channel passes its own record until some seconds ago.

- ADWIN: A. Bifet, R. Gavalda, SDM 2007. Page-Hinkley: E. Page, Biometrika 41 (1954). KSWIN: C. Raab et al.,
  Neurocomputing 416 (2020). All as in river (J. Montiel et al., JMLR 22 (2021)); they take samples for independent.
- Prewhitened: generalised likelihood ratio of a step of the mean, or of a change of the spread, on the innovations of
  an autoregression fitted as the stream goes on (M. Basseville, I. Nikiforov, "Detection of abrupt changes" (1993)).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import numpy as np
from numba import njit
from scipy.stats import ks_2samp

from baselines.scene.anomaly_evidence import Rarity
from baselines.scene.binned import Binned, binned
from baselines.scene.channels import BIN_S
from scenarios.errors import InputError

LOOK_S = 2.0
"""Start of a recording from which the signs of words are told, s."""
BURN_S, BURN_OF_WORDS_S = 20.0, 10.0
"""Start of a score stream, and of a recording, that is taken for unchanged, s; statistics are 0 there."""
RECORD_S = 40.0
"""Start of a recording in which channels set their first record, s; scores of recordings are 0 there."""
LAG_S = 10.0
"""A record is that until so long ago, s, so that a change is not measured by itself."""
ROLL = 1 << 14
"""Step from word to word, modulo 2^16, from which on a word is none that rolls over, but one of bits."""

STEEPEST = 4.0
"""Most that a twofold ratio may be rarer beyond the data, in powers of ten: tails of ratios are light."""
CLIP = 4.0
"""Size, in sd, beyond which an innovation counts no more: tails are long."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a detector watches."""

    rows: np.ndarray
    """(rows, T) float64: one score stream, or the level of each channel by bin."""
    rate_hz: float
    grain: float
    """Smallest spread that a row can have."""
    burn: int
    """Steps at the start that are taken for unchanged."""
    record: int
    """Steps at the start in which rows set their first record; 0 where there is one row, which needs none."""


def watched(inputs: Any) -> Watched:
    """What is watched in a stream or a recording."""
    if "inputs/score" in inputs:
        rows, rate_hz = np.asarray(inputs["inputs/score"], np.float64)[None], float(inputs["inputs/rate_hz"])
        return Watched(rows=rows, rate_hz=rate_hz, grain=1e-9, burn=_steps(BURN_S, rate_hz), record=0)
    rows, rate_hz = levels(binned(inputs, LOOK_S)), 1 / BIN_S
    return Watched(rows=rows, rate_hz=rate_hz, grain=1.0, burn=_steps(BURN_OF_WORDS_S, rate_hz),
                   record=_steps(RECORD_S, rate_hz))  # fmt: skip


def levels(b: Binned) -> np.ndarray:
    """Mean of each channel by bin, unwrapped: halves roll over, not jump. (channels, bins), counts.

    Rollovers are counted from word to word: of means they cannot be told, as a mean over a rollover lies anywhere.
    There the last word stands for the mean. Words that ever jumped far are of bits, which do not roll.
    """
    last = b["last"]
    turns = b["net"] - np.diff(last, axis=1, prepend=last[:, :1])
    turns[:, :1] = 0.0
    jumped = np.maximum.accumulate(b["most_step"] >= ROLL, axis=1)
    turns = np.where(jumped, 0.0, 65536 * np.rint(turns / 65536))
    whole = jumped | (b["most"] - b["least"] < 32768)
    levels: np.ndarray = np.cumsum(turns, axis=1) + np.where(whole, b["mean"], last)
    return levels


def _steps(seconds: float, rate_hz: float) -> int:
    return max(8, round(seconds * rate_hz))


def _standard(rows: np.ndarray, burn: int, grain: float) -> np.ndarray:
    """Rows from the median of their start, in units of its median deviation or of the grain, whichever is coarser."""
    start = rows[:, :burn]
    if not start.size:
        return rows
    middle = np.median(start, axis=1, keepdims=True)
    scale = 1.4826 * np.median(np.abs(start - middle), axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, start.std(axis=1, keepdims=True))
    return (rows - middle) / np.maximum(scale, grain)


def _over_record(statistics: np.ndarray, w: Watched, least: float) -> np.ndarray:
    """Statistics (..., T) of rows, in units of the greatest of the same row until `LAG_S` ago, or of `least`.

    As they are where rows set no record. 0 in the burn, and until the first record is complete.
    """
    out = statistics.copy()
    out[..., : w.burn] = 0.0
    if w.record:
        record = np.maximum.accumulate(out, axis=-1)
        until = np.maximum(np.arange(out.shape[-1]) - _steps(LAG_S, w.rate_hz), w.record - 1)
        out /= np.maximum(record[..., np.minimum(until, out.shape[-1] - 1)], least)
        out[..., : w.record] = 0.0
    return out


def _strongest(
    inputs: Any, statistic: Callable[[np.ndarray, float], np.ndarray], least: float = 1.0
) -> dict[str, np.ndarray]:
    """Prediction by the greatest statistic of any row standardised by its start; among rows over their own record."""
    w = watched(inputs)
    rows = _standard(w.rows, w.burn, w.grain)
    told = np.zeros(rows.shape)
    for row, out in zip(rows, told, strict=True):
        if (row != row[:1]).any():
            out[:] = statistic(row, w.rate_hz)
    return {"score": _over_record(told, w, least).max(axis=0, initial=0.0)}


@dataclass
class ADWIN:
    """Adaptive window: the least delta, as -log10, at which it cuts its window."""

    rungs: tuple[float, ...] = (0.5, 1, 1.5, 2, 3, 4, 5, 7, 9, 12, 15, 20, 25, 32, 40, 50, 65, 80, 100, 130, 160, 200)
    """-log10 of delta, ascending; at most 300, as delta must not be 0."""
    clock: int = 8
    """Steps between two looks."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def _statistic(self, row: np.ndarray, rate_hz: float) -> np.ndarray:
        from river import drift

        out, values = np.zeros(row.size), row.tolist()
        for rung in self.rungs:
            detector, quiet = drift.ADWIN(delta=10.0**-rung, clock=self.clock), True
            for t, value in enumerate(values):
                detector.update(value)
                if detector.drift_detected:
                    out[t], quiet = rung, False
            if quiet:  # the windows of stricter rungs are the same, and are not cut either
                break
        return out

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""
        return _strongest(inputs, self._statistic, self.rungs[0])


@dataclass
class PageHinkley:
    """Page-Hinkley test, two-sided: the greatest threshold that it passes."""

    rungs: tuple[float, ...] = tuple(np.geomspace(10, 1e5, 97).tolist())
    """Thresholds, ascending, in standard deviations of the start: 24 a decade."""
    delta: float = 0.1
    """Change of the mean that is let pass, in standard deviations of the start."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def _statistic(self, row: np.ndarray, rate_hz: float) -> np.ndarray:
        return page_hinkley(row, np.array(self.rungs), self.delta)

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""
        return _strongest(inputs, self._statistic, self.rungs[0])


@njit(cache=True)
def page_hinkley(row: np.ndarray, thresholds: np.ndarray, delta: float) -> np.ndarray:
    """Greatest of ascending thresholds at which river's two-sided Page-Hinkley test alarms at a step, or 0, (T,).

    A test starts anew after its alarm, and alarms not before 30 steps. Sums forget as in river, by 1e-4 a step.
    """
    out = np.zeros(row.size)
    for threshold in thresholds:
        n, mean, quiet = 0, 0.0, True
        up, down, least, most = 0.0, 0.0, np.inf, -1.0
        for t in range(row.size):
            n += 1
            mean += (row[t] - mean) / n
            up = (1 - 1e-4) * up + row[t] - mean - delta
            down = (1 - 1e-4) * down + row[t] - mean + delta
            least, most = min(least, up), max(most, down)
            if n >= 30 and (up - least > threshold or most - down > threshold):
                out[t], quiet = threshold, False
                n, mean = 0, 0.0
                up, down, least, most = 0.0, 0.0, np.inf, -1.0
        if quiet:  # sums are the same for higher thresholds, which they do not pass either
            break
    return out


@dataclass
class KSWIN:
    """Kolmogorov-Smirnov test of the newest samples against a draw from those before: -log10 of its p-value.

    It looks once in `every` samples; the statistic holds in between.
    """

    window: int = 200
    newest: int = 50
    every: int = 10
    seed: int = field(default=0, repr=False)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Keep a seed. Raises InputError where the window has no room for the newest samples and as many before."""
        if not 0 < 2 * self.newest <= self.window:
            raise InputError(f"window must be at least twice newest, {self.newest}; it is {self.window}")
        self.seed = int(rng.integers(2**31))

    def _drawn(self, t: int) -> list[int]:
        """Places in the window that are drawn when its last sample is that of step t, as river draws them."""
        return Random(self.seed + t).sample(range(self.window - self.newest), self.newest)

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""
        looks: list[int] = []
        drawn = np.zeros((0, self.newest), np.int64)
        rarity = _ks_rarity(self.newest)

        def statistic(row: np.ndarray, rate_hz: float) -> np.ndarray:
            nonlocal looks, drawn
            if not looks:
                looks = list(range(self.window - 1, row.size, self.every))
                drawn = np.array([self._drawn(t) for t in looks], np.int64).reshape(len(looks), self.newest)
            out = np.zeros(row.size)
            told = rarity[ks_steps(row, np.array(looks, np.int64), drawn, self.window)]
            for t, value in zip(looks, told.tolist(), strict=True):
                out[t : t + self.every] = value
            return out

        return _strongest(inputs, statistic)


@cache
def _ks_rarity(n: int) -> np.ndarray:
    """-log10 of the p-value of a distance of k / n between two samples of n each, for k from 0 to n."""
    # samples 0 ... n-1 and k ... n+k-1 are k / n apart
    p = [float(ks_2samp(np.arange(n), np.arange(n) + k).pvalue) for k in range(n + 1)]
    return -np.log10(np.maximum(p, 1e-300))


@njit(cache=True)
def ks_steps(row: np.ndarray, looks: np.ndarray, drawn: np.ndarray, window: int) -> np.ndarray:
    """Greatest distance of the empirical laws of the newest and the drawn samples of windows, in steps of 1 / n."""
    n = drawn.shape[1]
    out = np.zeros(looks.size, np.int64)
    for i in range(looks.size):
        t = looks[i]
        new = np.sort(row[t - n + 1 : t + 1])
        old = np.empty(n)
        for k in range(n):
            old[k] = row[t - window + 1 + drawn[i, k]]
        old = np.sort(old)
        a, b, most = 0, 0, 0
        while a < n and b < n:
            x = min(new[a], old[b])
            while a < n and new[a] <= x:
                a += 1
            while b < n and old[b] <= x:
                b += 1
            most = max(most, abs(a - b))
        out[i] = most
    return out


@dataclass
class MeanShift:
    """One-liner: mean of the last `window_s` less the median of the start, in robust sd of the start."""

    window_s: float = 10.0
    least: float = 0.3
    """Least record of a channel, in the same units: that of a mean of some ten independent bins."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""

        def shift(row: np.ndarray, rate_hz: float) -> np.ndarray:
            width = max(1, round(self.window_s * rate_hz))
            total = np.concatenate([np.zeros(width), np.cumsum(row)])
            return np.abs(total[width:] - total[:-width]) / width

        return _strongest(inputs, shift, self.least)


@dataclass
class Prewhitened:
    """Likelihood ratio of a step or a change of spread on innovations, made comparable by its rarity without change."""

    longest_s: float = 30.0
    """Changes older than this are no longer looked for."""
    rarity: Rarity = field(default_factory=lambda: Rarity(2, STEEPEST), repr=False)

    @property
    def parameters(self) -> int:
        """Numbers fitted."""
        return self.rarity.parameters

    def _ratios(self, w: Watched) -> np.ndarray:
        return likelihood_ratios(w.rows, w.burn, _steps(self.longest_s, w.rate_hz), w.grain)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learn how rare a ratio is before any change; without a recording it stays on a scale of its own."""
        self.rarity = Rarity(2, STEEPEST)
        for recording in train:
            w = watched(recording.inputs)
            steps = np.arange(w.rows.shape[1])
            self.rarity.add(self._ratios(w), (steps >= w.burn) & (steps < _onset(recording, steps.size)))
        self.rarity.close()

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""
        w = watched(inputs)
        return {"score": _over_record(self.rarity(self._ratios(w)), w, 1.0).max(axis=0, initial=0.0)}


def _onset(recording: Any, steps: int) -> int:
    """First step that a change may touch."""
    truth = recording.truth
    if "truth/onset" in truth:
        onset = int(np.min(truth["truth/onset"]))
        return onset if onset >= 0 else steps
    starts: list[float] = []
    for name in recording.inputs:
        if name.endswith("/channel_id"):
            rate = float(name.split("/")[1][1:])
            own = np.isin(truth.get("truth/drift_channel", ()), recording.inputs[name])
            starts += (np.asarray(truth["truth/drift_start"])[own] / rate / BIN_S).tolist() if own.any() else []
    return int(min(starts, default=float(steps)))


@njit(cache=True)
def likelihood_ratios(rows: np.ndarray, burn: int, longest: int, grain: float) -> np.ndarray:
    """Signal-to-noise ratios of the likeliest change among the last `longest` steps: (2, rows, T), mean and spread.

    0 for the first `burn` steps and for rows without innovations.
    """
    out = np.zeros((2, rows.shape[0], rows.shape[1]))
    for r in range(rows.shape[0]):
        _row_ratios(rows[r], burn, longest, grain, out[0, r], out[1, r])
    return out


@njit(cache=True)
def _solve(moments: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Solution of a 3 x 3 system by Cramer's rule; zeros where it has none."""
    (a, b, c), (d, e, f), (g, h, i) = moments[0], moments[1], moments[2]
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    out = np.zeros(3)
    if abs(det) < 1e-12:
        return out
    for k in range(3):
        m = moments.copy()
        m[:, k] = target
        out[k] = (
            m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1])
            - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
            + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0])
        ) / det
    return out


@njit(cache=True)
def _row_ratios(
    x: np.ndarray, burn: int, longest: int, grain: float, of_mean: np.ndarray, of_spread: np.ndarray
) -> None:
    n = x.size
    if n <= burn + 2:
        return
    centre = x[:burn].mean()
    unit = max(x[:burn].std(), grain)
    y = (x - centre) / unit
    moments, target = np.zeros((3, 3)), np.zeros(3)
    past = np.ones(3)
    r = np.zeros(n)
    sums, sizes = np.zeros(n + 1), np.zeros(n + 1)  # of innovations before a step, and of their sizes
    squares = np.zeros(n + 1)
    fit = np.zeros(3)
    scale = 0.0
    for t in range(n):
        if t == burn or (t > burn and t % 10 == 0):
            ridged = moments.copy()
            for k in range(1, 3):
                ridged[k, k] += 1.0  # as much as one sample of unit size says
            ridged[0, 0] += 1e-9
            fit = _solve(ridged, target)
        if t == burn:  # the start's own innovations, now that there is a model
            for s in range(2, burn):
                r[s] = y[s] - fit[0] - fit[1] * y[s - 1] - fit[2] * y[s - 2]
                scale += abs(r[s]) / (burn - 2)
            scale = max(1.2533 * scale, 0.3 * grain / unit)
            for s in range(burn):
                r[s] = min(max(r[s] / scale, -CLIP), CLIP)
                sums[s + 1], sizes[s + 1] = sums[s] + r[s], sizes[s] + abs(r[s])
                squares[s + 1] = squares[s] + r[s] * r[s]
        if t >= burn:
            e = y[t] - fit[0] - fit[1] * y[t - 1] - fit[2] * y[t - 2]
            r[t] = min(max(e / scale, -CLIP), CLIP)
            sums[t + 1], sizes[t + 1] = sums[t] + r[t], sizes[t] + abs(r[t])
            squares[t + 1] = squares[t] + r[t] * r[t]
            before = max(burn, t - longest)
            variance = max(squares[before] / before, 0.05)
            mean_size = sizes[before] / before
            of_size = max(variance - mean_size * mean_size, 0.05)
            second, on = 1 - fit[1], 1 - fit[1] - fit[2]
            top_mean, top_spread = 0.0, 0.0
            for c in range(max(burn // 2, t - longest + 1), t + 1):
                w = t - c + 1
                signal, energy, gain = r[c], 1.0, 1.0
                if w > 1:
                    signal += second * r[c + 1] + on * (sums[t + 1] - sums[c + 2])
                    energy += second * second + on * on * (w - 2)
                    gain += second + on * (w - 2)
                signal -= gain * sums[c] / c
                top_mean = max(top_mean, signal * signal / (variance * (energy + gain * gain / c)))
                if w >= 10:
                    change = (sizes[t + 1] - sizes[c]) / w - sizes[c] / c
                    top_spread = max(top_spread, change * change / (of_size * (1.0 / w + 1.0 / c)))
            of_mean[t], of_spread[t] = math.sqrt(top_mean), math.sqrt(top_spread)
            # slowly, so that a change does not become the rule before it is seen
            scale += (min(abs(e), 4 * scale) * 1.2533 - scale) / (t + 1)
        # the model learns late, so that it does not learn a change before the change is seen
        late = t if t < burn else t - longest // 2
        if late >= 2 and (t < burn or late >= burn):
            past[1], past[2] = y[late - 1], y[late - 2]
            for i in range(3):
                target[i] += past[i] * y[late]
                for j in range(3):
                    moments[i, j] += past[i] * past[j]
