"""What an IMU recording is: the scenario's fields, and the schema of its recordings.

A person wears devices, each with an accelerometer and perhaps a gyroscope, a magnetometer and an orientation estimate,
and does one activity after another. Accelerometers read specific force: gravity is in the signal, and a device at rest
reads 9.81 m/s^2 along up. Signals are in m/s^2, rad/s and uT; lengths in scenarios are in mm or m, angles in degrees.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from scenarios.catalogue import did_you_mean, nearest
from scenarios.errors import InputError
from scenarios.schema import Schema, Var
from scenarios.spec import Part, Spec
from simulators.imu.activity import ACTIVITIES, TABLES, Activity, derived, recipe_of
from simulators.imu.body import SEGMENTS
from simulators.imu.devices import device_of
from simulators.imu.labels import GROUPS_43, GROUPS_44, LABELS, PLACEMENTS, SIDES

VERSION = "2"

QUANTITIES = (
    "accelerometer", "gyroscope", "magnetometer", "orientation", "body_acceleration", "ecg", "heart_rate",
    "temperature",
)  # fmt: skip
"""The last three are declared by profiles and imported from recordings, never simulated."""
UNITS = ("m/s^2", "rad/s", "uT", "1", "m/s^2", "mV", "1/min", "degC")
GENERATED = ("accelerometer", "gyroscope", "magnetometer", "orientation", "body_acceleration")
AXES = ("x", "y", "z", "w")
AXES_OF = {"orientation": ("w", "x", "y", "z")}
"""The others have x, y, z."""
SPLITS = ("train", "validation", "test")
MOST_SAMPLES = 2**22

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Factor = Annotated[float, Field(ge=0, le=4)]
OF_AGE = (10.0, 100.0)
"""Of people whose bodies and gaits these are."""
MOST_UT = 100.0
"""The Earth's field reaches 67 uT."""
Vector = tuple[float, float, float]
Range = tuple[float, float]
Direction = Literal["up", "down", "forward", "backward", "left", "right"]
OPPOSITE = {"up": "down", "forward": "backward", "left": "right"}
OPPOSITE |= {b: a for a, b in OPPOSITE.items()}


class Wearing(Part):
    """How a device sits: how far it is from its nominal place, and what lies between it and the bone."""

    tilt_deg: Annotated[float, Field(ge=0, le=90)] = 7.0
    """Random rotation about every axis of the device, sd over sessions."""
    about_deg: float = 0.0
    """Fixed rotation about the limb's own long axis, away from `axes`."""
    turn_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    """On top, about the same axis, sd over people."""
    shift_mm: Annotated[float, Field(ge=0, le=200)] = 15.0
    """Displacement along each axis, sd over sessions."""
    free: bool = False
    """Any orientation is as likely: a phone dropped into a pocket."""
    resonance_hz: Annotated[float, Field(ge=1, le=100)] = 14.0
    """Of the device's mass on soft tissue, strap or cloth, median over sessions."""
    damping: Annotated[float, Field(ge=0.05, le=2)] = 0.5
    """Share of critical damping."""
    rattle_deg: Annotated[float, Field(ge=0, le=20)] = 0.5
    """Rms of the wobble of a loose device for each m/s^2 rms of what shakes it."""


