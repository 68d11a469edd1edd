"""Detectors of lasting change, as running statistics: on score streams, and on the bin means of all channels.

A detector that only alarms is turned into a statistic by a ladder of sensitivities: at each step the strictest rung at
which it alarms. All are causal: the statistic at a step hangs on that step and those before.

- ADWIN: A. Bifet, R. Gavalda, SDM 2007. Page-Hinkley: E. Page, Biometrika 41 (1954). KSWIN: C. Raab et al.,
  Neurocomputing 416 (2020). All as in river (J. Montiel et al., JMLR 22 (2021)); they take samples for independent.
- Prewhitened: generalised likelihood ratio of a step of the mean, or of a change of the spread, on the innovations of
  an autoregression fitted as the stream goes on (M. Basseville, I. Nikiforov, "Detection of abrupt changes" (1993)).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit

from baselines.scene.anomaly_evidence import Rarity
from baselines.scene.binned import binned
from baselines.scene.channels import BIN_S
from scenarios.errors import InputError

LOOK_S = 2.0
"""Start of a recording from which the signs of words are told, s."""
BURN_S, BURN_OF_WORDS_S = 20.0, 10.0
"""Start of a score stream, and of a recording, that is taken for unchanged, s; statistics are 0 there."""


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


def watched(inputs: Any) -> Watched:
    """What is watched in a stream or a recording. Levels are unwrapped from bin to bin: halves roll over, not jump."""
    if "inputs/score" in inputs:
        rows, rate_hz = np.asarray(inputs["inputs/score"], np.float64)[None], float(inputs["inputs/rate_hz"])
        return Watched(rows=rows, rate_hz=rate_hz, grain=1e-9, burn=_steps(BURN_S, rate_hz))
    b = binned(inputs, LOOK_S)
    level = b["mean"]
    step = np.diff(level, axis=1, prepend=level[:, :1])
    rows = np.cumsum(step - 65536 * np.rint(step / 65536), axis=1)
    return Watched(rows=rows, rate_hz=1 / BIN_S, grain=1.0, burn=_steps(BURN_OF_WORDS_S, 1 / BIN_S))


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


def _strongest(inputs: Any, statistic: Callable[[np.ndarray, float], np.ndarray]) -> dict[str, np.ndarray]:
    """Prediction by the greatest statistic of any row standardised by its start; 0 until that is over."""
    w = watched(inputs)
    out = np.zeros(w.rows.shape[1])
    for row in _standard(w.rows, w.burn, w.grain):
        if (row != row[:1]).any():
            out = np.maximum(out, statistic(row, w.rate_hz))
    out[: w.burn] = 0.0
    return {"score": out}


@dataclass
class ADWIN:
    """Adaptive window: the least delta, as -log10, at which it cuts its window."""

    rungs: tuple[float, ...] = (0.5, 1, 1.5, 2, 3, 4, 5, 7, 9, 12, 15, 20, 25, 32, 40, 50, 65, 80, 100, 130, 160, 200)
    """-log10 of delta."""
    clock: int = 8
    """Steps between two looks."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def _statistic(self, row: np.ndarray, rate_hz: float) -> np.ndarray:
        from river import drift

        out, values = np.zeros(row.size), row.tolist()
        for rung in self.rungs:
            _climb(drift.ADWIN(delta=10.0**-rung, clock=self.clock), values, rung, out)
        return out

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""
        return _strongest(inputs, self._statistic)


@dataclass
class PageHinkley:
    """Page-Hinkley test, two-sided: the greatest threshold that it passes."""

    rungs: tuple[float, ...] = (10, 20, 35, 50, 75, 110, 160, 240, 350, 500, 750, 1100)
    delta: float = 0.1
    """Change of the mean that is let pass, in standard deviations of the start."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def _statistic(self, row: np.ndarray, rate_hz: float) -> np.ndarray:
        from river import drift

        out, values = np.zeros(row.size), row.tolist()
        for rung in self.rungs:
            _climb(drift.PageHinkley(min_instances=30, delta=self.delta, threshold=rung), values, rung, out)
        return out

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""
        return _strongest(inputs, self._statistic)


def _climb(detector: Any, values: list[float], rung: float, out: np.ndarray) -> None:
    """Write a rung to the steps at which a detector alarms; rungs come in ascending order."""
    for t, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            out[t] = rung


@dataclass
class KSWIN:
    """Kolmogorov-Smirnov test of the newest samples against a draw from those before: -log10 of its p-value.

    It looks once in `every` samples, as the test is slow; the statistic holds in between.
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

    def _statistic(self, row: np.ndarray, rate_hz: float) -> np.ndarray:
        from river import drift

        out = np.zeros(row.size)
        for t in range(self.window - 1, row.size, self.every):
            before = row[t - self.window + 1 : t].tolist()
            detector = drift.KSWIN(
                alpha=0.0, window_size=self.window, stat_size=self.newest, seed=self.seed + t, window=before
            )
            detector.update(float(row[t]))
            out[t : t + self.every] = -math.log10(max(detector.p_value, 1e-300))
        return out

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""
        return _strongest(inputs, self._statistic)


@dataclass
class MeanShift:
    """One-liner: mean of the last `window_s` less the median of the start, in robust sd of the start."""

    window_s: float = 10.0

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Running statistic."""

        def shift(row: np.ndarray, rate_hz: float) -> np.ndarray:
            width = max(1, round(self.window_s * rate_hz))
            total = np.concatenate([np.zeros(width), np.cumsum(row)])
            return np.abs(total[width:] - total[:-width]) / width

        return _strongest(inputs, shift)


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
        return {"score": self.rarity(self._ratios(watched(inputs))).max(axis=0, initial=0.0)}


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
