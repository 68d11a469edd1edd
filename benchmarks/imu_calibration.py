"""Bring an activity's table nearer to what real people's recordings say of it.

    PROVINGGROUND_DATA=FOLDER python -m benchmarks.imu_calibration walking --out walking.toml

Simulates people who do this alone, in each scenario that stands beside a real set of it, and moves the table's numbers
by damped least squares (Levenberg-Marquardt): medians of the fidelity report's statistics towards the real medians, in
units of the real spread between people; spreads towards the real ones; and no number further from where it began than
that pays. Joints stay within anatomy. People are others than the report's. Prints the new table as TOML.
"""

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.fidelity_imu import PAIRS
from benchmarks.imu_statistics import (
    STATISTICS,
    Stretch,
    by_subject,
    cut,
    grouped,
    real_stretches,
    stretches_of,
)
from scenarios.catalogue import did_you_mean, load, nearest, override
from scenarios.cli import check_target, run
from scenarios.errors import InputError
from scenarios.spec import parse
from simulators.imu.activity import ACTIVITIES, Activity, Impact, Move
from simulators.imu.anatomy import strained
from simulators.imu.generate import simulate_arrays
from simulators.imu.spec import ImuSpec
from simulators.run import key_of

BOUT_S = 20.0
ONE_OFF_S = 45.0
SPREAD_WEIGHT = 1.0
HOLD = 0.12
"""What a change of a number by a factor e weighs, beside a statistic one real standard deviation off."""
CURVES_BY, OTHERS_BY = 0.7, 3.0
"""Logarithms of the largest factors: curves keep what gait analysis measured."""
STEP = 0.08
EDGE, MORE = 1.2, 1.5
"""From so many standard deviations on, near where real people end, a deviation counts this much more."""
FAR = 4.0
"""Deviations beyond so many standard deviations count less and less."""
SIZES = ("quick_deg", "quick_mm", "quick_s", "sway_deg", "sway_cm", "tremor_deg", "fidget_per_min")
SPREADS = (
    "rate_person", "size_person", "shape_person", "impact_person", "impact_side", "impact_cycle", "rate_cycle",
    "size_cycle", "lively_person", "posture_person_deg", "seconds",
)  # fmt: skip
BOUNDS = {
    "quick_s": (0.06, 0.3), "quick_deg": (0.005, 0.3), "tremor_deg": (0.0, 1.0), "cycle_hz": (0.2, 3.0),
    "quick.hip_flexion": (0.01, 0.06), "quick.knee_flexion": (0.01, 0.08), "impacts.seconds": (0.005, 0.05),
    "impacts.passes": (0.3, 0.95), "impacts.up": (0.5, 90.0), "impacts.forward": (0.5, 60.0), "impacts.at": (0.01, 0.2),
    "spread.shape_person": (0.02, 0.35), "spread.rate_cycle": (0.008, 0.05), "spread.size_cycle": (0.02, 0.12),
    "spread.rate_person": (0.02, 0.07), "spread.size_person": (0.03, 0.35), "spread.impact_person": (0.05, 0.7),
    "spread.impact_side": (0.02, 0.35), "spread.impact_cycle": (0.05, 0.6), "spread.lively_person": (0.1, 1.2),
    "spread.posture_person_deg": (1, 9), "spread.seconds": (0.03, 0.4),
}  # fmt: skip
"""[chosen] Least and greatest sizes of numbers of a table, by where they are in it: shocks at the foot that leave a
walker's ankle some 3 g, as tibial accelerometers read, and a runner's 10 (Sheerin, Reid and Besier, Gait and Posture
67, 2019, recalled)."""
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help="Calibrate the table of one activity by real recordings, and print it as TOML.")
def main(
    activity: Annotated[str, typer.Argument(help="Its name in simulators/imu/activities.")],
    subjects: Annotated[int, typer.Option(min=8, help="Simulated people.")] = 16,
    rounds: Annotated[int, typer.Option(min=0, help="Of least squares, at most.")] = 8,
    source: Annotated[list[str] | None, typer.Option(help="Only by this real set; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="File for the table; else it is printed.")] = None,
) -> None:
    """Calibrate one activity."""
    if activity not in ACTIVITIES:
        raise InputError(f"activity '{activity}' does not exist{did_you_mean(activity, ACTIVITIES)}")
    data = os.environ.get("PROVINGGROUND_DATA")
    if not data or not (Path(data) / "imu").is_dir():
        raise InputError(f"PROVINGGROUND_DATA must name a folder of recordings with imu/ in it; it is '{data or ''}'")
    for name in source or ():
        if name not in PAIRS:
            raise InputError(f"--source must be one of {', '.join(PAIRS)}; it is '{name}'{nearest(name, PAIRS)}")
    if out is not None:
        check_target("--out", out)
    wanted = references(activity, Path(data), source or tuple(PAIRS))
    table = table_of(ACTIVITIES[activity])
    if rounds:
        table = calibrate(table, wanted, subjects, rounds, lambda what: print(what, file=sys.stderr, flush=True))
    for line in told(table, wanted, subjects):
        print(line, file=sys.stderr)
    text = toml_of(activity, table)
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What real people show in one activity at one place, and the simulation that stands beside it."""

    source: str
    placement: str
    label: str
    lengths_s: tuple[float, ...]
    """Of the real pieces, in a random order; ours are cut alike."""
    people: dict[str, np.ndarray]
    """Statistic: real people's values."""


@dataclass(frozen=True)
class Knob:
    """A number of a table that may change, or a range: a path to it. A curve is stretched about its mean."""

    path: tuple[str | int, ...]

    @property
    def name(self) -> str:
        """Where it is, numbers of a list left out."""
        return ".".join(key for key in self.path if isinstance(key, str))

    def put(self, table: dict[str, Any], factor: float) -> None:
        """Multiply it."""
        holder, last = at(table, self.path[:-1]), self.path[-1]
        if self.path[0] == "curves":
            mean = sum(holder[last]) / len(holder[last])
            holder[last] = [round(mean + factor * (x - mean), 2) + 0.0 for x in holder[last]]
        elif isinstance(holder[last], list | tuple):
            holder[last] = [round(factor * x, 3) for x in holder[last]]
        else:
            low, high = BOUNDS.get(self.name, (0.0, math.inf))
            value = factor * holder[last]
            holder[last] = float(f"{math.copysign(min(max(abs(value), low), high), value):.3g}")


def at(table: Any, path: Sequence[str | int]) -> Any:
    """What is at a path of a table."""
    for key in path:
        table = table[key]
    return table


def table_of(activity: Activity) -> dict[str, Any]:
    """An activity as a plain table, with every number that may change."""
    table = activity.model_dump(mode="json")
    return table | {"impacts": [dict(i) for i in table["impacts"]]}


def knobs_of(table: Mapping[str, Any]) -> list[Knob]:
    """Every number of a table that may change."""
    found = [Knob(("curves", name)) for name in table["curves"]]
    found += [Knob((name,)) for name in SIZES if table[name]]
    found += [Knob((kind, name)) for kind in ("sway", "quick") for name in table[kind]]
    if table["cycle_hz"]:
        found.append(Knob(("cycle_hz",)))
    for i, impact in enumerate(table["impacts"]):
        found += [Knob(("impacts", i, name)) for name in ("up", "forward", "seconds", "passes", "at") if impact[name]]
    for i, move in enumerate(table["moves"]):
        found += [Knob(("moves", i, name)) for name in ("seconds", "wait", "shock") if move[name]]
        found += [Knob(("moves", i, "posture", c)) for c, angle in move["posture"].items() if angle and c != "up"]
    used = {"rate_person", "rate_cycle", "size_person", "size_cycle", "shape_person"} if table["cycle_hz"] else set()
    used |= {"impact_person", "impact_side", "impact_cycle"} if table["impacts"] else set()
    used |= {"lively_person", "posture_person_deg"} | ({"seconds"} if table["moves"] else set())
    return found + [Knob(("spread", name)) for name in SPREADS if name in used]


def references(name: str, data: Path, only: Sequence[str] = tuple(PAIRS)) -> list[Reference]:
    """The real sets of an activity, among some. Raises InputError where none has it."""
    labels = set(ACTIVITIES[name].labels)
    longest = ONE_OFF_S if ACTIVITIES[name].one_off else BOUT_S
    found = []
    for source in only:
        path = data / "imu" / f"{source}.npz"
        if not path.is_file():
            continue
        for (placement, label), stretches in grouped(real_stretches(path)).items():
            pieces = cut(stretches, [longest])
            people = by_subject(pieces, 0.6)
            if label not in labels or len(people) < 3 or (source == "utd_mhad" and placement != "thigh"):
                continue
            lengths = [s.accelerometer.shape[1] / s.rate_hz for s in pieces]
            order = np.random.default_rng(0).permutation(len(lengths))
            values = {k: np.array([p[k] for p in people.values()]) for k in STATISTICS}
            found.append(
                Reference(
                    source=source, placement=placement, label=label, lengths_s=tuple(lengths[i] for i in order),
                    people={k: v for k, v in values.items() if np.isfinite(v).all()},
                )
            )  # fmt: skip
    if not found:
        raise InputError(f"activity '{name}' must be in one of the real sets {', '.join(only)} of '{data}'; none has")
    return found


def people_of(
    table: Mapping[str, Any], wanted: Sequence[Reference], subjects: int
) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Statistics of simulated people who do what a table says, by source and placement."""
    found = {}
    one_off = bool(table["moves"]) and not table["repeat"]
    for source in dict.fromkeys(r.source for r in wanted):
        own = [r for r in wanted if r.source == source]
        label = own[0].label
        name, scenario = load("imu", PAIRS[source])
        length = ONE_OFF_S if one_off else BOUT_S + 3
        changes = [f"activities={{{label}=1}}", f"duration_s={length}", f"bout_s=[{BOUT_S},{BOUT_S + 0.1}]"]
        scenario = override(scenario, [*changes, "pause_s=[1.5,1.6]"])
        spec = parse(ImuSpec, name, scenario | {"recipes": {label: dict(table)}})
        stretches: list[Stretch] = []
        for index in range(subjects):
            arrays = simulate_arrays(spec, key_of("imu", name, spec, "train", index))
            stretches += stretches_of(arrays, str(index), name)
        sides = grouped(stretches)
        for r in own:
            people = by_subject(cut(sides[r.placement, label], r.lengths_s), 0.6)
            found[source, r.placement] = {k: np.array([p[k] for p in people.values()]) for k in r.people}
    return found


def _middle(values: np.ndarray) -> float:
    """Mean of the middle half: like a median, but smooth."""
    ordered = np.sort(values)
    quarter = values.size // 4
    return float(ordered[quarter : values.size - quarter].mean())


def deviations(found: Mapping[tuple[str, str], Mapping[str, np.ndarray]], wanted: Sequence[Reference]) -> np.ndarray:
    """Medians' and spreads' deviations from the references, in units of the real spread; far ones count less."""
    out = []
    for r in wanted:
        for name, real in r.people.items():
            ours = found[r.source, r.placement][name]
            low, middle, high = np.percentile(real, [5, 50, 95])
            away = (_middle(ours) - middle) / max((high - low) / 3.29, 0.01 * abs(middle), 1e-3)
            away += math.copysign(MORE * max(0.0, abs(away) - EDGE), away)
            out.append(away / math.sqrt(1 + (away / FAR) ** 2))
            ratio = (ours.std() + 1e-6) / (real.std() + 1e-6)
            out.append(SPREAD_WEIGHT * max(-2.0, min(2.0, math.log(ratio))))
    return np.array(out)


def calibrate(
    table: Mapping[str, Any], wanted: Sequence[Reference], subjects: int, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """A table nearer to its references."""
    knobs = knobs_of(table)

    def moved(x: np.ndarray) -> dict[str, Any]:
        new = deepcopy(dict(table))
        for knob, value in zip(knobs, x, strict=True):
            knob.put(new, math.exp(value))
        return new

    def off(x: np.ndarray) -> np.ndarray:
        return np.concatenate([deviations(people_of(moved(x), wanted, subjects), wanted), HOLD * x])

    x, damping = np.zeros(len(knobs)), 1.0
    most = np.array([CURVES_BY if knob.path[0] == "curves" else OTHERS_BY for knob in knobs])
    now = off(x)
    for number in range(rounds):
        slope = np.stack([(off(x + STEP * e) - now) / STEP for e in np.eye(x.size)], 1)
        for _ in range(5):
            try_x = x - np.linalg.solve(slope.T @ slope + damping * np.eye(x.size), slope.T @ now)
            try_x = np.clip(x + np.clip(try_x - x, -0.5, 0.5), -most, most)
            while strained(Activity.model_validate(moved(try_x))):
                try_x = x + 0.7 * (try_x - x)
            new = off(try_x)
            if new @ new < now @ now:
                break
            damping *= 4
        else:
            break
        gain = now @ now - new @ new
        x, now, damping = try_x, new, max(0.05, damping / 4)
        say(f"round {number + 1}: squared deviations {now @ now:.1f}, damping {damping:.2g}")
        if gain < 0.02 * (now @ now):
            break
    return moved(x)


def told(table: Mapping[str, Any], wanted: Sequence[Reference], subjects: int) -> list[str]:
    """A line for each reference: ours in the middle, real 5 to 95 %, spreads' ratio."""
    found = people_of(table, wanted, subjects)
    lines = []
    for r in wanted:
        parts = []
        for name, real in r.people.items():
            ours = found[r.source, r.placement][name]
            low, middle, high = np.percentile(real, [5, 50, 95])
            mark = "" if low <= np.median(ours) <= high else "!"
            ratio = ours.std() / max(1e-9, real.std())
            parts.append(f"{name} {np.median(ours):.2f}{mark} [{low:.2f} {middle:.2f} {high:.2f}] x{ratio:.1f}")
        lines.append(f"{r.source}, {r.placement}: " + "; ".join(parts))
    return lines


def toml_of(name: str, table: Mapping[str, Any]) -> str:
    """What differs from the defaults, as the activity's section of a TOML file."""
    bare = Activity.model_validate({"text": "standing about", "labels": ["standing"]}).model_dump(mode="json")
    lines = [f"[{name}]"]
    for key, value in table.items():
        if key in ("curves", "impacts", "spread") or (value == bare[key] and key not in ("text", "labels")):
            continue
        lines.append(f"{key} = {_text(value)}")
    for key in ("spread", "curves"):
        own = {k: v for k, v in table[key].items() if key == "curves" or v != bare[key][k]}
        if own:
            lines += ["", f"[{name}.{key}]", *(f"{k} = {_text(v)}" for k, v in own.items())]
    for impact in table["impacts"]:
        lines += ["", f"[[{name}.impacts]]", *(f"{k} = {_text(v)}" for k, v in impact.items() if v != _IMPACT[k])]
    return "\n".join(lines) + "\n"


_IMPACT = Impact().model_dump()
_MOVE = Move(seconds=(1, 1)).model_dump(exclude={"seconds"})


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if v is not None and _MOVE.get(k) != v}
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_text(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        return "[\n" + "".join(f"    {_text(v)},\n" for v in value) + "]"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    return str(int(value)) if value == int(value) else repr(value)


if __name__ == "__main__":
    raise SystemExit(run(app, "python -m benchmarks.imu_calibration", sys.argv[1:]))