class Unit(Part):
    """A device on the body: where, what it measures, which way its axes point as the wearer stands."""

    placement: str
    side: Literal["middle", "left", "right", "any"] = "middle"
    """any: left or right by the subject's habit."""
    measures: Annotated[tuple[str, ...], Field(min_length=1)] = ("accelerometer", "gyroscope")
    """Quantities in the order of the channels; one may occur twice, from a second sensor of the same unit."""
    one_device: bool = False
    """All recordings are made with the same specimen; else each with one of its own."""
    device: str = "phone"
    """A name of `simulators.imu.devices.DEVICES`."""
    axes: tuple[Direction, Direction, Direction] = ("up", "left", "backward")
    """Body directions that the device's x, y and z point to."""
    wearing: Wearing = Wearing()

    @field_validator("placement")
    @classmethod
    def _is_placement(cls, value: str) -> str:
        if value not in PLACEMENTS:
            raise ValueError(f"must be one of {', '.join(PLACEMENTS)}; it is '{value}'{nearest(value, PLACEMENTS)}")
        return value

    @field_validator("measures")
    @classmethod
    def _are_quantities(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in GENERATED:
                raise ValueError(
                    f"a channel asked for must be one of {', '.join(GENERATED)}; '{name}' is not simulated"
                    + nearest(name, GENERATED)
                )
        return value

    @model_validator(mode="after")
    def _has_its_sensors(self) -> Self:
        try:
            device_of(self.device, self.measures)
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _right_handed(self) -> Self:
        if len({min(a, OPPOSITE[a]) for a in self.axes}) < 3 or handedness(self.axes) < 0:
            raise ValueError(f"axes must be three right-handed directions; they are {', '.join(self.axes)}")
        return self


def handedness(axes: tuple[str, str, str]) -> int:
    """1 for right-handed directions, -1 for left-handed ones, 0 where one occurs twice."""
    x, y, z = (DIRECTIONS[name] for name in axes)
    cross = (x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0])
    return round(sum(a * b for a, b in zip(cross, z, strict=True)))


DIRECTIONS: dict[str, tuple[float, float, float]] = {
    "forward": (1, 0, 0), "backward": (-1, 0, 0), "left": (0, 1, 0), "right": (0, -1, 0), "up": (0, 0, 1),
    "down": (0, 0, -1),
}  # fmt: skip
"""In the frame of a segment of a person who stands: x forward, y left, z up."""


class People(Part):
    """Whose body it is. Subjects of different splits are different people."""

    recordings_per_subject: Annotated[int, Field(ge=1)] = 1
    female: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share."""
    age_years: Range = (19.0, 48.0)
    """Older people move more slowly and more softly."""
    height_sd_m: Annotated[float, Field(ge=0, le=0.15)] = 0.065
    haste: Annotated[float, Field(ge=0.2, le=5)] = 1.0
    """By what factor moves from posture to posture are quicker than the activities' tables have them."""

    @field_validator("age_years")
    @classmethod
    def _are_ages(cls, value: Range) -> Range:
        if not OF_AGE[0] <= value[0] <= value[1] <= OF_AGE[1]:
            raise ValueError(f"must be two ages from {OF_AGE[0]} to {OF_AGE[1]}, ascending; it is {list(value)}")
        return value


class Variation(Part):
    """How much people, sessions, bouts and cycles differ, as factors of what each activity says."""

    person: Factor = 1.0
    session: Factor = 1.0
    bout: Factor = 1.0
    cycle: Factor = 1.0


class Timing(Part):
    """The logger's clock."""

    skew_ppm: Annotated[float, Field(ge=0, le=10000)] = 30.0
    """Relative error of the timer, sd."""
    jitter_ms: NotNegative = 0.0
    """A stamp comes late by up to this."""
    tick_ms: Annotated[float, Field(ge=1e-6, le=1000)] = 1e-3
    batch: Annotated[int, Field(ge=1, le=10000)] = 1
    loss: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Probability that a batch never arrives; all devices share it."""


class Earth(Part):
    """The Earth's field where the person is, (east, north, up) in uT."""

    vector_ut: Vector = (0.5, 19.5, -45.0)

    @field_validator("vector_ut")
    @classmethod
    def _is_a_field_on_earth(cls, value: Vector) -> Vector:
        if math.hypot(*value) > MOST_UT:
            raise ValueError(f"must be {MOST_UT} uT long at most; it is {list(value)}")
        return value


