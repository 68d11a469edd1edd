"""One recording of a hand from its spec and key: person, session, postures, fields, sensors.

Random effects come in levels, and each is drawn once at its own: a person's bones and habits from a key of the person;
mounting, device and magnets from the recording, which is a session; postures from each repeat and within each hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators import sensor as sensors
from simulators.hand import anatomy, chain, world
from simulators.hand.field import field
from simulators.hand.kernels.world import quaternions
from simulators.hand.magnets import Magnet
from simulators.hand.spec import QUANTITIES, SPLITS, STATES, HandSpec
from simulators.noise import normal_table, normals
from simulators.rng import Key, stream

if TYPE_CHECKING:
    import xarray as xr

    from simulators.hand.iron import Answer

MOVING = STATES.index("moving")
CODES = {"e": 0, "p": 1, "f": 2}
GAPS = (0.5, 2.6)
"""Shortest and longest gap of the device's clock, in periods: 19 to 99 ms at 26 Hz in recordings (PUCK_CLOCK)."""
SKIN_MM = 2.5
"""[chosen] What lies between a magnet and a sensor's die at least: half of its package, and skin."""
YIELD_MM = 10.0
"""[chosen] By how much flesh gives way."""
MODELS = {model.name: model for model in (sensors.MMC5603NJ, sensors.AK09916, sensors.FLUXGATE)}


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whose hand it is, and how it likes to hold itself."""

    number: int
    hand: anatomy.Hand
    habit: np.ndarray
    """(2, 5, 4) rad."""


@dataclass(frozen=True, kw_only=True)
class Poses:
    """What the fingers do, along the readings."""

    state: np.ndarray
    """(5, n) codes of STATES."""
    curls: np.ndarray
    angles: np.ndarray
    shift: np.ndarray
    """(5, 3, n) mm: by how much magnets are elsewhere than the joints say."""
    holds: tuple[np.ndarray, np.ndarray, np.ndarray]
    """First reading, one after the last, and states (holds, 5) of each hold."""


def person_of(spec: HandSpec, key: Key) -> Person:
    """The person behind a recording: equal keys but for the index may share one."""
    each = spec.people.recordings_per_person
    number = key.index // each if each else 0
    own = replace(key, split=f"person/{key.split}" if each else "person", index=number)
    rng, people = stream(own, "hand"), spec.people
    hand = anatomy.draw_hand(
        rng, length_mm=people.hand_length_mm, length_sd_mm=people.hand_length_sd_mm, bone_sd=people.bone_sd
    )
    places = [*SPLITS, key.split]
    first = places.index(key.split) if each else 0
    return Person(number=number * len(places) + first, hand=hand, habit=chain.draw_habit(rng, spread_of(spec)))


def spread_of(spec: HandSpec) -> chain.Spread:
    """The levels of posture of a scenario."""
    posture = spec.posture
    return chain.Spread(
        person=posture.person_deg, session=posture.session_deg, repeat=posture.repeat_deg, hold=posture.hold_deg
    )


def magnets_of(spec: HandSpec, key: Key) -> list[Magnet | None]:
    """The magnet of each finger, None where it wears none; strengths scatter."""
    design = spec.design.magnets
    scatter = 1 + design.br_sd * np.clip(stream(key, "magnets").standard_normal(5), -3, 3)
    return [
        Magnet(
            diameter_mm=design.diameter_mm,
            height_mm=design.height_mm,
            br_t=min(2.0, design.br_t * abs(strength) * float(share)),
            polarity=1 if strength > 0 else -1,
        )
        if strength
        else None
        for strength, share in zip(design.polarity, scatter, strict=True)
    ]


def simulate_arrays(spec: HandSpec, key: Key, spare: dict[str, np.ndarray] | None = None) -> Arrays:
    """One recording as a flat mapping from path to array; see SCHEMA for names, dimensions and units.

    `spare` is there for the sake of the other simulators' signature; nothing is kept in it. Raises InputError where a
    design brings a magnet into a sensor or into iron, beyond what flesh that yields would explain (`keep_clear`).
    """
    person, cloud = person_of(spec, key), spec.kind == "cloud"
    clock = sensors.Clock(
        rate_hz=spec.rate_hz,
        gaps_s=None if cloud else (GAPS[0] / spec.rate_hz, GAPS[1] / spec.rate_hz),
        tick_ns=max(1, round(spec.device.tick_ms * 1e6)),
    )
    times = sensors.ticks(clock, spec.samples, key, "device")
    poses = (_cloud if cloud else _stream)(spec, key, person, times.true_ns * 1e-9)
    worn = anatomy.misplace(
        stream(key, "mounts"),
        anatomy.mounts(person.hand, spec.design.magnets.site),
        offset_mm=spec.design.magnets.offset_mm,
        tilt=np.radians(spec.design.magnets.tilt_deg),
    )
    positions, directions = chain.place(person.hand, worn, poses.angles)
    positions += poses.shift
    magnets = magnets_of(spec, key)
    points = np.array([s.at_mm for s in spec.design.sensors])
    bodies = iron_of(spec, person.hand, poses.angles) if spec.ring or spec.iron else []
    keep_clear(magnets, positions, points, bodies)
    each = fields_of(magnets, positions, directions, points, spec.tolerance)
    turning = world.Turning(
        kind=spec.motion.kind,
        limit_deg=spec.motion.degrees,
        turn_deg_s=spec.motion.turn_deg_s,
        knot_s=spec.motion.seconds,
        sway_mm=spec.motion.sway_mm,
    )
    motion = world.scatter(turning, spec.samples, key) if cloud else world.trajectory(turning, times.true_ns, key)
    earth = motion.to_device(earth_of(spec))
    outside, told = each.sum(1) + earth, {}
    if bodies:
        iron = iron_fields(bodies, magnets, positions, directions, points, earth, spec.tolerance)
        told[f"truth/r{spec.rate_hz:g}/iron"] = iron.astype(np.float32)
        outside += iron
    measured, held, shifted, irons = _measure(spec, key, times.true_ns, outside, motion, cloud)
    return {
        **_inputs(spec, measured, times.stamp_ns),
        **_truth(spec, poses, positions, directions, each, earth, motion),
        f"truth/r{spec.rate_hz:g}/held": held,
        f"truth/r{spec.rate_hz:g}/shifted": shifted,
        **told,
        "truth/moment": np.array([m.moment if m else 0.0 for m in magnets]),
        "truth/bone": person.hand.bones + np.array([0.0, 0.0, 1.0]) * person.hand.tips[:, None],
        "truth/base": person.hand.bases,
        "truth/sensor_at": points,
        "truth/person": np.array(person.number, np.int32),
        "truth/hand_length": np.array(person.hand.length_mm),
        "truth/hard_iron": np.array([iron.hard for iron in irons]),
        "truth/soft_iron": np.array([iron.soft for iron in irons]),
    }


def earth_of(spec: HandSpec) -> np.ndarray:
    """The Earth's field (3,) east, north, up, uT. Raises InputError for a place without a model."""
    earth = spec.earth
    if earth.vector_ut is not None:
        return np.array(earth.vector_ut)
    return world.earth_field(
        world.Place(
            latitude_deg=earth.latitude_deg,
            longitude_deg=earth.longitude_deg,
            year=earth.year,
            altitude_m=earth.altitude_m,
        )
    )


