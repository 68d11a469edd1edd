"""Permanent magnets: cylinders and cuboids, uniformly magnetised along their axis.

Lengths in mm, Br in T, moments in A m2, multipole coefficients in uT mm^(l+2). An axis points from south to north
pole where the polarity is +1.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ellipe, ellipk

from scenarios.errors import InputError
from simulators.hand.kernels.fields import UNIT

Floats = NDArray[np.float64]
MU0 = 4e-7 * math.pi


@dataclass(frozen=True, kw_only=True)
class Magnet:
    """A cylinder (`diameter_mm`, `height_mm`) magnetised along its height, or a cuboid along the third of `size_mm`.

    `br_t` is the remanence and `mu_r` the recoil permeability. `demagnetisation` is what the magnet's own field leaves
    of its moment. Its default is 1 / (1 + (mu_r - 1) N) with the magnetometric factor N of the uniformly magnetised
    body: the mean of a field that FEM finds uneven, near to 0.1 % in the far field of flat discs (6x3 mm, mu_r 1.05:
    0.97683, by FEM 0.9768). It scales every level of the field ladder alike but `fem`, which knows the uneven
    magnetisation. `polarity` -1 turns the moment round. Raises InputError for a size, Br, mu_r, share or polarity out
    of range.
    """

    kind: Literal["cylinder", "cuboid"] = "cylinder"
    diameter_mm: float | None = None
    height_mm: float | None = None
    size_mm: tuple[float, float, float] | None = None
    br_t: float
    mu_r: float = 1.05
    polarity: int = 1
    demagnetisation: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no magnet."""
        round_ = {"diameter_mm": self.diameter_mm, "height_mm": self.height_mm}
        if self.kind not in ("cylinder", "cuboid"):
            raise InputError(f"a magnet's kind must be cylinder or cuboid; came {self.kind!r}")
        needed, spare = (round_, {"size_mm": self.size_mm}) if self.kind == "cylinder" else ({}, round_)
        for name, came in spare.items():
            if came is not None:
                raise InputError(f"a {self.kind} magnet has no {name}; came {came!r}")
        if self.kind == "cuboid":
            if self.size_mm is None or len(self.size_mm) != 3:
                raise InputError(f"a cuboid magnet's size_mm must be three lengths; came {self.size_mm!r}")
            needed = {f"size_mm[{i}]": side for i, side in enumerate(self.size_mm)}
        for name, length in needed.items():
            if length is None or not 0 < length < math.inf:
                raise InputError(f"a {self.kind} magnet's {name} must be > 0 mm; came {length!r}")
        share = 1.0 if self.demagnetisation is None else self.demagnetisation
        for name, came, least, most in (("br_t", self.br_t, 0, 2), ("demagnetisation", share, 0, 1)):
            if not least < came <= most:
                raise InputError(f"a magnet's {name} must be > {least} and <= {most}; came {came!r}")
        if not 1 <= self.mu_r < math.inf:
            raise InputError(f"a magnet's mu_r must be >= 1; came {self.mu_r!r}")
        if self.polarity not in (1, -1):
            raise InputError(f"a magnet's polarity must be 1 or -1; came {self.polarity!r}")

    def __str__(self) -> str:
        """Its size, as makers write it."""
        return f"{'x'.join(f'{side:g}' for side in (self.sides if self.size_mm else self.sides[1:]))} mm {self.kind}"

    @cached_property
    def sides(self) -> tuple[float, float, float]:
        """Lengths of the box round it, in mm, the last along the axis."""
        if self.size_mm is not None:
            return self.size_mm
        assert self.diameter_mm is not None
        assert self.height_mm is not None
        return self.diameter_mm, self.diameter_mm, self.height_mm

    @cached_property
    def volume(self) -> float:
        """Volume in mm3."""
        return math.prod(self.sides) * (math.pi / 4 if self.kind == "cylinder" else 1.0)

    @cached_property
    def radius(self) -> float:
        """Radius of the sphere round it, in mm."""
        return math.hypot(*(self.sides[1:] if self.kind == "cylinder" else self.sides)) / 2

    @cached_property
    def demagnetising_factor(self) -> float:
        """Magnetometric factor N along the axis: mean H over -M of the uniformly magnetised body."""
        return _of_cylinder(*self.sides[1:]) if self.kind == "cylinder" else _of_cuboid(*self.sides)

    @cached_property
    def polarisation(self) -> float:
        """Mean polarisation in T, with the sign of the polarity."""
        share = self.demagnetisation
        if share is None:
            share = 1 / (1 + (self.mu_r - 1) * self.demagnetising_factor)
        return self.polarity * share * self.br_t

    @cached_property
    def moment(self) -> float:
        """Moment along the axis in A m2, with the sign of the polarity."""
        return self.polarisation * self.volume * 1e-9 / MU0

    def ratios(self, count: int) -> Floats:
        """A_l / (A_1 radius^(l-1)) of a cylinder for l = 1, 3, ..., shape (count,).

        They are 2 P'_(l+1)(x) / ((l+1)(l+2) x), x = half height / radius: the potential on the axis is that of two
        charged discs, whose square roots generate Gegenbauer polynomials (DLMF 18.12.4, 18.7.9). Raises InputError
        for a cuboid.
        """
        if self.kind != "cylinder":
            raise InputError(f"a multipole of odd orders must be a cylinder's; came a {self}")
        return _ratios((self.sides[2] / 2 / self.radius) ** 2, count)

    @cached_property
    def coefficients(self) -> Floats:
        """A_1, A_3, A_5, A_7 of a cylinder, in uT mm^(l+2), with the sign of the polarity. Shape (4,)."""
        return UNIT * self.moment * self.ratios(4) * self.radius ** np.arange(0, 8, 2)


