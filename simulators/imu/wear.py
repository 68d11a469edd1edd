"""How devices sit on a person, and what reaches their converters of what the body does.

A device's frame is turned from its nominal one by the session, further by the person's habit, or at random in a
pocket; it is not quite where the profile says; flesh and strap let it move as a damped mass.
"""

from dataclasses import dataclass

import numpy as np

from simulators.imu.body import site_of
from simulators.imu.kernels import mount as kernels
from simulators.imu.people import Person
from simulators.imu.score import Ideal, Sites
from simulators.imu.spec import DIRECTIONS, ImuSpec, Unit, Wearing
from simulators.rng import Key, stream

FINE_HZ = 180.0
"""Bodies, straps and device filters are followed at this rate at least."""
RESONANCE_SD = 0.25
"""[chosen] Of the logarithm of a mount's resonance, over sessions."""


@dataclass(frozen=True, eq=False)
class Worn:
    """The devices of one session."""

    sites: Sites
    sides: tuple[str, ...]
    resonance: np.ndarray
    """(units,) Hz"""


def rotation_of(vector: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) by a rotation vector in rad (Rodrigues)."""
    angle = float(np.sqrt(vector @ vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k))


def uniform_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation (3, 3) of which every orientation is as likely. Source: Shoemake, Graphics Gems III, 1992."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.sqrt(q @ q)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def wear(spec: ImuSpec, person: Person, key: Key) -> Worn:
    """Put a session's devices on."""
    segments, places, mounts, sides, resonance = [], [], [], [], []
    for number, unit in enumerate(spec.units):
        rng, habit = stream(key, f"wear/{number}"), stream(person.key, f"wear/{number}")
        side = person.side if unit.side == "any" else unit.side
        segment, place = site_of(person.body, unit.placement, side)
        wearing = unit.wearing
        segments.append(segment)
        places.append(place + wearing.shift_mm * 1e-3 * np.clip(rng.standard_normal(3), -3, 3))
        mounts.append(_mount(unit, wearing, rng, habit))
        sides.append(side)
        resonance.append(wearing.resonance_hz * np.exp(RESONANCE_SD * np.clip(rng.standard_normal(), -2, 2)))
    sites = Sites(np.array(segments, np.int64), np.array(places), np.array(mounts))
    return Worn(sites, tuple(sides), np.array(resonance))


def _mount(unit: Unit, wearing: Wearing, rng: np.random.Generator, habit: np.random.Generator) -> np.ndarray:
    """Device axes to segment axes, (3, 3)."""
    if wearing.free:
        return uniform_rotation(rng)
    nominal = np.array([DIRECTIONS[name] for name in unit.axes], float).T
    tilt = rotation_of(np.radians(wearing.tilt_deg) * np.clip(rng.standard_normal(3), -3, 3))
    about = wearing.about_deg + wearing.turn_deg * float(habit.standard_normal())
    turn = rotation_of(np.array([0, 0, np.radians(about)]))
    return np.asarray(turn @ tilt @ nominal)


def felt(
    spec: ImuSpec, worn: Worn, ideal: Ideal, step: float, every: int, bandwidths: "list[tuple[float, float]]"
) -> tuple[np.ndarray, np.ndarray]:
    """(force, rate), each (units, 3, n): what arrives at the converters, at every `every`-th of the fine times.

    bandwidths: -3 dB of each unit's accelerometer and gyroscope, Hz. The ideal readings are used up.
    """
    count, n = len(spec.units), -(-ideal.force.shape[2] // every)
    force, rate = np.empty((count, 3, n)), np.empty((count, 3, n))
    for i, unit in enumerate(spec.units):
        w = 2 * np.pi * worn.resonance[i]
        stiff, loss = w * w, 2 * unit.wearing.damping * w
        lever = worn.sites.mount[i].T @ (worn.sites.place[i] * (1, 1, 0))
        lever = lever / max(1e-9, float(np.sqrt(lever @ lever)))
        kernels.shake(
            ideal.force[i], step, stiff, loss, np.radians(unit.wearing.rattle_deg) * stiff, lever, ideal.rate[i]
        )
        for signal, out, bandwidth in (
            (ideal.force[i], force[i], bandwidths[i][0]),
            (ideal.rate[i], rate[i], bandwidths[i][1]),
        ):
            kernels.smooth(signal, *low_pass(bandwidth, step), every, out)
    return force, rate


def low_pass(bandwidth_hz: float, step: float) -> tuple[float, float, float, float, float]:
    """b0, b1, b2, a1, a2 of a second-order Butterworth filter, by the bilinear transform with its corner prewarped.

    A corner that the step cannot hold passes everything.
    """
    if bandwidth_hz * step >= 0.45:
        return 1.0, 0.0, 0.0, 0.0, 0.0
    k = float(np.tan(np.pi * bandwidth_hz * step))
    norm = 1 / (1 + np.sqrt(2) * k + k * k)
    return k * k * norm, 2 * k * k * norm, k * k * norm, 2 * (k * k - 1) * norm, (1 - np.sqrt(2) * k + k * k) * norm