class ImuSpec(Spec):
    """One scenario of the IMU simulator: a profile of a data set, or a set of your own."""

    role: Literal["training", "zero_shot", "free"] = "free"
    rate_hz: Annotated[float, Field(ge=5, le=1000)] = 50.0
    units: Annotated[tuple[Unit, ...], Field(min_length=1, max_length=32)] = (Unit(placement="waist"),)
    declared: tuple[str, ...] = ()
    """Channels that the data set has and nobody simulates: ECG, heart rate, temperature."""
    activities: Annotated[dict[str, Positive], Field(min_length=1)]
    """Label to its share of the labelled time."""
    sequence: tuple[str, ...] = ()
    """Labels of the bouts in turn, again and again; without it they come at random, as often as the shares say."""
    bout_s: Range | None = None
    """Length of a bout, where it is not as each activity has it."""
    pause_s: Range = (1.5, 4.0)
    """Between bouts, in which a person gets from one posture into the next; unlabelled."""
    duration_s: Annotated[float, Field(gt=0)] = 300.0
    patch_s: Positive = 1.0
    """Length of a patch in training on this profile, and the least and greatest of its grid."""
    patch_grid_s: Range = (0.75, 1.25)
    people: People = People()
    variation: Variation = Variation()
    timing: Timing = Timing()
    earth: Earth = Earth()
    truth: Literal["labels", "full"] = "labels"
    """full: also the true signals, orientation and path of every device and the pose of every segment."""
    recipes: dict[str, Activity] = {}
    """Activities of your own by label, or other figures for a known one."""

    @property
    def samples(self) -> int:
        """Samples of a recording."""
        return math.floor(self.duration_s * self.rate_hz + 1e-9)

    @field_validator("declared")
    @classmethod
    def _are_declared(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [quantity for quantity in QUANTITIES if quantity not in GENERATED]
        for name in value:
            if not any(name == k or name.startswith(k + "_") for k in known):
                raise ValueError(f"must be {', '.join(known)} or begin so; it is '{name}'{nearest(name, known)}")
        return value

    @field_validator("recipes", mode="before")
    @classmethod
    def _take_over(cls, value: Any) -> Any:
        """A recipe may be `like` an activity of the tables, too."""
        if not isinstance(value, dict):
            return value
        for name, table in value.items():
            base = table.get("like") if isinstance(table, dict) else None
            if base is not None and base not in TABLES:
                raise ValueError(f"'{name}' must be like an activity; '{base}' is none{did_you_mean(base, TABLES)}")
        return {n: derived(t, TABLES) if isinstance(t, dict) else t for n, t in value.items()}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in ("bout_s", "pause_s", "patch_grid_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value[0] <= value[1]:
                raise ValueError(f"{name} must be two positive numbers in ascending order; it is {list(value)}")
        for label, recipe in self.recipes.items():
            if label not in recipe.labels:
                raise ValueError(
                    f"recipes.{label} must have '{label}' among its labels; they are {', '.join(recipe.labels)}"
                )
        if float(f"{self.rate_hz:g}") != self.rate_hz:
            raise ValueError(f"rate_hz must have at most six digits, which name its group; it is {self.rate_hz}")
        if not 16 <= self.samples <= MOST_SAMPLES:
            raise ValueError(f"a recording must have 16 to {MOST_SAMPLES:,} samples; it would have {self.samples:,}")
        for label in self.sequence:
            if label not in self.activities:
                near = did_you_mean(label, self.activities)
                raise ValueError(f"sequence must be of the activities; '{label}' is not among them{near}")
        for label in (*self.activities, *self.recipes):
            if label not in LABELS:
                raise ValueError(f"activity '{label}' is not a known label{did_you_mean(label, LABELS)}")
        for label in self.activities:
            if label not in self.recipes and recipe_of(label) is None:
                known = [name for activity in ACTIVITIES.values() for name in activity.labels]
                raise ValueError(f"activity '{label}' has no recipe{did_you_mean(label, known)}")
        return self


def _var(name: str, dims: str, dtype: str, units: str, meaning: str, **more: object) -> Var:
    return Var(name=name, dims=tuple(dims.split()), dtype=dtype, units=units, meaning=meaning, **more)  # type: ignore[arg-type]


def _told(name: str, dims: str, dtype: str, units: str, meaning: str, **more: object) -> Var:
    """What only a simulator can tell; recordings are without it."""
    return _var(name, dims, dtype, units, meaning, optional=True, **more)


SCHEMA = Schema(
    variables=(
        _var("inputs/r{rate}/counts", "channel time", "int32", "1", "reading in counts of lsb; 0 where not valid"),
        _var("inputs/r{rate}/channel_id", "channel", "int32", "1", "channel number"),
        _var("inputs/r{rate}/n_samples", "channel", "int32", "1", "samples of the channel; the rest is fill"),
        _var("inputs/r{rate}/start_ns", "channel", "int64", "ns", "time of sample 0"),
        _var("inputs/r{rate}/lsb", "channel", "float64", "1", "value of one count, in the channel's unit"),
        _var("inputs/r{rate}/quantity", "channel", "int8", "1", "what is measured, in " + ", ".join(UNITS),
             flag_meanings=QUANTITIES),
        _var("inputs/r{rate}/axis", "channel", "int8", "1", "axis of the device", flag_meanings=AXES),
        _var("inputs/r{rate}/sensor", "channel", "int32", "1", "number of the device"),
        _var("inputs/r{rate}/placement", "channel", "int8", "1", "where the device is worn", flag_meanings=PLACEMENTS),
        _var("inputs/r{rate}/side", "channel", "int8", "1", "side of the body", flag_meanings=SIDES),
        _var("inputs/r{rate}/valid", "channel time", "bool", "1", "the sample arrived"),
        _var("inputs/r{rate}/clipped", "channel time", "bool", "1", "the reading stands at the rail"),
        _var("inputs/r{rate}/tick_ns", "time", "int64", "ns", "time of each sample by the logger"),
        _var("truth/r{rate}/activity", "time", "int16", "1", "what the person does", flag_meanings=LABELS),
        _told("truth/r{rate}/time_ns", "time", "int64", "ns", "true time of each sample"),
        _told("truth/r{rate}/force", "sensor component time", "float32", "m/s2", "true specific force in device axes"),
        _told("truth/r{rate}/rate", "sensor component time", "float32", "rad/s", "true angular rate in device axes"),
        _told("truth/r{rate}/orientation", "sensor quaternion time", "float32", "1", "device to world (w, x, y, z)"),
        _told("truth/r{rate}/position", "sensor component time", "float32", "m", "place of the device in the world"),
        _var("truth/bout_start", "bout", "int32", "1", "first sample of the bout"),
        _var("truth/bout_end", "bout", "int32", "1", "sample after the last"),
        _var("truth/bout_activity", "bout", "int16", "1", "label of the bout", flag_meanings=LABELS),
        _var("truth/bout_group", "bout", "int8", "1", "its synonym group of 44", flag_meanings=GROUPS_44),
        _var("truth/bout_group_43", "bout", "int8", "1", "its synonym group of 43", flag_meanings=GROUPS_43),
        _told("truth/bout_rate", "bout", "float64", "Hz", "mean rate of its cycles; 0: it has none"),
        _told("truth/bout_speed", "bout", "float64", "m/s", "mean speed over ground"),
        _var("truth/subject", "", "int32", "1", "equal numbers are one person"),
        _var("truth/session", "", "int32", "1", "number of the session of that person"),
        _told("truth/height", "", "float64", "m", "height of the person"),
        _told("truth/mass", "", "float64", "kg", "mass of the person"),
        _told("truth/age", "", "float64", "a", "age of the person"),
        _told("truth/mount", "sensor component column", "float64", "1", "device axes to segment axes"),
        _told("truth/site", "sensor component", "float64", "m", "place of the device in its segment's frame"),
        _told("truth/offset", "channel", "float64", "1", "constant error, in the channel's unit"),
        _told("truth/pose_sample", "pose", "int32", "1", "sample at which the body is told"),
        _told("truth/pose_joint", "pose segment component", "float32", "m", "first joint of each segment, world"),
        _told("truth/pose_end", "pose segment component", "float32", "m", "far end of each segment, world"),
        _told("truth/pose_site", "pose sensor component", "float32", "m", "place of each device, world"),
    )
)  # fmt: skip
"""`segment` runs over simulators.imu.body.SEGMENTS."""
N_SEGMENTS = len(SEGMENTS)
