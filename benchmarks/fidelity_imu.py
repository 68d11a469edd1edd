"""The IMU simulator beside real recordings: statistics, spreads between people, spectra, falls, skeletons, classifiers.

Each real set has a scenario with its devices, placements and activities; both sides are cut into pieces of the same
lengths and go through the same code. What a real set does not hold has no reference and is told apart. Gaits and rest
of the activity tables were calibrated on medians of these sets.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import imu_transfer as t
from benchmarks.imu_statistics import (
    STATISTICS,
    Stretch,
    alike,
    angle_deg,
    by_subject,
    directions_of,
    fall_of,
    grouped,
    log_spectral_distance,
    real_stretches,
    spectra_of,
    stretches_of,
)
from scenarios.catalogue import load, override
from scenarios.spec import parse
from simulators.imu.activity import ACTIVITIES
from simulators.imu.generate import simulate_arrays
from simulators.imu.spec import ImuSpec
from simulators.run import key_of

PAIRS = {
    "hapt": "fidelity_hapt",
    "sisfall_50hz": "fidelity_sisfall",
    "selfback_thigh": "fidelity_selfback",
    "spsw": "fidelity_spsw",
    "utd_mhad": "fidelity_utd",
}
"""Real set: scenario that stands beside it. Of utd_mhad only the thigh has one."""
MIXED = "mix_placements"
MIXED_WINDOWS = 5
"""Of a person, placement and activity: there are six placements."""
SKELETON = "utd_mhad_skeleton"
REQUIRED = {
    "walking slow": ("walking_slow",),
    "walking": ("walking",),
    "walking fast": ("walking_fast",),
    "running": ("running", "running_slow", "running_fast"),
    "upstairs": ("walking_upstairs",),
    "downstairs": ("walking_downstairs",),
    "sitting": ("sitting",),
    "standing": ("standing",),
    "lying": ("lying",),
}
"""What must be right, and by which labels it goes."""
PLACES = ("waist", "pocket", "wrist", "thigh")
APART = "fidelity_spsw"
APART_CHANGES = (
    "activities={" + ", ".join(f"{labels[0]}=1" for labels in REQUIRED.values()) + "}", "duration_s=300",
    "bout_s=[15, 25]",
)  # fmt: skip
"""Pocket and wrist, of which most required activities have no real set."""
SPREAD = (0.7, 1.4)
"""A spread between people, over the real one, that is right."""
LEAST_S = 0.6
"""Shorter pieces have no statistics here."""
LEAST_PEOPLE = 3
TWO_SAMPLE_WINDOWS = 12
YARDSTICK = ("hapt", "sisfall_50hz", "waist")
"""Two real sets of one placement: how well real people of different labs are told apart."""
YARDSTICKS = {"walking": ("walking",), "stairs": ("upstairs", "downstairs", "stairs")}
"""Activity: its classes."""
TELLING = 3
"""Features named beside a two-sample score."""
FALLS = {"falling_forward", "falling_backward", "falling_left", "syncope", "fall_backward_sitting"}
LOW_PASS_HZ, LAG_S = 5.0, 0.3
OF_SKELETONS = ("correlation", "at the best lag", "spread, ours / real", "error / real spread")
Driver = Callable[[np.ndarray, str, int, float], tuple[np.ndarray, np.ndarray] | None]
"""(joint places (frames, 20, 3) m, placement, samples, Hz) -> accelerometer and gyroscope (3, samples), or None."""
Table = tuple[list[str], list[list[str]]]
Say = Callable[[str], None]


def simulated(scenario: str, subjects: int, changes: Iterable[str] = ()) -> list[Stretch]:
    """Stretches of so many simulated people of a scenario, with settings `key=value` of it."""
    name, table = load("imu", scenario)
    spec = parse(ImuSpec, name, override(table, changes))
    found = []
    for index in range(subjects):
        arrays = simulate_arrays(spec, key_of("imu", scenario, spec, "test", index))
        found += stretches_of(arrays, str(int(arrays["truth/subject"])), scenario)
    return found


def compare(real: Sequence[Stretch], ours: Sequence[Stretch], source: str) -> list[dict[str, Any]]:
    """A row for each placement and activity that both have: statistics, spread, spectrum, direction, two-sample AUC."""
    sides = grouped(real), grouped(ours)
    rows = []
    for place, activity in sorted(set(sides[0]) & set(sides[1])):
        told = alike(*(side[place, activity] for side in sides))
        subjects = [by_subject(side, LEAST_S) for side in told]
        if min(map(len, subjects)) < LEAST_PEOPLE:
            continue
        spectra, ways = [spectra_of(side) for side in told], [directions_of(side) for side in told]
        row: dict[str, Any] = {
            "source": source, "placement": place, "activity": activity,
            "statistics": {
                name: found for name in STATISTICS
                if (found := _beside(*([d[name] for d in people.values()] for people in subjects)))
            },
            "direction_deg": angle_deg(ways[0].sum(0), ways[1].sum(0)),
            "direction_people_deg": float(np.median([angle_deg(w, ways[0].sum(0)) for w in ways[0]])),
        }  # fmt: skip
        if min(map(len, spectra)) >= LEAST_PEOPLE:
            centre = spectra[0].mean(0)
            row["spectrum_db"] = log_spectral_distance(spectra[1].mean(0), centre)
            row["spectrum_people_db"] = float(np.median([log_spectral_distance(s, centre) for s in spectra[0]]))
        rows.append(row | two_sample(*told))
    return rows


def _beside(real: Sequence[float], ours: Sequence[float]) -> dict[str, Any] | None:
    """A statistic of real people and of ours; None where either side has none."""
    a, b = (np.array([v for v in side if not math.isnan(v)]) for side in (real, ours))
    if min(a.size, b.size) < LEAST_PEOPLE:
        return None
    low, middle, high = np.percentile(a, [5, 50, 95]).tolist()
    median, spread = float(np.median(b)), float(b.std() / max(1e-9, a.std()))
    return {"real": [low, middle, high], "ours": median, "inside": low <= median <= high, "spread": spread}


def two_sample(first: Sequence[Stretch], second: Sequence[Stretch]) -> dict[str, Any]:
    """`auc` of a forest that tells the two sides apart, and the features it goes by; nothing for too few people."""
    found = t.told_apart(*(t.windows_of(side, most=TWO_SAMPLE_WINDOWS, classes=False) for side in (first, second)))
    if found is None:
        return {}
    names = t.names_of("inv")
    return {"auc": found[0], "told_by": [names[i] for i in np.argsort(-found[1])[:TELLING]]}


def yardsticks(real: Mapping[str, Sequence[Stretch]]) -> list[dict[str, Any]]:
    """The two-sample test between two real sets of one placement, for each activity that both have."""
    first, second, place = YARDSTICK
    if first not in real or second not in real:
        return []
    rows = []
    for name, classes in YARDSTICKS.items():
        labels = {label for part in classes for label in t.CLASSES[part]}
        sides = [[s for s in real[n] if s.activity in labels and s.placement == place] for n in (first, second)]
        rows.append({"sets": [first, second], "placement": place, "activity": name} | two_sample(*alike(*sides)))
    return rows


def apart(ours: Sequence[Stretch], compared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Percentiles 5, 50, 95 over simulated people of what is required and has no real set at that place."""
    known = {(row["placement"], row["activity"]) for row in compared}
    rows = []
    for (place, activity), own in sorted(grouped(ours).items()):
        people = list(by_subject(own, LEAST_S).values())
        if (place, activity) not in known and len(people) >= LEAST_PEOPLE:
            figures = {n: np.percentile([p[n] for p in people], [5, 50, 95]).tolist() for n in STATISTICS}
            rows.append({"placement": place, "activity": activity, "statistics": figures})
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
    real: Mapping[str, Sequence[Stretch]], ours: Mapping[str, Sequence[Stretch]], mixed: Sequence[Stretch], say: Say
) -> dict[str, Any]:
    """F1 by class of forests: `within` each set and its simulation, and `transfer` to each real set.

    A transfer is on the classes that a real set shares with `other`: trained on that other set, on the set's own
    simulation, and on mixed placements. Of `other` None: all classes of the set, and no other real set is trained on.
    """
    found: dict[str, Any] = {"within": [], "transfer": []}
    for kind in t.CHANNELS:
        say(f"classifying by features '{kind}'")
        made = {name: t.windows_of(_classified(name, side), kind) for name, side in real.items()}
        likes = {name: t.windows_of(_classified(name, side), kind) for name, side in ours.items()}
        anywhere = t.windows_of(mixed, kind, most=MIXED_WINDOWS)
        classes = {name: tuple(sorted(set(made.get(name, like).label))) for name, like in likes.items()}
        for name, own in classes.items():
            found["within"].append({
                "set": name, "features": kind, "classes": own,
                "real": t.within(made[name], own) if name in made else {}, "simulated": t.within(likes[name], own),
            })  # fmt: skip
        for name, other in [(name, None) for name in made] + list(permutations(made, 2)):
            own = classes[name] if other is None else t.shared(classes[name], classes[other])
            if len(own) < 2:
                continue
            found["transfer"].append({
                "set": name, "other": other, "features": kind, "classes": own,
                "real": {} if other is None else t.transfer(made[other], made[name], own),
                "simulation": t.transfer(likes[name], made[name], own),
                "mixed": t.transfer(anywhere, made[name], own),
            })  # fmt: skip
    return found


