"""The operations of augmentation, each a frozen declaration: its strength, what it draws, what it preserves.

Strengths are in the units of the layout (m/s^2, rad/s, uT). `each` says what gets a draw of its own: the whole
sample, a placement, a sensor or a channel. Sources: Um et al., "Data augmentation of wearable sensor data for
Parkinson's disease monitoring using convolutional neural networks", ICMI 2017 (jitter, scaling, rotation, warps,
permutation); Iwana and Uchida, "An empirical survey of data augmentation for time series classification with neural
networks", PLOS ONE 16(7), 2021.
"""

import math
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np

from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError
from simulators.augmenting.kernels import apply, draws
from simulators.augmenting.layout import EACH, Layout
from simulators.augmenting.operation import Operation, Prepared, choice, number
from simulators.noise import normal_table

DIRECTIONS = frozenset({"orientation", "angle"})
REST = DIRECTIONS | {"gravity"}
SYNCHRONY = frozenset({"synchrony"})
NOTHING: frozenset[str] = frozenset()

FILLS = ("zero", "hold", "nan")
MILD = 0.3
"""Walking stays walking at paces and vigours up to this much above or below."""


def broken(kind: str, when: bool = True) -> frozenset[str]:
    """That kind of activity, or none."""
    return frozenset({kind}) if when else NOTHING


def by_kind(operation: "Jitter | Drift", layout: Layout) -> np.ndarray:
    """The sd of each channel, (channels,) float32."""
    sd = {"linear": operation.acc, "gravity": operation.acc, "acc": operation.acc, "gyro": operation.gyro}
    sd["mag"] = operation.mag
    return np.array([sd.get(kind, operation.other) for kind in layout.kinds], np.float32)


@dataclass(frozen=True, kw_only=True)
class Jitter(Operation):
    """White Gaussian noise of this sd, in m/s^2, rad/s, uT and the unit of other channels."""

    name = "jitter"
    code = apply.JITTER

    acc: float = 0.05
    gyro: float = 0.01
    mag: float = 0.5
    other: float = 0.0

    keeps = SYNCHRONY
    breaks = NOTHING

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """The sd of each channel."""
        return Prepared(lambda keys, out: None, levels=by_kind(self, layout))


@dataclass(frozen=True, kw_only=True)
class Scaling(Operation):
    """A constant factor, uniform from low to high."""

    name = "scaling"
    code = apply.SCALE

    low: float = number(0.9, 1e-6, 1e6)
    high: float = number(1.1, 1e-6, 1e6)
    each: str = choice("channel", *EACH)

    def check(self) -> None:
        """Low before high."""
        if self.low > self.high:
            raise InputError(f"low of scaling must not be above high; they are {self.low:g} and {self.high:g}")

    @property
    def keeps(self) -> frozenset[str]:
        """Directions, unless the axes of a vector have factors of their own."""
        return SYNCHRONY if self.each == "channel" else SYNCHRONY | DIRECTIONS

    @property
    def breaks(self) -> frozenset[str]:
        """Walking becomes running where it is strong."""
        return broken("steady", self.high > 1 + MILD or self.low < 1 - MILD)

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """One factor a group."""
        groups = layout.groups(self.each)
        return Prepared(partial(draws.uniforms, self.low, self.high), _count(groups), groups)


@dataclass(frozen=True, kw_only=True)
class Rotation(Operation):
    """One rotation for all vectors of a placement: uniform over SO(3), or by 0 to `degrees` about any axis."""

    name = "rotation"
    code = apply.ROTATE

    degrees: float | None = number(None, 0, 180)

    keeps = SYNCHRONY | {"gravity", "angle"}

    @property
    def breaks(self) -> frozenset[str]:
        """Which way is down tells postures apart; a loose mounting does not change it."""
        return broken("posture", self.degrees is None or self.degrees > 20)

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """One matrix a placement."""
        if "attitude" in layout.kinds:
            raise InputError("rotation must have no attitude in the layout, which it would contradict; there is one")
        groups = layout.groups("placement")
        limit = -1.0 if self.degrees is None else math.radians(self.degrees)
        return Prepared(partial(draws.rotations, limit), 9 * _count(groups), groups)


@dataclass(frozen=True, kw_only=True)
class TimeWarp(Operation):
    """Time runs faster and slower, smoothly, from the first sample to the last, by up to `change` before both meet.

    Where it runs s times faster, angular rate is multiplied by s and linear acceleration by s^2; gravity and the
    magnetic field are read at their new places and keep their size. An accelerometer's gravity is its placement's
    gravity channels where the layout has them, else two passes of a centred moving mean of 1 s (-3 dB at 0.32 Hz).
    Left out is velocity times ds/dt, since an accelerometer does not know the velocity. Signals above 0.4 of the
    Nyquist frequency are not interpolated well, and those above it over s alias. Words take the nearest sample.
    """

    name = "time_warp"
    code = apply.WARP
    serves = ("float32", "uint16")

    change: float = number(0.2, 0, 0.95, ", for a larger one folds time")
    knots: int = number(4, 1, 64)
    each: str = choice("sample", "sample", "placement")

    @property
    def keeps(self) -> frozenset[str]:
        """Devices of their own clocks lose synchrony."""
        return REST | SYNCHRONY if self.each == "sample" else REST

    @property
    def breaks(self) -> frozenset[str]:
        """Pace and vigour are a label where they change much, and so is an impact."""
        return broken("steady", self.change > MILD) | broken("change", self.change > MILD)

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """A spline a group."""
        groups = layout.groups(self.each)
        draw = partial(draws.warps, self.change, self.knots, time)
        return Prepared(draw, (self.knots + 3) * _count(groups), groups, knots=self.knots)


