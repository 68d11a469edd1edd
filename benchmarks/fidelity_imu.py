"""The IMU simulator beside real recordings: statistics, spreads between people, spectra, falls, classifiers.

Each real set has a scenario with its devices, placements and activities. What a real set does not hold has no
reference and is said to have none. Gaits and rest of the activity tables were calibrated on medians of these sets.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import imu_transfer as t
from benchmarks.imu_statistics import (
    STATISTICS,
    Stretch,
    angle_deg,
    by_subject,
    cut,
    directions_of,
    fall_of,
    grouped,
    real_stretches,
    spectra_of,
    stretches_of,
)
from scenarios.spec import load, parse
from simulators.imu.activity import ACTIVITIES
from simulators.imu.generate import simulate_arrays
from simulators.imu.spec import ImuSpec
from simulators.run import key_of

PAIRS = {
    "hapt": "fidelity_hapt",
    "sisfall_50hz": "fidelity_sisfall",
    "selfback_thigh": "fidelity_selfback",
    "spsw": "fidelity_spsw",
}
"""Real set: scenario that stands beside it."""
MIXED = "mix_placements"
SHORT = {"spsw": 2.4}
"""Real stretches of these sets are so short, s: simulated ones are cut alike."""
REQUIRED = (
    "walking_slow", "walking", "walking_fast", "running", "running_slow", "running_fast", "walking_upstairs",
    "walking_downstairs", "sitting", "standing", "lying",
)  # fmt: skip
PLACES = ("waist", "pocket", "wrist", "thigh")
FALLS = {"falling_forward", "falling_backward", "falling_left", "syncope", "fall_backward_sitting"}
SPREAD = (0.7, 1.4)
Table = tuple[list[str], list[list[str]]]
STATISTICS_TITLE = (
    "Statistics: median of simulated people [real people's 5th, 50th, 95th percentile] x spread between people, ours "
    "over real; ! outside"
)
SHARED_TITLE = (
    "The same on the classes that another real set has: trained on that set / on simulation / on mixed placements"
)


def simulated(scenario: str, subjects: int) -> list[Stretch]:
    """Stretches of so many simulated people."""
    spec = parse(ImuSpec, *load("imu", scenario))
    found = []
    for index in range(subjects):
        arrays = simulate_arrays(spec, key_of("imu", scenario, spec, "test", index))
        found += stretches_of(arrays, str(int(arrays["truth/subject"])), scenario)
    return found


def compare(real: Sequence[Stretch], ours: Sequence[Stretch], source: str) -> list[dict[str, Any]]:
    """A row for each placement and activity that both have: statistics, spread, spectrum, direction, two-sample AUC."""
    if source in SHORT:
        ours = cut(ours, SHORT[source])
    sides = grouped(real), grouped(ours)
    rows = []
    for place, activity in sorted(set(sides[0]) & set(sides[1])):
        told = [side[place, activity] for side in sides]
        subjects = [by_subject(side, least_s=1.0 if source in SHORT else 3.0) for side in told]
        if min(map(len, subjects)) < 3:
            continue
        row: dict[str, Any] = {"source": source, "placement": place, "activity": activity, "statistics": {}}
        for name in STATISTICS:
            a, b = (np.array([d[name] for d in people.values()]) for people in subjects)
            if np.isnan(a).all() or np.isnan(b).all():
                continue
            low, middle, high = np.nanpercentile(a, [5, 50, 95])
            mid = float(np.nanmedian(b))
            row["statistics"][name] = {
                "real": [float(low), float(middle), float(high)], "ours": mid, "inside": bool(low <= mid <= high),
                "spread": float(np.nanstd(b) / max(1e-9, np.nanstd(a))),
            }  # fmt: skip
        spectra = [spectra_of(side) for side in told]
        if min(map(len, spectra)) >= 3:
            centre = spectra[0].mean(0)
            row["spectrum_db"] = float(np.sqrt(((spectra[1].mean(0) - centre) ** 2).mean()))
            row["spectrum_people_db"] = float(np.median(np.sqrt(((spectra[0] - centre) ** 2).mean(1))))
        ways = [directions_of(side) for side in told]
        row["direction_deg"] = angle_deg(ways[0].sum(0), ways[1].sum(0))
        row["direction_people_deg"] = float(np.median([angle_deg(w, ways[0].sum(0)) for w in ways[0]]))
        windows = [t.windows_of(side) for side in told]
        if min(len(w.features) for w in windows) >= 20:
            row["auc"] = t.distinguishable(*windows)
        rows.append(row)
    return rows


def falls(real: Sequence[Stretch], ours: Sequence[Stretch]) -> dict[str, dict[str, list[float]]]:
    """Percentiles 10, 50, 90 of each figure of falls, real and ours."""
    a = [fall_of(s) for s in real if s.activity.startswith("fall_f")]
    b = [fall_of(s) for s in ours if s.activity in FALLS]
    if not a or not b:
        return {}
    return {
        name: {
            side: np.nanpercentile([f[name] for f in found], [10, 50, 90]).tolist()
            for side, found in (("real", a), ("ours", b))
        }
        for name in a[0]
    }


def classify(
    real: Mapping[str, list[Stretch]], ours: Mapping[str, list[Stretch]], mixed: list[Stretch]
) -> list[dict[str, Any]]:
    """For each real set: macro-F1 of forests trained on it, on simulation, on mixed placements and on other real sets.

    Other real sets lack classes, so simulation is also trained and tested on the very classes of each of them:
    `against`, name -> (other real set, its simulation, mixed placements).
    """
    made = {name: t.windows_of(stretches) for name, stretches in real.items()}
    likes = {name: t.windows_of(stretches) for name, stretches in ours.items()}
    anywhere = t.windows_of(mixed)
    rows = []
    for name, test in made.items():
        others = {other: t.transfer(train, test) for other, train in made.items() if other != name}
        against = {
            other: [f, *(t.transfer(train, test, set(made[other].label)) for train in (likes[name], anywhere))]
            for other, f in others.items()
            if not math.isnan(f)
        }
        rows.append({
            "set": name,
            "within": t.within(test),
            "within_simulated": t.within(likes[name]),
            "simulation": t.transfer(likes[name], test),
            "mixed": t.transfer(anywhere, test),
            "against": against,
            "means": np.mean(list(against.values()), 0).tolist() if against else [float("nan")] * 3,
        })  # fmt: skip
    return rows


def report_of(data: Path | None, subjects: int, say: Callable[[str], None] = lambda what: None) -> dict[str, Any]:
    """The report as a JSON-able dict: `compared`, `falls`, `classified`, `missing`, `without`."""
    missing = [name for name in PAIRS if data is None or not (data / f"{name}.npz").is_file()]
    report: dict[str, Any] = {"subjects": subjects, "missing": missing, "compared": [], "falls": {}, "classified": []}
    real: dict[str, list[Stretch]] = {}
    ours: dict[str, list[Stretch]] = {}
    for name, scenario in PAIRS.items():
        say(f"simulating {scenario}")
        ours[name] = simulated(scenario, subjects)
        if data is not None and name not in missing:
            say(f"comparing with {name}")
            real[name] = real_stretches(data / f"{name}.npz")
            report["compared"] += compare(real[name], ours[name], name)
    if "sisfall_50hz" in real:
        report["falls"] = falls(real["sisfall_50hz"], ours["sisfall_50hz"])
    say("classifying")
    mixed = simulated(MIXED, subjects)
    report["classified"] = classify(real, ours, mixed)
    report["within_simulated"] = {name: t.within(t.windows_of(stretches)) for name, stretches in ours.items()}
    known = {s.activity for stretches in real.values() for s in stretches}
    report["without"] = sorted({label for a in ACTIVITIES.values() for label in a.labels} - known)
    return report


def tables(report: Mapping[str, Any]) -> dict[str, Table]:
    """The report as tables of text: title -> (heads, rows)."""
    made: dict[str, Table] = {}
    if report["compared"]:
        made[STATISTICS_TITLE] = (
            ["placement", "activity", "real set", *STATISTICS],
            [
                [r["placement"], r["activity"], r["source"], *(_cell(r["statistics"].get(n)) for n in STATISTICS)]
                for r in report["compared"]
            ],
        )  # fmt: skip
        made["Spectrum of the norm, gravity's direction, two-sample test"] = (
            ["placement", "activity", "real set", "spectra apart, dB", "real people apart, dB", "directions apart, deg",
             "real people apart, deg", "real or simulated, AUC"],
            [
                [row["placement"], row["activity"], row["source"],
                 *(_number(row.get(k)) for k in ("spectrum_db", "spectrum_people_db", "direction_deg",
                                                 "direction_people_deg", "auc"))]
                for row in report["compared"]
            ],
        )  # fmt: skip
        made["Required activities and places: statistics inside / compared"] = (
            ["activity", *PLACES],
            [[activity, *(_inside(report["compared"], place, activity) for place in PLACES)] for activity in REQUIRED],
        )
    if report["falls"]:
        made["Falls at the waist: 10th, 50th, 90th percentile"] = (
            ["figure", "real", "ours"],
            [[name, *(" / ".join(f"{v:.3g}" for v in told[k]) for k in ("real", "ours"))]
             for name, told in report["falls"].items()],
        )  # fmt: skip
    if report["classified"]:
        made["Macro-F1 of a random forest tested on each real set, orientation-free features, all its classes"] = (
            ["tested on", "trained on it (folds)", "its simulation alone (folds)", "trained on its simulation",
             "trained on simulated mixed placements"],
            [
                [row["set"], *(_number(row[k]) for k in ("within", "within_simulated", "simulation", "mixed"))]
                for row in report["classified"]
            ],
        )  # fmt: skip
        made[SHARED_TITLE] = (
            ["tested on", *(row["set"] for row in report["classified"]), "mean"],
            [
                [row["set"], *(_three(row["against"].get(other["set"])) for other in report["classified"]),
                 _three(row["means"])]
                for row in report["classified"]
            ],
        )  # fmt: skip
    else:
        made["Macro-F1 of a random forest within each simulated set, folds over people"] = (
            ["scenario", "macro-F1"],
            [[PAIRS[name], _number(score)] for name, score in report["within_simulated"].items()],
        )
    return made


def notes(report: Mapping[str, Any]) -> list[str]:
    """What the tables say, in sentences."""
    said = [f"{report['subjects']} simulated people a scenario."]
    said += [
        f"Left out: {PAIRS[name]} beside '{name}', whose file {name}.npz is not there." for name in report["missing"]
    ]
    cells = [s for row in report["compared"] if row["activity"] in REQUIRED for s in row["statistics"].values()]
    if cells:
        inside = sum(s["inside"] for s in cells)
        alike = sum(SPREAD[0] <= s["spread"] <= SPREAD[1] for s in cells)
        said.append(
            f"Required activities: {inside} of {len(cells)} medians lie within the real people's p5 to p95; "
            f"{alike} of {len(cells)} spreads between people are {SPREAD[0]} to {SPREAD[1]} of the real ones."
        )
    reached = [row for row in report["classified"] if not math.isnan(row["means"][0])]
    if reached:
        ours = sum(row["means"][1] >= row["means"][0] for row in reached)
        mixed = sum(row["means"][2] >= row["means"][0] for row in reached)
        said.append(
            f"Trained on its simulation alone a forest reaches the mean of other real sets on {ours} of {len(reached)} "
            f"sets; trained on mixed placements on {mixed}."
        )
    said.append(
        f"{len(report['without'])} labels that can be simulated have no real reference here; they are scored apart: "
        "none of the figures above is of them."
    )
    if report["compared"]:
        said.append("The chain driven by recorded skeletons (simulators.imu.skeleton) is not compared here yet.")
    return said


def _inside(rows: Sequence[Mapping[str, Any]], place: str, activity: str) -> str:
    found = [s for r in rows if (r["placement"], r["activity"]) == (place, activity) for s in r["statistics"].values()]
    return f"{sum(s['inside'] for s in found)} / {len(found)}" if found else "no reference"


def _cell(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "-"
    low, middle, high = told["real"]
    mark = "" if told["inside"] else "!"
    return f"{told['ours']:.2f}{mark} [{low:.2f} {middle:.2f} {high:.2f}] x{told['spread']:.1f}"


def _three(values: Sequence[float] | None) -> str:
    return "-" if values is None else " / ".join(map(_number, values))


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"
