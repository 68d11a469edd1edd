"""From activities to a score: which bouts a recording has, how the person gets from one into the next, every cycle.

Bouts have their label from begin to end. Between two lies a pause without one, in which the person stops, takes the
next posture on a minimum-jerk path, and starts. Cycles fade in and out in the pauses.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulators.imu.activity import POSTURES, Activity, Move, recipe_of, sides_of, unit_of
from simulators.imu.body import COORDINATES, LIMB, ROOT, SEGMENTS, Body
from simulators.imu.kernels.chain import GRAVITY
from simulators.imu.people import HARMONICS, POSTURE, Manner, Person, manner_of
from simulators.imu.score import INDEX, NO_SHOCKS, Cycle, Score, Shocks, Spline, Track, shifted, track_of, wave_of
from simulators.imu.spec import ImuSpec
from simulators.rng import Key, stream

COUNT = len(COORDINATES)
UP, SPEED, YAW = INDEX["up"], INDEX["speed"], INDEX["yaw"]
ANGLES = np.array([name not in ("forward", "left", "up", "speed", "yaw") for name in COORDINATES])
ARMS = np.array([name[:5] in ("shoul", "elbow", "wrist", "prona") for name in COORDINATES])
SPLINE_GAIN = 1 / math.sqrt(151 / 315)
"""Control points with this sd give a uniform cubic B-spline of unit rms, averaged over time."""
FIDGET_DEG, FIDGET_S = 3.0, (0.5, 1.2)
BURSTS = 0.6
"""[chosen] Sd of the logarithm of the strength of quick motion from second to second."""
CYCLE_MEMORY = 0.3
"""Correlation of neighbouring cycles' durations [chosen]."""
CROUCH_DEG = {"hip_flexion": 95, "knee_flexion": 105, "ankle_flexion": 25, "tilt": 30, "shoulder_flexion": -20}
CROUCH_LEG = 0.36
"""Full crouch before a jump, and by how many leg lengths the hips are lower then."""


class Bout(NamedTuple):
    """A labelled stretch, in s."""

    label: str
    begin: float
    end: float
    rate: float
    speed: float


@dataclass(frozen=True, eq=False)
class Plan:
    """A recording's motion and what it is called."""

    score: Score
    bouts: tuple[Bout, ...]


class _Keys:
    """Key frames of all coordinates but speed and heading, in the order of time."""

    def __init__(self, posture: np.ndarray) -> None:
        self.times, self.values, self.rates, self.accelerations = [0.0], [posture], [np.zeros(COUNT)], [np.zeros(COUNT)]

    def add(
        self, time: float, value: np.ndarray, rate: np.ndarray | None = None, push: np.ndarray | None = None
    ) -> None:
        """A key frame; one that is not later than the last by a millisecond is put there."""
        self.times.append(max(time, self.times[-1] + 1e-3))
        self.values.append(value)
        self.rates.append(np.zeros(COUNT) if rate is None else rate)
        self.accelerations.append(np.zeros(COUNT) if push is None else push)

    def hold(self, time: float) -> None:
        """Stay where the last key frame is until a time."""
        if time > self.times[-1] + 1e-3:
            self.add(time, self.values[-1])

    def tracks(self) -> dict[int, Track]:
        """A track for each coordinate; key frames between which nothing changes are left out."""
        knots = np.stack([np.array(self.values), np.array(self.rates), np.array(self.accelerations)])
        times, found = np.array(self.times), {}
        for c in range(COUNT):
            own = knots[:, :, c]
            still = np.zeros(times.size, bool)
            rest = (own[1] == 0) & (own[2] == 0)
            still[1:-1] = (
                rest[1:-1] & rest[:-2] & rest[2:] & (own[0, 1:-1] == own[0, :-2]) & (own[0, 1:-1] == own[0, 2:])
            )
            keep = ~still
            found[c] = track_of(np.column_stack([times[keep], own[0, keep], own[1, keep], own[2, keep]]))
        return found


