"""What a hand recording is: the scenario's fields, and the schema of its recordings.

A hand wears a magnet on each finger and a device with one magnetometer or several, an accelerometer and a gyroscope.
Lengths are in mm, angles in degrees here and in radians in arrays, fields in uT, times in s.
"""

import itertools
import math
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from scenarios.schema import Schema, Var
from scenarios.spec import Part, Spec

VERSION = "1"

FINGERS = ("thumb", "index", "middle", "ring", "little")
STATES = ("extended", "partial", "flexed", "moving", "unknown")
QUANTITIES = ("accelerometer", "gyroscope", "magnetometer")
AXES = ("x", "y", "z")
ALL_32 = tuple("".join(c) for c in itertools.product("ef", repeat=5))
"""Combos read thumb, index, middle, ring, little; e extended, f flexed."""
RECORDED_10 = (
    "eeeee", "fffff", "feeee", "efeee", "eefee", "eeefe", "eeeef", "ffeee", "eeeff", "eefff",
)  # fmt: skip
"""The combos of the one labelled real recording: github.com/christopherdebeer/simcap, 2025-12-31T14_06_18."""
OTHER_22 = tuple(name for name in ALL_32 if name not in RECORDED_10)
GROUPS = {"all": ALL_32, "recorded_10": RECORDED_10, "other_22": OTHER_22}
SPLITS = ("train", "validation", "test")
MOST_SAMPLES = 2**24

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Vector = tuple[float, float, float]
Range = tuple[float, float]


class Magnets(Part):
    """The magnets, one a finger, alike but for their strength; each points away from the back of its phalanx."""

    site: Literal["nail", "middle"] = "nail"
    diameter_mm: Positive = 6.0
    height_mm: Positive = 3.0
    br_t: Annotated[float, Field(gt=0, le=2)] = 1.43
    polarity: tuple[float, float, float, float, float] = (1, 1, 1, -1, 1)
    """Sign and relative strength of each; 0: that finger wears none."""
    br_sd: NotNegative = 0.03
    """Relative scatter of the strength from magnet to magnet."""
    offset_mm: NotNegative = 0.5
    """Mount error along each axis, sd over sessions."""
    tilt_deg: NotNegative = 3.0


class Sensor(Part):
    """A magnetometer on the device: its model and where it sits on the hand; its axes are the hand's."""

    model: str = "MMC5603NJ"
    at_mm: Vector = (0.0, 45.0, -16.0)


class Design(Part):
    """Where magnets and sensors are, and how strong the magnets are."""

    magnets: Magnets = Magnets()
    sensors: Annotated[tuple[Sensor, ...], Field(min_length=1, max_length=64)] = (Sensor(),)


def _palm(*places: Vector) -> tuple[Sensor, ...]:
    return tuple(Sensor(at_mm=at) for at in places)


DESIGNS = {
    "palm_single": Design(),
    "weak_magnets": Design(magnets=Magnets(diameter_mm=4.0, height_mm=2.0, br_t=1.3)),
    "two_sensors": Design(sensors=_palm((14.0, 45.0, -16.0), (-18.0, 45.0, -16.0))),
    "array_4": Design(
        sensors=_palm((14.0, 59.0, -16.0), (-18.0, 59.0, -16.0), (14.0, 31.0, -16.0), (-18.0, 31.0, -16.0))
    ),
}
"""Designs by name, all with the magnets on the nails: the origin's; magnets of 0.27 of its moment, of
which next to nothing clips; two sensors on one board; four."""


class People(Part):
    """Whose hand it is. Equal numbers of recordings a person share that person's bones."""

    hand_length_mm: Annotated[float, Field(ge=140, le=240)] = 189.3
    """Mean of ANSUR II."""
    hand_length_sd_mm: NotNegative = 11.4
    bone_sd: Annotated[float, Field(ge=0, le=0.2)] = 0.05
    """Relative scatter of each bone about what the hand's length says."""
    recordings_per_person: Annotated[int, Field(ge=0)] = 1
    """0: one person made all recordings of all splits."""


