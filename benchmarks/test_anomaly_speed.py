"""Speed of the anomaly and drift entries, beside the one pass over the words that all of them start from.

    pytest benchmarks/test_anomaly_speed.py --benchmark-only

Anomaly: a 60 s scene of anomaly_bench. Drift: a score stream of ten minutes, and a recording of slow_drift.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from baselines.scene.anomaly_diff import AbsDifference
from baselines.scene.anomaly_forest import IsolationForest
from baselines.scene.anomaly_matrix_profile import MatrixProfile
from baselines.scene.anomaly_pca import PCA, SubPCA
from baselines.scene.anomaly_range import RollingRange
from baselines.scene.anomaly_relations import Relations
from baselines.scene.anomaly_zscore import RobustZ
from baselines.scene.binned import binned
from baselines.scene.drift_detectors import ADWIN, KSWIN, MeanShift, PageHinkley, Prewhitened
from benchmarks.conftest import Train, best, recording
from benchmarks.track import Inputs

Tell = Callable[..., None]
ANOMALY: dict[str, Callable[[], Any]] = {
    "robust z": RobustZ, "|difference|": AbsDifference, "rolling range": RollingRange, "PCA": PCA, "Sub-PCA": SubPCA,
    "isolation forest": IsolationForest, "matrix profile": MatrixProfile, "relations": Relations,
}  # fmt: skip
DRIFT: dict[str, Callable[[], Any]] = {
    "ADWIN": ADWIN, "Page-Hinkley": PageHinkley, "KSWIN": KSWIN, "mean shift": MeanShift, "prewhitened": Prewhitened,
}  # fmt: skip


def samples(inputs: Inputs) -> int:
    return sum(int(np.sum(array)) for name, array in inputs.items() if name.endswith("/n_samples"))


def stream() -> Inputs:
    score = np.random.default_rng(0).standard_normal(6000)
    for t in range(1, score.size):
        score[t] += 0.9 * score[t - 1]
    return {"inputs/score": score, "inputs/rate_hz": np.array(10.0)}


@pytest.mark.parametrize("name", ANOMALY)
def test_anomaly(benchmark: Benchmark, tell: Tell, name: str) -> None:
    entry, test = ANOMALY[name](), recording("anomaly_bench", "train", 9).inputs
    entry.fit(Train("anomaly_bench"), Train("anomaly_bench"), np.random.default_rng(0))
    entry.predict(test, {})
    benchmark.pedantic(entry.predict, (test, {}), rounds=3)
    least = best({"entry": lambda: entry.predict(test, {}), "pass": lambda: binned(test)})
    tell(
        "anomaly entries (a 60 s scene of anomaly_bench)",
        name,
        ms=f"{least['entry'] * 1e3:.1f}",
        M_channel_samples_per_s=f"{samples(test) / least['entry'] / 1e6:.0f}",
        of_which_one_pass=f"{100 * least['pass'] / least['entry']:.0f} %",
        parameters=str(getattr(entry, "parameters", 0)),
    )


@pytest.mark.parametrize("name", DRIFT)
def test_drift(benchmark: Benchmark, tell: Tell, name: str) -> None:
    entry, scores = DRIFT[name](), stream()
    entry.fit([], [], np.random.default_rng(0))
    benchmark.pedantic(entry.predict, (scores, {}), rounds=2, warmup_rounds=1)
    least = best({"stream": lambda: entry.predict(scores, {})}, rounds=2)
    test = recording("slow_drift", "train", 0).inputs
    words = best({"words": lambda: entry.predict(test, {})}, rounds=3)["words"]
    tell(
        "drift entries (10 min of scores; 120 s and 38 channels of slow_drift)",
        name,
        ms_a_stream=f"{least['stream'] * 1e3:.1f}",
        k_scores_per_s=f"{6 / least['stream']:.0f}",
        ms_a_recording=f"{words * 1e3:.0f}",
        M_channel_samples_per_s=f"{samples(test) / words / 1e6:.0f}",
    )
