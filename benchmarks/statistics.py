"""Statistics of the board: bootstrap over recordings within kinds, pairs, ranks, and critical differences.

A score is the mean over kinds of a metric of each kind's sums. Recordings are what is drawn anew, within their kinds:
windows or channels of one recording are not independent. Draw `i` of a kind takes the same recordings for every entry,
so differences and ranks are paired. Percentile intervals of few recordings are too narrow; how often they hold the
truth of normal data is what this prints:

    python -m benchmarks.statistics
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.track import Metric
from scenarios.errors import InputError

SEED = 20260101
"""Seed of all draws of the board. It is fixed: the same results always give the same intervals."""
COUNT = 2000
"""Draws."""
LEVEL = 0.95
NONE = float("nan")


def draws(kinds: Sequence[str] | np.ndarray, count: int = COUNT, rng: np.random.Generator | None = None) -> np.ndarray:
    """How often each recording is taken in each draw: (count, n), whole numbers as float64.

    Stratified bootstrap (Efron & Tibshirani 1993): of the m recordings of a kind, m are drawn with replacement.
    Without `rng` each kind has a stream of its own, Philox keyed by blake2b of `SEED`, the kind's name and m: entries
    scored on the same recordings in the same order share their draws, whatever other kinds there are.
    """
    kinds = np.asarray(kinds, dtype=str)
    weights = np.zeros((count, kinds.size))
    for kind in sorted(set(kinds.tolist())):
        where = np.flatnonzero(kinds == kind)
        stream = rng if rng is not None else _stream(kind, where.size)
        taken = stream.integers(0, where.size, (count, where.size)) + where.size * np.arange(count)[:, None]
        weights[:, where] = np.bincount(taken.ravel(), minlength=count * where.size).reshape(count, where.size)
    return weights


def _stream(kind: str, size: int) -> np.random.Generator:
    key = blake2b(f"{SEED}|{kind}|{size}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """A metric's value on a test with its 95 % interval. NaN is "cannot be scored" and never counts as 0."""

    value: float
    """Mean over the kinds that can be scored."""
    low: float
    high: float
    """NaN where no kind has two recordings to draw from."""
    worst: float
    worst_kind: str
    kinds: Mapping[str, float]
    """By kind, NaN for those that cannot be scored."""
    intervals: Mapping[str, tuple[float, float]]
    """By kind."""
    unscored: tuple[str, ...]
    """Kinds that cannot be scored, by no seed; they are left out of the mean."""
    unscored_recordings: Mapping[str, int]
    """By kind, recordings that cannot be scored by themselves, where there are any."""
    recordings: int
    draws: np.ndarray = field(repr=False)
    """(count,) the value in each draw."""
    kind_draws: Mapping[str, np.ndarray] = field(repr=False)
    """(count,) of each kind that can be scored; `draws` is their mean."""
    seeds: int = 1
    sd: float = NONE
    """Sample standard deviation of the value (ddof 1), over the seeds that score all kinds that any seed scores."""

    def told(self) -> dict[str, Any]:
        """As plain JSON, without the draws; what is not finite as None."""
        return {
            "value": _plain(self.value),
            "low": _plain(self.low),
            "high": _plain(self.high),
            "worst": _plain(self.worst),
            "worst_kind": self.worst_kind,
            "kinds": {kind: _plain(value) for kind, value in self.kinds.items()},
            "unscored": list(self.unscored),
            "unscored_recordings": dict(self.unscored_recordings),
        }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def score(metric: Metric, columns: np.ndarray, kinds: Sequence[str] | np.ndarray, weights: np.ndarray) -> Score:
    """Score recordings from their additive columns (n, columns of the metric), their kinds (n,) and `draws` (count, n).

    A recording with NaN among its columns is left out and counted. A draw in which a kind happens to have nothing to
    score takes that kind's next draw that has: the bootstrap given that the kind can be scored.
    Raises InputError if the shapes do not fit.
    """
    columns = np.asarray(columns, float)
    kinds = np.asarray(kinds, dtype=str)
    n = kinds.size
    if columns.shape != (n, len(metric.columns)) or weights.ndim != 2 or weights.shape[1] != n:
        raise InputError(
            f"metric '{metric.name}' needs {len(metric.columns)} columns and draws of {n} recordings; it got "
            f"{columns.shape} and {weights.shape}"
        )
    whole = ~np.isnan(columns).any(1)
    values: dict[str, float] = {}
    missed: dict[str, int] = {}
    drawn: dict[str, np.ndarray] = {}
    vary = set()
    with np.errstate(divide="ignore", invalid="ignore"):
        for kind in sorted(set(kinds.tolist())):
            own = np.flatnonzero((kinds == kind) & whole)
            values[kind] = float(metric.value(columns[own].sum(0))) if own.size else NONE
            alone = np.asarray(metric.value(columns[own])) if own.size else np.zeros(0)
            if lost := int((kinds == kind).sum() - (~np.isnan(alone)).sum()):
                missed[kind] = lost
            if not np.isnan(values[kind]):
                drawn[kind] = _filled(np.asarray(metric.value(weights[:, own] @ columns[own])), values[kind])
                vary |= {kind} if own.size > 1 else set()
    return _whole(values, drawn, vary, metric.higher_is_better, len(weights), recordings=n, unscored_recordings=missed)