@lru_cache(maxsize=256)
def _ratios(x2: float, count: int) -> Floats:
    odd, even = 1.0, 3.0  # P'_l(x) and P'_(l+1)(x) / x
    found = np.empty(count)
    for i in range(count):
        n = 2 * i + 2
        found[i] = 2 * even / (n * (n + 1))
        odd = ((2 * n + 1) * x2 * even - (n + 1) * odd) / n
        even = ((2 * n + 3) * odd - (n + 2) * even) / (n + 1)
    found.flags.writeable = False
    return found


def _of_cylinder(diameter: float, height: float) -> float:
    """1 less Nagaoka's coefficient of the current sheet round it (Rosa and Grover, NBS Bulletin 8, 1911, p. 119)."""
    k2 = diameter**2 / (diameter**2 + height**2)
    rest = 1 - k2
    first, second = float(ellipk(k2)), float(ellipe(k2))
    return 1 - 4 / (3 * math.pi * math.sqrt(rest)) * (rest / k2 * (first - second) + second - math.sqrt(k2))


def _of_cuboid(width: float, depth: float, height: float) -> float:
    """Along the height. Source: Aharoni, J. Appl. Phys. 83, 3432 (1998), equation 1."""
    a, b, c = width, depth, height
    d, ab, bc, ca = math.hypot(a, b, c), math.hypot(a, b), math.hypot(b, c), math.hypot(c, a)

    def log(long: float, short: float) -> float:
        return 2 * math.asinh(short / math.sqrt(long**2 - short**2))  # ln((long + short) / (long - short))

    total = (
        (c**2 - b**2) / (2 * b * c) * log(d, a)
        + (c**2 - a**2) / (2 * a * c) * log(d, b)
        + b / (2 * c) * log(ab, a)
        + a / (2 * c) * log(ab, b)
        - c / (2 * a) * log(bc, b)
        - c / (2 * b) * log(ca, a)
        + 2 * math.atan2(a * b, c * d)
        + (a**3 + b**3 - 2 * c**3) / (3 * a * b * c)
        + (a**2 + b**2 - 2 * c**2) / (3 * a * b * c) * d
        + c / (a * b) * (ca + bc)
        - (ab**3 + bc**3 + ca**3) / (3 * a * b * c)
    )
    return total / math.pi
