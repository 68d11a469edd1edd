"""Samples at irregular times as a signal on a regular grid, by least squares.

Between the knots of a grid a little less dense than the samples the signal is interpolated by a windowed sinc; the
knots are those that bring it nearest to all samples. While there are enough of these, that is exact inside the band
(Feichtinger, Groechenig and Strohmer, Efficient numerical methods in non-uniform sampling theory, 1995). Where samples
are missing and leave a knot free, second differences are made least, which is the natural cubic spline: on real
recordings neither higher nor lower differences had a smaller error for up to 4 missing samples.
"""

import math
from fractions import Fraction

import numpy as np

from simulators.resampling.filters import SHARP, Array, Stage, plan_of
from simulators.resampling.rows import kind, resampled

_BETWEEN = Stage(1, 1, 0.44, 0.56, 120.0, 124.0)
_PIECE, _BESIDE = 1 << 14, 256  # knots fitted at a time, and beside them
_SMOOTH, _SMALL = 1e-9, 1e-14  # weights of second differences, and of the knots themselves where there is nothing


def regular(times: Array, x: Array, rate: float, begin: float, strict: bool, longest_s: float | None) -> Array:
    """(rows, outputs) at begin + n / rate, up to the last time, from x (rows, samples) at times, none of them missing.

    NaN before the first time and between two that are more than `longest_s` apart (4.5 median steps if None).
    """
    steps = np.diff(times)
    longest = 4.5 * float(np.median(steps)) if longest_s is None else longest_s
    ratio = _ratio(times - begin, steps, longest, rate)
    fit = _fit((times - begin) * rate * float(ratio), x, steps > longest)
    plan = plan_of(1.0, float(1 / ratio), strict)
    when, slack = begin + np.arange(outputs_until(times[-1] - begin, rate)) / rate, 1e-6 / rate
    out = resampled(plan, fit, 0, when.size) if plan.stages else fit[:, : when.size].astype(kind(x))
    before = np.searchsorted(times, when + slack, side="right") - 1
    inside = np.clip(before, 0, len(steps) - 1)
    apart = (steps[inside] > longest) & (when > times[inside] + slack) & (when < times[inside + 1] - slack)
    out[:, apart | (before < 0)] = np.nan
    return out


def outputs_until(seconds: float, rate: float) -> int:
    """Outputs from 0 up to so many seconds."""
    return math.floor(seconds * rate + 1e-6) + 1


def _ratio(at: Array, steps: Array, longest: float, rate: float) -> Fraction:
    """The grid's rate over `rate`, of small numbers.

    That of the clock, where the times keep to one, a knot for each tick. Else a little less than there are samples: one
    knot too many is one that no sample tells, and near to as many, the knots and the samples drift past each other.
    """
    median = float(np.median(steps))
    ticks = np.rint(steps / median)
    some = steps <= max(longest, median)
    clock, density = (float(count[some].sum() / steps[some].sum() / rate) for count in (ticks, np.ones(len(steps))))
    for slack in 1e-9, 1e-3:
        ratio = _simple(Fraction(clock * (1 - slack)), Fraction(clock * (1 + slack)))
        ticked = at * rate * float(ratio)
        if max(ratio.numerator, ratio.denominator) <= SHARP and np.abs(ticked - np.rint(ticked)).max() < 0.25:
            return ratio
    return _simple(Fraction(0.97 * density), Fraction(0.99 * density))


def _simple(low: Fraction, high: Fraction) -> Fraction:
    """A fraction from low to high, of small numbers or large powers of 16: the first in the Stern-Brocot tree."""
    if high < 1:
        return 1 / _simple(1 / high, 1 / low)
    bulk = 16 ** max(0, math.floor(math.log(high - low, 16)))
    return bulk * Fraction(math.floor(high / bulk)) if bulk > 1 else _smallest(low, high)


def _smallest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction from low to high, 1 or more, of the smallest numbers."""
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    return whole - 1 + 1 / _smallest(1 / (high - whole + 1), 1 / (low - whole + 1))


def _fit(at: Array, x: Array, wide: Array) -> Array:
    """(rows, knots): the signal at 0, 1, ... up to the last of `at`, from x (rows, samples) at `at`.

    Across the steps that are `wide` (samples - 1) it keeps to a straight line, so that nothing swings in there.
    """
    knots = math.ceil(at[-1] - 1e-6) + 1
    if len(at) == knots and np.abs(at - np.arange(knots)).max() < 1e-6:
        return x
    base = x[:, :1].astype(np.float64)
    x = x - base
    inner = np.arange(knots)
    left = np.clip(np.searchsorted(at, inner, side="right") - 1, 0, len(wide) - 1)
    between = wide[left] & (inner > at[left] + 1) & (inner < at[left + 1] - 1)
    inner, left = inner[between], left[between]
    share = (inner - at[left]) / (at[left + 1] - at[left])
    order = np.argsort(np.concatenate([at, inner]), kind="stable")
    x = np.concatenate([x, x[:, left] + share * (x[:, left + 1] - x[:, left])], axis=1)[:, order]
    at = np.concatenate([at, inner])[order]
    fit, edge = np.empty((len(x), knots)), 2 * _BESIDE
    for low in range(0, knots, _PIECE):
        high = min(low + _PIECE, knots)
        near = slice(*np.searchsorted(at, (low - _BESIDE, high + _BESIDE)))
        fit[:, low:high] = _least_squares(at[near] - low + edge, x[:, near], high - low + 2 * edge)[:, edge:-edge]
    return np.asarray(base + fit)


def _least_squares(at: Array, x: Array, knots: int) -> Array:
    """(rows, knots) that, interpolated at `at`, are nearest to x (rows, samples)."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    near = np.floor(at).astype(np.int64)[:, None] + np.arange(-_BETWEEN.reach, _BETWEEN.reach + 2)
    weights = _BETWEEN.kernel(at[:, None] - near)
    weights /= weights.sum(axis=1, keepdims=True)
    starts = np.arange(len(at) + 1) * near.shape[1]
    model = sparse.csr_array((weights.ravel(), near.ravel(), starts), shape=(len(at), knots))
    bend = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(knots - 2, knots))
    normal = model.T @ model + _SMOOTH * bend.T @ bend + _SMALL * sparse.eye_array(knots)
    # LAPACK's banded solver is faster on an idle machine, and 100 times slower where its threads wait for a core.
    solver = splu(normal.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0, options={"SymmetricMode": True})
    return np.asarray(solver.solve(model.T @ x.T).T)