@dataclass(frozen=True, kw_only=True)
class MagnitudeWarp(Operation):
    """A smooth factor about 1: a cubic B-spline whose control points have this sd."""

    name = "magnitude_warp"
    code = apply.MODULATE

    sd: float = number(0.1, 0, 10)
    knots: int = number(4, 1, 64)
    each: str = choice("sensor", *EACH)

    @property
    def keeps(self) -> frozenset[str]:
        """Directions, unless the axes of a vector have curves of their own, or a curve may cross 0."""
        return SYNCHRONY if self.each == "channel" or self.sd > 0.15 else SYNCHRONY | DIRECTIONS

    @property
    def breaks(self) -> frozenset[str]:
        """Vigour is a label where it changes much."""
        return broken("steady", self.sd > MILD / 2)

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """A spline a group."""
        groups = layout.groups(self.each)
        draw = partial(draws.curves, normal_table(), 1.0, self.sd)
        return Prepared(draw, (self.knots + 3) * _count(groups), groups, knots=self.knots)


@dataclass(frozen=True, kw_only=True)
class Drift(Operation):
    """A smooth random walk of the offset from 0, of this sd at the end, in m/s^2, rad/s, uT and others' unit."""

    name = "drift"
    code = apply.DRIFT

    acc: float = 0.1
    gyro: float = 0.02
    mag: float = 1.0
    other: float = 0.0
    knots: int = number(4, 2, 64)
    each: str = choice("channel", *EACH)

    keeps = SYNCHRONY
    breaks = NOTHING

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """A spline a group, and the sd of each channel."""
        groups = layout.groups(self.each)
        draw = partial(draws.walks, normal_table(), self.knots)
        return Prepared(draw, (self.knots + 3) * _count(groups), groups, by_kind(self, layout), self.knots)


@dataclass(frozen=True, kw_only=True)
class Permutation(Operation):
    """Cuts time into `least` to `most` segments of `shortest` samples or more, and puts them in random order."""

    name = "permutation"
    code = apply.SEGMENTS
    serves = ("float32", "uint16")

    least: int = number(2, 1, 1000)
    most: int = number(5, 1, 1000)
    shortest: int = number(10, 1, 2**31)
    each: str = choice("sample", *EACH)

    breaks = broken("change")

    def check(self) -> None:
        """Least before most."""
        if self.least > self.most:
            raise InputError(f"least of permutation must not be above most; they are {self.least} and {self.most}")

    @property
    def keeps(self) -> frozenset[str]:
        """Groups in orders of their own lose synchrony."""
        return REST | {"values"} | (SYNCHRONY if self.each == "sample" else NOTHING)

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """An order of segments a group."""
        if time < self.most * self.shortest:
            raise InputError(
                f"permutation into {self.most} segments of {self.shortest} samples must have "
                f"{self.most * self.shortest} samples; the batch has {time}"
            )
        groups = layout.groups(self.each)
        draw = partial(draws.segments, self.least, self.most, self.shortest, time)
        width = 1 + 2 * self.most
        return Prepared(draw, width * _count(groups), groups, options=(width, 0, 0, 0))


