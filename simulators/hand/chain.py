"""Postures in time, and the poses of what a hand wears in them.

Angles (5, 4, poses) in rad, digit by joint as in `anatomy.JOINTS`; curls (5, poses) in 0 to 1: 0 extended, 1 fist. A
combo is five letters, thumb to little: e extended, p partial, f flexed.

How a posture comes about: a combo's curls, enslaved; deviations of joints at four levels (of the person and of the
session, one for each end posture; of the repeat; within a hold, changing slowly); the angles between the end postures,
kept smoothly within the joints' ranges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.errors import InputError
from simulators.hand.anatomy import (
    DIP_PER_PIP,
    ENSLAVING,
    ENSLAVING_SHARE,
    EXTENDED_DEG,
    FINGERS,
    FIST_DEG,
    JOINTS,
    RANGES_DEG,
    Hand,
    Mounts,
)
from simulators.hand.kernels import chain as kernels

CURLS = {"e": 0.0, "p": 0.5, "f": 1.0}
ENDS = np.radians(np.stack([EXTENDED_DEG, FIST_DEG]))
LOW, HIGH = np.radians(RANGES_DEG[..., 0]), np.radians(RANGES_DEG[..., 1])
SOFTNESS = np.radians(1.0)
"""[chosen] How near a joint comes to the end of its range."""
ABDUCTION_SHARE = 0.5
"""[chosen] Deviation of a finger's abduction over that of its flexions."""
MOVE_S = (0.3, 0.8)
"""[chosen] Shortest and longest time from one posture to the next."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Sd of a joint's angle in degrees at each level [chosen]; a finger's abduction has ABDUCTION_SHARE of it."""

    person: float = 4.0
    session: float = 2.0
    repeat: float = 5.0
    hold: float = 0.5
    """Of the slow unrest within a hold."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Postures along time."""

    combo: np.ndarray
    """Number of the combo that is held or moved to, (times,)."""
    moving: np.ndarray
    """Whether the hand is between two combos, (times,) bool."""
    curls: np.ndarray
    """(5, times), enslaved."""
    angles: np.ndarray
    """(5, 4, times)."""


def curls_of(combos: Sequence[str]) -> np.ndarray:
    """Curls (5, combos) of combos. Raises InputError for what is not five letters of e, p and f."""
    for name in combos:
        if len(name) != 5 or set(name) - set(CURLS):
            raise InputError(f"a combo must be five letters of e, p and f, thumb to little; there is {name!r}")
    return np.array([[CURLS[letter] for letter in name] for name in combos]).reshape(-1, 5).T


def enslave(curls: np.ndarray, share: float = ENSLAVING_SHARE) -> np.ndarray:
    """Curls with each digit drawn towards every digit that is flexed further, by a share of the difference.

    Keeps 0 to 1, leaves equal curls alone, and extends no digit. curls: (5, ...). share: of ring and little, the
    largest; the shares of a row of `anatomy.ENSLAVING` must not come to more than 1.
    """
    drag = np.maximum(curls[None] - curls[:, None], 0.0)
    return np.asarray(curls + np.einsum("ij,ij...->i...", share * ENSLAVING, drag))


def couple(deviations: np.ndarray) -> np.ndarray:
    """Deviations (..., 5, 4, n) with those of each finger's DIP set to DIP_PER_PIP times those of its PIP, in place."""
    deviations[..., 1:, 3, :] = DIP_PER_PIP * deviations[..., 1:, 2, :]
    return deviations


def draw_deviations(rng: np.random.Generator, sd_deg: float, n: int) -> np.ndarray:
    """n independent deviations of all joints, (5, 4, n) rad, normal, DIP coupled to PIP."""
    return deviations_of(rng.standard_normal((5, 4, n)), sd_deg)


def deviations_of(normals: np.ndarray, sd_deg: float) -> np.ndarray:
    """The deviations that independent standard normals (5, 4, n) make, in place; those of a finger's DIP are unused."""
    normals *= np.radians(sd_deg)
    normals[1:, 1] *= ABDUCTION_SHARE
    return couple(normals)


def draw_habit(rng: np.random.Generator, spread: Spread) -> np.ndarray:
    """A person's own end postures, as deviations (2, 5, 4) rad from `ENDS`."""
    return np.moveaxis(draw_deviations(rng, spread.person, 2), -1, 0)


def draw_session(rng: np.random.Generator, spread: Spread) -> np.ndarray:
    """What a session adds to the person's habit, (2, 5, 4) rad."""
    return np.moveaxis(draw_deviations(rng, spread.session, 2), -1, 0)


def unrest(rng: np.random.Generator, sd_deg: float, times: np.ndarray, every_s: float = 0.5) -> np.ndarray:
    """Slow deviations of all joints along `times`, (5, 4, times) rad: a normal process with two derivatives.

    A cubic B-spline of independent knots every `every_s`, scaled to the same sd at every time.
    """
    at = (times - (times.min() if times.size else 0.0)) / every_s
    knot = np.floor(at).astype(int)
    knots = draw_deviations(rng, sd_deg, int(knot.max(initial=0)) + 4)
    t = at - knot
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (t - t**2) * t + 3 * t + 1, t**3])
    weights /= np.sqrt(np.sum(weights**2, axis=0))
    return np.asarray(sum(weights[j] * knots[..., knot + j] for j in range(4)))


