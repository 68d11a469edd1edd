"""Windows, features and random forests: what one set of stretches teaches about another.

The reference classification of the facts: 20 Hz, windows of 2.56 s, of what is shorter all of it. Features `inv` are of
the norm, the vertical and the horizontal part, gravity being the window's mean, and so free of mounting; `axis` are of
the sensor's axes and the norm. Forests of 80 trees of depth 16, classes weighted alike, nothing tuned.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.imu_statistics import WINDOW_S, Stretch
from simulators.resample import resample

RATE_HZ = 20.0
SIZE = int(WINDOW_S * RATE_HZ)
LEAST_S = 0.9
BANDS_HZ = (0.3, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
CHANNELS = {"inv": ("norm", "vertical", "horizontal"), "axis": ("x", "y", "z", "norm")}
OF_CHANNEL = (
    "mean", "std", *(f"q{round(100 * q):02d}" for q in QUANTILES), "mean step",
    *(f"{a:g}-{b:g} Hz" for a, b in pairwise(BANDS_HZ)), "peak Hz",
)  # fmt: skip
PER_ACTIVITY = 22
"""Windows of a subject, placement and activity, at most."""
TREES, DEPTH, FOLDS = 80, 16, 5
CLASSES = {
    "walking": ("walking", "walking_slow", "walking_fast", "walk_in_place"),
    "running": ("running", "running_slow", "running_fast", "jog_in_place"),
    "upstairs": ("walking_upstairs",),
    "downstairs": ("walking_downstairs",),
    "stairs": ("stairs_slow", "stairs_fast"),
    "sitting": ("sitting",),
    "standing": ("standing",),
    "lying": ("lying",),
    "sit_to_stand": ("sit_to_stand",),
    "stand_to_sit": ("stand_to_sit",),
}
"""The classes that sets share, and their labels. Stairs up and down are `stairs` beside a set that mixes them."""
LOCOMOTION = ("walking", "running", "upstairs", "downstairs", "stairs")
POSTURE = ("sitting", "standing", "lying")
_CLASS = {label: name for name, labels in CLASSES.items() for label in labels}


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Features (n, k), class and subject (n,) of windows."""

    features: np.ndarray
    label: np.ndarray
    subject: np.ndarray

    def of(self, classes: Iterable[str]) -> "Windows":
        """Those of some classes; up- and downstairs count as `stairs` where that is asked for."""
        wanted = set(classes)
        label = _coarse(self.label) if "stairs" in wanted else self.label
        keep = np.isin(label, list(wanted))
        return replace(self, features=self.features[keep], label=label[keep], subject=self.subject[keep])


def _coarse(label: np.ndarray) -> np.ndarray:
    return np.where(np.isin(label, ["upstairs", "downstairs"]), "stairs", label)


def shared(a: Iterable[str], b: Iterable[str]) -> tuple[str, ...]:
    """Classes that two sets of classes have in common, stairs mixed where one of them has no other.

    >>> shared({"walking", "upstairs", "downstairs", "lying"}, {"walking", "running", "stairs"})
    ('stairs', 'walking')
    """
    first, second = set(a), set(b)
    if "stairs" in first | second:
        first, second = (set(_coarse(np.array(sorted(side), object))) for side in (first, second))
    return tuple(sorted(first & second))


def names_of(kind: str) -> list[str]:
    """What the columns of `features_of` are."""
    return [f"{feature} of {channel}" for feature in OF_CHANNEL for channel in CHANNELS[kind]]


def features_of(windows: np.ndarray, kind: str = "inv") -> np.ndarray:
    """Features (n, k) of windows (n, 3, m) of specific force at RATE_HZ, m <= SIZE; `kind` of CHANNELS.

    Bands are of the mean power of a sample on the grid of SIZE samples, so short windows stand beside whole ones.
    """
    norm = np.linalg.norm(windows, axis=1)
    if kind == "axis":
        channels = np.concatenate([windows, norm[:, None]], 1)
    else:
        mean = windows.mean(2, keepdims=True)
        up = mean / np.maximum(1e-9, np.linalg.norm(mean, axis=1, keepdims=True))
        vertical = (windows * up).sum(1)
        channels = np.stack([norm, vertical, np.linalg.norm(windows - vertical[:, None] * up, axis=1)], 1)
    f = np.fft.rfftfreq(SIZE, 1 / RATE_HZ)
    power = np.abs(np.fft.rfft(channels - channels.mean(2, keepdims=True), SIZE, axis=2)) ** 2 / windows.shape[2]
    bands = [power[:, :, (f >= a) & (f < b)].sum(2) for a, b in pairwise(BANDS_HZ)]
    parts = [
        channels.mean(2), channels.std(2), *np.quantile(channels, QUANTILES, axis=2),
        np.abs(np.diff(channels, axis=2)).mean(2), *(np.log(b + 1e-6) for b in bands), f[power[:, :, 1:].argmax(2) + 1],
    ]  # fmt: skip
    return np.concatenate(parts, 1)


