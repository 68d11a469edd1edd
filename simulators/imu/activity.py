"""What people do, as tables of numbers: a posture, cycles of joint angles, moves, impacts, and how these scatter.

An activity is a table in `activities/*.toml`: no code belongs to any single one. Angles are in degrees, `forward`,
`left` and `up` in cm about the posture, but the posture's own `up` in leg lengths (1: the person stands). A coordinate
without a side (`hip_flexion`) means both limbs; with `limbs = "alternate"` the left one is half a cycle later. A curve
is one cycle at even steps; it is continued by its trigonometric interpolation.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from scenarios.catalogue import did_you_mean
from scenarios.spec import Part, parse
from simulators.imu.body import COORDINATES, LIMB, METRES, PLAIN, SEGMENTS
from simulators.imu.labels import LABELS

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[float, float]
MOST_POINTS = 64
FURTHEST = 360.0


def check_coordinate(name: str) -> str:
    """A coordinate by its name. Raises ValueError naming the nearest one."""
    if name not in PLAIN and name not in COORDINATES:
        raise ValueError(f"coordinate '{name}' does not exist{did_you_mean(name, sorted(PLAIN | set(COORDINATES)))}")
    return name


class Impact(Part):
    """A shock once a cycle: it shakes a segment along the world's axes and runs on, weaker by each joint."""

    segment: str = "foot"
    """Without a side: of a limb, both; they alternate as its curves do."""
    at: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Phase."""
    up: float = 0.0
    """Peak acceleration at that segment, m/s^2, of one with the reference cycle rate."""
    forward: float = 0.0
    seconds: Annotated[float, Field(ge=0.004, le=0.2)] = 0.012
    """Time constant: the shock is over in ten of them; its energy lies about 0.19 / seconds Hz."""
    passes: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Share that each joint lets through."""

    @field_validator("segment")
    @classmethod
    def _is_segment(cls, value: str) -> str:
        names = sorted({*SEGMENTS, *(s[:-2] for s in SEGMENTS if s[-2] == "_")})
        if value not in names:
            raise ValueError(f"must be a segment; it is '{value}'{did_you_mean(value, names)}")
        return value


class Move(Part):
    """One move of a sequence: a minimum-jerk path to another posture, and a wait there."""

    weighs: ClassVar[bool] = False

    to: str | None = None
    """A posture of POSTURES; without one it is the activity's own."""
    posture: dict[str, float] = {}
    """What differs from it."""
    seconds: Range
    wait: Range | None = None
    crash: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the speed of a free fall along the path with which it ends, to be stopped within stop_s."""
    stop_s: Positive = 0.06
    jump_m: Range | None = None
    """Height of a jump on the way: crouch, flight under gravity alone, landing."""
    shock: float = 0.0
    """m/s^2, at the pelvis, as the move ends."""


class Spread(Part):
    """Scatter, as relative sd unless a unit is named."""

    rate_person: NotNegative = 0.05
    rate_session: NotNegative = 0.02
    rate_bout: NotNegative = 0.03
    rate_cycle: NotNegative = 0.015
    size_person: NotNegative = 0.12
    size_session: NotNegative = 0.04
    size_bout: NotNegative = 0.05
    size_cycle: NotNegative = 0.05
    shape_person: NotNegative = 0.12
    """Of each harmonic, as a share of its size."""
    side_person: NotNegative = 0.04
    """Left against right."""
    impact_person: NotNegative = 0.3
    impact_side: NotNegative = 0.1
    """Right foot against left, by person."""
    impact_cycle: NotNegative = 0.25
    lively_person: NotNegative = 0.4
    """Of all sway, quick motion and tremor and of how often somebody fidgets: some people keep still, some do not."""
    posture_person_deg: NotNegative = 4.0
    posture_session_deg: NotNegative = 2.0
    posture_bout_deg: NotNegative = 1.5
    speed_person: NotNegative = 0.08
    seconds: NotNegative = 0.1
    """Of moves beyond their own ranges, by person."""


class Activity(Part):
    """One activity. Every number is checked as it is read; a wrong name is refused with the nearest right one."""

    weighs: ClassVar[bool] = False

    text: Annotated[str, Field(min_length=8)]
    """What the person does, as a phrase that goes on from "a person is ..."."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    """Labels of data sets that this activity serves."""
    start: str = "stand"
    """Posture of POSTURES."""
    posture: dict[str, float] = {}
    """What differs from it."""
    cycle_hz: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Cycles a second of a mean person, of gait: strides; 0: no cycle."""
    speed_m_s: float = 0.0
    """Over ground."""
    turn_deg_s: NotNegative = 0.0
    """Rms rate of wandering heading."""
    winding: NotNegative = 0.0
    """Amplitude in degrees of a regular turning to and fro, every 6 s."""
    limbs: Literal["alternate", "together"] = "alternate"
    only: Literal["both", "right", "left"] = "both"
    """Limbs that follow the curves, of a person who is right-handed."""
    mirrors: bool = True
    """Left-handed people mirror it; not where its name says which side it is."""
    curves: dict[str, tuple[float, ...]] = {}
    impacts: tuple[Impact, ...] = ()
    size_power: float = 0.7
    """Curves of someone who moves faster than the mean by a factor f are larger by f to this power; shocks by its
    double plus one."""
    moves: tuple[Move, ...] = ()
    """A sequence, done once; with repeat, until the bout is over."""
    repeat: bool = False
    sway_deg: NotNegative = 0.4
    """Rms of slow random changes of every joint."""
    sway_cm: NotNegative = 0.15
    """And of the pelvis."""
    sway_s: Positive = 0.8
    """Time scale of both."""
    quick_deg: NotNegative = 0.08
    """Rms of quick small movements of every joint, in bursts: muscles, breath, what holds a posture."""
    quick_mm: NotNegative = 0.15
    """And of the pelvis."""
    quick_s: Annotated[float, Field(ge=0.02, le=1)] = 0.11
    """Time scale of both: its accelerations lie about 0.45 / quick_s Hz."""
    sway: dict[str, NotNegative] = {}
    """Other rms of slow changes of some coordinates, in degrees and cm."""
    quick: dict[str, NotNegative] = {}
    """And of quick ones."""
    fidget_per_min: NotNegative = 0.0
    """Sudden small changes of posture."""
    tremor_deg: NotNegative = 0.0
    """Rms of quick small movements of the arms."""
    bout_s: Range = (15.0, 40.0)
    spread: Spread = Spread()

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for label in value:
            if label not in LABELS:
                raise ValueError(f"'{label}' is not a known label{did_you_mean(label, LABELS)}")
        return value

    @field_validator("posture", "curves", "sway", "quick")
    @classmethod
    def _are_coordinates(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, points in value.items():
            check_coordinate(name)
            if isinstance(points, tuple) and not 3 <= len(points) <= MOST_POINTS:
                raise ValueError(f"curve '{name}' must have 3 to {MOST_POINTS} points; it has {len(points)}")
            furthest = max(map(abs, points)) if isinstance(points, tuple) else abs(points)
            if furthest > FURTHEST:
                raise ValueError(f"'{name}' must stay within {FURTHEST} degrees, or cm; it reaches {furthest:g}")
        return value

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.curves or self.impacts) and not self.cycle_hz:
            raise ValueError("cycle_hz must be above 0 where there are curves or impacts; it is 0")
        for name in (self.start, *(move.to for move in self.moves if move.to)):
            if name not in POSTURES:
                raise ValueError(f"posture '{name}' does not exist{did_you_mean(name, POSTURES)}")
        for move in self.moves:
            for name in move.posture:
                check_coordinate(name)
        return self

    @property
    def one_off(self) -> bool:
        """Whether the activity is over when its moves are: a transition, a fall."""
        return bool(self.moves) and not self.repeat