def bent(curls: np.ndarray, *, habit: np.ndarray | None = None, deviations: np.ndarray | None = None) -> np.ndarray:
    """Angles (5, 4, n) of curls (5, n), with a habit (2, 5, 4) and deviations (5, 4, n), within the joints' ranges.

    Without either the end postures are met exactly; with them an angle stays SOFTNESS short of its range's end.
    """
    curls = np.ascontiguousarray(curls, float)
    angles = np.empty((5, 4, curls.shape[1]))
    ends = ENDS if habit is None else ENDS + habit
    soft = 0.0 if habit is None and deviations is None else SOFTNESS
    added = np.zeros_like(angles) if deviations is None else np.ascontiguousarray(deviations)
    kernels.bend(curls, ends, added, LOW, HIGH, soft, angles)
    return angles


def minimum_jerk(s: np.ndarray) -> np.ndarray:
    """The share of a movement done at the share s of its time. Source: Flash and Hogan, J. Neurosci. 5(7), 1985."""
    s = np.clip(s, 0.0, 1.0)
    return np.asarray(s * s * s * (10.0 + s * (6.0 * s - 15.0)))


def blend(times: np.ndarray, begins: np.ndarray, lengths: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (..., k) held one after another, with minimum-jerk moves between them, at `times`: (..., times).

    begins, lengths (k - 1,) s: when the move to each value but the first begins and how long it takes, ascending;
    the next move begins when the last is done, or later.
    """
    moves = np.searchsorted(begins, times, side="right")
    last = np.maximum(moves - 1, 0)
    if begins.size == 0:
        return np.repeat(values, times.size, axis=-1)
    done = np.where(moves > 0, minimum_jerk((times - begins[last]) / lengths[last]), 0.0)
    return np.asarray(values[..., last] + done * (values[..., last + 1] - values[..., last]))


def angles_of(
    rng: np.random.Generator,
    combos: Sequence[str],
    begins: np.ndarray,
    times: np.ndarray,
    *,
    spread: Spread | None = None,
    habit: np.ndarray | None = None,
    share: float = ENSLAVING_SHARE,
    move_s: tuple[float, float] = MOVE_S,
) -> Motion:
    """Postures at `times` of a hand that goes through combos, each a repeat of its own.

    begins (combos,) s, strictly ascending: when the move to each combo begins; the first is held from the start. A move
    takes move_s, but no longer than until the next begins. habit (2, 5, 4): of person and session together. Raises
    InputError for combos that are none, or begins that don't ascend.
    """
    spread = spread or Spread()
    targets = enslave(curls_of(combos), share)
    if not combos or begins.shape != (len(combos),) or not np.all(np.diff(begins) > 0):
        raise InputError(f"combos must begin one after another; there are {len(combos)} and {begins.tolist()}")
    until = np.append(np.diff(begins[1:]), np.inf)[: len(combos) - 1]
    lengths = np.minimum(rng.uniform(*move_s, len(combos) - 1), until)
    curls = blend(times, begins[1:], lengths, targets)
    deviations = blend(times, begins[1:], lengths, draw_deviations(rng, spread.repeat, len(combos)))
    deviations += unrest(rng, spread.hold, times)
    combo = np.searchsorted(begins[1:], times, side="right")
    ends = np.append(-np.inf, begins[1:] + lengths)
    return Motion(
        combo=combo,
        moving=times < ends[combo],
        curls=curls,
        angles=bent(curls, habit=habit, deviations=deviations),
    )


def check_angles(angles: np.ndarray) -> None:
    """Raise InputError for the first joint that leaves its range, in angles (5, 4, poses)."""
    if angles.ndim != 3 or angles.shape[:2] != (5, 4):
        raise InputError(f"joint angles must have the shape (5, 4, poses); it is {angles.shape}")
    low, high = angles.min(axis=2, initial=np.inf), angles.max(axis=2, initial=-np.inf)
    bad = ~((low >= LOW - 1e-9) & (high <= HIGH + 1e-9))
    for d, k in np.argwhere(bad):
        value = high[d, k] if not high[d, k] <= HIGH[d, k] else low[d, k]
        raise InputError(
            f"{JOINTS[d][k]} of the {FINGERS[d]} must be {RANGES_DEG[d, k, 0]} to {RANGES_DEG[d, k, 1]} degrees; "
            f"it is {np.degrees(value):.4g}"
        )


def _ready(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    check_angles(angles)
    return np.ascontiguousarray(angles, float), np.empty((kernels.ROWS, kernels.BLOCK))


def place(hand: Hand, worn: Mounts, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions in mm and unit axes of what is worn, each (sites, 3, poses), in angles (5, 4, poses).

    Raises InputError for a joint out of its range.
    """
    angles, work = _ready(angles)
    positions, axes = np.empty((2, worn.digit.size, 3, angles.shape[2]))
    kernels.place(
        angles, hand.bones, hand.bases, hand.frames, worn.digit, worn.link, worn.points, worn.normals, work,
        positions, axes,
    )  # fmt: skip
    return positions, axes


def jacobian(hand: Hand, worn: Mounts, angles: np.ndarray) -> np.ndarray:
    """Derivatives (sites, 6, 4, poses) of positions (rows 0 to 2, mm/rad) and axes (3 to 5) by the digit's angles.

    Raises InputError for a joint out of its range.
    """
    angles, work = _ready(angles)
    slopes = np.empty((worn.digit.size, 6, 4, angles.shape[2]))
    kernels.jacobian(
        angles, hand.bones, hand.frames, worn.digit, worn.link, worn.points, worn.normals, work, slopes
    )  # fmt: skip
    return slopes


def joint_places(hand: Hand, angles: np.ndarray) -> np.ndarray:
    """Base, second and third joint and tip of each digit, (5, 4, 3, poses) mm: what a drawing needs.

    Raises InputError for a joint out of its range.
    """
    angles, work = _ready(angles)
    places = np.empty((5, 4, 3, angles.shape[2]))
    kernels.joints(angles, hand.bones, hand.tips, hand.bases, hand.frames, work, places)
    return places