def iron_of(spec: HandSpec, hand: anatomy.Hand, angles: np.ndarray) -> "list[tuple[Answer, np.ndarray, np.ndarray]]":
    """(answer, centre, axis) of each body of iron, the latter (3, n); see `simulators.hand.iron`.

    Raises InputError for iron that finite elements do not reduce.
    """
    from simulators.hand import iron  # needs finite elements, which are slow to import

    found: list[tuple[Answer, np.ndarray, np.ndarray]] = []
    if ring := spec.ring:
        name = f"ring on the {ring.finger} finger"
        answer = iron.ring_of(name, ring.inner_mm, ring.outer_mm, ring.height_mm, ring.mu_r)
        found.append((answer, *iron.worn(hand, ring.finger, angles)))
    for body in spec.iron:
        answer = iron.body_of(body.name, body.inner_mm, body.outer_mm, body.height_mm, body.mu_r, body.nearest_mm)
        still = np.ones(angles.shape[2])
        found.append((answer, np.outer(body.at_mm, still), np.outer(iron.unit(body.name, body.axis), still)))
    return found


def keep_clear(
    magnets: Sequence[Magnet | None],
    positions: np.ndarray,
    points: np.ndarray,
    bodies: "Sequence[tuple[Answer, np.ndarray, np.ndarray]]",
) -> None:
    """Move magnets (5, 3, n) that come too near to a sensor or to iron out to where they touch flesh, in place.

    Postures are drawn joint by joint, so that now and then a finger goes where the device or a ring is. It yields by
    YIELD_MM at most: what lies deeper is a design that cannot be, and is left to be refused.
    """
    for magnet, position in zip(magnets, positions, strict=True):
        if magnet is None:
            continue
        for point in points:
            push_out(position, position - point[:, None], magnet.radius + SKIN_MM)
        for answer, centre, axis in bodies:
            from simulators.hand import iron

            push_out(position, *iron.gap_of(answer, centre, axis, position))


