"""Speed of the IMU generator beside its floor: the sensor noise alone, drawn by numpy.

python -m pytest benchmarks --benchmark-only -k imu
"""

import time
from typing import Any

import numpy as np
import pytest

from simulators.imu.generate import simulate_arrays
from simulators.imu.spec import ImuSpec, Unit
from simulators.run import key_of

PLACES = ("waist", "pocket", "wrist", "thigh", "ankle")
ACTIVITIES = {"walking": 1.0, "running": 1.0, "sitting": 1.0, "standing": 1.0, "walking_upstairs": 1.0}


@pytest.mark.parametrize("rate", [200.0, 100.0, 50.0])
def test_five_sites_imu(benchmark: Any, tell: Any, rate: float) -> None:
    spec = ImuSpec(
        purpose="speed", version=1, seed=1, rate_hz=rate, duration_s=60_000 / rate, activities=ACTIVITIES,
        units=tuple(Unit(placement=place) for place in PLACES),
    )  # fmt: skip
    key = key_of("imu", "speed", spec, "test", 0)
    arrays = benchmark.pedantic(lambda: simulate_arrays(spec, key), rounds=7, warmup_rounds=1)
    channels, samples = arrays[f"inputs/r{rate:g}/counts"].shape
    began = time.perf_counter()
    np.random.default_rng(0).standard_normal((channels, samples))
    floor = time.perf_counter() - began
    took = benchmark.stats["min"]
    tell(
        f"imu generator, five 6-axis sites, {samples:,} samples",
        f"{rate:g} Hz",
        M_channel_samples_a_second=f"{channels * samples / took / 1e6:.1f}",
        times_white_noise_alone_by_numpy=f"{took / floor:.1f}",
    )
