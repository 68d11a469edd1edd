"""Filters between two rates, designed once a ratio and kept: windowed sincs, in stages where the ratio is large.

Sources: Kaiser, Nonrecursive digital filter design using the I0-sinh window function, 1974; Crochiere and Rabiner,
Multirate Digital Signal Processing, 1983, ch. 5; Smith and Gossett, A flexible sampling-rate conversion method, 1984.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.errors import InputError

Array = NDArray[Any]

PASS = 0.9
"""End of the band that stays, over the lower Nyquist frequency."""
STOP = {False: 1.1, True: 1.0}
"""Begin of the stop band over the lower Nyquist frequency, by `strict`."""
REJECTION_DB = {False: 100.0, True: 120.0}
"""How far down the stop band is, by `strict`."""
SHARP, STEP = 2048, 16
"""The largest numbers in the ratio of a sharp stage, whose matrix then takes 38 MB, and of a wide stage."""

# What stages must do beyond the whole, for ripples and images add up; what they are designed for: Kaiser's estimate of
# the span is a little short, for the few taps of a wide stage by up to 12 dB.
_SHARP_DB, _SHARP_UP_DB, _WIDE_DB = (4.0, 8.0), (8.0, 12.0), (14.0, 28.0)
_COLUMNS = 16  # outputs of a block, what one vector register holds


@dataclass(frozen=True)
class Stage:
    """A filter from one rate to `up`/`down` of it. Bands in cycles a sample that comes in, decibels of both bands.

    Since a block of outputs is the same function of the samples around it wherever it stands, one matrix is all that
    a stage needs: block b is samples[b * block :][:width] @ matrix.
    """

    up: int
    down: int
    passes: float
    stops: float
    decibel: float
    design: float

    @cached_property
    def half(self) -> float:
        """Half the kernel's span, in samples: Kaiser's estimate."""
        return (self.design - 7.95) / (2.285 * 2 * math.pi * (self.stops - self.passes)) / 2

    @cached_property
    def reach(self) -> int:
        """Samples on either side that an output at the time of a sample depends on."""
        return math.floor(self.half)

    @cached_property
    def columns(self) -> int:
        """Outputs of a block."""
        return -(-_COLUMNS // self.up) * self.up

    @cached_property
    def block(self) -> int:
        """Samples from one block to the next."""
        return self.columns // self.up * self.down

    @cached_property
    def width(self) -> int:
        """Samples that a block depends on; the first is `reach` before its first output."""
        return self.reach + math.floor((self.columns - 1) * self.down / self.up + self.half) + 1

    @cached_property
    def matrix(self) -> Array:
        """(width, columns), float64; each column adds up to 1. Asserts that the filter does what it says."""
        self._check()
        at = np.arange(self.columns) * self.down / self.up
        weights = self.kernel(at - np.arange(-self.reach, self.width - self.reach)[:, None])
        return np.asarray(weights / weights.sum(axis=0))

    @cached_property
    def matrix32(self) -> Array:
        """The same in float32."""
        return self.matrix.astype(np.float32)

    def kernel(self, distance: Array) -> Array:
        """The windowed sinc, at distances in samples."""
        beta, cut = 0.1102 * (self.design - 8.7), self.passes + self.stops
        inside = np.maximum(0.0, 1.0 - (distance / self.half) ** 2)
        return np.where(inside > 0, cut * np.sinc(cut * distance) * np.i0(beta * np.sqrt(inside)) / np.i0(beta), 0.0)

    def _check(self) -> None:
        taps = math.ceil(self.half * self.up)
        fine = self.kernel(np.arange(-taps, taps + 1) / self.up) / self.up
        gain = np.abs(np.fft.rfft(fine, 1 << (8 * fine.size).bit_length()))
        frequency = np.linspace(0, self.up / 2, gain.size)
        ripple = 10 ** (-self.decibel / 20)
        assert np.all(np.abs(gain[frequency <= self.passes] - 1) < ripple), self
        assert np.all(gain[frequency >= self.stops] < ripple), self


@dataclass(frozen=True)
class Plan:
    """Stages one after the other; `ratio` is the new rate over the old."""

    ratio: Fraction
    stages: tuple[Stage, ...]

    @cached_property
    def leads(self) -> list[int]:
        """Samples before time 0 that each stage begins with, and none after the last."""
        leads = [0]
        for stage in reversed(self.stages):
            before = -(-leads[0] // stage.up)  # a stage begins where an output is at a sample
            leads.insert(0, stage.reach + before * stage.down)
        return leads

    @cached_property
    def skips(self) -> list[int]:
        """Outputs that each stage makes before the next one's first sample."""
        return [-lead % stage.up for stage, lead in zip(self.stages, self.leads[1:], strict=True)]

    @cached_property
    def reach(self) -> int:
        """Samples on either side that the outputs at a sample, and after it up to the next, depend on."""
        total, rate = 0.0, Fraction(1)
        for stage in self.stages:
            total += stage.half / rate
            rate *= Fraction(stage.up, stage.down)
        return math.floor(total + 1 - 1 / self.ratio.numerator)

    def count(self, samples: int) -> int:
        """Outputs of so many samples."""
        return math.ceil(samples * self.ratio)

    def blocks(self, outputs: int) -> tuple[list[int], int]:
        """How many blocks of each stage make so many outputs, and the samples that they take."""
        blocks: list[int] = []
        for stage, skip in zip(reversed(self.stages), reversed(self.skips), strict=True):
            blocks.insert(0, -(-(outputs + skip) // stage.columns))
            outputs = (blocks[0] - 1) * stage.block + stage.width
        return blocks, outputs


def check_rate(name: str, rate: float) -> float:
    """The rate; raises InputError where it is none."""
    if not isinstance(rate, Real) or not math.isfinite(rate) or not rate > 0:
        raise InputError(f"{name} must be a number of Hz above 0; it is {rate}")
    return float(rate)


def ratio_of(rate: float, new_rate: float) -> Fraction:
    """new_rate / rate, as the simplest fraction within 1e-9 of it. Raises InputError for what is no rate."""
    exact = Fraction(check_rate("new_rate", new_rate)) / Fraction(check_rate("rate", rate))
    for digits in range(1, 10):
        ratio = exact.limit_denominator(10**digits)
        if abs(ratio - exact) <= exact / 10**9:
            return ratio
    raise InputError(f"new_rate must be more than a 1e-9th of rate; the rates are {rate:g} and {new_rate:g} Hz")


def plan_of(rate: float, new_rate: float, strict: bool) -> Plan:
    """The stages from one rate to another. Raises InputError for what is no rate, and a ratio with no small filter."""
    return _plan(check_rate("rate", rate), check_rate("new_rate", new_rate), bool(strict))


@lru_cache(maxsize=32)
def _plan(rate: float, new_rate: float, strict: bool) -> Plan:
    """Whole-number steps at the high rates, one sharp stage at the low ones. Bands are in units of the lower rate."""
    ratio = ratio_of(rate, new_rate)
    if ratio == 1:
        return Plan(ratio, ())
    low, steps = max(ratio, 1 / ratio), list[int]()
    while low >= 4:
        most = min(STEP, int(low / 2))
        steps.insert(0, max((d for d in range(2, most + 1) if low.numerator % d == 0), default=most))
        low /= steps[0]
    if low.numerator > SHARP:
        near = low.limit_denominator(SHARP // 4) * math.prod(steps)
        raise InputError(
            f"rates must have a ratio of whole numbers up to {SHARP}, but for whole steps; they are {rate:.10g} and "
            f"{new_rate:.10g} Hz (a near one: {float(rate * near if ratio > 1 else rate / near):.12g} Hz; uniform() "
            "takes any)"
        )
    passes, stops = PASS / 2, STOP[strict] / 2
    fine, more = (
        [REJECTION_DB[strict] + beyond for beyond in both]
        for both in (_SHARP_UP_DB if ratio > 1 else _SHARP_DB, _WIDE_DB)
    )
    wide = [(d, float(low * math.prod(steps[:i]))) for i, d in enumerate(steps)]  # from the low rates up
    if ratio > 1:
        sharp = Stage(low.numerator, low.denominator, passes, stops, *fine)
        return Plan(ratio, (sharp, *(Stage(d, 1, passes / at, (at - stops) / at, *more) for d, at in wide)))
    sharp = Stage(low.denominator, low.numerator, passes / float(low), stops / float(low), *fine)
    down = [Stage(1, d, passes / at / d, (at - stops) / at / d, *more) for d, at in reversed(wide)]
    return Plan(ratio, (*down, sharp))
