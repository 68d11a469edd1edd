"""Filters used on rows of samples: all blocks of all rows as small products on views that overlap, gaps honoured.

Nothing is copied or computed twice but at the seams of what the caches hold. The products are kept small because BLAS
has kernels for those that pack nothing, and runs them on one core.
"""

import math
import threading
from collections.abc import Callable
from fractions import Fraction
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from scenarios.errors import InputError
from simulators.resampling.filters import Array, Plan, Stage

BRIDGE = 4
"""The longest gap, in samples, that is bridged by a curve."""

_TILE, _SMALL = 48, 1_000_000  # rows of a product; OpenBLAS's small kernels do products of up to so many steps
_CHUNK, _SEGMENT = 1 << 19, 1 << 16  # samples worked on at a time, and of one row


class _Places(threading.local):
    """A thread's own memory to work in."""

    def __init__(self) -> None:
        self.at: dict[int, Array] = {}


_PLACES = _Places()


def kind(x: Array) -> np.dtype[Any]:
    """The precision that x is worked on in: float32 for itself and what it holds exactly, else float64."""
    return np.dtype(np.float32 if x.itemsize <= (4 if x.dtype.kind == "f" else 2) else np.float64)


def outputs_of(
    stage: Stage, samples: Array, blocks: int, *, alike: bool = False, empty: Callable[..., Array] = np.empty
) -> Array:
    """So many blocks of each row, (rows, blocks * columns), from samples (rows, block * (blocks - 1) + width or more).

    With `alike` a block's bits do not depend on how many there are.
    """
    weights = stage.matrix32 if samples.dtype == np.float32 else stage.matrix
    out = empty((len(samples), blocks * stage.columns), samples.dtype)
    if out.size:
        _multiply(samples, weights, out, stage.block, blocks, max(8, min(_TILE, _SMALL // weights.size)), alike)
    return out


def _multiply(samples: Array, weights: Array, out: Array, block: int, blocks: int, tile: int, alike: bool) -> None:
    """out's block b = samples[:, b * block :][:, :width] @ weights, in products of up to `tile` rows."""
    rows, (width, columns) = len(samples), weights.shape
    (row, one), (line, each) = samples.strides, out.strides
    apart = max(-(-width // block), -(-blocks // tile))  # BLAS wants the rows of a product not to overlap
    if alike or rows >= blocks // apart:  # a product is one block of many rows
        some = min(rows, tile)
        shape, done = (rows // some, blocks, some), rows - rows % some
        source, target = (some * row, block * one, row), (some * line, columns * each, line)
        rest = samples[done:], out[done:], blocks
    else:  # a product is many blocks of one row
        shape, done = (rows, apart, blocks // apart), blocks - blocks % apart
        source, target = (row, block * one, apart * block * one), (line, columns * each, apart * columns * each)
        rest = samples[:, done * block :], out[:, done * columns :], blocks - done
    np.matmul(
        as_strided(samples, (*shape, width), (*source, one)),
        weights,
        out=as_strided(out, (*shape, columns), (*target, each)),
    )
    if rest[1].size:
        _multiply(rest[0], weights, rest[1], block, rest[2], tile, alike)


def resampled(plan: Plan, x: Array, first: int, outputs: int) -> Array:
    """(rows, outputs) from x (rows, samples), output 0 at sample `first`. Raises InputError for infinite numbers."""
    out = np.empty((len(x), outputs), kind(x))
    with np.errstate(invalid="ignore", over="ignore"):
        stray = np.flatnonzero(_apply(plan, x, first, out))
    if not stray.size:
        return out
    rows = x[stray]
    if np.isinf(rows).any():
        raise InputError("x must hold finite numbers, or NaN for a gap; it has infinite ones")
    at = np.arange(outputs) * plan.ratio.denominator
    before = first + at // plan.ratio.numerator
    after = np.minimum(before + (at % plan.ratio.numerator > 0), x.shape[1] - 1)
    for gaps, mine in patterns(rows):
        found = np.full((len(mine), outputs), np.nan, out.dtype)
        if not gaps.all():
            _apply(plan, _bridged(rows[mine], gaps), first, found)
            found[:, gaps[before] | gaps[after]] = np.nan
        out[stray[mine]] = found
    return out


def _apply(plan: Plan, x: Array, first: int, out: Array) -> Array:
    """Write out (rows, outputs) from x (rows, samples), output 0 at sample `first`; which rows were not all finite.

    What is taken off a row first is, of what lies between some of its samples, the value nearest to 0: a constant's
    own, about gravity, next to nothing for a wave, and not a glitch's, all for the sake of what rounding leaves.
    """
    samples, outputs, ratio = x.shape[1], out.shape[1], plan.ratio
    few = [x[:, i : i + 1].astype(out.dtype) for i in (k * (samples - 1) // 4 for k in range(5))]
    pivot = np.maximum(reduce(np.minimum, few), np.minimum(reduce(np.maximum, few), 0))
    stray = np.zeros(len(x), bool)
    least = max(_SEGMENT * min(Fraction(1), ratio), 8 * plan.leads[0] * ratio)
    once = ratio.numerator * math.ceil(least / ratio.numerator)  # so that the next output is at a sample
    for begin in range(0, outputs, once):
        end = min(begin + once, outputs)
        blocks, taken = plan.blocks(end - begin)
        start = first + begin * ratio.denominator // ratio.numerator - plan.leads[0]
        some = max(1, _CHUNK // max(taken, end - begin))
        some -= some % _TILE if some > _TILE else 0
        for row in range(0, len(x), some):
            part = slice(row, row + some)
            z = _held(x[part], start, taken, pivot[part], partial(_scratch, 0))
            for i, (stage, count, skip) in enumerate(zip(plan.stages, blocks, plan.skips, strict=True)):
                z = outputs_of(stage, z, count, empty=partial(_scratch, 1 + i))[:, skip:]
            if not math.isfinite(np.vdot(z, z)):
                stray[part] |= ~np.isfinite(z).all(axis=1)
            np.add(z[:, : end - begin], pivot[part], out=out[part, begin:end])
    return stray


def _scratch(place: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """An empty array at a place of this thread's, the same memory each time: new pages cost as much as the products.

    What the caches do not hold anyway is new.
    """
    size = shape[0] * shape[1] * dtype.itemsize
    if size > 8 * _CHUNK:
        return np.empty(shape, dtype)
    if place not in _PLACES.at or _PLACES.at[place].nbytes < size:
        _PLACES.at[place] = np.empty(size, np.uint8)
    return _PLACES.at[place][:size].view(dtype).reshape(shape)


def _held(x: Array, start: int, count: int, pivot: Array, empty: Callable[..., Array]) -> Array:
    """x - pivot from sample `start` on; before its first and after its last sample x keeps their values."""
    z = empty((len(x), count), pivot.dtype)
    low, high = max(0, -start), min(count, x.shape[1] - start)
    np.subtract(x[:, start + low : start + high], pivot, out=z[:, low:high])
    z[:, :low] = z[:, low : low + 1]
    z[:, high:] = z[:, high - 1 : high]
    return z


def patterns(x: Array) -> list[tuple[Array, list[int]]]:
    """Where NaN is in x (rows, samples), and which rows have it there."""
    missing, alike = np.isnan(x), dict[bytes, list[int]]()
    for i, row in enumerate(missing):
        alike.setdefault(row.tobytes(), []).append(i)
    return [(missing[rows[0]], rows) for rows in alike.values()]


def _bridged(x: Array, gaps: Array) -> Array:
    """x (rows, samples) with something to filter in place of the gaps (samples)."""
    from scipy.interpolate import CubicSpline

    x, known, lost = x.copy(), np.flatnonzero(~gaps), np.flatnonzero(gaps)
    place = np.searchsorted(known, lost)
    left, right = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
    share = np.where(left < right, (lost - left) / np.maximum(right - left, 1), 0.0)
    x[:, lost] = x[:, left] + share * (x[:, right] - x[:, left])
    short = lost[(left < lost) & (lost < right) & (right - left <= BRIDGE + 1)]
    if short.size:
        base = x[:, known[:1]]
        x[:, short] = base + CubicSpline(known, x[:, known] - base, axis=1, bc_type="natural")(short)
    return x
