"""Which channel of a batch is what: kinds of sensors, where they sit, and which channels share a draw."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError

KINDS = {"acc": 3, "linear": 3, "gravity": 3, "gyro": 3, "mag": 3, "attitude": 0, "word": 0, "other": 0}
"""Channels a sensor of each kind has (0: any number). acc is specific force with gravity in it, linear is it without,
both in m/s^2 as gravity is; gyro in rad/s, mag in uT; attitude is angles or a quaternion; word is a uint16 word."""

VECTORS = ("acc", "linear", "gravity", "gyro", "mag")
"""Kinds whose three channels are x, y and z of a vector in the sensor's frame."""

EACH = ("sample", "placement", "sensor", "channel")
"""What gets a draw of its own."""


@dataclass(frozen=True)
class Sensor:
    """A sensor at a placement, and its channels in a batch: x, y and z of a vector, in any place but in this order."""

    kind: str
    placement: str
    channels: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the kind and how many channels it has."""
        if self.kind not in KINDS:
            raise InputError(f"kind of channels '{self.kind}' not found{did_you_mean(self.kind, KINDS)}")
        needed = KINDS[self.kind] or max(1, len(self.channels))
        if len(self.channels) != needed:
            raise InputError(f"{self.placement} {self.kind} must have {needed} channel(s); it has {len(self.channels)}")


@dataclass(frozen=True)
class Layout:
    """The channels of a batch (samples, channels, time). Raises InputError unless each belongs to one sensor."""

    sensors: tuple[Sensor, ...]
    rate_hz: float

    def __post_init__(self) -> None:
        """Check that the sensors share the channels out."""
        if not 0 < self.rate_hz < math.inf:
            raise InputError(f"rate_hz of a layout must be a number above 0; it is {self.rate_hz}")
        found = sorted(c for sensor in self.sensors for c in sensor.channels)
        if not found or found != list(range(len(found))):
            raise InputError(f"a layout must give each channel from 0 on to one sensor; its channels are {found}")
        names = [(s.placement, s.kind) for s in self.sensors if s.kind in VECTORS]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InputError(f"a placement must have one sensor of a kind; {' '.join(min(twice))} comes twice")

    @classmethod
    def of(cls, *placements: tuple[str, ...], rate_hz: float) -> "Layout":
        """Vector sensors one behind the other, each placement as (name, kind, ...).

        >>> Layout.of(("wrist", "acc", "gyro"), ("waist", "acc"), rate_hz=50).sensors[2]
        Sensor(kind='acc', placement='waist', channels=(6, 7, 8))
        """
        names = [(kind, name) for name, *kinds in placements for kind in kinds]
        triads = (Sensor(kind, name, (3 * i, 3 * i + 1, 3 * i + 2)) for i, (kind, name) in enumerate(names))
        return cls(tuple(triads), rate_hz)

    @classmethod
    def words(cls, count: int, *, rate_hz: float) -> "Layout":
        """So many words of a bus."""
        return cls((Sensor("word", "bus", tuple(range(count))),), rate_hz)

    @cached_property
    def size(self) -> int:
        """How many channels there are."""
        return sum(len(sensor.channels) for sensor in self.sensors)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each channel."""
        return tuple(self._by_channel(s.kind for s in self.sensors))

    def groups(self, each: str) -> np.ndarray:
        """The number of the group that each channel is in, (channels,) int64, counted from 0 in the sensors' order."""
        if each == "channel":
            return np.arange(self.size)
        names = ["" if each == "sample" else s.placement if each == "placement" else str(s) for s in self.sensors]
        order = {name: i for i, name in enumerate(dict.fromkeys(names))}
        return np.array(self._by_channel(order[name] for name in names), np.int64)

    def triads(self) -> np.ndarray:
        """Vector sensors: their placement's number and their channels x, y, z, (sensors, 4) int64."""
        number = self.groups("placement")
        rows = [(number[s.channels[0]], *s.channels) for s in self.sensors if s.kind in VECTORS]
        return np.array(rows, np.int64).reshape(-1, 4)

    def accelerometers(self) -> np.ndarray:
        """Channels x, y, z of each accelerometer, then of its placement's gravity or -1, (sensors, 6) int64."""
        gravity = {s.placement: s.channels for s in self.sensors if s.kind == "gravity"}
        rows = [s.channels + gravity.get(s.placement, (-1, -1, -1)) for s in self.sensors if s.kind == "acc"]
        return np.array(rows, np.int64).reshape(-1, 6)

    def _by_channel(self, values: Iterable[Any]) -> list[Any]:
        found = {c: v for s, v in zip(self.sensors, values, strict=True) for c in s.channels}
        return [found[c] for c in range(self.size)]
