"""The entries of each track: ours, and those of other packages. The only module that imports baselines and models.

A package adds entries by an entry point in the group `provingground.entries`, whose object is a mapping from track to
a mapping from name to a factory (a class will do) or a `Declared`. See README.md for a package of ten lines.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

from baselines.scene import floors_anomaly
from baselines.scene import floors_structure as floors
from baselines.scene.anomaly_diff import AbsDifference
from baselines.scene.anomaly_forest import IsolationForest
from baselines.scene.anomaly_matrix_profile import MatrixProfile
from baselines.scene.anomaly_pca import PCA, SubPCA
from baselines.scene.anomaly_range import RollingRange
from baselines.scene.anomaly_relations import Relations
from baselines.scene.anomaly_zscore import RobustZ
from baselines.scene.drift_detectors import ADWIN, KSWIN, MeanShift, PageHinkley, Prewhitened
from baselines.scene.mask_joint import CutBoosting, JointFlips
from baselines.scene.mask_read import MagnitudeCuts
from baselines.scene.mask_tang import AggregateCuts
from baselines.scene.overflow_carry import CarryConfirmed
from baselines.scene.overflow_jump import JumpDetector
from baselines.scene.overflow_second import SecondDifference
from baselines.scene.pair_exact import ExactCarry
from baselines.scene.pair_format import FormatSearch
from baselines.scene.pair_gbm import PairBoosting
from baselines.scene.pair_mi import BitMutualInformation
from baselines.scene.pair_smooth import Smooth
from baselines.scene.pair_tolerant import TolerantCarry
from baselines.scene.type_boosting import WordBoosting
from baselines.scene.type_profile import FlipProfile
from baselines.scene.type_rules import RuleClassifier
from benchmarks import ceilings
from benchmarks.track import Context, Declared, Inputs, Prediction, Split, Track
from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError

GROUP = "provingground.entries"

ENTRIES: dict[str, dict[str, Declared]] = {
    "scene/node-type": {
        "oracle": Declared(make=ceilings.TypeOracle, oracle=True, about="what can be known of types"),
        "chance": Declared(make=floors.ChanceType, about="a random type, as often as in training", deterministic=False),
        "majority": Declared(make=floors.MajorityType, about="the most common type of the training split"),
        "one-liner": Declared(make=floors.OneFeatureType, about="one feature of a word, cut by thresholds"),
        "rules": Declared(make=RuleClassifier, about="thresholds on range, spread, autocorrelation and entropy"),
        "flip-profile": Declared(
            make=FlipProfile, about="nearest bit-flip profiles of the training split (READ, IEEE TIFS 2019)",
            grid={"neighbours": (1, 3, 5, 11)},
        ),
        "word-boosting": Declared(
            make=partial(WordBoosting, scene=False),
            about="histogram gradient boosting on flip rates and statistics of each word by itself",
        ),
        "scene-boosting": Declared(
            make=WordBoosting, about="the same, and on how other channels carry its rollovers"
        ),
    },
    "scene/pairing": {
        "oracle": Declared(make=ceilings.PairingOracle, oracle=True, about="the pairs whose high half changes"),
        "chance": Declared(make=floors.ChancePairs, about="random pairs, as many as in training", deterministic=False),
        "all-positive": Declared(make=floors.AllPairs, about="every channel is in some pair"),
        "one-liner": Declared(make=floors.SameCounts, about="equal numbers of jumps and of steps"),
        "exact": Declared(make=ExactCarry, about="carries at the same tick", grid={"threshold": (0.4, 0.5, 0.7)}),
        "tolerant": Declared(
            make=TolerantCarry, about="carries within a slack", grid={"threshold": (0.5, 0.6, 0.7)}
        ),
        "smooth": Declared(
            make=Smooth, about="second differences of the recombined value", grid={"threshold": (0.15, 0.2, 0.3, 0.4)}
        ),
        "information": Declared(
            make=BitMutualInformation, grid={"threshold": (0.2, 0.3, 0.4)},
            about="what a change of one word tells about single bits of another",
        ),
        "format-search": Declared(
            make=FormatSearch, grid={"threshold": (0.35, 0.45, 0.55)},
            about="tolerant test under byte swaps, moduli, Gray code and floats, one assignment over all",
        ),
        "boosting": Declared(
            make=PairBoosting,
            about="histogram gradient boosting on the rules' scores, their margins, counts and rates",
        ),
    },
    "scene/bitmask": {
        "oracle": Declared(make=ceilings.MaskOracle, oracle=True, about="the bits that change, and cuts between them"),
        "chance": Declared(make=floors.ChanceMask, about="random cuts, as often as in training", deterministic=False),
        "all-positive": Declared(make=floors.AllCuts, about="every bit is a field of its own"),
        "one-liner": Declared(make=floors.RisingFlips, about="a cut wherever the next bit flips more often"),
        "magnitude": Declared(
            make=MagnitudeCuts, grid={"base": (10.0, 4.0, 2.0)},
            about="a cut where the magnitude of the flip rate drops (READ, IEEE TIFS 2019)",
        ),
        "aggregate": Declared(
            make=AggregateCuts, about="clustered differences of transition aggregates (TANG, AFIT 2018)",
            grid={"least": (0.02, 0.05, 0.1), "fall": (0.6, 0.8)},
        ),
        "joint-flips": Declared(
            make=JointFlips, grid={"lift": (0.15, 0.25, 0.4)},
            about="neighbouring bits that flip together as those of a number",
        ),
        "cut-boosting": Declared(
            make=CutBoosting, about="histogram gradient boosting on what neighbouring bits do"
        ),
    },
    "scene/overflow": {
        "oracle": Declared(make=ceilings.OverflowOracle, oracle=True, about="roles, coding and clocks known"),
        "chance": Declared(make=floors.ChanceOverflow, about="random events, as often as in training",
                           deterministic=False),
        "all-positive": Declared(make=floors.EveryDecrease, about="every decrease of a word"),
        "one-liner": Declared(make=floors.EveryJump, about="every jump by more than half the range"),
        "jump": Declared(
            make=JumpDetector, grid={"cover": (0.9, 0.0), "jumps": (0.25, 0.5)},
            about="jumps, on channels that look like low halves by themselves",
        ),
        "second-difference": Declared(
            make=SecondDifference, grid={"smooth": (0.9, 0.7)},
            about="a word followed by its speed, fast ones too",
        ),
        "carry": Declared(
            make=CarryConfirmed, grid={"agree": (0.45, 0.6)},
            about="jumps that another channel's steps confirm, in any coding",
        ),
    },
    "scene/anomaly": {
        "oracle": Declared(make=ceilings.AnomalyOracle, oracle=True, about="residuals from the latent values"),
        "chance": Declared(make=floors_anomaly.Chance, about="random scores", deterministic=False),
        "all-positive": Declared(
            make=floors_anomaly.AlwaysAlarm, about="an alarm in every bin, and the same score everywhere"
        ),
        "difference": Declared(make=AbsDifference, about="one-liner: largest |difference| in robust sd"),
        "range": Declared(make=RollingRange, about="one-liner: rolling range in robust sd"),
        "robust-z": Declared(make=RobustZ, about="level and roughness of each channel against itself"),
        "pca": Declared(make=PCA, about="what principal components across channels leave over"),
        "sub-pca": Declared(make=SubPCA, about="the same of windows of one channel"),
        "isolation-forest": Declared(
            make=IsolationForest, about="isolation forest on what a channel does in a bin", deterministic=False
        ),
        "matrix-profile": Declared(
            make=MatrixProfile, about="distance of a window to its nearest neighbour (stumpy)",
            capped="at most 16 channels x 12,000 samples of 100 ms bin means",
        ),
        "relations": Declared(make=Relations, about="what one channel says of another, beside what it does alone"),
    },
    "scene/drift": {
        "oracle": Declared(make=ceilings.DriftOracle, oracle=True, about="Shiryaev-Roberts with the true law"),
        "chance": Declared(make=floors_anomaly.Chance, about="random scores", deterministic=False),
        "constant": Declared(make=floors_anomaly.Constant, about="the same score everywhere"),
        "deviation": Declared(make=MeanShift, about="one-liner: moving mean less that of the start"),
        "adwin": Declared(make=ADWIN, about="adaptive windows (river), by the strictest delta that cuts"),
        "page-hinkley": Declared(make=PageHinkley, about="Page-Hinkley, as in river, by the largest threshold passed"),
        "kswin": Declared(make=KSWIN, about="Kolmogorov-Smirnov windows, as in river",
                          deterministic=False),
        "prewhitened": Declared(make=Prewhitened, about="likelihood ratio on the innovations of a fitted AR model"),
    },
    "scene/drift-recordings": {
        "oracle": Declared(make=ceilings.DriftRecordingsOracle, oracle=True, about="residuals from the latent values"),
        "chance": Declared(make=floors_anomaly.Chance, about="random scores", deterministic=False),
        "constant": Declared(make=floors_anomaly.Constant, about="the same score everywhere"),
        "deviation": Declared(make=MeanShift, about="one-liner: moving mean less that of the start, over its record"),
        "adwin": Declared(
            make=partial(ADWIN, rungs=(3, 4.5, 7, 10, 15, 23, 34, 51, 77, 115, 173, 260)),
            about="adaptive windows (river), by the strictest of 12 deltas that cuts, over a channel's own record",
        ),
        "page-hinkley": Declared(
            make=PageHinkley, about="Page-Hinkley, by the largest threshold passed, over a channel's own record"
        ),
        "kswin": Declared(make=KSWIN, about="Kolmogorov-Smirnov windows, over a channel's own record",
                          deterministic=False),
        "prewhitened": Declared(
            make=Prewhitened, about="likelihood ratio on the innovations of a fitted AR model, over its own record"
        ),
    },
}  # fmt: skip
"""Our own entries by domain and task; a track has those of its task."""


def entries_of(track: Track) -> dict[str, Declared]:
    """The entries of a track by name: ours first, then those of other packages.

    A package that cannot be loaded, or whose entry has the name of another, is an entry that fails and says why.
    """
    found = dict(ENTRIES.get(f"{track.domain}/{track.task.name}", {}))
    for name, declared in _plugged().get(track.id, {}).items():
        found[name] = declared if name not in found else _broken(declared.package, f"entry '{name}' exists already")
    return found


def entry_of(track: Track, name: str) -> Declared:
    """An entry of a track. Raises InputError that names the nearest one."""
    known = entries_of(track)
    if name not in known:
        raise InputError(f"entry '{name}' of track '{track.id}' not found{did_you_mean(name, known)}")
    return known[name]


@cache
def _plugged() -> dict[str, dict[str, Declared]]:
    """Entries of other packages by track."""
    from benchmarks.tracks import TRACKS

    found: dict[str, dict[str, Declared]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        try:
            told = _read(point)
            if strange := set(told) - set(TRACKS):
                name = min(strange)
                raise InputError(f"entries of '{point.value}': track '{name}' not found{did_you_mean(name, TRACKS)}")
        except Exception as error:  # whatever a package does on import
            text = " ".join(f"{type(error).__name__}: {error}".split())
            told = {track: {point.name: _broken(_package(point), text)} for track in TRACKS}
        for track, entries in told.items():
            found.setdefault(track, {}).update(entries)
    return found


def _read(point: EntryPoint) -> dict[str, dict[str, Declared]]:
    loaded = point.load()
    if not isinstance(loaded, Mapping):
        raise InputError(f"entry point '{point.value}' must be a mapping from track to entries; it is {loaded!r:.60}")
    return {track: {name: _declared(make, point) for name, make in own.items()} for track, own in loaded.items()}


def _declared(make: Declared | Callable[..., Any], point: EntryPoint) -> Declared:
    version = point.dist.version if point.dist else "0"
    if isinstance(make, Declared):
        return dataclasses.replace(make, package=_package(point), version=version)
    about = (getattr(make, "__doc__", "") or "").strip().partition("\n")[0]
    return Declared(make=make, version=version, about=about, package=_package(point), deterministic=False)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value.partition(":")[0]


@dataclasses.dataclass
class _Broken:
    """An entry in the place of one that could not be loaded."""

    why: str

    def fit(self, train: Split, validation: Split, rng: object) -> NoReturn:
        """Raise what was wrong."""
        raise InputError(self.why)

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """Never called: `fit` raises."""
        raise InputError(self.why)


def _broken(package: str, why: str) -> Declared:
    def make() -> _Broken:
        return _Broken(why)

    return Declared(make=make, package=package, about="could not be loaded")
