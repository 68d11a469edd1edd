"""The fixed tracks. What is declared here does not change once it is published: a change makes a new version."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks import ceilings
from benchmarks.scene_tasks import (
    ANOMALY,
    BITMASK,
    DRIFT,
    DRIFT_RECORDINGS,
    FALSE_ALARMS_PER_HOUR,
    NODE_TYPE,
    OVERFLOW,
    PAIRING,
)
from benchmarks.track import SetOf, Task, Test, Track
from scenarios.catalogue import did_you_mean, load
from scenarios.errors import InputError

SEED = "20261123"
"""Tracks draw from seeds of their own: what is developed on the scenarios' own sets has not seen those of a track."""


def _scene(scenario: str, train: int, validation: int, test: int) -> SetOf:
    return SetOf(simulator="scene", scenario=scenario, recordings=(train, validation, test), kind=scenario,
                 overrides=(("seed", SEED),))  # fmt: skip


CLEAN = "clean_sync"
UNLIKE = (
    "phase_and_rate", "few_rollovers", "aliased", "byte_swapped", "gray_and_modulus", "twins", "torn_reads",
    "mixed_formats",
)  # fmt: skip
"""Conditions that clean training does not show: clocks, few rollovers, fast values, codings, redundancy, torn reads."""
KINDS = tuple(_scene(name, 8, 2, 8) for name in (CLEAN, *UNLIKE))
PACKED = tuple(_scene(name, 8, 2, 8) for name in ("bitfield_dense", "carbus_like"))
CLEAN_ONLY = (_scene(CLEAN, 24, 4, 8),)
OTHER_WORLD = (_scene("other_world_small", 0, 0, 8), _scene("other_world_large", 0, 0, 8))
"""Other rates, clocks, moduli, priors and sizes; no entry is made or tuned on it."""
REAL = tuple(
    SetOf(simulator="scene", scenario=f"recorded/{device}-{view}", recordings=(0, 0, count), kind=f"{device}-{view}")
    for device, count in (("css_canmod_gps", 5), ("comma2k19_rav4", 1))
    for view in ("words", "signals")
)
STRUCTURE_NOTE = (
    "The real recordings are five logs of a GPS and IMU module and one of a car: two devices, so what stands there is "
    "told apart and ranks nothing."
)


def purpose_of(scenario: str) -> str:
    """A scene scenario's purpose, without the full stop."""
    return str(load("scene", scenario)[1]["purpose"]).rstrip(".")


def _structure(
    task: Task, extra: tuple[SetOf, ...], floors: tuple[str, ...], **more: str | None
) -> tuple[Track, Track]:
    """A track of structure and its shift: trained on all conditions, or on clean scenes alone."""
    first = Track(
        id=f"scene/{task.name}",
        version=1,
        task=task,
        train=KINDS + extra,
        tests=(
            Test(name="matched", sets=KINDS + extra),
            Test(name="shifted", sets=OTHER_WORLD),
            Test(name="real", sets=REAL),
        ),
        floors=floors,
        ceiling="oracle",
        ceiling_how=ceilings.HOW[task.name],
        note=STRUCTURE_NOTE,
    )
    unlike = tuple(s for s in KINDS if s.kind != CLEAN)
    second = replace(
        first,
        id=f"scene/{task.name}-shift",
        train=CLEAN_ONLY,
        tests=(
            Test(name="matched", sets=CLEAN_ONLY),
            Test(name="shifted", sets=unlike + extra + OTHER_WORLD),
            Test(name="real", sets=REAL),
        ),
        main_test="shifted",
        note=f"Trained on `{CLEAN}` alone, a world without the conditions of the shifted test ({purpose_of(CLEAN)}). "
        f"{STRUCTURE_NOTE}",
    )
    return first, second


Counts = tuple[int, int, int]


Settings = tuple[tuple[str, str], ...]


def _bus(
    scenario: str,
    counts: Counts,
    seconds: int,
    events: float,
    made: bool = False,
    kind: str = "",
    more: Settings = (),
) -> SetOf:
    return SetOf(
        simulator="scene",
        scenario=scenario,
        recordings=counts,
        kind=kind or f"{seconds} s",
        overrides=(
            ("duration_s", str(seconds)),
            ("anomalies.per_recording", f"{events:g}"),
            ("seed", str(int(SEED) + 1000 * seconds + round(2 * events))),  # else all would be cuts of the same scenes
            *more,
        ),
        made=made,
    )


