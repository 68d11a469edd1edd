"""Speed of the pairing entries, with their scores, beside one pass over the words.

    pytest benchmarks/test_pairing_speed.py --benchmark-only

One scene of clean_sync: 74 channels, 60 s. Boosting is fitted on two others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from baselines.scene.pair_exact import ExactCarry
from baselines.scene.pair_format import FormatSearch
from baselines.scene.pair_gbm import PairBoosting
from baselines.scene.pair_mi import BitMutualInformation
from baselines.scene.pair_smooth import Smooth
from baselines.scene.pair_tolerant import TolerantCarry
from benchmarks.conftest import Train, best, recording
from benchmarks.scene_tasks import PAIRING
from benchmarks.track import Recording

KIND = "clean_sync"
ENTRIES: dict[str, Callable[[], Any]] = {
    "exact": ExactCarry,
    "tolerant": TolerantCarry,
    "smooth": Smooth,
    "bit information": BitMutualInformation,
    "format search": FormatSearch,
    "boosting": PairBoosting,
}


@pytest.fixture(scope="module")
def test_recording() -> Recording:
    return recording(KIND, "test", 0)


@pytest.mark.parametrize("what", ENTRIES)
def test_pairing_of_one_scene(
    benchmark: Benchmark, tell: Callable[..., None], test_recording: Recording, what: str
) -> None:
    entry, inputs = ENTRIES[what](), test_recording.inputs
    entry.fit(Train(KIND), Train(KIND), np.random.default_rng(0))
    words = [value for name, value in inputs.items() if name.endswith("/words")]

    def one_pass() -> None:
        for rows in words:
            np.diff(rows, axis=1)

    told = entry.predict(inputs, {})
    PAIRING.check(inputs, told)
    columns = PAIRING.columns(inputs, test_recording.truth, told, {})
    scores = {
        name: float(PAIRING.metric(name).value(np.array([columns[c] for c in PAIRING.metric(name).columns])))
        for name in ("f1_visible", "f1_all")
    }
    benchmark.pedantic(entry.predict, (inputs, {}), rounds=3, warmup_rounds=1)
    least = best({"entry": lambda: entry.predict(inputs, {}), "pass": one_pass}, rounds=5)
    tell(
        "pairing of one scene of 74 channels, 60 s (one core)",
        what,
        predict_ms=f"{least['entry'] * 1e3:.1f}",
        times_np_diff=f"{least['entry'] / least['pass']:.1f}",
        F1_visible=f"{scores['f1_visible']:.3f}",
        F1_all=f"{scores['f1_all']:.3f}",
    )
