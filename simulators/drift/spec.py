"""What a score stream is: the scenario's fields, and the schema of its recordings.

A score is level + shift + spread * u, where u is a stationary autoregression of unit variance:
u[t] = phi1 u[t-1] + phi2 u[t-2] + e[t], with independent e of one law. At the onset a shift begins, in units of the
stream's own spread, or the e grow by a factor; from then on nothing changes back.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema import Schema, Var
from scenarios.spec import Spec

VERSION = "1"

LAWS = ("normal", "student", "gamma")
KINDS = ("none", "step", "ramp", "scale")
LSB = 2.0**-16
"""Value of one count of a stored score."""
MOST = 2**31 * LSB / 100
"""Largest level and spread: scores are stored in 32 bits, and tails are long."""

Weight = Annotated[float, Field(ge=0)]
Range = tuple[float, float]


class DriftSpec(Spec):
    """One scenario of score streams."""

    duration_s: Annotated[float, Field(gt=0, le=1e6)]
    rate_hz: Annotated[float, Field(gt=0, le=1e6)] = 10.0
    phi: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1)] = ((0.0,), (0.5,), (0.9,), (0.95,))
    """Coefficients of the autoregression, one or two; a stream draws one of the sets."""
    laws: dict[Literal["normal", "student", "gamma"], Weight] = Field({"normal": 2, "student": 1, "gamma": 1})
    student_df: Range = (3.0, 8.0)
    gamma_shape: Range = (0.5, 4.0)
    level: tuple[float, float] = (-5.0, 5.0)
    spread: Range = (0.5, 2.0)
    """Standard deviation of a stream before it changes, log-uniform."""
    kinds: dict[Literal["none", "step", "ramp", "scale"], Weight] = Field({"none": 1, "step": 1, "ramp": 1, "scale": 1})
    calm_s: Annotated[float, Field(ge=0)] = 60.0
    """No change begins earlier; from then to the end its onset is uniform."""
    size_sd: Range = (0.5, 3.0)
    """Shift of the mean in spreads, either way."""
    ramp_s: Range = (5.0, 60.0)
    scale: Range = (1.3, 2.5)
    """Factor on the innovations, log-uniform."""

    @property
    def samples(self) -> int:
        """Samples of a stream."""
        return math.floor(self.duration_s * self.rate_hz + 1e-9)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in ("student_df", "gamma_shape", "spread", "size_sd", "ramp_s", "scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must be two positive numbers in ascending order; it is [{low:g}, {high:g}]")
        for name in ("laws", "kinds"):
            if not sum(getattr(self, name).values()) > 0:
                raise ValueError(f"{name} must have a weight above 0; it is {getattr(self, name)}")
        if not self.level[0] <= self.level[1]:
            raise ValueError(f"level must be two numbers in ascending order; it is {list(self.level)}")
        if max(abs(self.level[0]), abs(self.level[1]), self.spread[1] * max(self.size_sd[1], self.scale[1])) > MOST:
            raise ValueError(f"level, and spread times size_sd and scale, must be at most {MOST:g}")
        if self.student_df[0] <= 2:
            raise ValueError(f"student_df must be above 2, where there is a variance; it is {self.student_df[0]:g}")
        for phi in self.phi:
            if not 1 <= len(phi) <= 2 or not stationary(phi):
                raise ValueError(f"phi must be one or two coefficients of a stationary process; one is {list(phi)}")
        if float(f"{self.rate_hz:g}") != self.rate_hz:
            raise ValueError(f"rate_hz must have at most six digits, which name its group; it is {self.rate_hz}")
        if self.samples < 8 or self.calm_s >= self.duration_s:
            raise ValueError(
                f"duration_s must cover 8 samples and be above calm_s ({self.calm_s:g}); it is {self.duration_s:g}"
            )
        return self


def stationary(phi: tuple[float, ...]) -> bool:
    """Whether an autoregression of order 1 or 2 has a stationary solution."""
    a, b = (*phi, 0.0)[:2]
    return abs(b) < 1 and a + b < 1 and b - a < 1


def _var(name: str, dims: str, dtype: str, units: str, meaning: str, **more: object) -> Var:
    return Var(name=name, dims=tuple(dims.split()), dtype=dtype, units=units, meaning=meaning, **more)  # type: ignore[arg-type]


SCHEMA = Schema(
    variables=(
        _var("inputs/r{rate}/score", "channel time", "int32", "1", "score in counts of lsb"),
        _var("inputs/r{rate}/channel_id", "channel", "int32", "1", "number of the stream"),
        _var("inputs/r{rate}/n_samples", "channel", "int32", "1", "samples of the stream"),
        _var("inputs/r{rate}/start_ns", "channel", "int64", "ns", "time of sample 0"),
        _var("inputs/r{rate}/lsb", "channel", "float64", "1", "value of one count"),
        _var("truth/onset", "", "int32", "1", "first sample of the new law; -1: none"),
        _var("truth/end", "", "int32", "1", "sample at which the change is complete; -1: none"),
        _var("truth/kind", "", "int8", "1", "what changes", flag_meanings=KINDS),
        _var("truth/size", "", "float64", "1", "step, ramp: shift in spreads; scale: factor; none: 0"),
        _var("truth/law", "", "int8", "1", "law of the innovations", flag_meanings=LAWS),
        _var("truth/law_shape", "", "float64", "1", "degrees of freedom, or shape; 0 where the law has none"),
        _var("truth/phi1", "", "float64", "1", "coefficient of the sample before"),
        _var("truth/phi2", "", "float64", "1", "coefficient of the one before that"),
        _var("truth/level", "", "float64", "1", "mean before the change"),
        _var("truth/spread", "", "float64", "1", "standard deviation before the change"),
        _var("truth/innovation_sd", "", "float64", "1", "standard deviation of the innovations before the change"),
    )
)