BENCH, OTHER_BENCH = "anomaly_bench", "other_world_anomalies"
QUIET = _bus(BENCH, (16, 64, 0), 60, 0, made=True, kind="normal")
SOILED = _bus(BENCH, (16, 64, 0), 60, 1, made=True, kind="contaminated")
EVENTS = (
    _bus(BENCH, (0, 0, 48), 10, 1),
    _bus(BENCH, (0, 0, 32), 30, 1.5),
    _bus(BENCH, (0, 0, 32), 60, 2),
)
OTHER_EVENTS = (
    _bus(OTHER_BENCH, (0, 0, 24), 30, 1.5),
    _bus(OTHER_BENCH, (0, 0, 24), 60, 2),
)
ONE_CLOCK = (("timing.phase", "0"), ("timing.latency_s", "0"), ("pairs.cross_rate_probability", "0"))
"""A bus on which all is read at once."""
CALM_QUIET = _bus(BENCH, (16, 64, 0), 60, 0, made=True, kind="one clock, normal", more=ONE_CLOCK)
CALM_EVENTS = (_bus(BENCH, (0, 0, 32), 30, 1.5, kind="one clock, 30 s", more=ONE_CLOCK),)
DAY = _bus(BENCH, (0, 0, 1440), 60, 0, made=True, kind="24 h")
OTHER_DAY = _bus(OTHER_BENCH, (0, 0, 240), 60, 0, made=True, kind="4 h")


def _anomaly(track_id: str, told: str, train: SetOf, tests: tuple[Test, ...], **more: Any) -> Track:
    """A track of anomalies, with a note made from its sets; `told` begins it."""
    note = [told, *(_events_note(t) for t in tests if t.name != "normal"), _threshold_note(train)]
    note += [f"False alarms are counted on {_hours(s)} of `{s.scenario}` without an event, made as they are scored."
             for t in tests if t.name == "normal" for s in t.sets]  # fmt: skip
    return Track(
        id=track_id, version=1, task=ANOMALY, train=(train,), tests=tests,
        floors=("chance", "all-positive", "difference", "range"), ceiling="oracle",
        ceiling_how=ceilings.HOW["anomaly"], note=" ".join(note), **more,
    )  # fmt: skip


def _seconds(of: SetOf) -> int:
    return int(dict(of.overrides)["duration_s"])


def _hours(of: SetOf) -> str:
    return f"{sum(of.recordings) * _seconds(of) / 3600:g} h"


def _events_note(test: Test) -> str:
    """Scenes, rates and events of a test."""
    told = []
    for name in dict.fromkeys(of.scenario for of in test.sets):
        lengths = [str(_seconds(of)) for of in test.sets if of.scenario == name]
        table = load("scene", name)[1]
        rates = [f"{clock['rate_hz']:g}" for clock in table["clocks"]]
        told.append(f"scenes of {', '.join(lengths)} s at {', '.join(rates)} Hz (`{name}`), where an event shows only "
                    f"across channels with probability {table['anomalies']['across']:g}")  # fmt: skip
    return f"Test `{test.name}`: {'; '.join(told)}."


def _threshold_note(train: SetOf) -> str:
    events = float(dict(train.overrides)["anomalies.per_recording"])
    sort = f"with unlabelled events ({events:g} a scene in the mean)" if events else "without an event"
    return (
        f"Thresholds are peaks-over-threshold quantiles of the scores of {train.recordings[1]} validation scenes of "
        f"{_seconds(train)} s {sort}."
    )


ANOMALY_TESTS = (
    Test(name="matched", sets=EVENTS),
    Test(name="shifted", sets=OTHER_EVENTS),
    Test(name="normal", sets=(DAY,)),
)
ANOMALY_TRACKS = (
    _anomaly("scene/anomaly", "Trained on scenes without an event.", QUIET, ANOMALY_TESTS),
    _anomaly(
        "scene/anomaly-contaminated", "Trained on scenes that hold unlabelled events. It has no normal test.", SOILED,
        ANOMALY_TESTS[:2], labels=False,
    ),
    _anomaly(
        "scene/anomaly-shift",
        "Trained on a bus on which all is read at once; the shifted test has buses of several clocks, and other rates.",
        CALM_QUIET,
        (
            Test(name="matched", sets=CALM_EVENTS),
            Test(name="shifted", sets=(replace(EVENTS[2], kind="own clocks, 60 s"), *OTHER_EVENTS)),
            Test(name="normal", sets=(OTHER_DAY,)),
        ),
        main_test="shifted",
    ),
)  # fmt: skip


