"""One recording from its spec and key: person, session, bouts, the moving body, devices, what the logger gets.

Random effects come in levels, each drawn at its own: body and manner from a key of the person; mounting, specimens
and clock from the recording, which is a session; pace and vigour from each bout; and every cycle deviates from it.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from scenarios.schema import Arrays
from simulators import sensor as sensors
from simulators.hand.kernels.world import quaternions
from simulators.imu.compose import Plan, plan_of
from simulators.imu.devices import Device, device_of
from simulators.imu.kernels.noise import quantise_into
from simulators.imu.labels import GROUPS_43, GROUPS_44, PLACEMENTS, SIDES, code_of, group_of
from simulators.imu.noise import noise_into
from simulators.imu.people import Person, person_of
from simulators.imu.score import Ideal, frames_of, places_of, sense
from simulators.imu.spec import AXES, AXES_OF, QUANTITIES, ImuSpec
from simulators.imu.wear import FINE_HZ, Worn, felt, rotation_of, wear
from simulators.rng import Key, stream

if TYPE_CHECKING:
    import xarray as xr

ORIENTATION = sensors.SensorModel(name="orientation estimate", unit="1", lsb=2.0**-14)
"""Of a unit's own filter; quaternion components, resolution assumed."""
ORIENTATION_DEG = 1.5
"""[chosen] Its constant error about each axis, sd over sessions."""
GRAVITY_HZ = 0.3
"""Corner of the filter that splits gravity off: Anguita et al., ESANN 2013 (UCI-HAR)."""
POSES_PER_BOUT, POSE_BOUTS = 3, 4


@dataclass(frozen=True, eq=False)
class Measured:
    """One quantity of one unit: the true signal at the converter, and the sensor that converts it."""

    unit: int
    quantity: str
    signal: np.ndarray
    """(axes, n)"""
    model: sensors.SensorModel
    name: str
    gain: float
    bias: tuple[float, float, float]
    shared: bool
    """One specimen serves all recordings of the scenario."""


def every_of(rate_hz: float) -> int:
    """Fine samples for one of the logger's.

    >>> every_of(20), every_of(50), every_of(100), every_of(200)
    (9, 4, 2, 1)
    """
    return max(1, math.ceil(FINE_HZ / rate_hz - 1e-9))


def simulate_arrays(spec: ImuSpec, key: Key, spare: dict[str, np.ndarray] | None = None) -> Arrays:
    """One recording as a flat mapping from path to array; see SCHEMA for names, dimensions and units.

    `spare` is there for the sake of the other simulators' signature; nothing is kept in it. Raises InputError for a
    device that does not exist, or lacks a sensor that is asked of it.
    """
    devices = [device_of(unit.device, unit.measures) for unit in spec.units]
    person = person_of(spec, key)
    plan = plan_of(spec, person, key)
    worn = wear(spec, person, key)
    clock = sensors.Clock(
        rate_hz=spec.rate_hz,
        skew_sd=spec.timing.skew_ppm * 1e-6,
        jitter_s=spec.timing.jitter_ms * 1e-3,
        tick_ns=max(1, round(spec.timing.tick_ms * 1e6)),
        batch=spec.timing.batch,
        loss=spec.timing.loss,
    )
    n = spec.samples
    times = sensors.ticks(clock, n, key)
    true_s = times.true_ns * 1e-9
    every = every_of(spec.rate_hz)
    step = float(true_s[-1]) / (n - 1) / every
    fine = np.arange((n - 1) * every + 1) * step
    ideal = sense(plan.score, person.body, worn.sites, fine)
    told = _full(spec, person, plan, worn, ideal, fine, every) if spec.truth == "full" else {}
    axes, heading = np.ascontiguousarray(ideal.axes[..., ::every]), ideal.heading[::every]
    bandwidths = [d.bandwidths(spec.rate_hz) for d in devices]
    force, rate = felt(spec, worn, ideal, step, every, bandwidths)
    measured = _measured(spec, devices, force, rate, axes, heading, key)
    group = f"inputs/r{spec.rate_hz:g}"
    return {
        **_read(spec, measured, worn, force, step * every, key, times),
        **{f"truth/{group[7:]}/{name}": array for name, array in told.items()},
        f"truth/{group[7:]}/time_ns": times.true_ns,
        **_bouts(spec, plan, true_s),
        "truth/subject": np.array(person.number, np.int32),
        "truth/session": np.array(key.index % spec.people.recordings_per_subject, np.int32),
        "truth/height": np.array(person.body.height),
        "truth/mass": np.array(person.body.mass),
        "truth/age": np.array(person.body.age),
        "truth/mount": worn.sites.mount,
        "truth/site": worn.sites.place,
        **_poses(spec, person, plan, worn, true_s),
    }


