"""Figures that tell a simulated recording of a hand from the real one, and the levels of the field ladder apart.

Of the real recording only statistics of each finger combo are published, with the number of repeats behind them. So a
simulated session is cut into groups of as many repeats, and each group gives each statistic once: their spread within
a session is that from repeat to repeat, that over sessions and over people comes on top. What differs by more than the
spread is not chance. Vectors are in the axes of the device, fields in uT, distances in mm.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.hand.magnets import Magnet
from simulators.hand.spec import QUANTITIES, HandSpec

SCENARIO = "recorded_10"
STATISTICS = ("mean x", "mean y", "mean z", "sd x", "sd y", "sd z", "norm of mean", "mean of norm", "rail share")
"""Columns of `statistics_of`; the last is a share, the others are in uT."""
SPREADS = {
    "repeats": (),
    "sessions": (),
    "people": ("people.recordings_per_person=1",),
}
"""What is drawn anew: repeats of a session, sessions of a person, people; and what settings that needs."""
LENGTH = "duration_s=600"
"""Long sessions hold several groups of repeats."""
VARIANTS = {
    "as it is": (),
    "polarity + + - + - (guide)": ("design.magnets.polarity=[1, 1, -1, 1, -1]",),
    "polarity + - + - + (magpylib model)": ("design.magnets.polarity=[1, -1, 1, -1, 1]",),
    "magnets on the middle phalanx (guide)": ('design.magnets.site="middle"',),
    "sensor behind the wrist (hand model)": ("design.sensors.0.at_mm=[0, -25, 20]",),
    "sensor 10 mm further out of the palm": ("design.sensors.0.at_mm=[0, 45, -26]",),
    "discs of 8x3 mm": ("design.magnets.diameter_mm=8",),
    "one posture a combo": ("posture.repeat_mm=0", "posture.hold_mm=0", "posture.session_deg=0", "posture.hold_deg=0"),
    "no iron in the device": ("device.hard_iron_ut=0", "device.hard_iron_mean_ut=[0, 0, 0]", "device.soft_iron=0"),
}
"""What the sources of the recording contradict each other in, or do not say: settings of the scenario."""
DISTANCES_MM = (10.0, 15.0, 20.0, 30.0, 50.0, 80.0)
DIRECTIONS = 19
LEFT_OUT = "The comparison with a real recording is left out: neither --reference nor PROVINGGROUND_DATA is given."
ORACLE = "magpylib"
"""The level of the ladder that the others are held against, beside FEM."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What is published of a real recording."""

    session: str
    axes: str
    values: dict[str, np.ndarray]
    """By combo: STATISTICS."""
    segments: dict[str, int]
    """By combo: repeats behind them."""


def reference_of(path: Path) -> Reference:
    """The published statistics in a file. Raises InputError naming what it lacks."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is none"
        raise InputError(f"reference '{path}' must be a JSON file of statistics by combo; {reason}") from error
    combos = table.get("combos") if isinstance(table, dict) else None
    if not isinstance(combos, dict) or len(combos) < 2:
        raise InputError(f"reference '{path}' must hold 'combos', two or more; it is of another format")
    values, segments = {}, {}
    for name, told in combos.items():
        if len(name) != 5 or set(name) - set("epf") or not isinstance(told, dict):
            raise InputError(f"combos of reference '{path}' must be five letters e, p or f; one is '{name}'")
        mean = _numbers(path, name, told, "mean_ut", 3)
        rest = [
            _numbers(path, name, told, field, size)
            for field, size in (("std_ut", 3), ("mean_of_norm_ut", 1), ("railed_share_of_draws", 1))
        ]
        values[name] = np.concatenate([mean, rest[0], [np.linalg.norm(mean)], *rest[1:]])
        segments[name] = int(max(1, _numbers(path, name, told, "segments", 1)[0]))
    return Reference(
        session=str(table.get("session", path.name)),
        axes=str(table.get("axes", "unknown")),
        values=values,
        segments=segments,
    )


def _numbers(path: Path, combo: str, told: Mapping[str, Any], field: str, size: int) -> np.ndarray:
    found = told.get(field)
    listed = found if isinstance(found, list) else [found]
    if len(listed) != size or not all(isinstance(v, int | float) and math.isfinite(v) for v in listed):
        raise InputError(f"combo '{combo}' of reference '{path}' must have {size} numbers '{field}'; it has {found!r}")
    return np.array(listed, float)


def holds_of(arrays: Arrays) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(combo, readings (3, n) in uT, whether one stands at the rail (n,)) of each hold, by the first magnetometer."""
    group = next(key for key in arrays if key.startswith("inputs/") and key.endswith("/counts")).removesuffix("/counts")
    rows = np.flatnonzero(
        (arrays[f"{group}/quantity"] == QUANTITIES.index("magnetometer")) & (arrays[f"{group}/sensor"] == 0)
    )
    field = arrays[f"{group}/counts"][rows] * arrays[f"{group}/lsb"][rows, None]
    railed = np.asarray(arrays[f"{group}/clipped"][rows].any(0))
    for first, end, states in zip(*(arrays[f"truth/hold_{n}"] for n in ("start", "end", "state")), strict=True):
        if states.max() <= 2:
            yield "".join("epf"[state] for state in states), field[:, first:end], railed[first:end]