def _drifting(
    simulator: str, scenario: str, counts: Counts, more: Settings = (), kind: str = "", seed: str = SEED
) -> SetOf:
    return SetOf(simulator=simulator, scenario=scenario, recordings=counts, kind=kind or scenario, made=True,
                 overrides=(("seed", seed), *more))  # fmt: skip


DRIFT_NOTE = (
    f"Thresholds are the least that keep {', '.join(f'{r:g}' for r in FALSE_ALARMS_PER_HOUR)} false alarms an hour on "
    "the changeless stretches of the validation split; scores are autocorrelated."
)
MILD = (("phi", "[[0.0], [0.5]]"), ("laws", "{ normal = 1 }"), ("kinds", "{ none = 1, step = 1 }"))
"""Normal scores of short memory, whose mean steps."""
STREAMS = _drifting("drift", "streams", (32, 96, 96))
MILD_STREAMS = _drifting("drift", "streams", (32, 96, 96), MILD, kind="mild")
OTHER_STREAMS = _drifting("drift", "streams_shifted", (0, 0, 96))
RARE = (("drift.per_recording", "0.7"),)
"""Half of the recordings are calm from end to end."""
UNSEEN = "20261126"
"""The baselines were chosen among variants with scores on the recordings of SEED in view; these are others."""
DRIFTS = _drifting("scene", "drift_bench", (16, 192, 192), RARE, seed=UNSEEN)
MILD_DRIFTS = _drifting("scene", "drift_bench", (16, 192, 64), (*RARE, *ONE_CLOCK), kind="one clock", seed=UNSEEN)
OTHER_DRIFTS = _drifting("scene", "other_world_drift", (0, 0, 64), seed=UNSEEN)


def _drift(task: Task, own: SetOf, mild: SetOf, other: SetOf, told: str) -> tuple[Track, Track]:
    first = Track(
        id=f"scene/{task.name}",
        version=1,
        task=task,
        train=(own,),
        tests=(Test(name="matched", sets=(own,)), Test(name="shifted", sets=(other,))),
        floors=("chance", "constant", "deviation"),
        ceiling="oracle",
        ceiling_how=ceilings.HOW[task.name],
        note=DRIFT_NOTE,
    )
    second = replace(
        first,
        id=f"{first.id}-shift",
        train=(mild,),
        tests=(Test(name="matched", sets=(mild,)), Test(name="shifted", sets=(own, other))),
        main_test="shifted",
        note=f"{told} {DRIFT_NOTE}",
    )
    return first, second


TRACKS: dict[str, Track] = {
    track.id: track
    for track in (
        *_structure(NODE_TYPE, (), ("chance", "majority", "one-liner")),
        *_structure(PAIRING, (), ("chance", "all-positive", "one-liner")),
        *_structure(BITMASK, PACKED, ("chance", "all-positive", "one-liner")),
        *_structure(OVERFLOW, (), ("chance", "all-positive", "one-liner")),
        *ANOMALY_TRACKS,
        *_drift(DRIFT, STREAMS, MILD_STREAMS, OTHER_STREAMS, "Trained on normal scores of short memory that step."),
        *_drift(DRIFT_RECORDINGS, DRIFTS, MILD_DRIFTS, OTHER_DRIFTS, "Trained on a bus on which all is read at once."),
    )
}


def track_of(name: str) -> Track:
    """A track by its id. Raises InputError that names the nearest one."""
    if name not in TRACKS:
        raise InputError(f"track '{name}' not found{did_you_mean(name, TRACKS)}")
    return TRACKS[name]


SMALL: dict[str, Settings] = {
    "drift": (("duration_s", "360"), ("kinds", "{ step = 1 }")),
    "drift-recordings": (("duration_s", "150"), ("drift.per_recording", "3")),
}
"""Settings of small sets by task: with changes that can be scored, and longer than detectors need to begin."""
SHORT: Settings = (("duration_s", "12"),)
"""Those of all other tasks."""


def small(track: Track, stored: bool = False) -> Track:
    """A track of the same task on few, short recordings."""

    def less(of: SetOf, counts: tuple[int, int, int]) -> SetOf:
        own = dict(of.overrides) | dict(SMALL.get(track.task.name, SHORT))
        return replace(of, overrides=tuple(own.items()), recordings=counts, made=not stored)

    train = tuple(less(of, (2, 1, 0)) for of in _spread(track.train))
    tested = tuple(less(of, (0, 0, 1)) for of in _spread(track.test(track.main_test).sets))
    return replace(track, train=train, tests=(Test(name=track.main_test, sets=tested),))


def _spread(sets: Sequence[SetOf]) -> list[SetOf]:
    """The first and the last."""
    return list(dict.fromkeys([sets[0], sets[-1]]))
