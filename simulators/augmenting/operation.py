"""What every operation of augmentation is: a frozen declaration that checks itself and says what it preserves."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError
from simulators.augmenting.layout import Layout

PROPERTIES = ("label", "gravity", "orientation", "angle", "synchrony", "values")
"""What an operation may preserve. label: the activity, whatever its kind. At rest: gravity, the norm of what an
accelerometer reads; orientation, the directions of what accelerometer and magnetometer read; angle, the one between
these two. synchrony: what is left of one instant is at one instant in all channels. values: those of each channel,
in whatever order."""

LABEL_KINDS = ("posture", "steady", "change")
"""Kinds of activity. posture: sitting, standing, lying; steady: walking and other repetition, whose pace and vigour
are the label; change: transitions, falls, jumps, whose order in time is."""


def number(default: Any, low: float, high: float, why: str = "") -> Any:
    """A field that must be from low to high."""
    return field(default=default, metadata={"range": (low, high), "why": why})


def choice(default: str, *known: str) -> Any:
    """A field that must be one of these."""
    return field(default=default, metadata={"known": known})


@dataclass(frozen=True)
class Prepared:
    """An operation for batches of one layout and length."""

    draw: Callable[[np.ndarray, np.ndarray], None]
    """of keys and a table of parameters, as in `draws`"""
    columns: int = 0
    """of parameters"""
    groups: np.ndarray | None = None
    """of the channels"""
    levels: np.ndarray | None = None
    """sd by channel"""
    knots: int = 0
    options: tuple[int, int, int, int] = (0, 0, 0, 0)
    """span, count or width; fill or size; lowest bit; bits"""


@dataclass(frozen=True, kw_only=True)
class Operation(ABC):
    """One step of a pipeline, applied to a sample with probability p. Raises InputError for what cannot be."""

    name: ClassVar[str]
    code: ClassVar[int]
    serves: ClassVar[tuple[str, ...]] = ("float32",)

    p: float = number(1.0, 0, 1)

    def __post_init__(self) -> None:
        """Check the fields against their declarations."""
        for f in fields(self):
            value = getattr(self, f.name)
            known, (low, high) = f.metadata.get("known"), f.metadata.get("range", (0, 1e9))
            if value is None and f.default is None:
                continue
            if known and value not in known:
                raise InputError(f"{f.name} of {self.name}: '{value}' not found{did_you_mean(str(value), known)}")
            for part in () if known else value if isinstance(value, tuple) else (value,):
                if isinstance(part, bool) or not isinstance(part, int | float) or not low <= part <= high:
                    why = f.metadata.get("why", "")
                    raise InputError(f"{f.name} of {self.name} must be {low:g} to {high:g}{why}; it is {part!r}")
                if f.type is int and part != int(part):
                    raise InputError(f"{f.name} of {self.name} must be a whole number; it is {part!r}")
        self.check()

    def check(self) -> None:  # noqa: B027  most have nothing to check between fields
        """Check what must hold between fields."""

    @property
    def preserves(self) -> frozenset[str]:
        """Which of PROPERTIES it preserves."""
        return self.keeps if self.breaks else self.keeps | {"label"}

    @property
    @abstractmethod
    def keeps(self) -> frozenset[str]:
        """Which of them beside the label."""

    @property
    @abstractmethod
    def breaks(self) -> frozenset[str]:
        """The LABEL_KINDS whose label it may change: samples of that kind are left alone."""

    @abstractmethod
    def prepare(self, layout: Layout, time: int) -> Prepared:
        """What the kernels need. Raises InputError for what the layout or length does not allow."""