def statistics_of(field: np.ndarray, railed: np.ndarray) -> np.ndarray:
    """STATISTICS of readings (3, n) in uT and of whether they stand at the rail (n,).

    >>> statistics_of(np.array([[3.0, 3.0], [4.0, 4.0], [-1.0, 1.0]]), np.array([True, False])).round(2).tolist()
    [3.0, 4.0, 0.0, 0.0, 0.0, 1.0, 5.0, 5.1, 0.5]
    """
    mean = field.mean(1)
    norms = [np.linalg.norm(mean), np.linalg.norm(field, axis=0).mean(), railed.mean()]
    return np.concatenate([mean, field.std(1), norms])


def groups_of(arrays: Arrays, segments: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Statistics (groups, STATISTICS) of each combo: one row for every `segments` repeats of it, in their order."""
    holds: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in segments}
    for name, field, railed in holds_of(arrays):
        if name in holds:
            holds[name].append((field, railed))
    found = {}
    for name, own in holds.items():
        size = segments[name]
        groups = [own[i : i + size] for i in range(0, len(own) - size + 1, size)]
        found[name] = np.array([
            statistics_of(np.concatenate([f for f, _ in g], axis=1), np.concatenate([r for _, r in g])) for g in groups
        ]).reshape(-1, len(STATISTICS))  # fmt: skip
    return found


def spec_of(settings: Iterable[str] = ()) -> tuple[str, HandSpec]:
    """The scenario's name and its spec, settings applied."""
    from scenarios.catalogue import load, override
    from scenarios.spec import parse

    name, table = load("hand", SCENARIO)
    return name, parse(HandSpec, name, override(table, (LENGTH, *settings)))


def simulated(recordings: int, settings: Iterable[str] = ()) -> Iterator[Arrays]:
    """Sessions of the scenario, settings applied, one after the other."""
    from simulators.hand.generate import simulate_arrays
    from simulators.run import key_of

    name, spec = spec_of(settings)
    for index in range(recordings):
        yield simulate_arrays(spec, key_of("hand", name, spec, "train", index))


def sessions_of(
    segments: Mapping[str, int], recordings: int, settings: Iterable[str] = ()
) -> list[dict[str, np.ndarray]]:
    """`groups_of` simulated sessions of the scenario, settings applied."""
    return [groups_of(arrays, segments) for arrays in simulated(recordings, settings)]


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How near the magnets of one session come to its first magnetometer, over its holds."""

    nearest_mm: float
    nearest_off_deg: float
    """Angle of the nearest magnet's axis with the line to the sensor, 0 to 90."""
    strongest_ut: float
    """Largest field of one magnet."""
    typical_mm: float
    """Median over holds of the nearest magnet's mean distance."""


def nearness(arrays: Arrays) -> Nearness:
    """How near the magnets of a simulated session come. Raises ValueError for one without holds."""
    group = next(key for key in arrays if key.startswith("truth/") and key.endswith("/field")).removesuffix("/field")
    worn = np.flatnonzero(arrays["truth/moment"])
    spans = list(zip(arrays["truth/hold_start"], arrays["truth/hold_end"], strict=True))
    held = np.concatenate([np.arange(first, end) for first, end in spans])
    line = arrays["truth/sensor_at"][0][:, None] - arrays[f"{group}/position"][worn]
    distance = np.linalg.norm(line, axis=1)
    cosine = np.abs((arrays[f"{group}/direction"][worn] * line).sum(1)) / distance
    at = np.unravel_index(np.argmin(distance[:, held]), (worn.size, held.size))
    return Nearness(
        nearest_mm=float(distance[:, held][at]),
        nearest_off_deg=float(np.degrees(np.arccos(np.clip(cosine[:, held][at], 0, 1)))),
        strongest_ut=float(np.linalg.norm(arrays[f"{group}/field"][worn, 0], axis=1)[:, held].max()),
        typical_mm=float(np.median([distance[:, first:end].mean(1).min() for first, end in spans])),
    )


def along_axis(magnet: Magnet) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm, ascending from 5 mm off its surface, and |B| in uT there on a magnet's axis."""
    from simulators.hand.field import field

    r = magnet.sides[2] / 2 + np.geomspace(5, 300, 500)
    points = np.stack([0 * r, 0 * r, r], axis=1)
    found = field([magnet], np.zeros((1, 3, 1)), np.array([0, 0, 1.0]).reshape(1, 3, 1), points, level="cylinder").field
    return r, np.linalg.norm(found[:, :, 0], axis=1)


def facts_of(near: Sequence[Nearness], reference: Reference, ours: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """What the reasons for differences rest on, of the scenario, of simulated sessions, and of STATISTICS by combo."""
    from simulators.hand.generate import MODELS

    _, spec = spec_of()
    own = spec.design.magnets
    r, b = along_axis(Magnet(diameter_mm=own.diameter_mm, height_mm=own.height_mm, br_t=own.br_t))
    model = MODELS[spec.design.sensors[0].model]
    rail, closest = model.rails[1] * model.lsb, min(near, key=lambda n: n.nearest_mm)
    typical, length = float(np.median([n.typical_mm for n in near])), float(np.median(real[:, 6]))
    return {
        "repeat_mm": spec.posture.repeat_mm,
        "repeat_deg": spec.posture.repeat_deg,
        "hard_iron_ut": np.broadcast_to(spec.device.hard_iron_ut, 3).tolist(),
        "nearest_mm": closest.nearest_mm,
        "nearest_off_deg": closest.nearest_off_deg,
        "strongest_ut": max(n.strongest_ut for n in near),
        "typical_mm": typical,
        "typical_ut_per_mm": float(np.interp(typical, r, -np.gradient(b, r))),
        "rail_ut": rail,
        "rail_mm": float(np.interp(-rail, -b, r)),
        "rail_combos": int((real[:, 8] > 0).sum()),
        "real_ut": length,
        "real_mm": float(np.interp(-length, -b, r)),
        "sd_ut": {"ours": float(np.median(ours[:, 3:6])), "real": float(np.median(real[:, 3:6]))},
        "segments": sorted({min(reference.segments.values()), max(reference.segments.values())}),
    }


def reasons(facts: Mapping[str, Any]) -> dict[str, str]:
    """Why each of STATISTICS differs, where it is known, from `facts_of`."""
    posture = [f"{facts[f'repeat_{unit}']:g} {unit}" for unit in ("mm", "deg") if facts[f"repeat_{unit}"]]
    drawn = " and ".join(posture) or "nothing"
    iron = ", ".join(f"{sd:g}" for sd in dict.fromkeys(facts["hard_iron_ut"]))
    here = f"{facts['typical_mm']:.0f} mm off in the median hold, where 1 mm along the axis is"
    places = (
        "sources name three polarities, and two sites each of magnets and sensor; the device's axes on the palm are "
        f"told nowhere; {drawn} of posture and hard iron of sd {iron} uT come on top"
    )
    spread = (
        f"a real combo is {' to '.join(map(str, facts['segments']))} repeats, of which no more than the sd is told: "
        f"{_two(facts['sd_ut']['real'])} uT in the median, of ours {_two(facts['sd_ut']['ours'])}; from repeat to "
        f"repeat ours draw {drawn} anew, and the nearest magnet is {here} {_two(facts['typical_ut_per_mm'])} uT"
    )
    length = (
        f"the median real length, {_two(facts['real_ut'])} uT, is one disc {facts['real_mm']:.0f} mm off along its "
        f"axis; the nearest of ours is {here} {_two(facts['typical_ut_per_mm'])} uT; the table of what the sources "
        "leave open has a sensor 10 mm nearer to them"
    )
    rail = (
        f"real combos at the rail: {facts['rail_combos']}; its {facts['rail_ut']:,.0f} uT are a disc "
        f"{facts['rail_mm']:.0f} mm off along its axis; ours come to {facts['nearest_mm']:.0f} mm, there "
        f"{facts['nearest_off_deg']:.0f} degrees off their axis, and one alone makes "
        f"{facts['strongest_ut']:,.0f} uT at most"
    )
    return {
        **dict.fromkeys(STATISTICS[:3], places),
        **dict.fromkeys(STATISTICS[3:6], spread),
        **dict.fromkeys(STATISTICS[6:8], length),
        STATISTICS[8]: rail,
    }


def spread_within(sessions: Sequence[np.ndarray]) -> np.ndarray:
    """Sd of each statistic from group to group of one session, pooled over sessions; arrays are (groups, statistics).

    >>> spread_within([np.array([[0.0], [2.0]]), np.array([[10.0], [12.0]])]).round(3).tolist()
    [1.414]
    """
    squares = sum(((groups - groups.mean(0)) ** 2).sum(0) for groups in sessions)
    return np.sqrt(squares / max(1, sum(len(groups) - 1 for groups in sessions)))


def turn_of(ours: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The rotation or mirror image Q (3, 3) of least |ours @ Q.T - real|, vectors (n, 3). Source: Kabsch, 1976."""
    u, _, v = np.linalg.svd(real.T @ ours)
    return np.asarray(u @ v)


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles in degrees between vectors (n, 3)."""
    cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def structure(names: Sequence[str], means: np.ndarray) -> dict[str, float]:
    """Figures of mean vectors (combos, 3) that no turn of the device changes, uT.

    `additive residual`: rms length of what no sum of one vector a finger leaves; the bound of every model of rigid
    magnets with two places each.
    """
    gaps = np.linalg.norm(means[:, None] - means[None], axis=2)[np.triu_indices(len(means), 1)]
    flexed = np.array([[1.0, *("ef".find(letter) if letter != "p" else 0.5 for letter in name)] for name in names])
    rest = means - flexed @ np.linalg.lstsq(flexed, means, rcond=None)[0]
    return {
        "median length of a mean": float(np.median(np.linalg.norm(means, axis=1))),
        "smallest distance of two means": float(gaps.min()),
        "median distance of two means": float(np.median(gaps)),
        "additive residual": float(np.sqrt((rest**2).sum(1).mean())),
    }


def compare(reference: Reference, recordings: int) -> dict[str, Any]:
    """The real statistics beside ours: by combo, by statistic, as vectors, and in structure; see `benchmarks.fidelity`.

    A ratio is |difference| over a spread (SPREADS), None where there is no spread; `own` is a mean's difference over
    the real combo's sd, which holds its repeat-to-repeat spread. Raises InputError where the scenario lacks the combos.
    """
    near, sessions = [], []
    for arrays in simulated(recordings, SPREADS["sessions"]):
        near.append(nearness(arrays))
        sessions.append(groups_of(arrays, reference.segments))
    made = {"sessions": sessions, "people": sessions_of(reference.segments, recordings, SPREADS["people"])}
    names = [name for name in reference.values if all(len(s[name]) for kind in made.values() for s in kind)]
    if len(names) < 2:
        raise InputError(f"the reference must hold two combos of '{SCENARIO}' or more; it holds {len(names)}")
    combos: dict[str, Any] = {}
    for name in names:
        groups = [s[name] for s in made["sessions"]]
        ours, real = np.concatenate(groups).mean(0), reference.values[name]
        spreads = {
            "repeats": spread_within(groups),
            "sessions": np.concatenate(groups).std(0),
            "people": np.concatenate([s[name] for s in made["people"]]).std(0),
        }
        combos[name] = {
            "segments": reference.segments[name],
            "ours": _named(ours),
            "real": _named(real),
            "difference": _named(real - ours),
            "spread": {kind: _named(spread) for kind, spread in spreads.items()},
            "ratio": {kind: _ratios(real - ours, spread) for kind, spread in spreads.items()},
            "own": _ratios((real - ours)[:3], real[3:6]),
        }
    ours, real = (np.array([list(combos[n][side].values()) for n in names]) for side in ("ours", "real"))
    turned = ours[:, :3] @ turn_of(ours[:, :3], real[:, :3]).T
    vectors = {
        name: {
            "angle_deg": float(before),
            "angle_turned_deg": float(after),
            "length_ratio": float(a[6] / b[6]),
            "spread_ratio": (a[3:6] / b[3:6]).tolist(),
        }
        for name, before, after, a, b in zip(
            names, angles(ours[:, :3], real[:, :3]), angles(turned, real[:, :3]), ours, real, strict=True
        )
    }
    each = [
        structure(names, np.array([s[n][i, :3] for n in names]))
        for s in made["sessions"]
        for i in range(min(len(s[n]) for n in names))
    ]
    told = structure(names, real[:, :3])
    facts = facts_of(near, reference, ours, real)
    why = reasons(facts)
    shapes = {
        name: {
            "ours": float(np.mean([e[name] for e in each])),
            "spread": float(np.std([e[name] for e in each])),
            "real": value,
        }
        for name, value in told.items()
    }
    return {
        "groups": {name: int(sum(len(s[name]) for s in made["sessions"])) for name in names},
        "combos": combos,
        "statistics": {name: _summary(name, combos, why[name]) for name in STATISTICS},
        "facts": facts,
        "vectors": vectors,
        "structure": shapes,
    }


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(STATISTICS, values.tolist(), strict=True))


def _ratios(difference: np.ndarray, spread: np.ndarray) -> dict[str, float | None]:
    pairs = zip(STATISTICS, difference.tolist(), spread.tolist(), strict=False)
    return {name: abs(d) / s if s > 0 else None for name, d, s in pairs}


def _summary(name: str, combos: Mapping[str, Any], why: str) -> dict[str, Any]:
    """A statistic over the combos: how far we are off, in spreads too, and in how many combos by more than a spread."""
    gaps = {combo: abs(told["difference"][name]) for combo, told in combos.items()}
    found: dict[str, Any] = {"median_difference": float(np.median(list(gaps.values())))}
    for kind in SPREADS:
        ratios = [told["ratio"][kind][name] for told in combos.values()]
        there = [r for r in ratios if r is not None]
        found[kind] = float(np.median(there)) if there else None
        found[f"beyond_{kind}"] = sum(
            gaps[combo] > told["spread"][kind][name] + 1e-12 for combo, told in combos.items()
        )  # fmt: skip
    own = [told["own"][name] for told in combos.values() if name in told["own"]]
    found["beyond_own"] = sum(r is None or r > 1 for r in own) if own else None
    found["why"] = why if found["beyond_repeats"] else None
    return found


def variants(reference: Reference, recordings: int) -> dict[str, dict[str, float]]:
    """How far the means are off with other answers to what the sources leave open.

    `off`, `off_turned`: uT, median over combos; `length_ratio`, `spread_ratio`: ours over real, median; `rail_share`:
    of the combo with the most.
    """
    found = {}
    for title, settings in VARIANTS.items():
        sessions = sessions_of(reference.segments, recordings, settings)
        names = [name for name in reference.values if all(len(s[name]) for s in sessions)]
        ours = np.array([np.concatenate([s[name] for s in sessions]).mean(0) for name in names])
        real = np.array([reference.values[name] for name in names])
        turned = ours[:, :3] @ turn_of(ours[:, :3], real[:, :3]).T
        found[title] = {
            "off": float(np.median(np.linalg.norm(ours[:, :3] - real[:, :3], axis=1))),
            "off_turned": float(np.median(np.linalg.norm(turned - real[:, :3], axis=1))),
            "length_ratio": float(np.median(ours[:, 6] / real[:, 6])),
            "spread_ratio": float(np.median(ours[:, 3:6] / real[:, 3:6])),
            "rail_share": float(ours[:, 8].max()),
        }
    return found


def ladder() -> dict[str, Any]:
    """Greatest relative error over directions of each level, against magpylib and FEM, for a disc of 6x3 mm.

    `by`: oracle -> level -> one number a distance; `bounds`: the same of what `error_bound` says, None where it says
    nothing. magpylib and FEM of mu_r 1 are of the uniform body, and so are the levels beside them; FEM of mu_r 1.05 is
    of the magnet, which all levels but `fem` have as one factor of its moment. `fem_bound`: the oracle FEM's own error;
    `missing`: why there is no FEM, or None.
    """
    from simulators.hand.field import LEVELS, error_bound, field

    magnet = Magnet(diameter_mm=6, height_mm=3, br_t=1.43)
    uniform = replace(magnet, demagnetisation=magnet.polarisation / magnet.br_t)
    turn = np.linspace(0, np.pi, DIRECTIONS)
    r = np.repeat(DISTANCES_MM, DIRECTIONS)
    places = np.array(
        [r * np.tile(np.abs(np.sin(turn)), len(DISTANCES_MM)), r * np.tile(np.cos(turn), len(DISTANCES_MM))]
    )
    points = np.stack([places[0], 0 * r, places[1]], axis=1)
    here, up = np.zeros((1, 3, 1)), np.array([0.0, 0.0, 1.0]).reshape(1, 3, 1)
    by: dict[str, dict[str, list[float]]] = {}
    bounds: dict[str, dict[str, list[float | None]]] = {}

    def served(body: Magnet, level: str) -> np.ndarray:
        return field([body], here, up, points, level=level).field[:, [0, 2], 0].T

    def hold(oracle: str, body: Magnet, right: np.ndarray) -> None:
        levels = [level for level in LEVELS if level != ORACLE]
        by[oracle] = {level: _worst(served(body, level), right).tolist() for level in levels}
        said = {level: [error_bound(body, level, d) for d in DISTANCES_MM] for level in levels}
        bounds[oracle] = {level: [e if e < np.inf else None for e in errors] for level, errors in said.items()}

    hold(ORACLE, uniform, served(uniform, ORACLE))
    fem_bound: dict[str, float] = {}
    missing = None
    try:
        from simulators.hand.fem.mesh import disc
        from simulators.hand.fem.reduce import refined_field

        for body, mu_r, br in ((uniform, 1.0, magnet.polarisation), (magnet, magnet.mu_r, magnet.br_t)):
            found, name = refined_field([disc("magnet", 6, 3, mu_r=mu_r, br=br)], places), f"FEM, mu_r {mu_r:g}"
            hold(name, body, found.field)
            fem_bound[name] = float((found.bound / np.hypot(*found.field)).max())
    except (ImportError, InputError) as error:
        missing = " ".join(str(error).split())
    return {
        "distances_mm": list(DISTANCES_MM), "by": by, "bounds": bounds, "fem_bound": fem_bound, "missing": missing,
    }  # fmt: skip


def _worst(own: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Greatest |own - right| / |right| of fields (2, distances * directions), by distance."""
    return (np.hypot(*(own - right)) / np.hypot(*right)).reshape(-1, DIRECTIONS).max(1)


Table = tuple[list[str], list[list[str]]]


def tables(report: Mapping[str, Any], *, private: bool) -> dict[str, Table]:
    """The report as tables of text: title -> (heads, rows). `private`: with the reference's own figures."""
    return (_comparison(report, private=private) if report["compared"] else {}) | _ladder(report["ladder"])


def _comparison(report: Mapping[str, Any], *, private: bool) -> dict[str, Table]:
    found = report["compared"]
    combos, spreads = found["combos"], list(SPREADS)
    made: dict[str, Table] = {}
    if private:
        made["Combos, uT: ours, its spreads, the real figure, and |difference| over the spreads"] = (
            ["combo", "statistic", "ours", *(f"sd {s}" for s in spreads), "real", "difference",
             *(f"/ {s}" for s in spreads)],
            [
                [combo, name, *map(_short, (told["ours"][name], *(told["spread"][s][name] for s in spreads))),
                 *map(_short, (told["real"][name], told["difference"][name])),
                 *(_short(told["ratio"][s][name]) for s in spreads)]
                for combo, told in combos.items() for name in STATISTICS
            ],
        )  # fmt: skip
    n = len(combos)
    made["Statistics: median |difference| over combos, the same in spreads, and combos off by more than one"] = (
        ["statistic", "uT or share", *(f"/ {s} (beyond)" for s in spreads), "beyond the real sd", "why"],
        [
            [name, _two(s["median_difference"]), *(f"{_two(s[k])} ({s[f'beyond_{k}']} of {n})" for k in spreads),
             "-" if s["beyond_own"] is None else f"{s['beyond_own']} of {n}", s["why"] or "-"]
            for name, s in found["statistics"].items()
        ],
    )  # fmt: skip
    made["Combos: |difference| over our spread from repeat to repeat (- : no spread)"] = (
        ["combo", *STATISTICS],
        [[combo, *(_two(told["ratio"]["repeats"][name]) for name in STATISTICS)] for combo, told in combos.items()],
    )
    made["Mean vectors and spreads: angle before and after the best turn or mirror image; ours over real"] = (
        ["combo", "angle deg", "turned deg", "length", "sd x", "sd y", "sd z"],
        [
            [combo, f"{v['angle_deg']:.0f}", f"{v['angle_turned_deg']:.0f}",
             *map(_two, (v["length_ratio"], *v["spread_ratio"]))]
            for combo, v in found["vectors"].items()
        ],
    )  # fmt: skip
    made["Structure of the means, uT: no turn of the device changes it"] = (
        ["", "ours", "spread of groups", "real", "difference / spread"],
        [
            [name, *map(_two, (s["ours"], s["spread"], s["real"], abs(s["real"] - s["ours"]) / s["spread"]))]
            for name, s in found["structure"].items()
        ],
    )
    made["What the sources leave open: medians over combos of the means' distance from the real ones, uT"] = (
        [
            "scenario",
            "as they are",
            "after the best turn",
            "length, ours / real",
            "sd, ours / real",
            "largest rail share",
        ],
        [[title, *map(_two, told.values())] for title, told in report["variants"].items()],
    )
    return made


def _ladder(steps: Mapping[str, Any]) -> dict[str, Table]:
    title = "Field of a 6x3 mm disc: largest relative difference over directions / bound of the level's error, by mm"
    return {
        title: (
            ["level", "from", *(f"{d:g}" for d in steps["distances_mm"])],
            [
                [level, oracle, *(
                    f"{e:.1e} / {'-' if bound is None else f'{bound:.1e}'}"
                    for e, bound in zip(errors, steps["bounds"][oracle][level], strict=True)
                )]
                for oracle, by in steps["by"].items() for level, errors in by.items()
            ],
        )
    }  # fmt: skip


def notes(report: Mapping[str, Any]) -> list[str]:
    """What the tables mean, in sentences."""
    steps, said = report["ladder"], _of_comparison(report) if report["compared"] else [LEFT_OUT]
    said.append(
        "Bounds of the field's levels are of a level's own error; a difference from an oracle has the oracle's too."
    )
    for oracle, bound in steps["fem_bound"].items():
        said.append(f"{oracle}: its own error is at most {bound:.1e} (a coarser mesh).")
    if steps["missing"]:
        said.append(f"No FEM: {steps['missing']}.")
    return said


def _of_comparison(report: Mapping[str, Any]) -> list[str]:
    groups = report["compared"]["groups"].values()
    return [
        f"Ours: {report['recordings']} sessions of '{SCENARIO}' (split train, {LENGTH.partition('=')[2]} s each), cut "
        f"into groups of as many repeats as the real recording has: {min(groups)} to {max(groups)} groups a combo, of "
        "one person. "
        f"Real: published statistics of {report['session']}, axes {report['axes']}; their licence is unclear, so a "
        "report in Markdown has no figures of single real combos.",
        "Spread: repeats, from group to group of a session; sessions, over sessions of one person; people, over people "
        "and sessions. Beyond: |difference| above one spread. The real sd is that of a combo's readings: it holds its "
        "own spread from repeat to repeat. Readings are compared in our axes as they come, and after the turn or "
        "mirror image that serves the means best, since neither the device's axes on the palm nor the side is told.",
    ]


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _two(value: float | None) -> str:
    """Two digits: enough to see a difference by."""
    if value is None:
        return "-"
    rounded = float(f"{value:.2g}")
    return f"{rounded:.0f}" if abs(rounded) >= 10 else f"{rounded:g}"