def windows_of(
    stretches: Iterable[Stretch], kind: str = "inv", most: int = PER_ACTIVITY, classes: bool = True
) -> Windows:
    """Windows of the stretches, at most `most` of a subject, placement and activity; the draw is the same each time.

    A stretch shorter than a window is one, from LEAST_S on. `classes`: only activities of CLASSES, and labelled so.
    """
    pools: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for s in stretches:
        if (classes and s.activity not in _CLASS) or s.accelerometer.shape[1] < LEAST_S * s.rate_hz:
            continue
        slow = s.accelerometer if s.rate_hz == RATE_HZ else resample(s.accelerometer, round(s.rate_hz, 1), RATE_HZ)
        size = min(SIZE, slow.shape[1])
        n = slow.shape[1] // size
        whole = np.moveaxis(slow[:, : n * size].reshape(3, n, size), 1, 0)
        pools.setdefault((s.subject, s.placement, s.activity), []).append(features_of(whole, kind))
    rng = np.random.default_rng(0)
    features, labels, subjects = [], [], []
    for (subject, _, activity), parts in pools.items():
        own = np.concatenate(parts)
        own = own[rng.permutation(len(own))[:most]]
        features.append(own)
        labels += [_CLASS[activity] if classes else activity] * len(own)
        subjects += [subject] * len(own)
    return Windows(
        features=np.concatenate(features) if features else np.zeros((0, len(names_of(kind)))),
        label=np.array(labels, object), subject=np.array(subjects, object),
    )  # fmt: skip


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(TREES, max_depth=DEPTH, class_weight="balanced", random_state=0)


def scores(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """F1 of each class of the truth.

    >>> scores(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]))
    {'a': 0.6666666666666666, 'b': 0.6666666666666666}
    """
    from sklearn.metrics import f1_score

    names = sorted({str(name) for name in truth})
    return dict(zip(names, f1_score(truth, said, average=None, labels=names, zero_division=0).tolist(), strict=True))


def macro(found: Mapping[str, float], among: Sequence[str] | None = None) -> float | None:
    """Mean of the scores of some classes, or of all; None where there is none.

    >>> macro({"walking": 1.0, "lying": 0.5}), macro({"walking": 1.0, "lying": 0.5}, POSTURE), macro({})
    (0.75, 0.5, None)
    """
    values = [f1 for name, f1 in found.items() if among is None or name in among]
    return float(np.mean(values)) if values else None


def transfer(train: Windows, test: Windows, classes: Iterable[str]) -> dict[str, float]:
    """F1 by class on `test` of a forest trained on `train`, of these classes alone; empty where one of them lacks."""
    own = sorted(set(classes))
    a, b = train.of(own), test.of(own)
    if len(own) < 2 or sorted(set(a.label)) != own or sorted(set(b.label)) != own:
        return {}
    return scores(b.label, _forest().fit(a.features, a.label).predict(b.features))


def within(windows: Windows, classes: Iterable[str]) -> dict[str, float]:
    """F1 by class, by folds over people; empty where there are too few people or classes."""
    from sklearn.model_selection import GroupKFold

    own = windows.of(classes)
    people = len(set(own.subject))
    if people < 2 or len(set(own.label)) < 2:
        return {}
    said = np.empty(own.label.size, object)
    for a, b in GroupKFold(min(FOLDS, people)).split(own.features, own.label, own.subject):
        said[b] = _forest().fit(own.features[a], own.label[a]).predict(own.features[b])
    return scores(own.label, said)


def told_apart(first: Windows, second: Windows) -> tuple[float, np.ndarray] | None:
    """How well a forest tells two sets of windows of one activity apart: area under the curve, 0.5 where not at all.

    By folds over the people of each side, so nobody is in both training and test; with the importance of each feature.
    None where either side has fewer than FOLDS people.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    if min(len(set(side.subject)) for side in (first, second)) < FOLDS:
        return None
    x = np.concatenate([first.features, second.features])
    y = np.repeat([0, 1], [len(first.features), len(second.features)])
    who = np.concatenate([[f"{i} {s}" for s in side.subject] for i, side in enumerate((first, second))])
    score, weight = np.zeros(y.size), np.zeros(x.shape[1])
    for a, b in StratifiedGroupKFold(FOLDS).split(x, y, who):
        forest = _forest().fit(x[a], y[a])
        score[b] = forest.predict_proba(x[b])[:, 1]
        weight += forest.feature_importances_ / FOLDS
    return float(roc_auc_score(y, score)), weight