def _whole(
    values: Mapping[str, float], drawn: Mapping[str, np.ndarray], vary: Set[str], higher: bool, count: int, **more: Any
) -> Score:
    """A score from its kinds: values, draws of those that have a value, and which of these vary from draw to draw."""
    total = np.mean(list(drawn.values()), 0) if drawn else np.full(count, NONE)
    low, high = interval(total) if vary else (NONE, NONE)
    worst = (min if higher else max)(drawn, key=lambda kind: values[kind]) if drawn else ""
    return Score(
        value=float(np.mean([values[kind] for kind in drawn])) if drawn else NONE,
        low=low,
        high=high,
        worst=values[worst] if worst else NONE,
        worst_kind=worst,
        kinds=values,
        intervals={kind: interval(drawn[kind]) if kind in vary else (NONE, NONE) for kind in values},
        unscored=tuple(kind for kind in values if kind not in drawn),
        draws=total,
        kind_draws=drawn,
        **more,
    )


def _filled(values: np.ndarray, whole: float) -> np.ndarray:
    """Draws that cannot be scored take the next that can, around the end; the whole's value where none can."""
    good = np.flatnonzero(~np.isnan(values))
    if not good.size:
        return np.full(values.shape, whole)
    return values[good[np.searchsorted(good, np.arange(values.size)) % good.size]]


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of draws, NaN left out. Order statistics, not interpolated, so infinite draws do no harm."""
    values = values[~np.isnan(values)]
    if not values.size:
        return NONE, NONE
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)


def over_seeds(scores: Sequence[Score], higher_is_better: bool = True) -> Score:
    """One score from those of several seeds on the same recordings: means, also of each draw, and their spread.

    A kind is scored by the seeds that can score it: its value and draws are means over them, and the score is the mean
    over the kinds that any seed can score. Raises InputError if there are no scores or recordings differ.
    """
    if not scores or len({(s.recordings, s.draws.shape, tuple(s.kinds)) for s in scores}) != 1:
        raise InputError(f"seeds must be scored on the same recordings; they have {[s.recordings for s in scores]}")
    if len(scores) == 1:
        return scores[0]
    names = list(scores[0].kinds)
    able = {name: own for name in names if (own := [s for s in scores if name in s.kind_draws])}
    alike = [s.value for s in scores if able and s.kind_draws.keys() == able.keys()]
    missed = {name: max(s.unscored_recordings.get(name, 0) for s in scores) for name in names}
    return _whole(
        {name: float(np.mean([s.kinds[name] for s in able[name]])) if name in able else NONE for name in names},
        {name: np.mean([s.kind_draws[name] for s in own], 0) for name, own in able.items()},
        {name for name, own in able.items() if any(not np.isnan(s.intervals[name][0]) for s in own)},
        higher_is_better,
        scores[0].draws.size,
        recordings=scores[0].recordings,
        unscored_recordings={name: most for name, most in missed.items() if most},
        seeds=len(scores),
        sd=float(np.std(alike, ddof=1)) if len(alike) > 1 else NONE,
    )


@cache
def coverage(recordings: tuple[int, ...], trials: int = 4000) -> float:
    """Share of intervals, nominally 95 %, that hold the truth: the mean over kinds of so many normal recordings each.

    Each trial is scored in the board's own draws, so that the figure is always the same.
    """
    kinds = [str(i) for i, n in enumerate(recordings) for _ in range(n)]
    share = np.repeat([1 / (len(recordings) * n) for n in recordings], recordings)
    x = np.random.Generator(np.random.Philox(key=SEED)).normal(size=(share.size, trials))
    means = (draws(kinds) * share) @ x
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0, method="inverted_cdf")
    return float(((low <= 0) & (high >= 0)).mean())


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference of two scores with its 95 % interval, and how likely draws are to lie on the other side of 0."""

    value: float
    low: float
    high: float
    p: float
    """Two-sided bootstrap p: twice the smaller share of draws at or beyond 0, each side with one draw more."""


def paired(a_draws: np.ndarray, b_draws: np.ndarray, value: float | None = None) -> Difference:
    """a - b over shared draws (count,). `value` is the difference of the scores, else the mean of the draws'.

    Raises InputError if the draws are not of one length.
    """
    if a_draws.shape != b_draws.shape:
        raise InputError(f"paired draws must be as many on both sides; they are {a_draws.shape} and {b_draws.shape}")
    with np.errstate(invalid="ignore"):
        gaps = a_draws - b_draws
    gaps = gaps[~np.isnan(gaps)]
    if not gaps.size:
        return Difference(value=NONE if value is None else value, low=NONE, high=NONE, p=NONE)
    low, high = interval(gaps)
    tail = min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    p = min(1.0, 2 * (1 + tail) / (1 + gaps.size))
    return Difference(value=float(gaps.mean()) if value is None else value, low=low, high=high, p=p)


