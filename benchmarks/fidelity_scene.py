"""Figures that tell simulated bus words from real ones: pure functions of recordings (`Arrays`).

Everything about words is measured on windows of the same number of samples, so that a long recording and a short one
can be compared; channels with fewer samples are left out and counted. One number a channel is the mean over its
windows. Distances between two sets are between the distributions of such numbers over their channels: Kolmogorov and
Smirnov's D (0 equal, 1 disjoint) and Wasserstein's distance (in the number's own unit).

The two-sample test asks a classifier to tell windows of one set from windows of another. Its area under the ROC curve
is 0.5 where they cannot be told apart and 1 where they always can. Recordings are never split between training and
test. Source: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from scenarios.schema import Arrays
from simulators.scene.spec import NODE_TYPES

WINDOW = 128
WINDOWS_PER_CHANNEL = 4
FEATURES = (
    *(f"flip{bit}" for bit in range(16)),
    "entropy", "unique", "run_log10", "still", "step_median", "step_spread", "step_max", "turns", "jumps",
    "ones", "lag1",
)  # fmt: skip
"""Columns of `window_features`, which says what they are."""
JUMP = 8192
MEASURES = (
    "flip_rate",
    "run_log10",
    "entropy",
    "unique",
    "still",
    "interval_log10_ms",
    "jitter_ratio",
    "rollovers_per_min",
)
"""Numbers of one channel (the last: of one pair) that are compared between sets."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a set of recordings looks like: c channels, w windows, p pairs, over all its recordings.

    `features` float64 (w, len(FEATURES)); `window_channel` int (w,) is the row of the channel of a window;
    `node_type` int (c,); `group` int (c,) the recording of a channel; `device` int (c,) what was recorded, where
    several recordings are of one thing; `interval_ms`, `jitter_ratio` (c,); `rollovers_per_min`, `visible` (p,).
    """

    name: str
    features: np.ndarray
    window_channel: np.ndarray
    node_type: np.ndarray
    group: np.ndarray
    device: np.ndarray
    interval_ms: np.ndarray
    jitter_ratio: np.ndarray
    rollovers_per_min: np.ndarray
    visible: np.ndarray

    def by_channel(self) -> tuple[np.ndarray, np.ndarray]:
        """(rows of the channels that have windows, their mean features)."""
        rows, inverse, counts = np.unique(self.window_channel, return_inverse=True, return_counts=True)
        sums = np.zeros((len(rows), self.features.shape[1]))
        np.add.at(sums, inverse, self.features)
        return rows, sums / counts[:, None]


def measure(name: str, recordings: Iterable[Arrays], devices: Sequence[int] | None = None) -> Sample:
    """The sample of a set of recordings; `devices` numbers what each is a recording of (by default each its own)."""
    parts = [_measure_one(arrays) for arrays in recordings]
    first = np.cumsum([0, *(len(part["node_type"]) for part in parts)])
    sizes = [len(part["node_type"]) for part in parts]
    numbers = list(devices) if devices is not None else list(range(len(parts)))

    def stack(key: str) -> np.ndarray:
        return np.concatenate([part[key] for part in parts])

    return Sample(
        name=name,
        features=stack("features"),
        window_channel=np.concatenate([part["window_channel"] + n for part, n in zip(parts, first[:-1], strict=True)]),
        group=np.repeat(np.arange(len(parts)), sizes),
        device=np.repeat(numbers, sizes),
        **{key: stack(key) for key in ("node_type", "interval_ms", "jitter_ratio", "rollovers_per_min", "visible")},
    )


def join(name: str, samples: Sequence[Sample]) -> Sample:
    """Several samples as one; groups and devices stay apart."""
    merged: dict[str, list[np.ndarray]] = {key: [] for key in ("window_channel", "group", "device")}
    counts = {"window_channel": 0, "group": 0, "device": 0}
    for sample in samples:
        for key, columns in merged.items():
            columns.append(getattr(sample, key) + counts[key])
        counts["window_channel"] += len(sample.node_type)
        counts["group"] += int(sample.group.max(initial=-1)) + 1
        counts["device"] += int(sample.device.max(initial=-1)) + 1
    rest = ("features", "node_type", "interval_ms", "jitter_ratio", "rollovers_per_min", "visible")
    plain = {key: np.concatenate([getattr(sample, key) for sample in samples]) for key in rest}
    return Sample(name=name, **plain, **{key: np.concatenate(columns) for key, columns in merged.items()})


def window_features(words: np.ndarray) -> np.ndarray:
    """Features (k, len(FEATURES)) of windows of words, uint16 (k, n), n >= 3.

    flip0..15: share of steps in which the bit changes, bit 0 the least significant. entropy: of the words in the
    window, in bits. unique: distinct words by samples. run_log10: mean samples between changes. still: share of steps
    without a change. step_*: log2(1 + |step|) of the steps modulo 65536 taken the shorter way: median, quartile
    spread, largest. turns: share of changes that go the other way than the change before. jumps: share of steps of
    more than 8192. ones: mean share of bits set. lag1: correlation of neighbouring words (0 where constant).
    """
    words = np.asarray(words, np.uint16)
    changed = words[:, 1:] ^ words[:, :-1]
    flips = np.stack([((changed >> np.uint16(bit)) & 1).mean(1) for bit in range(16)], 1)
    steps = (words[:, 1:] - words[:, :-1]).view(np.int16).astype(np.int64)
    size = np.log2(1 + np.abs(steps))
    low, median, high = np.percentile(size, (25, 50, 75), axis=1)
    moves = (changed != 0).sum(1)
    ordered = np.sort(words, 1)
    ones = np.unpackbits(words.view(np.uint8), axis=1).mean(1)
    distinct = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
    columns = (
        [_entropy(row) for row in ordered],
        distinct / words.shape[1],
        np.log10(words.shape[1] / (moves + 1)),
        1 - moves / steps.shape[1],
        median,
        high - low,
        size.max(1),
        [_turns(row) for row in steps],
        (np.abs(steps) > JUMP).mean(1),
        ones,
        _lag1(words.astype(np.float64)),
    )
    return np.concatenate([flips, np.stack([np.asarray(c, np.float64) for c in columns], 1)], 1)


def summary(sample: Sample) -> dict[str, Any]:
    """A set in figures: counts, shares, medians with quartiles over channels, and its flip profile by node type."""
    rows, features = sample.by_channel()
    node_type = sample.node_type
    paired = len(sample.visible)
    return {
        "recordings": int(sample.group.max(initial=-1)) + 1,
        "channels": len(node_type),
        "channels_with_windows": len(rows),
        "share_by_type": {name: float((node_type == i).mean()) for i, name in enumerate(NODE_TYPES)},
        "share_constant": float((features[:, FEATURES.index("still")] == 1).mean()) if len(rows) else None,
        "pairs": paired,
        "visible_share": float(sample.visible.mean()) if paired else None,
        "rollovers_per_min_of_visible": _quartiles(sample.rollovers_per_min[sample.visible > 0]),
        **{name: _quartiles(values) for name, values in measures(sample).items()},
        "flip_profile": {
            name: features[node_type[rows] == i, :16].mean(0).tolist()
            for i, name in enumerate(NODE_TYPES)
            if (node_type[rows] == i).any()
        },
    }


def measures(sample: Sample) -> dict[str, np.ndarray]:
    """The numbers behind MEASURES: one a channel with windows (rollovers: one a pair)."""
    rows, features = sample.by_channel()
    column = {name: features[:, i] for i, name in enumerate(FEATURES)}
    return {
        "flip_rate": features[:, :16].mean(1),
        **{name: column[name] for name in ("run_log10", "entropy", "unique", "still")},
        "interval_log10_ms": np.log10(sample.interval_ms[rows]),
        "jitter_ratio": sample.jitter_ratio[rows],
        "rollovers_per_min": sample.rollovers_per_min,
    }


def distances(a: Sample, b: Sample) -> dict[str, dict[str, float] | float | None]:
    """How far two sets are apart: D and Wasserstein's distance of every measure, and of shares and flip profiles.

    `types`: half the summed difference of the node types' shares. `flip_profile`: mean difference of flip rates over
    bits and the node types that both have. None where one of the sets has nothing to compare.
    """
    numbers_a, numbers_b = measures(a), measures(b)
    found: dict[str, dict[str, float] | float | None] = {}
    for name in MEASURES:
        x, y = numbers_a[name], numbers_b[name]
        if not len(x) or not len(y):
            found[name] = None
            continue
        found[name] = {"ks": _ks(x, y), "wasserstein": float(stats.wasserstein_distance(x, y))}
    one, two = summary(a), summary(b)
    found["types"] = sum(abs(one["share_by_type"][t] - two["share_by_type"][t]) for t in NODE_TYPES) / 2
    both = one["flip_profile"].keys() & two["flip_profile"].keys()
    gaps = [np.abs(np.subtract(one["flip_profile"][t], two["flip_profile"][t])).mean() for t in sorted(both)]
    found["flip_profile"] = float(np.mean(gaps)) if gaps else None
    return found


def two_sample(
    simulated: Sample,
    real: Sample,
    rng: np.random.Generator,
    *,
    by: str = "group",
    model: str = "trees",
    draws: int = 300,
) -> dict[str, Any] | None:
    """The classifier's score on simulated against real windows, and the features that give it away.

    `by`: what is never split between training and test, a recording ("group") or what was recorded ("device");
    `model`: "trees" (histogram gradient boosting) or "linear" (logistic regression). Classes weigh the same. Returns
    `auc`, its 95 % `interval` (bootstrap over recordings of both sets; None if a set has one), `folds`, `windows`
    and `features` (fall of the AUC when the feature is shuffled, largest first); None where a set has a single one.
    """
    sides = (simulated, real)
    keys = [getattr(side, by)[side.window_channel] for side in sides]
    folds = min(5, *(len(np.unique(key)) for key in keys))
    if folds < 2:
        return None
    x = np.concatenate([side.features for side in sides])
    y = np.repeat([0, 1], [len(key) for key in keys])
    fold = np.concatenate([_folds(key, folds, rng) for key in keys])
    scores, falls = np.zeros(len(x)), np.zeros(len(FEATURES))
    for k in range(folds):
        test = fold == k
        fitted = _fit(model, x[~test], y[~test])
        scores[test] = fitted.predict_proba(x[test])[:, 1]
        base = auc(scores[test], y[test])
        for i in range(len(FEATURES)):
            shuffled = x[test].copy()
            shuffled[:, i] = rng.permutation(shuffled[:, i])
            falls[i] += (base - auc(fitted.predict_proba(shuffled)[:, 1], y[test])) / folds
    order = np.argsort(-falls)
    groups = np.concatenate([side.group[side.window_channel] + 1_000_000 * i for i, side in enumerate(sides)])
    return {
        "auc": auc(scores, y),
        "interval": _interval(scores, y, groups, rng, draws),
        "folds": folds,
        "windows": [int((y == 0).sum()), int((y == 1).sum())],
        "features": {FEATURES[i]: float(falls[i]) for i in order},
    }


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties counting half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    0.875
    """
    ranks = stats.rankdata(scores)
    n = int(np.sum(positive))
    return float((ranks[positive == 1].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def _measure_one(arrays: Arrays) -> dict[str, np.ndarray]:
    """The parts of a sample that one recording gives; channels in order of their numbers."""
    node_type = arrays["truth/node_type"].astype(int)
    interval, jitter = np.full(len(node_type), np.nan), np.full(len(node_type), np.nan)
    span_s = np.zeros(len(node_type))
    windows, owners = [], []
    for key in (k for k in arrays if k.startswith("inputs/") and k.endswith("/words")):
        group = key.removesuffix("/words")
        period_ns = 1e9 / float(group.rpartition("/r")[2])
        arrival = arrays.get(f"{group}/arrival_ns")
        ids, counts = arrays[f"{group}/channel_id"], arrays[f"{group}/n_samples"]
        for row, (channel, n) in enumerate(zip(ids.tolist(), counts.tolist(), strict=True)):
            gaps = np.full(1, period_ns) if arrival is None else np.diff(arrival[row, :n])
            if n < 2:
                continue
            low, median, high = np.percentile(gaps, (25, 50, 75))
            interval[channel] = max(median, 1.0) / 1e6
            jitter[channel] = (high - low) / max(median, 1.0)
            span_s[channel] = (period_ns * n if arrival is None else arrival[row, n - 1] - arrival[row, 0]) / 1e9
            if n >= WINDOW:
                starts = np.unique(np.linspace(0, n - WINDOW, min(WINDOWS_PER_CHANNEL, n // WINDOW)).astype(int))
                windows += [arrays[key][row, start : start + WINDOW] for start in starts]
                owners += [channel] * len(starts)
    lsb = arrays["truth/pair_lsb"]
    there = span_s[lsb] > 0
    events = np.bincount(arrays["truth/overflow_pair"], minlength=len(lsb)).astype(float)
    return {
        "node_type": node_type,
        "interval_ms": interval,
        "jitter_ratio": jitter,
        "features": window_features(np.array(windows)) if windows else np.zeros((0, len(FEATURES))),
        "window_channel": np.array(owners, int),
        "rollovers_per_min": 60 * events[there] / span_s[lsb][there],
        "visible": arrays["truth/pair_visible"][there].astype(int),
    }


def _entropy(ordered: np.ndarray) -> float:
    """Shannon entropy in bits of sorted words."""
    edges = np.flatnonzero(np.diff(ordered)) + 1
    share = np.diff(np.concatenate([[0], edges, [len(ordered)]])) / len(ordered)
    return float(-(share * np.log2(share)).sum()) + 0.0


def _turns(steps: np.ndarray) -> float:
    """Share of changes in the other direction than the change before."""
    signs = np.sign(steps[steps != 0])
    return float((signs[1:] != signs[:-1]).mean()) if len(signs) > 1 else 0.0


def _lag1(x: np.ndarray) -> np.ndarray:
    """Correlation of neighbouring samples of each row, 0 where there is no variance."""
    a, b = x[:, 1:] - x[:, 1:].mean(1, keepdims=True), x[:, :-1] - x[:, :-1].mean(1, keepdims=True)
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.divide((a * b).sum(1), scale, out=np.zeros(len(x)), where=scale > 0)


def _quartiles(values: np.ndarray) -> list[float] | None:
    """[median, lower quartile, upper quartile], or None of nothing."""
    return [float(v) for v in np.percentile(values, (50, 25, 75))] if len(values) else None


def _ks(x: np.ndarray, y: np.ndarray) -> float:
    """Kolmogorov and Smirnov's D of two samples: the largest gap between their distribution functions."""
    grid = np.concatenate([x, y])
    below_x = np.searchsorted(np.sort(x), grid, "right") / len(x)
    below_y = np.searchsorted(np.sort(y), grid, "right") / len(y)
    return float(np.abs(below_x - below_y).max())


def _folds(key: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each window; windows of one key share it."""
    values, inverse = np.unique(key, return_inverse=True)
    return (rng.permutation(len(values)) % folds)[inverse]


def _fit(model: str, x: np.ndarray, y: np.ndarray) -> Any:
    """A fitted classifier of scikit-learn; classes weigh the same."""
    if model == "trees":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=80, max_leaf_nodes=15, early_stopping=False, class_weight="balanced", random_state=0
        ).fit(x, y)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)).fit(x, y)


def _interval(
    scores: np.ndarray, y: np.ndarray, groups: np.ndarray, rng: np.random.Generator, draws: int
) -> list[float] | None:
    """95 % of the AUCs when the recordings of either class are drawn anew, with replacement."""
    rows = [[np.flatnonzero(groups == g) for g in np.unique(groups[y == side])] for side in (0, 1)]
    if min(map(len, rows)) < 2:
        return None
    found = []
    for _ in range(draws):
        drawn = np.concatenate([side[i] for side in rows for i in rng.integers(0, len(side), len(side))])
        found.append(auc(scores[drawn], y[drawn]))
    return [float(v) for v in np.percentile(found, (2.5, 97.5))]