@dataclass(frozen=True, kw_only=True)
class WindowReorder(Operation):
    """Puts the whole windows of `span` samples in random order; what is left over stays at the end."""

    name = "window_reorder"
    code = apply.SEGMENTS
    serves = ("float32", "uint16")

    span: int = number(32, 1, 2**31)
    each: str = choice("sample", *EACH)

    breaks = broken("change")

    @property
    def keeps(self) -> frozenset[str]:
        """Groups in orders of their own lose synchrony."""
        return REST | {"values"} | (SYNCHRONY if self.each == "sample" else NOTHING)

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """An order of windows a group."""
        groups = layout.groups(self.each)
        width = 1 + 2 * -(-time // self.span)
        draw = partial(draws.windows, self.span, time)
        return Prepared(draw, width * _count(groups), groups, options=(width, 0, 0, 0))


@dataclass(frozen=True, kw_only=True)
class Cutout(Operation):
    """Blanks one interval, `share` of the time, at a random place."""

    name = "cutout"
    code = apply.INTERVALS
    serves = ("float32", "uint16")

    share: float = number(0.1, 0, 1)
    fill: str = choice("zero", *FILLS)
    each: str = choice("sample", *EACH)

    breaks = broken("change")

    @property
    def keeps(self) -> frozenset[str]:
        """What is held reads as at rest."""
        return SYNCHRONY | REST if self.fill == "hold" and self.share < 1 else SYNCHRONY

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """An interval a group."""
        groups = layout.groups(self.each)
        draw = partial(draws.intervals, round(self.share * time), time)
        return Prepared(draw, 2 * _count(groups), groups, options=(0, FILLS.index(self.fill), 0, 0))


@dataclass(frozen=True, kw_only=True)
class Mask(Operation):
    """Blanks `share` of the patches of `span` samples, as many in every sample, each choice as likely as any."""

    name = "mask"
    code = apply.PATCHES
    serves = ("float32", "uint16")

    share: float = number(0.15, 0, 1)
    span: int = number(16, 1, 2**31)
    fill: str = choice("zero", *FILLS)
    each: str = choice("sample", *EACH)

    breaks = broken("change")

    @property
    def keeps(self) -> frozenset[str]:
        """What is held reads as at rest."""
        return SYNCHRONY | REST if self.fill == "hold" and self.share < 0.5 else SYNCHRONY

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """A choice of patches a group."""
        groups, patches = layout.groups(self.each), -(-time // self.span)
        draw = partial(draws.choices, round(self.share * patches), patches)
        options = (self.span, FILLS.index(self.fill), 0, 0)
        return Prepared(draw, patches * _count(groups), groups, options=options)


@dataclass(frozen=True, kw_only=True)
class ChannelDropout(Operation):
    """Sets a group to 0 with probability `share`; one group at least stays."""

    name = "channel_dropout"
    code = apply.INTERVALS
    serves = ("float32", "uint16")

    share: float = number(0.1, 0, 1)
    each: str = choice("channel", "placement", "sensor", "channel")

    keeps = SYNCHRONY
    breaks = NOTHING

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """The whole time or nothing a group."""
        groups = layout.groups(self.each)
        return Prepared(partial(draws.losses, self.share, time), 2 * _count(groups), groups)


@dataclass(frozen=True, kw_only=True)
class ResampleBack(Operation):
    """To another rate, one of `rates_hz`, and back: what a slower device would have left."""

    name = "resample_back"
    code = apply.RESAMPLE

    rates_hz: tuple[float, ...] = number((50.0, 31.25, 25.0, 20.0), 1e-3, 1e9)

    keeps = SYNCHRONY | REST
    breaks = NOTHING

    def check(self) -> None:
        """At least one rate."""
        if not isinstance(self.rates_hz, tuple) or not self.rates_hz:
            raise InputError(f"rates_hz of resample_back must be a tuple of rates; it is {self.rates_hz!r}")

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """The number of the rate."""
        return Prepared(partial(draws.uniforms, 0.0, float(len(self.rates_hz))), 1)


@dataclass(frozen=True, kw_only=True)
class BitFlip(Operation):
    """Flips exactly `share` of the `bits` bits from `lowest` on of all words of a sample; done twice it is undone."""

    name = "bit_flip"
    code = apply.FLIP
    serves = ("uint16",)

    share: float = number(0.001, 0, 1)
    lowest: int = number(0, 0, 15)
    bits: int = number(16, 1, 16)

    keeps = SYNCHRONY
    breaks = NOTHING

    def check(self) -> None:
        """Inside a word."""
        if self.lowest + self.bits > 16:
            raise InputError(f"bits of bit_flip must end in a word of 16; they end at {self.lowest + self.bits}")

    def prepare(self, layout: Layout, time: int) -> Prepared:
        """How many, of how many."""
        total = layout.size * time * self.bits
        options = (round(self.share * total), max(2, (total - 1).bit_length()), self.lowest, self.bits)
        return Prepared(lambda keys, out: None, options=options)


OPERATIONS: dict[str, type[Operation]] = {
    kind.name: kind
    for kind in (Jitter, Scaling, Rotation, TimeWarp, MagnitudeWarp, Permutation, Cutout, Mask, ChannelDropout, Drift,
                 ResampleBack, BitFlip, WindowReorder)
}  # fmt: skip
"""Every operation by its name in a file."""


def pipeline(*tables: dict[str, Any]) -> tuple[Operation, ...]:
    """Operations from tables as a TOML file has them: the operation's name, and what is not as by default.

    >>> pipeline({"operation": "scaling", "low": 0.8}, {"operation": "rotation"})[0].low
    0.8
    """
    made = []
    for table in tables:
        name = str(table.get("operation", ""))
        rest: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items() if k != "operation"}
        if name not in OPERATIONS:
            raise InputError(f"operation '{name}' not found{did_you_mean(name, OPERATIONS)}")
        known = [f.name for f in fields(OPERATIONS[name])]
        for key in rest:
            if key not in known:
                raise InputError(f"'{key}' of operation {name} not found{did_you_mean(key, known)}")
        made.append(OPERATIONS[name](**rest))
    return tuple(made)


def _count(groups: np.ndarray) -> int:
    return int(groups.max()) + 1
