"""The fixed tracks. What is declared here does not change once it is published: a change makes a new version."""

from collections.abc import Sequence
from dataclasses import replace

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
from scenarios.catalogue import did_you_mean
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
        note=f"Trained on clean scenes of one clock and plain words only. {STRUCTURE_NOTE}",
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
ANOMALY_NOTE = (
    "Scenes of 10, 30 and 60 s at three rates. About half of the events show only across channels: their "
    "detectability in their own channel is stored with them. The threshold is a peaks-over-threshold quantile of the "
    "scores of 64 normal validation scenes; false alarms are counted on 24 h of normal data, made as it is scored."
)
ANOMALY_TRACK = Track(
    id="scene/anomaly",
    version=1,
    task=ANOMALY,
    train=(QUIET,),
    tests=(
        Test(name="matched", sets=EVENTS),
        Test(name="shifted", sets=OTHER_EVENTS),
        Test(name="normal", sets=(DAY,)),
    ),
    floors=("chance", "constant", "difference", "range"),
    ceiling="oracle",
    ceiling_how=ceilings.HOW["anomaly"],
    note=ANOMALY_NOTE,
)
ANOMALY_TRACKS = (
    ANOMALY_TRACK,
    replace(
        ANOMALY_TRACK,
        id="scene/anomaly-contaminated",
        train=(SOILED,),
        labels=False,
        tests=(ANOMALY_TRACK.test("matched"), ANOMALY_TRACK.test("shifted")),
        note=f"Training and validation scenes hold unlabelled anomalies, one a minute. {ANOMALY_NOTE}",
    ),
    replace(
        ANOMALY_TRACK,
        id="scene/anomaly-shift",
        train=(CALM_QUIET,),
        tests=(
            Test(name="matched", sets=CALM_EVENTS),
            Test(name="shifted", sets=(replace(EVENTS[2], kind="own clocks, 60 s"), *OTHER_EVENTS)),
            Test(name="normal", sets=(OTHER_DAY,)),
        ),
        main_test="shifted",
        note="Trained on a bus on which all is read at once; tested on buses of several clocks and of other rates, "
        f"false alarms there on 4 h. {ANOMALY_NOTE}",
    ),
)


def _drifting(simulator: str, scenario: str, counts: Counts, more: Settings = (), kind: str = "") -> SetOf:
    return SetOf(simulator=simulator, scenario=scenario, recordings=counts, kind=kind or scenario, made=True,
                 overrides=(("seed", SEED), *more))  # fmt: skip


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
DRIFTS = _drifting("scene", "drift_bench", (16, 192, 192), RARE)
MILD_DRIFTS = _drifting("scene", "drift_bench", (16, 192, 64), (*RARE, *ONE_CLOCK), kind="one clock")
OTHER_DRIFTS = _drifting("scene", "other_world_drift", (0, 0, 64))


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


SMALL = {"scene": (("duration_s", "12"),), "drift": (("duration_s", "240"),)}
"""Settings of small sets, by simulator."""


def small(track: Track, stored: bool = False) -> Track:
    """A track of the same task on few, short recordings."""

    def less(of: SetOf, counts: tuple[int, int, int]) -> SetOf:
        own = dict(of.overrides) | dict(SMALL[of.simulator])
        return replace(of, overrides=tuple(own.items()), recordings=counts, made=not stored)

    train = tuple(less(of, (2, 1, 0)) for of in _spread(track.train))
    tested = tuple(less(of, (0, 0, 1)) for of in _spread(track.test(track.main_test).sets))
    return replace(track, train=train, tests=(Test(name=track.main_test, sets=tested),))


def _spread(sets: Sequence[SetOf]) -> list[SetOf]:
    """The first and the last."""
    return list(dict.fromkeys([sets[0], sets[-1]]))
