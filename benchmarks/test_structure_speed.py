"""Speed of the entries on the structure of a bus, with their scores, beside one pass over the words.

    pytest benchmarks/test_structure_speed.py --benchmark-only

One scene of clean_sync: 74 channels, 60 s. Entries that learn are fitted on two others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from baselines.scene import floors_structure as floors
from baselines.scene.mask_joint import CutBoosting, JointFlips
from baselines.scene.mask_read import MagnitudeCuts
from baselines.scene.mask_tang import AggregateCuts
from baselines.scene.overflow_carry import CarryConfirmed
from baselines.scene.overflow_jump import JumpDetector
from baselines.scene.overflow_second import SecondDifference
from baselines.scene.type_boosting import WordBoosting
from baselines.scene.type_profile import FlipProfile
from baselines.scene.type_rules import RuleClassifier
from benchmarks import scene_tasks as tasks
from benchmarks.conftest import Train, best, recording, scene
from benchmarks.track import Recording, Task

KIND = "clean_sync"
ENTRIES: dict[str, tuple[Task, Callable[[], Any]]] = {
    "type: chance": (tasks.NODE_TYPE, floors.ChanceType),
    "type: one feature": (tasks.NODE_TYPE, floors.OneFeatureType),
    "type: rules": (tasks.NODE_TYPE, RuleClassifier),
    "type: flip profile": (tasks.NODE_TYPE, FlipProfile),
    "type: boosting, words": (tasks.NODE_TYPE, lambda: WordBoosting(scene=False)),
    "type: boosting, scene": (tasks.NODE_TYPE, WordBoosting),
    "mask: all": (tasks.BITMASK, floors.AllCuts),
    "mask: rising flips": (tasks.BITMASK, floors.RisingFlips),
    "mask: magnitudes": (tasks.BITMASK, MagnitudeCuts),
    "mask: aggregates": (tasks.BITMASK, AggregateCuts),
    "mask: joint flips": (tasks.BITMASK, JointFlips),
    "mask: boosting": (tasks.BITMASK, CutBoosting),
    "overflow: chance": (tasks.OVERFLOW, floors.ChanceOverflow),
    "overflow: every decrease": (tasks.OVERFLOW, floors.EveryDecrease),
    "overflow: every jump": (tasks.OVERFLOW, floors.EveryJump),
    "overflow: jumps": (tasks.OVERFLOW, JumpDetector),
    "overflow: second difference": (tasks.OVERFLOW, SecondDifference),
    "overflow: carry": (tasks.OVERFLOW, CarryConfirmed),
    "pairing: chance": (tasks.PAIRING, floors.ChancePairs),
    "pairing: all": (tasks.PAIRING, floors.AllPairs),
    "pairing: same counts": (tasks.PAIRING, floors.SameCounts),
}


@pytest.fixture(scope="module")
def test_recording() -> Recording:
    return recording(KIND, "test", 0)


@pytest.mark.parametrize("what", ENTRIES)
def test_predict_of_one_scene(
    benchmark: Benchmark, tell: Callable[..., None], test_recording: Recording, what: str
) -> None:
    task, make = ENTRIES[what]
    entry, inputs = make(), test_recording.inputs
    entry.fit(Train(KIND), Train(KIND), np.random.default_rng(0))
    words = [value for name, value in inputs.items() if name.endswith("/words")]

    def one_pass() -> None:
        for rows in words:
            np.diff(rows, axis=1)

    told = entry.predict(inputs, {})
    task.check(inputs, told)
    columns = task.columns(inputs, test_recording.truth, told, {})
    score = float(task.metric(task.main).value(np.array([columns[c] for c in task.metric(task.main).columns])))
    benchmark.pedantic(entry.predict, (inputs, {}), rounds=3, warmup_rounds=1)
    least = best({"entry": lambda: entry.predict(inputs, {}), "pass": one_pass}, rounds=5)
    samples = sum(spec.size for spec in words)
    tell(
        f"structure of one scene of {scene(KIND)[0].channels} channels, 60 s (one core)",
        what,
        predict_ms=f"{least['entry'] * 1e3:.1f}",
        times_np_diff=f"{least['entry'] / least['pass']:.1f}",
        M_channel_samples_per_s=f"{samples / least['entry'] / 1e6:.0f}",
        score=f"{task.main} {score:.3f}",
    )
