"""Speed of the range scores, beside a sort of the scores and the definition in plain numpy.

pytest benchmarks/test_metrics_speed.py --benchmark-only
"""

from collections.abc import Callable

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from benchmarks import ranges
from benchmarks.conftest import best

POINTS, BUFFER = 12_000, 50


def recording(density: float = 0.07) -> tuple[np.ndarray, np.ndarray]:
    """Labels in stretches of 5 to 80 samples, and scores that tell something."""
    rng = np.random.default_rng(5)
    labels = np.zeros(POINTS, bool)
    for start in rng.integers(0, POINTS, round(density * POINTS / 42)):
        labels[start : start + int(rng.integers(5, 80))] = True
    return labels, rng.normal(size=POINTS) + labels


def numpy_vus_pr(labels: np.ndarray, scores: np.ndarray, buffer: int) -> float:
    """`ranges.vus_pr` by its definition: every threshold compared with every sample, for every tolerance."""
    n = labels.size
    ends = np.flatnonzero(np.diff(labels, prepend=False, append=False)).reshape(-1, 2)
    thresholds = np.sort(scores)[::-1][np.linspace(0, n - 1, ranges.THRESHOLDS).astype(int)]
    areas = []
    for w in range(buffer + 1):
        h = w // 2
        weight = labels.astype(float)
        zones = np.zeros(n + 1, bool)
        for start, end in ends:
            before, after = np.arange(max(start - h, 0), start), np.arange(end, min(end + h, n))
            weight[before] += np.sqrt(1 - (start - before) / max(w, 1))
            weight[after] += np.sqrt(1 - (after - end + 1) / max(w, 1))
            zones[max(start - h, 0) : end + h] = True
        weight = np.minimum(weight, 1)
        first = np.flatnonzero(np.diff(zones[:n], prepend=False) & zones[:n])
        was, area = 0.0, 0.0
        for threshold in thresholds:
            told = scores >= threshold
            tp = weight @ told
            possible = labels.sum() + (tp - np.count_nonzero(told & labels)) / 2
            hit = np.logical_or.reduceat(told & zones[:n], first).mean()
            recall = min(tp / possible, 1) * hit
            area += (recall - was) * tp / np.count_nonzero(told)
            was = recall
        areas.append(area)
    return float(np.mean(areas))


def test_vus_pr_of_12000_points(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    labels, scores = recording()
    crowded = np.random.default_rng(0).random(POINTS) < 0.1  # a thousand stretches
    alarms = scores > 1.5
    functions: dict[str, Callable[[], object]] = {
        "VUS-PR": lambda: ranges.vus_pr(labels, scores, BUFFER),
        "VUS-PR, a thousand stretches": lambda: ranges.vus_pr(crowded, scores, BUFFER),
        "affiliation": lambda: ranges.affiliation(labels, alarms),
        "range-based precision, recall, F1": lambda: ranges.range_scores(labels, alarms),
        "a sort of the scores": lambda: np.sort(scores),
    }
    benchmark.pedantic(functions["VUS-PR"], rounds=20, warmup_rounds=2)
    least = best(functions, rounds=10)
    least |= best({"VUS-PR by plain numpy": lambda: numpy_vus_pr(labels, scores, BUFFER)}, rounds=1)
    for what, seconds in least.items():
        tell(
            "range scores of 12,000 points, buffer 50, one core",
            what,
            ms=f"{seconds * 1e3:.3f}",
            sorts=f"{seconds / least['a sort of the scores']:.1f}",
            of_plain_numpy=f"{seconds / least['VUS-PR by plain numpy']:.5f}" if what.startswith("VUS-PR") else "",
        )
    # slopes that touch but do not overlap are two stretches to the definition, one to the plain numpy of this file
    assert abs(ranges.vus_pr(labels, scores, BUFFER) - numpy_vus_pr(labels, scores, BUFFER)) < 1e-3