def _tables(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.toml")):
        found |= tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: derived(table, found) for name, table in found.items()}


def derived(table: dict[str, Any], tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A table with what it takes over from the one that it is `like`; `scale` stretches curves about their means.

    Its own keys win; postures, curves, sways and spreads are merged key by key. A curve scaled by 0 is gone.

    >>> base = {"text": "walking", "labels": ["walking"], "curves": {"up": [0, 2, 4], "left": [1, 2, 3]}}
    >>> derived({"like": "walking", "labels": ["jogging"], "scale": {"up": 0.5, "left": 0}}, {"walking": base})
    {'text': 'walking', 'labels': ['jogging'], 'curves': {'up': [1.0, 2.0, 3.0]}}
    """
    if "like" not in table:
        return table
    base = derived(tables[table["like"]], tables)
    own = {key: value for key, value in table.items() if key not in ("like", "scale")}
    merged = {
        key: base[key] | own[key]
        for key in ("posture", "curves", "spread", "sway", "quick")
        if key in base and key in own
    }
    found = base | own | merged
    scale = table.get("scale", {})
    if scale:
        found["curves"] = {
            name: _stretched(points, scale.get(name, 1))
            for name, points in found["curves"].items()
            if scale.get(name, 1)
        }
    return found


def _stretched(points: list[float], factor: float) -> list[float]:
    mean = sum(points) / len(points)
    return [mean + factor * (x - mean) for x in points] if factor != 1 else points


_FOLDER = Path(__file__).parent / "activities"
POSTURES: dict[str, dict[str, float]] = tomllib.loads((_FOLDER / "postures" / "postures.toml").read_text("utf-8"))
"""Postures by name: coordinates in degrees, `up` in leg lengths; what is not named is 0, `up` 1."""
for _posture in POSTURES.values():
    for _coordinate in _posture:
        check_coordinate(_coordinate)
TABLES = _tables(_FOLDER)
"""Every activity as it is written, with what it takes over."""
ACTIVITIES: dict[str, Activity] = {name: parse(Activity, name, table) for name, table in TABLES.items()}
"""Every activity that there is a table of."""


@cache
def _by_label() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, activity in ACTIVITIES.items():
        for label in activity.labels:
            if label in found:
                raise ValueError(f"label '{label}' must have one activity; it has '{found[label]}' and '{name}'")
            found[label] = name
    return found


def recipe_of(label: str) -> Activity | None:
    """The activity that serves a label, or None.

    >>> recipe_of("stairs_up").labels[0]
    'walking_upstairs'
    """
    name = _by_label().get(label)
    return ACTIVITIES[name] if name else None


def sides_of(coordinate: str) -> tuple[str, ...]:
    """The coordinates that a name means: both sides of a limb, or itself.

    >>> sides_of("hip_flexion"), sides_of("knee_flexion_l"), sides_of("tilt")
    (('hip_flexion_r', 'hip_flexion_l'), ('knee_flexion_l',), ('tilt',))
    """
    return (f"{coordinate}_r", f"{coordinate}_l") if coordinate in LIMB else (coordinate,)


def unit_of(coordinate: str) -> float:
    """What a number of a table is in SI: rad for a degree, m for a cm."""
    return 0.01 if coordinate in METRES else 1.0 if coordinate == "speed" else 0.017453292519943295
