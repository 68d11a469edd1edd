"""Speed of the whole hand generator: static readings and streams, joint chain to counts, with all truth.

    pytest benchmarks/test_hand_generate_speed.py --benchmark-only

One core. Beside it the origin's way of the same cloud, in plain numpy: a template a combo, jitter of states, noise.
"""

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from benchmarks.conftest import best
from scenarios.spec import load, override, parse
from simulators.hand.generate import simulate_arrays
from simulators.hand.spec import HandSpec
from simulators.run import key_of

CASES = {
    "the seed's 6,400 readings of 32 combos": ("static_cloud", ()),
    "200,000 static readings": ("static_cloud", ("samples_per_combo=6250",)),
    "a stream of 240 s, 32 combos": ("all_32", ()),
    "the same with a steel ring": ("worn_ring", ()),
    "the same with four magnetometers": ("all_32", ("design=array_4",)),
}


def spec_of(name: str, *settings: str) -> HandSpec:
    return parse(HandSpec, name, override(load("hand", name)[1], settings))


def plain_cloud(readings: int) -> np.ndarray:
    """An additive cloud as simple as can be, in plain numpy: fields (readings, 3) of 18 numbers, nothing else told."""
    rng = np.random.default_rng(0)
    states = (np.arange(readings)[:, None] >> np.arange(5)) & 1
    weights = states + 0.05 * rng.standard_normal((readings, 5))
    return np.asarray(weights @ rng.normal(0, 500, (5, 3)) + 15 * rng.standard_normal((readings, 3)))


@pytest.mark.parametrize("what", CASES)
def test_generator(benchmark: Benchmark, tell: Callable[..., None], what: str) -> None:
    name, settings = CASES[what]
    spec = spec_of(name, *settings)
    index = iter(range(10**6))

    def make() -> dict[str, np.ndarray]:
        return simulate_arrays(spec, key_of("hand", name, spec, "test", next(index)))

    arrays = make()  # iron is solved once
    truth = sum(a.nbytes for n, a in arrays.items() if n.startswith("truth/"))
    benchmark.pedantic(make, rounds=3, warmup_rounds=1)
    least = best({"ours": make, "plain": lambda: plain_cloud(spec.samples)}, rounds=15)
    tell(
        "hand generator, chain to counts (one core; to reach: 1 M static samples/s, the seed's cloud in 10 ms)",
        what,
        samples=f"{spec.samples:,}",
        ms=f"{least['ours'] * 1e3:.1f}",
        M_samples_per_s=f"{spec.samples / least['ours'] / 1e6:.2f}",
        bytes_of_truth_a_sample=f"{truth / spec.samples:.0f}",
        of_a_bare_additive_cloud=f"{least['ours'] / least['plain']:.1f}",
    )
