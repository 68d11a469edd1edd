"""Who moves: a person's body and manner, drawn once a person; a session's and a bout's own deviations come on top.

Manner is made of standard normals. One for each trait belongs to the person, one to each activity of that person: a
brisk walker tends to run briskly, too.
"""

from dataclasses import dataclass, replace

import numpy as np

from simulators.imu.activity import Activity
from simulators.imu.body import COORDINATES, Body, draw_body
from simulators.imu.spec import SPLITS, ImuSpec
from simulators.rng import Key, stream

HARMONICS = 10
SHARED = 0.7
"""[chosen] Correlation of a trait between two activities is the square of this."""
LEFT_HANDED = 0.1
OLD_AGE = 60.0
ROOT_POSTURE = {"tilt": 0.6, "list": 0.3, "neck_flexion": 1.5, "shoulder_flexion": 1.5, "elbow_flexion": 2.0}
"""[chosen] How much more or less than others some angles differ from person to person; other angles 1."""
FREE_OF_POSTURE = ("forward", "left", "up", "speed", "yaw", "turn")
POSTURE = np.array([
    0.0 if name in FREE_OF_POSTURE else ROOT_POSTURE.get(name.rstrip("lr").rstrip("_"), 1.0) for name in COORDINATES
])  # fmt: skip


@dataclass(frozen=True, eq=False)
class Person:
    """Whose body it is, and how it is used to moving."""

    number: int
    body: Body
    key: Key
    """From which the manner of each activity is drawn."""
    left_handed: bool
    side: str
    """Where it wears what is worn on either side."""
    traits: np.ndarray
    """(6,) rate, size, impact, speed, side, lively; standard normal."""
    posture: np.ndarray
    """(coordinates,) standard normal, of all activities alike."""


@dataclass(frozen=True, eq=False)
class Manner:
    """How one person does one activity, in a session: factors about 1, and what deviates from the tables."""

    rate: float
    size: float
    impact: float
    speed: float
    seconds: float
    lopsided: float
    """Right limbs are larger by this share, left ones smaller."""
    limp: float
    """So are the shocks of right limbs."""
    lively: float
    posture: np.ndarray
    """(coordinates,) rad"""
    shape: np.ndarray
    """(coordinates, HARMONICS, 2): relative deviation of each harmonic in cos and sin."""


def person_of(spec: ImuSpec, key: Key) -> Person:
    """The person behind a recording; those of different splits are different people."""
    each = spec.people.recordings_per_subject
    number = key.index // each
    own = replace(key, split=f"person/{key.split}", index=number)
    rng = stream(own, "person")
    body = draw_body(rng, female=spec.people.female, age=spec.people.age_years, height_sd_m=spec.people.height_sd_m)
    places = [*SPLITS, key.split]
    return Person(
        number=number * len(places) + places.index(key.split),
        body=body,
        key=own,
        left_handed=bool(rng.random() < LEFT_HANDED),
        side="left" if rng.random() < 0.5 else "right",
        traits=np.clip(rng.standard_normal(6), -2.5, 2.5),
        posture=np.clip(rng.standard_normal(len(COORDINATES)), -2.5, 2.5),
    )


def pace_of(body: Body) -> float:
    """Factor of a body's natural rates: a pendulum's by leg length, and slower with age.

    >>> from simulators.imu.body import body_of
    >>> round(pace_of(body_of(1.7)), 3), pace_of(body_of(1.7, age=75)) < 0.95
    (1.0, True)
    """
    return float((1.7 / body.height) ** 0.5 * (1 - 0.006 * max(0.0, body.age - OLD_AGE)))


def manner_of(spec: ImuSpec, person: Person, key: Key, label: str, activity: Activity) -> Manner:
    """How a person does an activity in the session of a key."""
    rng, now = stream(person.key, f"manner/{label}"), stream(key, f"session/{label}")
    spread, levels = activity.spread, spec.variation
    own = SHARED * person.traits + np.sqrt(1 - SHARED**2) * np.clip(rng.standard_normal(6), -2.5, 2.5)
    posture = SHARED * person.posture + np.sqrt(1 - SHARED**2) * np.clip(rng.standard_normal(POSTURE.size), -2.5, 2.5)
    seconds = rng.standard_normal()
    shape = rng.standard_normal((len(COORDINATES), HARMONICS, 2)) / np.sqrt(2)
    today = np.clip(now.standard_normal(2), -2.5, 2.5)
    degrees = levels.person * spread.posture_person_deg * posture
    degrees = degrees + levels.session * spread.posture_session_deg * now.standard_normal(POSTURE.size)
    rate, size, impact, speed, side, lively = levels.person * own
    old = 1 - 0.008 * max(0.0, person.body.age - OLD_AGE)
    rate = spread.rate_person * rate + levels.session * spread.rate_session * today[0]
    size = spread.size_person * size + levels.session * spread.size_session * today[1]
    return Manner(
        rate=pace_of(person.body) * float(np.exp(rate)),
        size=old * float(np.exp(size)),
        impact=old * float(np.exp(spread.impact_person * impact)),
        speed=float(np.exp(spread.speed_person * speed)),
        seconds=float(np.exp(spread.seconds * levels.person * np.clip(seconds, -2.5, 2.5))) / pace_of(person.body),
        lopsided=spread.side_person * float(side),
        limp=spread.impact_side * float(side),
        lively=float(np.exp(spread.lively_person * lively)),
        posture=np.radians(degrees) * POSTURE,
        shape=levels.person * spread.shape_person * np.clip(shape, -2, 2),
    )  # fmt: skip
