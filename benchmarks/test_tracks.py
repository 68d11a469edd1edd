"""What entries cost: every entry of every task predicts the small version of its track, its score beside the time.

    pytest benchmarks --benchmark-only -k tracks

The recordings are fewer and shorter than those of the tracks, so a score here compares with nothing on the board.
Thresholds are those of the small validation split.
"""

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from benchmarks.contract import Trial
from benchmarks.entries import entries_of
from benchmarks.evaluate import columns_of, samples_of
from benchmarks.tracks import TRACKS, small

TRIALS = {
    f"{track.task.name}-{name}": (track, name)
    for track in TRACKS.values()
    if track.id == f"scene/{track.task.name}"
    for name in entries_of(track)
}


@pytest.mark.parametrize("which", TRIALS)
def test_predict(which: str, benchmark: Benchmark, tell: Callable[..., None]) -> None:
    track, name = TRIALS[which]
    track = small(track)
    trial = Trial(track, entries_of(track)[name], name)
    items = list(trial.recordings())
    contexts = [trial.context(of, index, truth) for of, index, _, truth, _ in items]

    def predict() -> None:
        for (_, _, inputs, _, _), context in zip(items, contexts, strict=True):
            trial.entry.predict(inputs, context)

    benchmark.pedantic(predict, rounds=2, warmup_rounds=1)
    rows = [dict(trial.columns(inputs, truth, told)) for _, _, inputs, truth, told in items]
    metric = track.task.metric(track.task.main)
    score = float(metric.value(columns_of(rows, metric.columns).sum(0)))
    assert np.isfinite(score), f"{which} has nothing to score on the small track"
    samples = sum(samples_of(inputs) for _, _, inputs, _, _ in items)
    seconds = benchmark.stats["min"]
    copied = _copy_seconds([a for _, _, inputs, _, _ in items for a in inputs.values()])
    tell(
        "entries on small tracks (predict alone)",
        which,
        score=f"{metric.name} {score:.3f}",
        M_samples_per_s=f"{samples / seconds / 1e6:.3g}",
        times_a_copy=f"{seconds / copied:.3g}",
    )


def _copy_seconds(arrays: list[np.ndarray]) -> float:
    """The floor: to copy the inputs once."""
    from benchmarks.conftest import best

    return best({"copy": lambda: [a.copy() for a in arrays]}, rounds=3)["copy"]
