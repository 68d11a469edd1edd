"""Windows, orientation-free features and random forests: what one set of stretches teaches about another.

Features after the reference classification of the facts: of the norm, the vertical and the horizontal part, gravity
being the window's mean. Forests of 80 trees of depth 16, classes weighted alike, nothing tuned.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.imu_statistics import WINDOW_S, Stretch
from simulators.imu.labels import coarse_of, group_of
from simulators.resample import resample

RATE_HZ = 20.0
SIZE = int(WINDOW_S * RATE_HZ)
BANDS_HZ = (0.3, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0)
PER_ACTIVITY = 22
"""Windows of a subject and activity, at most."""
TREES, DEPTH, FOLDS = 80, 16, 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Features (n, k), class and subject (n,) of windows."""

    features: np.ndarray
    label: np.ndarray
    subject: np.ndarray


def class_of(label: str) -> str:
    """The class that labels of different sets share: walking at any pace, running, stairs up, down or mixed, postures.

    >>> class_of("walking_fast"), class_of("stairs_slow"), class_of("laying")
    ('walking', 'stairs', 'lying')
    """
    group = group_of(label)
    return "stairs" if coarse_of(label) == "stairs" or group == "stairs" else group


def features_of(window: np.ndarray) -> np.ndarray:
    """Orientation-free features of windows (n, 3, SIZE) of specific force at RATE_HZ: (n, 42)."""
    mean = window.mean(2, keepdims=True)
    up = mean / np.maximum(1e-9, np.linalg.norm(mean, axis=1, keepdims=True))
    vertical = (window * up).sum(1)
    flat = window - vertical[:, None] * up
    channels = np.stack([np.linalg.norm(window, axis=1), vertical, np.linalg.norm(flat, axis=1)], 1)
    power = np.abs(np.fft.rfft(channels - channels.mean(2, keepdims=True), axis=2)) ** 2
    f = np.fft.rfftfreq(window.shape[2], 1 / RATE_HZ)
    bands = [power[:, :, (f >= a) & (f < b)].sum(2) for a, b in pairwise(BANDS_HZ)]
    parts = [
        channels.mean(2), channels.std(2), *np.quantile(channels, [0.05, 0.25, 0.5, 0.75, 0.95], axis=2),
        np.abs(np.diff(channels, axis=2)).mean(2), *(np.log(b + 1e-6) for b in bands), f[power[:, :, 1:].argmax(2) + 1],
    ]  # fmt: skip
    return np.concatenate(parts, 1)


def windows_of(stretches: Iterable[Stretch], classes: "Sequence[str] | None" = None, seed: int = 0) -> Windows:
    """Windows of stretches, at most PER_ACTIVITY of a subject, place and class, drawn evenly."""
    pools: dict[tuple[str, str], list[np.ndarray]] = {}
    for s in stretches:
        label = class_of(s.activity)
        if classes is not None and label not in classes:
            continue
        if s.accelerometer.shape[1] < WINDOW_S * s.rate_hz:
            continue
        slow = s.accelerometer if s.rate_hz == RATE_HZ else resample(s.accelerometer, round(s.rate_hz, 1), RATE_HZ)
        n = slow.shape[1] // SIZE
        if n:
            pools.setdefault((s.subject, label), []).append(slow[:, : n * SIZE].reshape(3, n, SIZE).transpose(1, 0, 2))
    rng = np.random.default_rng(seed)
    features, labels, subjects = [], [], []
    for (subject, label), parts in pools.items():
        own = np.concatenate(parts)
        own = own[rng.permutation(len(own))[:PER_ACTIVITY]]
        features.append(features_of(own))
        labels += [label] * len(own)
        subjects += [subject] * len(own)
    k = features[0].shape[1] if features else 0
    return Windows(
        features=np.concatenate(features) if features else np.zeros((0, k)), label=np.array(labels, object),
        subject=np.array(subjects, object),
    )  # fmt: skip


def _forest(seed: int = 0):  # type: ignore[no-untyped-def]
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(TREES, max_depth=DEPTH, class_weight="balanced", random_state=seed)


def macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Mean F1 over the classes of the truth."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, said, average="macro", labels=sorted(set(truth)), zero_division=0))


def transfer(train: Windows, test: Windows, classes: Iterable[str] | None = None) -> float:
    """Macro-F1 on `test` of a forest trained on `train`, on the classes that both have; NaN below two of them.

    `classes`: only these count.
    """
    shared = sorted(set(train.label) & set(test.label) & set(test.label if classes is None else classes))
    if len(shared) < 2:
        return float("nan")
    a, b = (np.isin(w.label, shared) for w in (train, test))
    said = _forest().fit(train.features[a], train.label[a]).predict(test.features[b])
    return macro_f1(test.label[b], said)


def within(windows: Windows) -> float:
    """Macro-F1 by folds over subjects; NaN where there are too few of them or of classes."""
    from sklearn.model_selection import GroupKFold

    people = len(set(windows.subject))
    if people < 2 or len(set(windows.label)) < 2:
        return float("nan")
    said = np.empty(windows.label.size, object)
    for a, b in GroupKFold(min(FOLDS, people)).split(windows.features, windows.label, windows.subject):
        said[b] = _forest().fit(windows.features[a], windows.label[a]).predict(windows.features[b])
    return macro_f1(windows.label, said)


def distinguishable(real: Windows, simulated: Windows) -> float:
    """Area under the curve of a forest that tells real windows from simulated ones, by folds over people; 0.5: not."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    x = np.concatenate([real.features, simulated.features])
    y = np.repeat([0, 1], [len(real.features), len(simulated.features)])
    who = np.concatenate([[f"r{s}" for s in real.subject], [f"s{s}" for s in simulated.subject]])
    if min(len(set(real.subject)), len(set(simulated.subject))) < 3:
        return float("nan")
    score = np.zeros(y.size)
    for a, b in GroupKFold(FOLDS).split(x, y, who):
        if len(set(y[a])) == 2:
            score[b] = _forest().fit(x[a], y[a]).predict_proba(x[b])[:, 1]
    return float(roc_auc_score(y, score))