def recipe(spec: ImuSpec, label: str) -> Activity:
    """The activity behind a label: the scenario's own, else that of the tables."""
    found = spec.recipes.get(label) or recipe_of(label)
    assert found is not None, "a spec checks its labels"
    return found


def posture_of(name: str, changes: dict[str, float], body: Body, mirrored: bool = False) -> np.ndarray:
    """(coordinates,) rad and m of a posture with changes; mirrored: right and left trade places."""
    told = {"up": 1.0}
    for table in (POSTURES[name], changes):
        for coordinate, value in table.items():
            for own in sides_of(coordinate):
                told[mirror(own) if mirrored else own] = value * (-1 if mirrored and coordinate in TURNS else 1)
    found = np.zeros(COUNT)
    for coordinate, value in told.items():
        unit = body.leg if coordinate == "up" else unit_of(coordinate)
        found[INDEX[coordinate]] = value * unit
    return found


TURNS = frozenset({"list", "turn", "yaw", "left", "lumbar_bend", "lumbar_twist", "neck_bend", "neck_twist"})
"""Coordinates of the middle that a mirror turns round."""


def mirrored(activity: Activity, person: Person) -> bool:
    """Whether right and left trade places as this person does this."""
    return person.left_handed and activity.mirrors


def mirror(coordinate: str) -> str:
    """The coordinate on the other side."""
    side = {"_r": "_l", "_l": "_r"}.get(coordinate[-2:])
    return coordinate[:-2] + side if side and coordinate[:-2] in LIMB else coordinate