def _classified(name: str, stretches: Iterable[Stretch]) -> list[Stretch]:
    """What is classified of a set: of utd_mhad the thigh alone, since its wrist does no class of ours."""
    return [s for s in stretches if name != "utd_mhad" or s.placement == "thigh"]


def reached(classified: Mapping[str, Any], kind: str) -> dict[str, dict[str, float]]:
    """Macro-F1 by real set, mean over the other sets: of `real` other sets, `simulation` and `mixed` placements."""
    rows: dict[str, list[list[float]]] = {}
    for row in classified["transfer"]:
        values = [f1 for side in ("real", "simulation", "mixed") if (f1 := t.macro(row[side])) is not None]
        if row["features"] == kind and row["other"] is not None and len(values) == 3:
            rows.setdefault(row["set"], []).append(values)
    means = {name: np.mean(own, 0).tolist() for name, own in rows.items()}
    return {name: dict(zip(("real", "simulation", "mixed"), own, strict=True)) for name, own in means.items()}


def agreement(ours: np.ndarray, real: np.ndarray, rate_hz: float) -> list[float]:
    """OF_SKELETONS of two norms (n,) of one trial, both low-passed at LOW_PASS_HZ; means are taken off for the error.

    >>> wave = np.sin(2 * np.pi * np.arange(200) / 50)
    >>> [round(v, 3) for v in agreement(0.5 * wave, wave, 50.0)]
    [1.0, 1.0, 0.5, 0.5]
    """
    from scipy.signal import butter, sosfiltfilt

    low = butter(4, LOW_PASS_HZ, fs=rate_hz, output="sos")
    a, b = sosfiltfilt(low, ours), sosfiltfilt(low, real)
    n, most = a.size, min(int(LAG_S * rate_hz), a.size // 2)
    lags = [
        np.corrcoef(a[max(0, k) : n + min(0, k)], b[max(0, -k) : n - max(0, k)])[0, 1] for k in range(-most, most + 1)
    ]
    away = (a - a.mean()) - (b - b.mean())
    values = lags[most], max(lags), a.std() / b.std(), np.sqrt((away**2).mean()) / b.std()
    return [float(v) for v in values]


def by_chain(frames: np.ndarray, placement: str, samples: int, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """What a device reads on the body that recorded frames drive, spread evenly over so many samples. A `Driver`."""
    from simulators.imu.body import site_of
    from simulators.imu.score import Sites, sense
    from simulators.imu.skeleton import angles_of, score_of

    seconds = (samples - 1) / rate_hz
    body, q = angles_of(frames, seconds)
    segment, place = site_of(body, placement, "right")
    sites = Sites(np.array([segment]), place[None], np.eye(3)[None])
    ideal = sense(score_of(q, seconds), body, sites, np.arange(samples) / rate_hz)
    return ideal.force[0], ideal.rate[0]


def by_differences(frames: np.ndarray, placement: str, samples: int, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """The naive reference: second derivative of the camera's wrist, or middle of the thigh, and gravity. A `Driver`.

    By a Savitzky-Golay filter of 21 points and order 3 at 50 Hz. It knows no rotation: of the gyroscope all is nan.
    """
    from scipy.signal import savgol_filter

    from simulators.imu.kernels.chain import GRAVITY
    from simulators.imu.skeleton import KINECT

    joints = ("wrist_r",) if placement == "wrist" else ("hip_r", "knee_r")
    path = frames[:, [KINECT.index(joint) for joint in joints]].mean(1)
    at = np.linspace(0, len(path) - 1, samples)
    even = np.stack([np.interp(at, np.arange(len(path)), axis) for axis in path.T])
    force = savgol_filter(even, 21, 3, deriv=2, delta=1 / rate_hz)
    return force + np.array([0, GRAVITY, 0])[:, None], np.full_like(force, np.nan)


def skeletons(
    skeleton: Path, sensor: Path, drive: Driver = by_chain, every: int = 1
) -> dict[str, dict[str, dict[str, float] | None]]:
    """A simulation driven by recorded skeletons against the sensor of the same trial: placement, action -> medians.

    Of `all`: every action; None where `drive` gave nothing. `every`: one trial of so many.
    """
    with np.load(skeleton, allow_pickle=False) as file:
        x, scale, columns = file["x_int16"], file["scale"], [file[k] for k in ("trial", "start", "length")]
    frames = {str(k): (x[a : a + n] * scale).reshape(n, -1, 3) for k, a, n in zip(*columns, strict=True)}
    with np.load(sensor, allow_pickle=False) as file:
        trials = [str(trial) for trial in file["trial"]]
    found: dict[str, dict[str, list[list[float]]]] = {}
    for stretch, trial in list(zip(real_stretches(sensor), trials, strict=True))[::every]:
        made = drive(frames[trial], stretch.placement, stretch.accelerometer.shape[1], stretch.rate_hz)
        for action in (stretch.activity, "all"):
            rows = found.setdefault(stretch.placement, {}).setdefault(action, [])
            if made is not None:
                norms = [np.sqrt((a * a).sum(0)) for a in (made[0], stretch.accelerometer)]
                rows.append(agreement(norms[0], norms[1], stretch.rate_hz))
    return {
        place: {
            action: dict(zip(OF_SKELETONS, np.median(rows, 0).tolist(), strict=True)) if rows else None
            for action, rows in actions.items()
        }
        for place, actions in found.items()
    }


def report_of(data: Path | None, subjects: int, say: Say = lambda what: None) -> dict[str, Any]:
    """The report as a JSON-able dict, without what needs recordings that are `missing`."""
    files = {name: data / f"{name}.npz" for name in (*PAIRS, SKELETON)} if data is not None else {}
    missing = [name for name in (*PAIRS, SKELETON) if name not in files or not files[name].is_file()]
    report: dict[str, Any] = {
        "subjects": subjects, "missing": missing, "compared": [], "yardsticks": [], "falls": {}, "skeletons": {},
        "naive": {},
    }  # fmt: skip
    real: dict[str, list[Stretch]] = {}
    ours: dict[str, list[Stretch]] = {}
    for name, scenario in PAIRS.items():
        say(f"simulating {scenario}")
        ours[name] = simulated(scenario, subjects)
        if name not in missing:
            say(f"comparing with {name}")
            real[name] = real_stretches(files[name])
            report["compared"] += compare(real[name], ours[name], name)
    report["yardsticks"] = yardsticks(real)
    if "sisfall_50hz" in real:
        report["falls"] = falls(real["sisfall_50hz"], ours["sisfall_50hz"])
    if SKELETON not in missing and "utd_mhad" in real:
        say("driving the chain by skeletons")
        report["skeletons"] = skeletons(files[SKELETON], files["utd_mhad"])
        report["naive"] = skeletons(files[SKELETON], files["utd_mhad"], by_differences)
    say("simulating what has no reference")
    report["apart"] = apart(simulated(APART, subjects, APART_CHANGES), report["compared"])
    report["classified"] = classify(real, ours, simulated(MIXED, subjects) if real else [], say)
    known = {s.activity for stretches in real.values() for s in stretches}
    report["without"] = sorted({label for a in ACTIVITIES.values() for label in a.labels} - known)
    return report


def tables(report: Mapping[str, Any]) -> dict[str, Table]:
    """The report as tables of text: title -> (heads, rows)."""
    made = _compared(report) if report["compared"] else {}
    if report["apart"]:
        made["No reference: percentiles 5, 50, 95 over simulated people of what no real set holds at that place"] = (
            ["placement", "activity", *STATISTICS],
            [
                [row["placement"], row["activity"],
                 *(f"{low:.2f} {middle:.2f} {high:.2f}" for low, middle, high in row["statistics"].values())]
                for row in report["apart"]
            ],
        )  # fmt: skip
    if report["falls"]:
        made["Falls at the waist: 10th, 50th, 90th percentile"] = (
            ["figure", "real", "ours"],
            [[name, *(" / ".join(f"{v:.3g}" for v in told[k]) for k in ("real", "ours"))]
             for name, told in report["falls"].items()],
        )  # fmt: skip
    if report["skeletons"]:
        made["The chain driven by recorded skeletons, against the sensor of the same trial (medians over trials)"] = (
            ["placement", "action", *OF_SKELETONS, *(f"{name}, differences" for name in OF_SKELETONS)],
            [
                [
                    place, action, *(
                        text for told in (own, report["naive"].get(place, {}).get(action))
                        for text in ([_number(told[n]) for n in OF_SKELETONS] if told else ["not available"] * 4)
                    )
                ]
                for place, actions in report["skeletons"].items() for action, own in sorted(actions.items())
            ],
        )  # fmt: skip
    return made | _classifiers(report["classified"])


def _compared(report: Mapping[str, Any]) -> dict[str, Table]:
    rows = report["compared"]
    made: dict[str, Table] = {}
    made[
        "Statistics: median of simulated people [real people's 5th, 50th, 95th percentile] x spread between people, "
        "ours over real; ! outside"
    ] = (
        ["placement", "activity", "real set", *STATISTICS],
        [
            [r["placement"], r["activity"], r["source"], *(_cell(r["statistics"].get(n)) for n in STATISTICS)]
            for r in rows
        ],
    )  # fmt: skip
    keys = ("spectrum_db", "spectrum_people_db", "direction_deg", "direction_people_deg", "auc")
    made["Spectrum of the norm (rms of dB, 0.5 to 20 Hz), gravity's direction, two-sample test (0.5: alike)"] = (
        ["placement", "activity", "real set", "spectra apart, dB", "real people from their mean, dB",
         "directions apart, deg", "real people from their mean, deg", "real or simulated, AUC", "told by"],
        [
            [row["placement"], row["activity"], row["source"], *(_number(row.get(k)) for k in keys),
             ", ".join(row.get("told_by", ())) or "-"]
            for row in rows
        ]
        + [
            [row["placement"], row["activity"], " : ".join(row["sets"]) + " (both real)", *["-"] * 4,
             _number(row.get("auc")), ", ".join(row.get("told_by", ())) or "-"]
            for row in report["yardsticks"]
        ],
    )  # fmt: skip
    made["Required activities and places: medians inside, spreads right / compared"] = (
        ["activity", *PLACES],
        [[activity, *(_inside(rows, place, activity) for place in PLACES)] for activity in REQUIRED],
    )
    return made


def _classifiers(classified: Mapping[str, Any]) -> dict[str, Table]:
    made: dict[str, Table] = {}
    made["Within a set: macro-F1 of a random forest, folds over people; a simulation must not be the easier one"] = (
        ["set", "classes", "features", "real", "its simulation", "locomotion, real / simulated",
         "posture, real / simulated"],
        [
            [row["set"], ", ".join(row["classes"]), row["features"], *_macros(row, ("real", "simulated")),
             *(" / ".join(_macros(row, ("real", "simulated"), part)) for part in (t.LOCOMOTION, t.POSTURE))]
            for row in classified["within"]
        ],
    )  # fmt: skip
    sides = ("simulation", "mixed")
    whole = [row for row in classified["transfer"] if row["other"] is None]
    if whole:
        made["Tested on each real set, all its classes: macro-F1 of a forest trained on simulation"] = (
            ["tested on", "features", "trained on its simulation", "on mixed placements",
             "locomotion, its simulation / mixed", "posture, its simulation / mixed"],
            [
                [row["set"], row["features"], *_macros(row, sides),
                 *(" / ".join(_macros(row, sides, part)) for part in (t.LOCOMOTION, t.POSTURE))]
                for row in whole
            ],
        )  # fmt: skip
    pairs = [row for row in classified["transfer"] if row["other"] is not None]
    if pairs:
        made["The same on the classes that another real set has, beside a forest trained on that set"] = (
            ["tested on", "other real set", "classes", "features", "trained on the other set", "on its simulation",
             "on mixed placements"],
            [
                [row["set"], row["other"], ", ".join(row["classes"]), row["features"], *_macros(row, ("real", *sides))]
                for row in pairs
            ],
        )  # fmt: skip
        made["Does simulation reach other labs? Mean over the other real sets"] = (
            ["tested on", "features", "other real sets", "its simulation", "mixed placements", "reached by"],
            [
                [name, kind, *map(_number, own.values()),
                 " and ".join(side for side in sides if own[side] >= own["real"]) or "neither"]
                for kind in t.CHANNELS for name, own in reached(classified, kind).items()
            ],
        )  # fmt: skip
    return made


def notes(report: Mapping[str, Any]) -> list[str]:
    """What the tables say, in sentences."""
    said = [f"{report['subjects']} simulated people a scenario."]
    for name in report["missing"]:
        what = "skeletons" if name == SKELETON else f"{PAIRS[name]} beside '{name}'"
        said.append(f"Left out: {what}, whose file {name}.npz is not there.")
    required = {label for labels in REQUIRED.values() for label in labels}
    cells = [s for row in report["compared"] if row["activity"] in required for s in row["statistics"].values()]
    if cells:
        said.append(
            f"Required activities: {sum(s['inside'] for s in cells)} of {len(cells)} medians lie within the real "
            f"people's p5 to p95; {sum(map(_right, cells))} of {len(cells)} spreads between people are {SPREAD[0]} to "
            f"{SPREAD[1]} of the real ones. Both sides are cut into pieces of the same lengths."
        )
    scores = [row["auc"] for row in report["compared"] if "auc" in row]
    if scores:
        said.append(
            f"Real or simulated: median AUC {np.median(scores):.2f} over {len(scores)} activities and places, "
            f"least {min(scores):.2f}; between two real sets "
            + (", ".join(f"{row['activity']} {row['auc']:.2f}" for row in report["yardsticks"] if "auc" in row) or "-")
            + "."
        )
    for kind in t.CHANNELS:
        found = reached(report["classified"], kind)
        if found:
            ours, mixed = (sum(own[k] >= own["real"] for own in found.values()) for k in ("simulation", "mixed"))
            said.append(
                f"Features '{kind}': trained on its simulation alone a forest reaches the mean of other real sets on "
                f"{ours} of {len(found)} sets; trained on mixed placements on {mixed}."
            )
    if report["classified"]["transfer"]:
        said.append(
            "Transfer from a set's own simulation is no blind test: gaits, rest and transitions were calibrated on "
            "statistics of these sets by `python -m benchmarks.imu_calibration`, and axes and mounting follow their "
            "mean directions. Other real sets know nothing of the set."
        )
    easier = [
        f"{row['set']} ({row['features']})" for row in report["classified"]["within"]
        if row["real"] and row["simulated"] and (t.macro(row["simulated"]) or 0) > (t.macro(row["real"]) or 0)
    ]  # fmt: skip
    if easier:
        said.append(f"Simulations that are easier than the real set within: {', '.join(easier)}.")
    said.append(
        f"{len(report['without'])} labels that can be simulated have no real reference here; required ones are told "
        "apart below, and no score is of them."
    )
    for place, actions in report["skeletons"].items():
        told = actions["all"]
        if told is None:
            said.append(f"Skeletons, {place}: not available.")
        else:
            naive = report["naive"].get(place, {}).get("all")
            beside = "; second differences of the camera's points " + _correlations(naive) if naive else ""
            said.append(f"Skeletons, {place}: correlation {_correlations(told)}{beside}.")
    return said


def _correlations(told: Mapping[str, float]) -> str:
    return f"{told['correlation']:.2f}, at the best lag {told['at the best lag']:.2f}"


def _right(told: Mapping[str, Any]) -> bool:
    return bool(SPREAD[0] <= told["spread"] <= SPREAD[1])


def _inside(rows: Sequence[Mapping[str, Any]], place: str, activity: str) -> str:
    found = [
        s for r in rows if r["placement"] == place and r["activity"] in REQUIRED[activity]
        for s in r["statistics"].values()
    ]  # fmt: skip
    return f"{sum(s['inside'] for s in found)}, {sum(map(_right, found))} / {len(found)}" if found else "no reference"


def _macros(row: Mapping[str, Any], sides: Sequence[str], among: Sequence[str] | None = None) -> list[str]:
    return [_number(t.macro(row[side], among)) for side in sides]


def _cell(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "-"
    low, middle, high = told["real"]
    mark = "" if told["inside"] else "!"
    return f"{told['ours']:.2f}{mark} [{low:.2f} {middle:.2f} {high:.2f}] x{told['spread']:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"