@dataclass(frozen=True, kw_only=True)
class Rank:
    """A place on the board (1 is best; equals share the better place) with its 95 % interval."""

    rank: int
    low: int
    high: int


def rank_intervals(scores: Mapping[str, Score], higher_is_better: bool = True) -> dict[str, Rank]:
    """Places of entries by value, and the places they take in the shared draws; entries without a value have none.

    Ties in a draw widen the interval: the low end counts the better place, the high end the worse.
    """
    names = [name for name, found in scores.items() if not np.isnan(found.value)]
    if not names:
        return {}
    sign = -1.0 if higher_is_better else 1.0
    values = sign * np.array([scores[name].value for name in names])
    drawn = sign * np.array([scores[name].draws for name in names])
    best, least = (stats.rankdata(drawn, method, axis=0) for method in ("min", "max"))
    rank = stats.rankdata(values, "min")
    return {
        name: Rank(rank=int(rank[i]), low=int(interval(best[i])[0]), high=int(interval(least[i])[1]))
        for i, name in enumerate(names)
    }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Friedman's test of several methods on common units, and the Nemenyi critical difference of average ranks."""

    units: int
    ranks: Mapping[str, float]
    """Average rank of each method (1 is best), best first."""
    statistic: float
    p: float
    """Of Friedman's chi-square; NaN for two methods."""
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]
    """Largest groups of two or more methods that are not told apart, best first."""

    @property
    def vacuous(self) -> bool:
        """Whether nothing could ever be told apart, not even the first everywhere from the last everywhere."""
        return self.critical_difference >= len(self.ranks) - 1


def compare(values: Mapping[str, np.ndarray], higher_is_better: bool = True) -> Comparison:
    """Friedman and Nemenyi (Demsar 2006) on methods' scores over independent units (n,); units with NaN are left out.

    Average ranks that differ by the critical difference or more are told apart at 5 %. Raises InputError if there are
    fewer than two methods or two units.
    """
    table = np.array(list(values.values()), float)
    if table.ndim == 2:
        table = table[:, ~np.isnan(table).any(0)]
    if table.ndim != 2 or len(table) < 2 or table.shape[1] < 2:
        raise InputError(f"a comparison must have two methods and two common units or more; it has {table.shape}")
    k, n = table.shape
    ranks = stats.rankdata(-table if higher_is_better else table, axis=0)
    if k < 3:
        statistic = p = NONE
    elif (ranks == (k + 1) / 2).all():
        statistic, p = 0.0, 1.0  # all equal everywhere: scipy would divide 0 by 0
    else:
        found = stats.friedmanchisquare(*ranks)
        statistic, p = float(found.statistic), float(found.pvalue)
    average = {name: float(r) for name, r in zip(values, ranks.mean(1), strict=True)}
    ordered = dict(sorted(average.items(), key=lambda item: (item[1], item[0])))
    distance = critical_difference(k, n)
    return Comparison(
        units=n, ranks=ordered, statistic=statistic, p=p, critical_difference=distance,
        cliques=cliques(ordered, distance),
    )  # fmt: skip


@cache
def critical_q(methods: int, level: float = LEVEL) -> float:
    """Critical value of the two-tailed Nemenyi test: the studentized range at infinite freedom over sqrt 2."""
    return float(stats.studentized_range.ppf(level, methods, np.inf) / np.sqrt(2))


def critical_difference(methods: int, units: int) -> float:
    """q sqrt(k (k + 1) / (6 N)): average ranks of k methods over N units that far apart differ at 5 %."""
    return critical_q(methods) * float(np.sqrt(methods * (methods + 1) / (6 * units)))


def cliques(ranks: Mapping[str, float], distance: float) -> tuple[tuple[str, ...], ...]:
    """Largest runs of two or more methods, in order of average rank, whose ends lie nearer than `distance`."""
    names = sorted(ranks, key=lambda name: (ranks[name], name))
    found, reached = [], 0
    for start in range(len(names)):
        end = start + 1
        while end < len(names) and ranks[names[end]] - ranks[names[start]] < distance:
            end += 1
        if end - start > 1 and end > reached:
            found.append(tuple(names[start:end]))
            reached = end
    return tuple(found)


def main() -> None:
    """Print how often intervals hold the truth."""
    print("normal data, share of 95 % intervals that hold the truth")
    print("recordings a kind   1 kind  3 kinds  9 kinds")
    for n in (4, 8, 16, 32, 64):
        print(f"{n:17}" + "".join(f"{100 * coverage((n,) * kinds):7.1f} %" for kinds in (1, 3, 9)))


if __name__ == "__main__":
    main()