def to_device(axes: np.ndarray, heading: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector (east, north, up) in device axes, (3, n); axes (2, 3, n): up and the heading's forward."""
    up, forward = axes
    left = np.cross(up, forward, axis=0)
    c, s = np.cos(heading), np.sin(heading)
    ahead, across = vector[0] * c + vector[1] * s, vector[1] * c - vector[0] * s
    return np.asarray(ahead * forward + across * left + vector[2] * up)


def orientation_of(axes: np.ndarray, heading: np.ndarray, error: np.ndarray | None = None) -> np.ndarray:
    """Device to world as quaternions (4, n), w first and not negative; error: a rotation (3, 3) of the device."""
    rows = np.stack([to_device(axes, heading, v) for v in np.eye(3)])  # row i: world axis i in the device
    if error is not None:
        rows = np.einsum("ijn,jk->ikn", rows, error)
    out = np.empty((4, heading.size))
    quaternions(np.ascontiguousarray(rows), out)
    return out


def _measured(
    spec: ImuSpec,
    devices: list[Device],
    force: np.ndarray,
    rate: np.ndarray,
    axes: np.ndarray,
    heading: np.ndarray,
    key: Key,
) -> list[Measured]:
    """What each unit converts, in the order of the channels."""
    found: list[Measured] = []
    for i, unit in enumerate(spec.units):
        seen: dict[str, int] = {}
        for quantity in unit.measures:
            again = seen[quantity] = seen.get(quantity, -1) + 1
            if quantity == "magnetometer":
                signal = to_device(axes[i], heading, np.array(spec.earth.vector_ut))
            elif quantity == "orientation":
                error = np.radians(ORIENTATION_DEG) * stream(key, f"orientation/{i}").standard_normal(3)
                signal = orientation_of(axes[i], heading, rotation_of(error))
            else:
                signal = rate[i] if quantity == "gyroscope" else force[i]
            model = ORIENTATION if quantity == "orientation" else devices[i].sensor(quantity, again)
            if quantity == "body_acceleration":
                again = 0
            same = "accelerometer" if quantity == "body_acceleration" else quantity
            known = (devices[i].gain, devices[i].bias) if same == "accelerometer" else (1.0, (0.0, 0.0, 0.0))
            found.append(Measured(i, quantity, signal, model, f"{i}/{same}/{again}", *known, unit.one_device))
    return found


def _read(
    spec: ImuSpec,
    measured: list[Measured],
    worn: Worn,
    force: np.ndarray,
    step: float,
    key: Key,
    times: sensors.Ticks,
) -> Arrays:
    """Convert all channels: errors of the specimen, noise, counts; and what is known of each channel."""
    group, n = f"inputs/r{spec.rate_hz:g}", spec.samples
    channels = sum(len(m.signal) for m in measured)
    counts, clipped = np.empty((channels, n), np.int32), np.empty((channels, n), bool)
    lsb, offset = np.empty(channels), np.zeros(channels)
    columns: dict[str, list[int]] = {"quantity": [], "axis": [], "sensor": [], "placement": [], "side": []}
    values: dict[str, np.ndarray] = {}
    at = 0
    for m in measured:
        part = slice(at, at + len(m.signal))
        at = part.stop
        if m.name not in values:
            values[m.name] = _converted(m, force[m.unit], step, key, offset[part])
        value = values[m.name]
        if m.quantity == "body_acceleration":
            value = value - gravity_of(value, spec.rate_hz)
            offset[part] = 0.0
        low, high = m.model.rails
        quantise_into(value, 1 / m.model.lsb, low, high, counts[part], clipped[part])
        lsb[part] = m.model.lsb
        unit = spec.units[m.unit]
        for axis in AXES_OF.get(m.quantity, AXES[:3]):
            for name, code in (
                ("quantity", QUANTITIES.index(m.quantity)),
                ("axis", AXES.index(axis)),
                ("sensor", m.unit),
                ("placement", PLACEMENTS.index(unit.placement)),
                ("side", SIDES.index(worn.sides[m.unit])),
            ):
                columns[name].append(code)
    if times.lost.any():
        counts[:, times.lost] = 0
        clipped[:, times.lost] = False
    return {
        f"{group}/counts": counts,
        f"{group}/channel_id": np.arange(channels, dtype=np.int32),
        f"{group}/n_samples": np.full(channels, n, np.int32),
        f"{group}/start_ns": np.full(channels, times.stamp_ns[0], np.int64),
        f"{group}/lsb": lsb,
        f"{group}/sensor": np.array(columns.pop("sensor"), np.int32),
        **{f"{group}/{name}": np.array(codes, np.int8) for name, codes in columns.items()},
        f"{group}/valid": np.broadcast_to(~times.lost, (channels, n)).copy(),
        f"{group}/clipped": clipped,
        f"{group}/tick_ns": times.stamp_ns,
        "truth/offset": offset,
    }


def _converted(m: Measured, force: np.ndarray, step: float, key: Key, offset: np.ndarray) -> np.ndarray:
    """The signal with the specimen's errors and noise, (axes, n); its offset is told."""
    if m.quantity == "orientation":
        return m.signal
    owner = replace(key, split="device", index=0) if m.shared else key
    device = sensors.specimen(m.model, 3, owner, m.name)
    value = sensors.mix(m.gain * device.matrix, m.signal)
    offset[:] = device.offset + m.bias
    value += offset[:, None]
    if m.model.cross_sd:
        value += sensors.mix(device.cross, force)
    noise_into(value, [m.model] * 3, step, key, m.name)
    return value


def gravity_of(force: np.ndarray, rate_hz: float) -> np.ndarray:
    """The slow part of a specific force (3, n), by a third-order Butterworth filter there and back."""
    from scipy.signal import butter, sosfiltfilt

    sos = butter(3, GRAVITY_HZ, fs=rate_hz, output="sos")
    pad = min(force.shape[1] - 1, int(rate_hz / GRAVITY_HZ))
    return np.asarray(sosfiltfilt(sos, force, axis=1, padtype="even", padlen=pad))


def _bouts(spec: ImuSpec, plan: Plan, true_s: np.ndarray) -> Arrays:
    """Labels by sample and by bout."""
    activity = np.zeros(spec.samples, np.int16)
    rows = []
    for bout in plan.bouts:
        first, end = (int(np.searchsorted(true_s, t)) for t in (bout.begin, bout.end))
        if end > first:
            activity[first:end] = code_of(bout.label)
            rows.append((first, end, bout))
    labels = [bout.label for _, _, bout in rows]
    return {
        f"truth/r{spec.rate_hz:g}/activity": activity,
        "truth/bout_start": np.array([r[0] for r in rows], np.int32),
        "truth/bout_end": np.array([r[1] for r in rows], np.int32),
        "truth/bout_activity": np.array([code_of(label) for label in labels], np.int16),
        "truth/bout_group": np.array([GROUPS_44.index(group_of(label)) for label in labels], np.int8),
        "truth/bout_group_43": np.array([GROUPS_43.index(group_of(label, 43)) for label in labels], np.int8),
        "truth/bout_rate": np.array([r[2].rate for r in rows], float),
        "truth/bout_speed": np.array([r[2].speed for r in rows], float),
    }


def _full(spec: ImuSpec, person: Person, plan: Plan, worn: Worn, ideal: Ideal, fine: np.ndarray, every: int) -> Arrays:
    """True signals, orientations and paths of the devices, at the logger's samples."""
    axes, heading = ideal.axes[..., ::every], ideal.heading[::every]
    places = places_of(plan.score, person.body, worn.sites, fine[::every])
    return {
        "force": ideal.force[..., ::every].astype(np.float32),
        "rate": ideal.rate[..., ::every].astype(np.float32),
        "orientation": np.stack([orientation_of(a, heading) for a in axes]).astype(np.float32),
        "position": np.moveaxis(places, 2, 1).astype(np.float32),
    }


def _poses(spec: ImuSpec, person: Person, plan: Plan, worn: Worn, true_s: np.ndarray) -> Arrays:
    """The body at a few moments of the first bouts of different activities, for pictures."""
    seen: dict[str, tuple[float, float, float]] = {}
    for bout in plan.bouts:
        cycle = 1 / bout.rate if bout.rate else (bout.end - bout.begin)
        if bout.label not in seen and len(seen) < POSE_BOUTS:
            seen[bout.label] = (bout.begin, bout.end, min(cycle, bout.end - bout.begin))
    moments = [
        0.5 * (begin + end) + (k - 0.5 * (POSES_PER_BOUT - 1)) * 0.45 * span * 2 / POSES_PER_BOUT
        for begin, end, span in seen.values()
        for k in range(POSES_PER_BOUT)
    ]
    sample = np.unique(np.searchsorted(true_s, moments).clip(0, spec.samples - 1))
    at = true_s[sample]
    rotation, origin = frames_of(plan.score, person.body, at)
    end = origin + np.einsum("snij,sj->sni", rotation, person.body.ends)
    return {
        "truth/pose_sample": sample.astype(np.int32),
        "truth/pose_joint": np.moveaxis(origin, 0, 1).astype(np.float32),
        "truth/pose_end": np.moveaxis(end, 0, 1).astype(np.float32),
        "truth/pose_site": np.moveaxis(places_of(plan.score, person.body, worn.sites, at), 0, 1).astype(np.float32),
    }


def simulate(spec: ImuSpec, key: Key) -> "xr.DataTree":
    """One recording as an xarray tree: groups `inputs/r<rate>` and `truth`, dimensions, units and meanings named."""
    from scenarios.access import as_tree
    from simulators.imu.spec import SCHEMA

    return as_tree(simulate_arrays(spec, key), SCHEMA)