def push_out(position: np.ndarray, away: np.ndarray, least: float) -> None:
    """Move places (3, n) along `away` (3, n), their distance from a body, where that is below `least`, in place."""
    distance = np.sqrt((away * away).sum(0))
    short = least - distance
    moved = np.flatnonzero((short > 0) & (short <= YIELD_MM) & (distance > 0))
    position[:, moved] += away[:, moved] * (short[moved] / distance[moved])


def iron_fields(
    bodies: "Sequence[tuple[Answer, np.ndarray, np.ndarray]]",
    magnets: Sequence[Magnet | None],
    positions: np.ndarray,
    directions: np.ndarray,
    points: np.ndarray,
    earth: np.ndarray,
    tolerance: float,
) -> np.ndarray:
    """Field of all iron at each sensor, (sensors, 3, n) uT; earth (3, n).

    Raises InputError where a magnet or a sensor comes too near to iron.
    """
    from simulators.hand import iron

    worn = [i for i, magnet in enumerate(magnets) if magnet]
    found = np.zeros((len(points), 3, positions.shape[2]))
    for answer, centre, axis in bodies:
        found += iron.field_of(
            answer, centre, axis, [m for m in magnets if m], positions[worn], directions[worn], points, earth, tolerance
        )
    return found


def fields_of(
    magnets: Sequence[Magnet | None],
    positions: np.ndarray,
    directions: np.ndarray,
    points: np.ndarray,
    tolerance: float,
) -> np.ndarray:
    """Field of each finger's magnet at each sensor, (sensors, 5, 3, n) uT; 0 for a finger without one."""
    found = np.zeros((len(points), len(magnets), 3, positions.shape[2]))
    worn = [i for i, magnet in enumerate(magnets) if magnet]
    found[:, worn] = field(
        [m for m in magnets if m],
        np.ascontiguousarray(positions[worn]),
        np.ascontiguousarray(directions[worn]),
        points,
        tolerance=tolerance,
        each=True,
    ).field
    return found


