"""Any rate to any rate, for every domain: signals by filter, words and labels by hold, irregular times by a fit.

The band that stays, up to 0.9 of the lower of the two Nyquist frequencies, passes within 1e-5. By default the stop band
begins at 1.1 of it, 100 dB down, so that what folds lands above 0.9; with `strict` at 1.0 of it, 120 dB down. Filters
are designed once a ratio, checked then, and kept.

- The first sample is at time 0, output n at n / new_rate, ceil(samples * new_rate / rate) of them. The phase is zero.
- Beyond its ends a signal keeps its first and last value. On real recordings no odd, even, damped or predicted
  extension did better over four sets and four ratios. A value is taken off each row first and put back in the end:
  constants come out as they went in, to the edge. No filter keeps its rejection within its reach of an edge: resample
  recordings before they are cut into windows, or give windows a halo.
- NaN is a gap: an output is NaN if and only if a sample beside its time is. For the outputs around it, a gap of up to 4
  samples is bridged by a natural cubic spline, a longer one by a straight line.
- float32 and 8- and 16-bit integers are computed and given back in float32, all else in float64.

Not part of the promise of equal bits: the products are BLAS's, and round as the machine likes. Integers that must be
the same everywhere are held, or made before they come here. On one machine a `Stream` gives the same bits however it
is cut, and what `resample` gives to 1e-12 of the largest value in float64, 2e-6 in float32.
"""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scenarios.errors import InputError
from simulators.resampling.filters import PASS, REJECTION_DB, STOP, Array, check_rate, plan_of, ratio_of
from simulators.resampling.irregular import outputs_until, regular
from simulators.resampling.rows import BRIDGE, kind, outputs_of, patterns, resampled

__all__ = [
    "BRIDGE",
    "PASS",
    "REJECTION_DB",
    "STOP",
    "Stream",
    "hold",
    "hold_uniform",
    "reach",
    "resample",
    "resample_windows",
    "uniform",
]


def resample(x: ArrayLike, rate: float, new_rate: float, *, strict: bool = False, axis: int = -1) -> Array:
    """x at another rate: ceil(samples * new_rate / rate) outputs along `axis`, output n at time n / new_rate.

    x: any shape, the samples along `axis`, `rate` Hz; NaN is a gap. A single sample is a constant.
    Raises InputError for infinite numbers, no sample at all, rates that are not above 0 or that no small filter joins.
    """
    plan = plan_of(rate, new_rate, strict)
    rows = _rows(x, axis, "x")
    out = resampled(plan, rows, 0, plan.count(rows.shape[1])) if plan.stages else rows.astype(kind(rows))
    return _unrows(out, x, axis)


def reach(rate: float, new_rate: float, *, strict: bool = False) -> int:
    """Samples on either side that an output depends on: the least halo of a window. Raises InputError for rates."""
    return plan_of(rate, new_rate, strict).reach


def resample_windows(
    windows: ArrayLike, rate: float, new_rate: float, halo: int | None = None, *, strict: bool = False, axis: int = -1
) -> Array:
    """Windows at another rate, each by itself, output 0 of each at its first sample.

    windows: any shape, the samples along `axis`. With `halo`, so many samples on either side are the recording's around
    the window and not of it; there must be `reach` of them or more, and the outputs are the whole recording's, with all
    their rejection. Without, a window keeps its first and last value beyond its ends.
    Raises InputError as `resample` does, and for a halo that is too short.
    """
    if halo is None:
        return resample(windows, rate, new_rate, strict=strict, axis=axis)
    plan = plan_of(rate, new_rate, strict)
    rows = _rows(windows, axis, "windows")
    if not isinstance(halo, Integral) or not plan.reach <= halo < rows.shape[1] / 2:
        raise InputError(
            f"halo must be {plan.reach} samples or more from {rate:g} to {new_rate:g} Hz, and leave some of the "
            f"{rows.shape[1]} of a window; it is {halo}"
        )
    samples = rows.shape[1] - 2 * halo
    core = rows[:, halo : halo + samples]
    out = resampled(plan, rows, halo, plan.count(samples)) if plan.stages else core.astype(kind(rows))
    return _unrows(out, windows, axis)