class Posture(Part):
    """How far a posture is from the combo's own: random effects of four levels, sd of each joint and of each magnet."""

    person_deg: NotNegative = 4.0
    session_deg: NotNegative = 2.0
    repeat_deg: NotNegative = 5.0
    hold_deg: NotNegative = 0.5
    """Within a hold, slowly varying."""
    repeat_mm: NotNegative = 0.0
    """Of each magnet's place along each axis, beside what the joints do."""
    hold_mm: NotNegative = 0.0
    enslaving: Annotated[float, Field(ge=0, le=0.5)] = 0.25
    """Share of a finger's flexion that its nearest neighbours follow; least for the thumb."""


class Motion(Part):
    """How the device turns: one rotation moves gravity, the Earth's field and the gyroscope."""

    kind: Literal["still", "tilt", "free"] = "tilt"
    degrees: Annotated[float, Field(ge=0, le=90)] = 25.0
    """Of tilt: farthest from level, and from its heading."""
    turn_deg_s: Annotated[float, Field(ge=0, le=1e4)] = 60.0
    """Of free: rms rate of each of roll, pitch and yaw."""
    seconds: Annotated[float, Field(ge=0.05)] = 2.0
    """Time over which the rotation changes."""
    sway_mm: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Rms of the device's place along each axis; the accelerometer feels it."""


class Earth(Part):
    """The Earth's field: of a place by the World Magnetic Model, or given as a vector east, north, up."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)] = 55.95
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] = -3.19
    altitude_m: Annotated[float, Field(ge=-1000, le=850_000)] = 50.0
    year: float = 2025.5
    vector_ut: Vector | None = None


class Device(Part):
    """The iron of the device: a constant field in its frame and a matrix near the identity."""

    hard_iron_ut: NotNegative | tuple[NotNegative, NotNegative, NotNegative] = 25.0
    """Sd over sessions, of all axes or of each."""
    hard_iron_mean_ut: Vector = (0.0, 0.0, 0.0)
    soft_iron: NotNegative = 0.02
    """Sd of each element of the matrix about the identity."""
    noise_ut: NotNegative | None = None
    """White noise of every reading, instead of the sensor's own."""
    tick_ms: Annotated[float, Field(ge=1e-6, le=1000)] = 0.001
    """Resolution of the logger's stamps."""

    @property
    def hard_iron_sd_ut(self) -> Vector:
        """The sd of each axis."""
        sd = self.hard_iron_ut
        return sd if isinstance(sd, tuple) else (sd, sd, sd)


class Ring(Part):
    """A steel ring worn on a finger's proximal phalanx."""

    finger: Literal["thumb", "index", "middle", "ring", "little"] = "index"
    inner_mm: Positive = 18.0
    outer_mm: Positive = 21.0
    height_mm: Annotated[float, Field(ge=0.2)] = 4.0
    mu_r: Annotated[float, Field(ge=1)] = 1000.0


class Iron(Part):
    """A disc or tube of iron that stays where it is on the hand's frame: a watch's back, a shield can, a table."""

    name: Annotated[str, Field(min_length=1)] = "iron"
    inner_mm: NotNegative = 0.0
    outer_mm: Positive
    """Diameters."""
    height_mm: Annotated[float, Field(ge=0.1)]
    mu_r: Annotated[float, Field(ge=1)] = 1000.0
    at_mm: Vector
    """Its centre."""
    axis: Vector = (0.0, 0.0, 1.0)
    nearest_mm: Positive | None = None
    """How near magnets and sensors may come; by default as its size lets them. Farther is faster."""


Group = Literal["all", "recorded_10", "other_22"]