def _stream(spec: HandSpec, key: Key, person: Person, times: np.ndarray) -> Poses:
    """Holds of combos in random order, again and again, with moves between them."""
    names, rng = spec.combos.of(key.split), stream(key, "timeline")
    shortest = spec.hold_s[0] + spec.move_s[0]
    most = int(spec.duration_s / shortest) + 2
    order = np.concatenate([rng.permutation(len(names)) for _ in range(most // len(names) + 1)])[:most]
    lengths = rng.uniform(*spec.hold_s, most - 1) + rng.uniform(*spec.move_s, most - 1)
    begins = np.concatenate([[0.0], np.cumsum(lengths)])
    keep = max(1, int(np.searchsorted(begins, times[-1])))
    combos, begins = [names[i] for i in order[:keep]], begins[:keep]
    session = person.habit + chain.draw_session(stream(key, "session"), spread_of(spec))
    postures = stream(key, "postures")
    found = chain.angles_of(
        postures, combos, begins, times, spread=spread_of(spec), habit=session, share=spec.posture.enslaving,
        move_s=spec.move_s,
    )  # fmt: skip
    states = np.array([[CODES[letter] for letter in name] for name in combos], np.int8)
    shift = _shift(spec, key, found.combo, times)
    inside = [np.flatnonzero((found.combo == i) & ~found.moving) for i in range(keep)]
    whole = [i for i, at in enumerate(inside) if at.size]
    return Poses(
        state=np.where(found.moving, np.int8(MOVING), states[found.combo].T),
        curls=found.curls,
        angles=found.angles,
        shift=shift,
        holds=(
            np.array([inside[i][0] for i in whole], np.int32),
            np.array([inside[i][-1] + 1 for i in whole], np.int32),
            states[whole],
        ),
    )


def _shift(spec: HandSpec, key: Key, repeat: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Shifts of magnets beside the joints: one a repeat, reached as the hand moves, and a slow one within holds."""
    rng, posture = stream(key, "shift"), spec.posture
    if not posture.repeat_mm and not posture.hold_mm:
        return np.zeros((5, 3, times.size))
    own = posture.repeat_mm * rng.standard_normal((5, 3, int(repeat.max()) + 1))
    first = times[np.searchsorted(repeat, np.arange(1, own.shape[2]))]
    found = chain.blend(times, first, np.full(first.size, spec.move_s[0]), own)
    knots = posture.hold_mm * rng.standard_normal((5, 3, int(times[-1]) + 2))
    return np.asarray(found + chain.blend(times, np.arange(knots.shape[2] - 1.0), np.ones(knots.shape[2] - 1), knots))


def _cloud(spec: HandSpec, key: Key, person: Person, times: np.ndarray) -> Poses:
    """Independent readings: each is a repeat of its own of a combo of the split; combos are as often as each other."""
    names, n = spec.combos.of(key.split), spec.samples
    order = stream(key, "timeline").permutation(np.arange(n) % len(names))
    targets = chain.enslave(chain.curls_of(names), spec.posture.enslaving)
    spread = spread_of(spec)
    session = person.habit + chain.draw_session(stream(key, "session"), spread)
    around = float(np.hypot(spread.repeat, spread.hold))
    curls = targets[:, order]
    shift = np.zeros((5, 3, n))
    if away := float(np.hypot(spec.posture.repeat_mm, spec.posture.hold_mm)):
        shift = away * _normals(key, "shift", (5, 3, n))
    states = np.array([[CODES[letter] for letter in name] for name in names], np.int8)[order]
    return Poses(
        state=np.ascontiguousarray(states.T),
        curls=curls,
        angles=chain.bent(
            curls, habit=session, deviations=chain.deviations_of(_normals(key, "postures", (5, 4, n)), around)
        ),
        shift=shift,
        holds=(np.arange(n, dtype=np.int32), np.arange(1, n + 1, dtype=np.int32), states),
    )


def _normals(key: Key, effect: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Standard normals of an effect, by the bulk."""
    table, found = normal_table(), np.empty(shape, np.float32)
    keys = stream(key, effect).integers(0, 2**32, (*shape[:2], 2), np.uint32)
    for at in np.ndindex(shape[:2]):
        normals(table, 0, shape[2], *keys[at], found[at])
    return found.astype(float)


def _measure(
    spec: HandSpec, key: Key, times: np.ndarray, outside: np.ndarray, motion: world.Motion, cloud: bool
) -> tuple[list[tuple[sensors.SensorModel, sensors.Reading]], np.ndarray, np.ndarray, list[world.Iron]]:
    """(model and reading of accelerometer, gyroscope and magnetometers; held and shifted by channel; iron of these)."""
    force = motion.specific_force()
    found = [
        (sensors.LSM6DS3_ACCELEROMETER, force, "accelerometer"),
        (sensors.LSM6DS3_GYROSCOPE, motion.rate, "gyroscope"),
    ]
    irons = []
    for number, (own, at) in enumerate(zip(spec.design.sensors, outside, strict=True)):
        iron = world.draw_iron(
            replace(key, split=f"{key.split}/sensor/{number}"),
            hard_mean_ut=spec.device.hard_iron_mean_ut,
            hard_sd_ut=spec.device.hard_iron_sd_ut,
            soft_sd=spec.device.soft_iron,
        )
        irons.append(iron)
        found.append((model_of(own.model, spec), iron.apply(at), f"magnetometer/{number}"))
    readings, held, shifted = [], [], []
    for model, signal, name in found:
        if cloud:  # readings without time between them have no slow noise and no memory
            model = replace(model, hold=(1, 1), flicker=0.0, random_walk=0.0, drift_sd=0.0, jump=0.0)
        reading = sensors.measure(model, signal, times, key, name=name, other=force if name == "gyroscope" else None)
        readings.append((model, reading))
        held.append(np.repeat(reading.held[None], 3, 0))
        shifted.append((reading.flags & sensors.SHIFTED) > 0)
    return readings, np.concatenate(held), np.concatenate(shifted), irons


def model_of(name: str, spec: HandSpec) -> sensors.SensorModel:
    """A magnetometer by its name, with the scenario's noise. Raises InputError that names those there are."""
    if name not in MODELS:
        raise InputError(f"design.sensors.model must be one of {', '.join(MODELS)}; it is '{name}'")
    noise = spec.device.noise_ut
    return MODELS[name] if noise is None else replace(MODELS[name], white_sd=noise, noise_density=0.0)


def _inputs(
    spec: HandSpec, readings: Sequence[tuple[sensors.SensorModel, sensors.Reading]], ticks: np.ndarray
) -> Arrays:
    group, channels, n = f"inputs/r{spec.rate_hz:g}", 3 * len(readings), spec.samples
    kinds = np.minimum(np.arange(channels) // 3, QUANTITIES.index("magnetometer"))
    return {
        f"{group}/counts": np.concatenate([r.counts.astype(np.int32) for _, r in readings]),
        f"{group}/channel_id": np.arange(channels, dtype=np.int32),
        f"{group}/n_samples": np.full(channels, n, np.int32),
        f"{group}/start_ns": np.full(channels, ticks[0], np.int64),
        f"{group}/lsb": np.repeat([model.lsb for model, _ in readings], 3),
        f"{group}/quantity": kinds.astype(np.int8),
        f"{group}/axis": np.tile(np.arange(3, dtype=np.int8), len(readings)),
        f"{group}/sensor": np.where(kinds < 2, -1, np.arange(channels) // 3 - 2).astype(np.int32),
        f"{group}/clipped": np.concatenate([(r.counts <= m.rails[0]) | (r.counts >= m.rails[1]) for m, r in readings]),
        f"{group}/tick_ns": ticks,
    }


def _truth(
    spec: HandSpec,
    poses: Poses,
    positions: np.ndarray,
    directions: np.ndarray,
    each: np.ndarray,
    earth: np.ndarray,
    motion: world.Motion,
) -> Arrays:
    group = f"truth/r{spec.rate_hz:g}"
    rotation = np.empty((4, spec.samples), np.float32)
    quaternions(motion.rotation, rotation)
    return {
        f"{group}/state": poses.state,
        f"{group}/curl": poses.curls.astype(np.float32),
        f"{group}/angle": poses.angles.astype(np.float32),
        f"{group}/position": positions.astype(np.float32),
        f"{group}/direction": directions.astype(np.float32),
        f"{group}/field": np.moveaxis(each, 1, 0).astype(np.float32),
        f"{group}/earth": earth.astype(np.float32),
        f"{group}/rotation": rotation,
        "truth/hold_start": poses.holds[0],
        "truth/hold_end": poses.holds[1],
        "truth/hold_state": poses.holds[2],
    }


def simulate(spec: HandSpec, key: Key) -> "xr.DataTree":
    """One recording as an xarray tree: groups `inputs/r<rate>` and `truth`, dimensions, units and meanings named."""
    from scenarios.access import as_tree
    from simulators.hand.spec import SCHEMA

    return as_tree(simulate_arrays(spec, key), SCHEMA)