class Stream:
    """A signal that comes in pieces, to another rate: what `resample` gives, the same bits however it is cut.

    >>> stream = Stream(100, 50, channels=6)
    >>> sum(stream.push(np.ones((6, n))).shape[1] for n in (7, 250, 43)) + stream.flush().shape[1]
    150

    Outputs come in blocks of some 16, as soon as all samples that they depend on are there. NaN has no place here: at a
    gap, flush and begin anew. Raises InputError for rates as `resample` does, and for what `push` cannot take.
    """

    def __init__(
        self, rate: float, new_rate: float, channels: int, *, strict: bool = False, dtype: DTypeLike = np.float64
    ) -> None:
        """Rates in Hz; `dtype`, float32 or float64, is what is computed in and given back."""
        self._plan = plan_of(rate, new_rate, strict)
        self._dtype = np.dtype(dtype)
        if self._dtype not in (np.float32, np.float64):
            raise InputError(f"dtype must be float32 or float64; it is {self._dtype}")
        self._none = np.empty((channels, 0), self._dtype)
        self._pivot = self._last = np.zeros((channels, 1), self._dtype)
        self._kept = [self._none for _ in self._plan.stages]
        self._skips = list(self._plan.skips)
        self._taken = self._given = 0
        self._open = True

    def push(self, x: ArrayLike) -> Array:
        """Take samples (channels, any number); give the outputs (channels, some) that can be told by now."""
        x = np.asarray(x, self._dtype)
        channels = len(self._none)
        if not self._open:
            raise InputError("a stream must be open for push; it has been flushed")
        if x.ndim != 2 or len(x) != channels:
            raise InputError(f"x of push must have the shape ({channels}, samples); it has {x.shape}")
        if not np.isfinite(x).all():
            raise InputError(f"x of push must be finite; {np.count_nonzero(~np.isfinite(x))} numbers are not")
        if not x.size:
            return self._none
        if not self._taken:
            self._pivot = x[:, :1].copy()
            self._kept = [np.zeros((channels, self._plan.leads[0]), self._dtype), *self._kept[1:]]
        self._last = x[:, -1:].copy()
        self._taken += x.shape[1]
        return self._advance(x - self._pivot) if self._plan.stages else x.copy()

    def flush(self) -> Array:
        """End the stream; give the outputs (channels, some) that were still to come."""
        outputs, was_open = self._plan.count(self._taken), self._open
        self._open = False
        if not (was_open and self._taken and self._plan.stages):
            return self._none
        missing = max(0, self._plan.blocks(outputs)[1] - self._plan.leads[0] - self._taken)
        left = outputs - self._given
        return self._advance(np.repeat(self._last - self._pivot, missing, axis=1))[:, :left]

    def _advance(self, z: Array) -> Array:
        for i, stage in enumerate(self._plan.stages):
            z = np.concatenate([self._kept[i], z], axis=1)
            blocks = max(0, (z.shape[1] - stage.width) // stage.block + 1)
            self._kept[i] = z[:, blocks * stage.block :].copy()
            z = outputs_of(stage, z, blocks, alike=True)
            skip = min(self._skips[i], z.shape[1])
            self._skips[i] -= skip
            z = z[:, skip:]
        self._given += z.shape[1]
        return np.asarray(z + self._pivot)


def uniform(
    times_s: ArrayLike,
    x: ArrayLike,
    rate: float,
    *,
    strict: bool = False,
    longest_gap_s: float | None = None,
    axis: int = -1,
) -> Array:
    """Samples at irregular times to a uniform rate: output n at times_s[0] + n / rate, up to the last time.

    times_s (samples), s, ascending; x: any shape, the samples along `axis`; NaN is a sample that is not there. The
    samples are fitted by a band-limited signal on a regular grid, by least squares, and that is resampled and so
    anti-aliased. Content up to 0.85 of both Nyquist frequencies comes out within 2e-5 while times stray from a regular
    clock by 0.3 of a step or less and none is missing; missing samples are bridged. Between two times more than
    `longest_gap_s` apart (4.5 median steps if None) outputs are NaN. Any rates will do.
    Raises InputError for times that do not ascend, fewer than two samples, infinite numbers, a rate not above 0.
    """
    rows = _rows(x, axis, "x")
    times = _times(times_s, rows.shape[1])
    check_rate("rate", rate)
    if np.isinf(rows).any():
        raise InputError("x must hold finite numbers, or NaN for a sample that is not there; it has infinite ones")
    if longest_gap_s is not None and not longest_gap_s > 0:
        raise InputError(f"longest_gap_s must be above 0; it is {longest_gap_s}")
    out = np.full((len(rows), outputs_until(times[-1] - times[0], rate)), np.nan, kind(rows))
    for gaps, mine in patterns(rows):
        if np.count_nonzero(~gaps) > 1:
            found = regular(times[~gaps], rows[mine][:, ~gaps], rate, times[0], strict, longest_gap_s)
            out[mine, : found.shape[1]] = found
    return _unrows(out, x, axis)


def hold(x: ArrayLike, rate: float, new_rate: float, *, axis: int = -1) -> Array:
    """Words and labels of any type at another rate: each output is the newest sample at its time.

    Any shape, the samples along `axis`; ceil(samples * new_rate / rate) outputs, of x's type. Nothing is computed, so
    that no value comes out that did not go in. Raises InputError for rates and shapes as `resample` does.
    """
    array, ratio = np.asarray(x), ratio_of(rate, new_rate)
    samples = _moved(array, axis, "x").shape[-1]
    outputs = np.arange(-(-samples * ratio.numerator // ratio.denominator))
    return np.take(array, outputs * ratio.denominator // ratio.numerator, axis=axis)


def hold_uniform(times_s: ArrayLike, x: ArrayLike, rate: float, *, axis: int = -1) -> Array:
    """Words and labels of any type that came at `times_s`, held at the times of `uniform`'s outputs.

    times_s (samples), s, ascending; x: any shape, the samples along `axis`. Raises InputError as `uniform` does.
    """
    array = np.asarray(x)
    times = _times(times_s, _moved(array, axis, "x").shape[-1])
    outputs = np.arange(outputs_until(times[-1] - times[0], check_rate("rate", rate)))
    return np.take(array, np.searchsorted(times, times[0] + (outputs + 1e-6) / rate, side="right") - 1, axis=axis)


def _times(times_s: ArrayLike, samples: int) -> Array:
    times = np.asarray(times_s, np.float64)
    if times.shape != (samples,) or samples < 2:
        raise InputError(f"times_s must be one time for each of {max(2, samples)} samples; its shape is {times.shape}")
    steps = np.diff(times)
    if not np.all(steps > 0) or not np.isfinite(steps).all():
        i = int(np.flatnonzero(~(steps > 0) | ~np.isfinite(steps))[0])
        raise InputError(f"times_s must ascend; after {times[i]} comes {times[i + 1]} at sample {i + 1}")
    return times


def _moved(array: Array, axis: int, name: str) -> Array:
    if not -array.ndim <= axis < array.ndim:
        raise InputError(f"axis of {name} must be one of its {array.ndim}; it is {axis}")
    if not array.shape[axis]:
        raise InputError(f"{name} must have a sample or more; its shape is {array.shape}")
    return np.moveaxis(array, axis, -1)


def _rows(x: ArrayLike, axis: int, name: str) -> Array:
    """x as (rows, samples)."""
    array = np.asarray(x)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name} must hold real numbers (for labels there is hold); its type is {array.dtype}")
    moved = _moved(array, axis, name)
    return moved.reshape(-1, moved.shape[-1])


def _unrows(out: Array, x: ArrayLike, axis: int) -> Array:
    """(rows, outputs) in the shape of x, but for the samples along `axis`."""
    shape = np.moveaxis(np.asarray(x), axis, -1).shape[:-1]
    return np.moveaxis(out.reshape(*shape, out.shape[-1]), -1, axis)