class Combos(Part):
    """Which combos a split has: names, or a group's name."""

    train: tuple[str, ...] | Group = "all"
    validation: tuple[str, ...] | Group = "all"
    test: tuple[str, ...] | Group = "all"

    @field_validator("*")
    @classmethod
    def _named(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for name in value if isinstance(value, tuple) else ():
            if len(name) != 5 or set(name) - set("epf"):
                raise ValueError(f"a combo must be five letters e, p or f, thumb to little; one is '{name}'")
        if not value:
            raise ValueError("a split must have a combo; it has none")
        return value

    def of(self, split: str) -> tuple[str, ...]:
        """The combos of a split."""
        found = getattr(self, split, self.test)
        return GROUPS[found] if isinstance(found, str) else tuple(found)


class HandSpec(Spec):
    """One scenario of the hand simulator."""

    kind: Literal["stream", "cloud"] = "stream"
    """A stream of holds and moves, or independent readings."""
    design: Design = Design()
    """A table, a name of DESIGNS, or a table whose `preset` is such a name and whose other keys change it."""
    people: People = People()
    posture: Posture = Posture()
    motion: Motion = Motion()
    earth: Earth = Earth()
    device: Device = Device()
    ring: Ring | None = None
    iron: Annotated[tuple[Iron, ...], Field(max_length=8)] = ()
    """Bodies that stay where they are."""
    combos: Combos = Combos()
    rate_hz: Annotated[float, Field(gt=0, le=1e4)] = 26.0
    duration_s: Positive = 120.0
    """Of a stream: the combos of its split come in random order, again and again, until it is over."""
    hold_s: Range = (1.5, 4.0)
    move_s: Range = (0.3, 0.8)
    samples_per_combo: Annotated[int, Field(ge=1)] = 200
    """Of a cloud, for the split with the most combos; the others have as many readings in all."""
    tolerance: Annotated[float, Field(gt=0, le=0.1)] = 1e-3
    """Relative error that the field may have: it chooses the level of the field model."""

    @field_validator("design", mode="before")
    @classmethod
    def _preset(cls, value: object) -> object:
        table = {"preset": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or "preset" not in table:
            return value
        name, own = table["preset"], {key: part for key, part in table.items() if key != "preset"}
        if name not in DESIGNS:
            raise ValueError(f"a design by name must be one of {', '.join(DESIGNS)}; it is '{name}'")
        found = DESIGNS[name].model_dump()
        magnets = own.pop("magnets", {})
        return found | own | {"magnets": found["magnets"] | magnets if isinstance(magnets, dict) else magnets}

    @property
    def samples(self) -> int:
        """Readings of a recording."""
        if self.kind == "stream":
            return math.floor(self.duration_s * self.rate_hz + 1e-9)
        return self.samples_per_combo * max(len(self.combos.of(split)) for split in SPLITS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if float(f"{self.rate_hz:g}") != self.rate_hz:
            raise ValueError(f"rate_hz must have at most six digits, which name its group; it is {self.rate_hz}")
        if not 8 <= self.samples <= MOST_SAMPLES:
            raise ValueError(f"a recording must have 8 to {MOST_SAMPLES:,} readings; it would have {self.samples:,}")
        if not any(self.design.magnets.polarity):
            raise ValueError("design.magnets.polarity must leave a magnet; all are 0")
        strongest = self.design.magnets.br_t * max(map(abs, self.design.magnets.polarity))
        if strongest > 2:
            raise ValueError(f"br_t times the largest polarity must be at most 2 T; it is {strongest:g}")
        if self.ring and self.ring.outer_mm - self.ring.inner_mm < 0.4:
            raise ValueError(
                f"ring.inner_mm must be below outer_mm ({self.ring.outer_mm}) by 0.4 mm; it is {self.ring.inner_mm}"
            )
        for name, (low, _) in (("hold_s", self.hold_s), ("move_s", self.move_s)):
            if low < 0.02:
                raise ValueError(f"{name} must be 0.02 s or longer; it is {low:g}")
        return self


def _var(name: str, dims: str, dtype: str, units: str, meaning: str, **more: object) -> Var:
    return Var(name=name, dims=tuple(dims.split()), dtype=dtype, units=units, meaning=meaning, **more)  # type: ignore[arg-type]


def _told(name: str, dims: str, dtype: str, units: str, meaning: str, **more: object) -> Var:
    """What only a simulator can tell; recordings are without it."""
    return _var(name, dims, dtype, units, meaning, optional=True, **more)


SCHEMA = Schema(
    variables=(
        _var("inputs/r{rate}/counts", "channel time", "int32", "1", "reading in counts of lsb; held between refreshes"),
        _var("inputs/r{rate}/channel_id", "channel", "int32", "1", "channel number"),
        _var("inputs/r{rate}/n_samples", "channel", "int32", "1", "readings of the channel; the rest is fill"),
        _var("inputs/r{rate}/start_ns", "channel", "int64", "ns", "time of reading 0"),
        _var("inputs/r{rate}/lsb", "channel", "float64", "1", "value of one count, in the channel's unit"),
        _var("inputs/r{rate}/quantity", "channel", "int8", "1", "m/s2, rad/s or uT", flag_meanings=QUANTITIES),
        _var("inputs/r{rate}/axis", "channel", "int8", "1", "axis of the hand", flag_meanings=AXES),
        _var("inputs/r{rate}/sensor", "channel", "int32", "1", "number of the magnetometer; -1: not one"),
        _var("inputs/r{rate}/clipped", "channel time", "bool", "1", "the reading stands at the rail"),
        _var("inputs/r{rate}/tick_ns", "time", "int64", "ns", "time of each reading by the logger"),
        _var("truth/r{rate}/state", "finger time", "int8", "1", "state of the finger", flag_meanings=STATES),
        _told("truth/r{rate}/curl", "finger time", "float32", "1", "0 extended to 1 fist, random effects apart"),
        _told("truth/r{rate}/angle", "finger joint time", "float32", "rad", "joint angles"),
        _told("truth/r{rate}/position", "finger component time", "float32", "mm", "place of the magnet on the hand"),
        _told("truth/r{rate}/direction", "finger component time", "float32", "1", "direction of the magnet"),
        _told("truth/r{rate}/field", "finger sensor component time", "float32", "uT", "field of each magnet"),
        _told("truth/r{rate}/earth", "component time", "float32", "uT", "field of the Earth in the device's frame"),
        _told("truth/r{rate}/iron", "sensor component time", "float32", "uT", "field of worn and near iron"),
        _told("truth/r{rate}/rotation", "quaternion time", "float32", "1", "device to world (w, x, y, z)"),
        _told("truth/r{rate}/shifted", "channel time", "bool", "1", "an overload has moved the channel's null offset"),
        _told("truth/r{rate}/held", "channel time", "bool", "1", "the sensor gave its previous reading again"),
        _var("truth/hold_start", "hold", "int32", "1", "first reading of the hold"),
        _var("truth/hold_end", "hold", "int32", "1", "reading after the last"),
        _var("truth/hold_state", "hold finger", "int8", "1", "the combo", flag_meanings=STATES),
        _told("truth/moment", "finger", "float64", "A m2", "moment of the magnet, with its sign"),
        _told("truth/bone", "finger phalanx", "float64", "mm", "lengths of the bones that move, the last with its tip"),
        _told("truth/base", "finger component", "float64", "mm", "first joint of each finger"),
        _told("truth/sensor_at", "sensor component", "float64", "mm", "place of each magnetometer"),
        _var("truth/person", "", "int32", "1", "equal numbers are one person's hand"),
        _told("truth/hand_length", "", "float64", "mm", "length of the hand"),
        _told("truth/hard_iron", "sensor component", "float64", "uT", "constant field of the device's iron"),
        _told("truth/soft_iron", "sensor component column", "float64", "1", "what the iron makes of a field"),
    )
)