def wave_table(activity: Activity, manner: Manner, mirrored: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(coordinates (k,), means (k,), waves (k, harmonics, 2)) of one cycle of an activity, in SI, of size 1."""
    which, means, waves = [], [], []
    for coordinate, points in activity.curves.items():
        mean, wave = wave_of(np.array(points) * unit_of(coordinate))
        wave = wave[:HARMONICS]
        full = np.zeros((HARMONICS, 2))
        full[: len(wave)] = wave
        for own in sides_of(coordinate):
            turned = own.endswith("_l") and coordinate in LIMB
            if coordinate in LIMB and activity.only != "both" and turned != (activity.only == "left"):
                continue
            now = shifted(full, 0.5) if turned and activity.limbs == "alternate" else full
            place, sign = (mirror(own), -1 if coordinate in TURNS else 1) if mirrored else (own, 1)
            c = INDEX[place]
            length = np.hypot(now[:, :1], now[:, 1:])
            now = now + (0.5 if place in ROOT else 1.0) * length * manner.shape[c]
            side = 1 - manner.lopsided if turned != mirrored else 1 + manner.lopsided
            which.append(c)
            means.append(sign * mean)
            waves.append(sign * now * (side if coordinate in LIMB else 1.0))
    if not which:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 1, 2))
    stacked = np.array(waves)
    used = 1 + np.flatnonzero(np.abs(stacked).max((0, 2)) > 0).max(initial=0)
    return np.array(which, np.int64), np.array(means), np.ascontiguousarray(stacked[:, :used])


def order_of(spec: ImuSpec, rng: np.random.Generator) -> "list[str]":
    """Labels of bouts, more than a recording can hold: as often as their shares say, or in turn."""
    labels = sorted(spec.activities)
    most = int(spec.duration_s / spec.pause_s[0]) + 2
    if spec.sequence:
        return [spec.sequence[i % len(spec.sequence)] for i in range(most)]
    usual = np.array([np.mean(_lengths(spec, label)) for label in labels])
    share = np.array([spec.activities[label] for label in labels])
    weight = share / usual
    done = rng.random(len(labels)) / weight
    found: list[str] = []
    for _ in range(most):
        i = int(done.argmin())
        if len(labels) > 1 and found and found[-1] == labels[i]:
            i = int(np.argsort(done)[1])
        found.append(labels[i])
        done[i] += (0.6 + 0.8 * rng.random()) / weight[i]
    return found


def _lengths(spec: ImuSpec, label: str) -> tuple[float, float]:
    activity = recipe(spec, label)
    if activity.one_off:
        parts = [(m.seconds, m.wait or (0.0, 0.0)) for m in activity.moves]
        return sum(s[0] + w[0] for s, w in parts), sum(s[1] + w[1] for s, w in parts)
    return spec.bout_s or activity.bout_s


def plan_of(spec: ImuSpec, person: Person, key: Key) -> Plan:
    """The motion of a recording."""
    rng, lean = stream(key, "timeline"), stream(key, "posture")
    labels = order_of(spec, rng)
    manners: dict[str, Manner] = {}
    first = recipe(spec, labels[0])
    keys = _Keys(posture_of(first.start, first.posture, person.body, mirrored(first, person)))
    speeds, headings = [(0.0, 0.0, 0.0, 0.0)], [(0.0, 0.0, 0.0, 0.0)]
    cycles: list[Cycle] = []
    splines: list[Spline] = []
    shocks: list[tuple[float, float, float, float, int, float]] = []
    bouts: list[Bout] = []
    now = 0.0
    for number, label in enumerate(labels):
        activity = recipe(spec, label)
        manner = manners.setdefault(label, manner_of(spec, person, key, label, activity))
        pause = rng.uniform(*spec.pause_s)
        begin = now + pause
        if begin >= spec.duration_s and number:
            break
        length = rng.uniform(*(spec.bout_s or activity.bout_s))
        here = _posture(spec, activity, person, manner, lean)
        which, means, waves = wave_table(activity, manner, mirrored(activity, person))
        here = _with_means(here, activity, which, means)
        keys.hold(now + 0.1 * pause)
        keys.add(begin - 0.08 * pause, here)
        own = stream(key, f"bout/{number}")
        if activity.moves:
            end = _moves(spec, keys, activity, manner, person, here, begin, length, own, shocks)
        else:
            end = begin + length
            _fidget(keys, activity, manner, begin, end, own)
        rate = speed = 0.0
        if activity.cycle_hz:
            rate, speed, parts, hits = _cycles(
                spec, activity, manner, (begin, end), own, which, waves, mirrored(activity, person)
            )
            cycles += parts
            shocks += hits
        _travel(activity, begin, end, speed, speeds, headings, own)
        splines += _sway(activity, manner, begin, end, own)
        bouts.append(Bout(label, begin, min(end, spec.duration_s), rate, speed))
        now = end
        if now >= spec.duration_s:
            break
    keys.hold(now + 5.0)
    tracks = keys.tracks() | {SPEED: track_of(speeds), YAW: track_of(headings)}
    return Plan(Score(tracks, tuple(cycles), tuple(splines), _stack(shocks)), tuple(bouts))


def _stack(shocks: list[tuple[float, float, float, float, int, float]]) -> Shocks:
    if not shocks:
        return NO_SHOCKS
    at, tau, up, forward, segment, passes = (np.array(column) for column in zip(*sorted(shocks), strict=True))
    return Shocks(at, tau, up, forward, segment.astype(np.int64), passes)


def _posture(spec: ImuSpec, activity: Activity, person: Person, manner: Manner, rng: np.random.Generator) -> np.ndarray:
    """Where a bout starts: the posture, and the person's, the session's and this bout's deviation from it."""
    bout = np.radians(spec.variation.bout * activity.spread.posture_bout_deg) * rng.standard_normal(COUNT)
    found = posture_of(activity.start, activity.posture, person.body, mirrored(activity, person))
    return np.asarray(found + manner.posture + np.where(POSTURE == 0, 0.0, bout))


def _with_means(posture: np.ndarray, activity: Activity, which: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The posture about which curves swing: a joint's curve tells its mean, where the activity's posture does not."""
    found = posture.copy()
    base = {INDEX[own] for name in POSTURES[activity.start] for own in sides_of(name)}
    told = {INDEX[own] for name in activity.posture for own in sides_of(name)} | {INDEX[name] for name in ROOT}
    table = posture_of(activity.start, {}, _UNIT)
    for c, mean in zip(which, means, strict=True):
        found[c] += mean - (table[c] if c in base and c not in told else 0.0)
    return found


_UNIT = Body(1.0, 1.0, 0.0, False, np.zeros((len(SEGMENTS), 3)), np.zeros((len(SEGMENTS), 3)))


def _moves(
    spec: ImuSpec,
    keys: _Keys,
    activity: Activity,
    manner: Manner,
    person: Person,
    here: np.ndarray,
    begin: float,
    length: float,
    rng: np.random.Generator,
    shocks: list[tuple[float, float, float, float, int, float]],
) -> float:
    """Add the key frames of a sequence from `begin` on; returns when the bout ends."""
    turned = mirrored(activity, person)
    lean = here - posture_of(activity.start, activity.posture, person.body, turned)
    now = begin
    while True:
        for move in activity.moves:
            keys.hold(now)
            target = lean + posture_of(
                move.to or activity.start, move.posture if move.to else activity.posture | move.posture, person.body,
                turned,
            )  # fmt: skip
            haste = 1.0 if move.crash or move.jump_m else spec.people.haste  # nobody falls any faster
            seconds = rng.uniform(*move.seconds) * manner.seconds / haste
            if move.jump_m:
                now = _jump(keys, now, seconds, rng.uniform(*move.jump_m), target, person.body, shocks, move)
            else:
                now = _move(keys, now, seconds, target, move, rng)
                if move.shock:
                    shocks.append((now, 0.012, move.shock * float(np.exp(0.3 * rng.standard_normal())), 0.0, 0, 0.8))
            if move.wait:
                now += rng.uniform(*move.wait) / haste
            if activity.repeat and now >= begin + length:
                break
        if not activity.repeat or now >= begin + length:
            break
    keys.hold(now)
    return now


def _move(keys: _Keys, now: float, seconds: float, target: np.ndarray, move: Move, rng: np.random.Generator) -> float:
    """One path to a posture; a crash arrives at speed and is stopped."""
    if not move.crash:
        keys.add(now + seconds, target)
        return now + seconds
    rate = move.crash * float(np.exp(0.15 * rng.standard_normal())) * 2 * (target - keys.values[-1]) / seconds
    stop = move.stop_s * float(np.exp(0.25 * rng.standard_normal()))
    keys.add(now + seconds, target - 0.45 * stop * rate, rate)
    keys.add(now + seconds + stop, target)
    return now + seconds + stop


def _jump(
    keys: _Keys,
    now: float,
    seconds: float,
    height: float,
    target: np.ndarray,
    body: Body,
    shocks: list[tuple[float, float, float, float, int, float]],
    move: Move,
) -> float:
    """Crouch, push off, fly under gravity alone, land and straighten up: `seconds` to either side of the flight."""
    speed = math.sqrt(2 * GRAVITY * height)
    dip = min(0.9, (0.08 + 0.5 * height) / (CROUCH_LEG * body.leg))
    crouched = target.copy()
    for name, degrees in CROUCH_DEG.items():
        for own in sides_of(name):
            crouched[INDEX[own]] += dip * math.radians(degrees)
    crouched[UP] -= dip * CROUCH_LEG * body.leg
    flight = 2 * speed / GRAVITY
    rate, push = np.zeros(COUNT), np.zeros(COUNT)
    rate[UP], push[UP] = speed, -GRAVITY
    off = now + 0.6 * seconds + 1.6 * dip * CROUCH_LEG * body.leg / speed
    down = np.copy(-rate)
    keys.add(now + 0.6 * seconds, crouched)
    keys.add(off, target, rate, push)
    keys.add(off + flight, target, down, push)
    soft = crouched + 0.3 * (target - crouched)
    keys.add(off + flight + 1.5 * (target[UP] - soft[UP]) / speed, soft)
    last = keys.times[-1] + 0.4 * seconds
    keys.add(last, target)
    hit = 12.0 * speed + move.shock
    shocks += [(off + flight, 0.012, hit, 0.0, SEGMENTS.index(foot), 0.75) for foot in ("foot_r", "foot_l")]
    return last


def _fidget(
    keys: _Keys, activity: Activity, manner: Manner, begin: float, end: float, rng: np.random.Generator
) -> None:
    """Small changes of posture now and then."""
    often = activity.fidget_per_min * manner.lively
    count = int(rng.poisson(often * (end - begin) / 60)) if often else 0
    for at in np.sort(rng.uniform(begin, end, count)):
        change = np.radians(FIDGET_DEG) * rng.standard_normal(COUNT) * ANGLES * (rng.random(COUNT) < 0.35)
        seconds = rng.uniform(*FIDGET_S)
        if at + seconds < end and at > keys.times[-1]:
            keys.hold(at)
            keys.add(at + seconds, keys.values[-1] + change)


def _cycles(
    spec: ImuSpec,
    activity: Activity,
    manner: Manner,
    span: tuple[float, float],
    rng: np.random.Generator,
    which: np.ndarray,
    waves: np.ndarray,
    mirrored: bool,
) -> tuple[float, float, list[Cycle], list[tuple[float, float, float, float, int, float]]]:
    """(mean rate, speed, cycles, shocks) of a bout: phase and size go through a knot a cycle."""
    spread, levels = activity.spread, spec.variation
    begin, end = span
    quick, big = np.exp(levels.bout * np.array([spread.rate_bout, spread.size_bout]) * rng.standard_normal(2))
    factor = manner.rate * float(quick)
    rate = activity.cycle_hz * factor
    fade = min(0.8 / rate, 0.7 * spec.pause_s[0])
    count = int((end - begin + 2 * fade) * rate * 1.3) + 4
    noise = np.clip(rng.standard_normal((2, count)), -3, 3)
    steps = np.empty(count)
    last = 0.0
    for k in range(count):
        last = CYCLE_MEMORY * last + math.sqrt(1 - CYCLE_MEMORY**2) * noise[0, k]
        steps[k] = math.exp(levels.cycle * spread.rate_cycle * last) / rate
    at = begin - fade - rng.random() / rate + np.concatenate([[0.0], np.cumsum(steps)])
    slope = 2 / (steps[:-1] + steps[1:])
    slopes = np.concatenate([[1 / steps[0]], slope, [1 / steps[-1]]])
    phase = track_of(np.column_stack([at, np.arange(count + 1.0), slopes, np.zeros(count + 1)]))
    size = manner.size * float(big) * factor_power(activity, factor)
    sizes = size * np.exp(levels.cycle * spread.size_cycle * noise[1])
    inner = [(t, s, 0.0, 0.0) for t, s in zip(at[1:], sizes, strict=True) if begin < t < end]
    knots = [(begin - fade, 0.0, 0.0, 0.0), (begin, sizes[0], 0.0, 0.0)]
    knots += [k for k in inner if begin + 0.3 / rate < k[0] < end - 0.3 / rate]
    knots += [(end, knots[-1][1], 0.0, 0.0), (end + fade, 0.0, 0.0, 0.0)]
    parts = [Cycle(begin - fade, end + fade, phase, track_of(knots), which, waves)] if which.size else []
    hits = []
    for impact in activity.impacts:
        force = manner.impact * float(big) * factor ** (2 * activity.size_power + 1)
        for segment, later in _hit(impact.segment, activity, mirrored):
            times = np.interp(np.arange(count) + (impact.at + later) % 1, np.arange(count + 1), at)
            side = 1 + manner.limp * (1 if segment.endswith("_r") else -1 if segment.endswith("_l") else 0)
            chance = np.clip(rng.standard_normal(count), -3, 3)
            strength = force * side * np.exp(levels.cycle * spread.impact_cycle * chance)
            number = SEGMENTS.index(segment)
            hits += [
                (float(t), impact.seconds, impact.up * float(s), impact.forward * float(s), number, impact.passes)
                for t, s in zip(times, strength, strict=True)
                if begin - 0.5 * fade < t < end + 0.3 * fade
            ]  # fmt: skip
    speed = activity.speed_m_s * manner.speed * factor * factor_power(activity, factor)
    return rate, speed, parts, hits


def factor_power(activity: Activity, factor: float) -> float:
    """How much larger curves are of someone whose rate is `factor` of the mean's."""
    return float(factor**activity.size_power)


def _hit(segment: str, activity: Activity, mirrored: bool) -> list[tuple[str, float]]:
    """Segments that an impact means, and by how many cycles each comes later."""
    if segment in SEGMENTS:
        return [(segment, 0.0)]
    sides = {"both": ("_r", "_l"), "right": ("_r",), "left": ("_l",)}[activity.only]
    later = 0.5 if activity.limbs == "alternate" else 0.0
    found = [(segment + side, later if side == "_l" else 0.0) for side in sides]
    swap = {"_r": "_l", "_l": "_r"}
    return [(name[:-2] + swap[name[-2:]], t) for name, t in found] if mirrored else found


def _travel(
    activity: Activity,
    begin: float,
    end: float,
    speed: float,
    speeds: list[tuple[float, float, float, float]],
    headings: list[tuple[float, float, float, float]],
    rng: np.random.Generator,
) -> None:
    """Knots of speed over ground and of heading; both come to rest between bouts."""
    if speed:
        ramp = min(0.5, 0.3 * (begin - speeds[-1][0]) + 0.05)
        speeds += [(begin - ramp, 0.0, 0.0, 0.0), (begin, speed, 0.0, 0.0), (end, speed, 0.0, 0.0)]
        speeds.append((end + 0.4, 0.0, 0.0, 0.0))
    if not (activity.turn_deg_s or activity.winding):
        return
    yaw, at = headings[-1][1], begin
    headings.append((max(begin, headings[-1][0] + 1e-3), yaw, 0.0, 0.0))
    side = 1.0
    while at < end - 1.5:
        step = 3.0 if activity.winding else rng.uniform(1.0, 3.0)
        change = math.radians(activity.turn_deg_s) * step * 0.8 * rng.standard_normal()
        if activity.winding:
            change += side * math.radians(2 * activity.winding)
            side = -side
        at += step
        yaw += change
        headings.append((at, yaw, 0.0, 0.0))


def _sway(activity: Activity, manner: Manner, begin: float, end: float, rng: np.random.Generator) -> list[Spline]:
    """Slow random motion of all joints and of the pelvis' place, quick motion in bursts, and tremor of the arms."""
    quick = 0.1 * activity.quick_mm
    found = []
    for step, angle, length, own, arms, bursts in (
        (activity.sway_s, activity.sway_deg, activity.sway_cm, activity.sway, False, 0.0),
        (activity.quick_s, activity.quick_deg, quick, activity.quick, False, BURSTS),
        (activity.quick_s, activity.tremor_deg, 0.0, {}, True, BURSTS),
    ):
        if not angle and not length and not own:
            continue
        inner = max(1, int((end - begin) / step) - 1)
        scale = np.zeros(COUNT)
        scale[ANGLES & ARMS if arms else ANGLES] = math.radians(angle)
        scale[[INDEX["tilt"], INDEX["list"]]] *= 0.5
        scale[[INDEX["forward"], INDEX["left"]]] = 0.01 * length
        scale[UP] = 0.01 * length * (0.7 if bursts else 0.2)
        for name, size in own.items():
            scale[[INDEX[side] for side in sides_of(name)]] = size * unit_of(name)
        scale *= manner.lively
        which = np.flatnonzero(scale)
        control = np.zeros((which.size, inner + 6))
        control[:, 3:-3] = SPLINE_GAIN * scale[which, None] * rng.standard_normal((which.size, inner))
        if bursts:
            calm = np.interp(
                np.arange(inner) * step, np.arange(int(inner * step) + 2), rng.standard_normal(int(inner * step) + 2)
            )
            control[:, 3:-3] *= np.exp(bursts * calm - bursts**2)
        found.append(Spline(begin - 1.5 * step, step, which, control))
    return found
