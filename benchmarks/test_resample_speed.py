"""Speed and quality of resampling beside soxr, scipy, samplerate and julius: recordings, windows, streams, stray times.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE pytest benchmarks/test_resample_speed.py --benchmark-only

One core for all, float32, each in the layout that it likes best, in turn. (The two variables, where a machine sets
them, choose BLAS kernels for another one.) Peers that are not installed have no row. Rejection is the worst of 40 tones
from the stop band's begin up to the old Nyquist frequency, in the middle half of the output; the edge's error is the
largest on a constant of 9.81 m/s^2.
"""

import importlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark
from scipy import signal
from threadpoolctl import threadpool_limits

from benchmarks.conftest import best
from simulators.resample import Stream, reach, resample, resample_windows, uniform
from simulators.resampling import filters

Function = Callable[[np.ndarray], np.ndarray]
CHANNELS, SECONDS = 64, 60
RATES = [(100.0, 50.0), (100.0, 31.25), (2000.0, 50.0)]
WINDOWS = 10_000


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def ratio(rate: float, new_rate: float) -> tuple[int, int]:
    of = filters.ratio_of(rate, new_rate)
    return of.numerator, of.denominator


def peers(rate: float, new_rate: float) -> dict[str, tuple[Function, bool]]:
    """Functions of samples, and whether they want time first, (samples, channels), or last."""
    up, down = ratio(rate, new_rate)
    found: dict[str, tuple[Function, bool]] = {}
    if soxr := installed("soxr"):
        for quality in ("HQ", "VHQ"):
            found[f"soxr {quality}"] = partial(soxr.resample, in_rate=rate, out_rate=new_rate, quality=quality), True
    found["scipy resample_poly"] = partial(signal.resample_poly, up=up, down=down, axis=-1), False
    if samplerate := installed("samplerate"):
        for kind in ("sinc_medium", "sinc_best"):
            found[f"samplerate {kind}"] = partial(samplerate.resample, ratio=up / down, converter_type=kind), True
    if (julius := installed("julius")) and (torch := installed("torch")) and rate == int(rate):
        torch.set_num_threads(1)
        prepared = julius.ResampleFrac(down, up)
        found["julius"] = lambda x: prepared(torch.from_numpy(x)).numpy(), False
    return found


def layout(x: np.ndarray, time_first: bool) -> np.ndarray:
    return np.ascontiguousarray(x.T if time_first else x)


def rejection_db(function: Function, time_first: bool, rate: float, new_rate: float, begin: float) -> float:
    """The worst gain of tones from `begin` new Nyquist frequencies up, in dB."""
    samples = round(rate * 60)
    frequencies = np.linspace(begin * new_rate / 2, rate / 2, 40, endpoint=False)
    angle = 2 * np.pi * frequencies[:, None] * np.arange(samples) / rate
    gains = []
    for x in (np.cos(angle), np.sin(angle)):
        y = layout(function(layout(x.astype(np.float32), time_first)), time_first)
        gains.append(np.abs(y[:, y.shape[1] // 4 : -y.shape[1] // 4]).max())
    return 20 * math.log10(max(gains))


def edge_error(function: Function, time_first: bool) -> float:
    y = function(layout(np.full((1, 256), 9.81, np.float32), time_first))
    return float(np.abs(y - np.float32(9.81)).max())


@pytest.mark.parametrize("rates", RATES, ids=str)
def test_recordings(benchmark: Benchmark, tell: Callable[..., None], rates: tuple[float, float]) -> None:
    rate, new_rate = rates
    x = np.random.default_rng(0).standard_normal((CHANNELS, round(SECONDS * rate))).astype(np.float32)
    beside: dict[str, tuple[Function, bool]] = {
        "ours": (partial(resample, rate=rate, new_rate=new_rate), False),
        "ours, strict": (partial(resample, rate=rate, new_rate=new_rate, strict=True), False),
        **peers(*rates),
    }
    calls = {name: partial(function, layout(x, first)) for name, (function, first) in beside.items()}
    slow = {name: calls.pop(name) for name in list(calls) if not name.startswith(("ours", "soxr"))}
    benchmark.pedantic(calls["ours"], rounds=5, warmup_rounds=1)
    least = best(calls, rounds=15) | best(slow, rounds=2)
    for name, seconds in least.items():
        function, first = beside[name]
        tell(
            f"resampling {CHANNELS} x {SECONDS} s, {rate:g} to {new_rate:g} Hz (one core; to beat: soxr HQ)",
            name,
            M_samples_per_s=f"{x.size / seconds / 1e6:.0f}",
            takes_of_ours=f"{seconds / least['ours']:.2f}",
            takes_of_strict=f"{seconds / least['ours, strict']:.2f}",
            dB_from_1_1=f"{rejection_db(function, first, *rates, 1.1):.0f}",
            dB_from_1=f"{rejection_db(function, first, *rates, 1.0):.0f}",
            edge_error=f"{edge_error(function, first):.0e}",
        )


@pytest.mark.parametrize("new_rate", [50.0, 31.25])
def test_windows(benchmark: Benchmark, tell: Callable[..., None], new_rate: float) -> None:
    rng, halo = np.random.default_rng(0), reach(100, new_rate)
    x = rng.standard_normal((WINDOWS, 6, 256)).astype(np.float32)
    wide = rng.standard_normal((WINDOWS, 6, 256 + 2 * halo)).astype(np.float32)
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: resample_windows(x, 100, new_rate),
        "ours, strict": lambda: resample_windows(x, 100, new_rate, strict=True),
        f"ours, halo of {halo} more": lambda: resample_windows(wide, 100, new_rate, halo),
    }
    some = {name: f for name, f in peers(100, new_rate).items() if name in ("soxr HQ", "scipy resample_poly", "julius")}
    few = x[:200]
    slow = {name: partial(each_window, function, first, few) for name, (function, first) in some.items()}
    benchmark.pedantic(calls["ours"], rounds=3, warmup_rounds=1)
    least = {name: seconds / WINDOWS for name, seconds in best(calls, rounds=10).items()}
    least |= {name: seconds / len(few) for name, seconds in best(slow, rounds=3).items()}
    for name, seconds in least.items():
        tell(
            f"windows (6 x 256), 100 to {new_rate:g} Hz (one core, float32; to reach: 6 us)",
            name,
            us_a_window=f"{seconds * 1e6:.1f}",
            takes_of_ours=f"{seconds / least['ours']:.1f}",
            largest_error=f"{window_error(new_rate, name, some):.3f}",
        )


def each_window(function: Function, time_first: bool, windows: np.ndarray) -> None:
    for window in windows:
        function(layout(window, time_first))


def window_error(new_rate: float, name: str, some: dict[str, tuple[Function, bool]]) -> float:
    """The largest error on gravity and a wave of 2 Hz and 3 m/s^2, over its phases."""
    halo = reach(100, new_rate)
    phases = np.linspace(0, 2 * np.pi, 32, endpoint=False)[:, None]
    n = np.arange(-halo, 256 + halo)
    x = (9.81 + 3 * np.sin(2 * np.pi * 2 * n / 100 + phases)).astype(np.float32)
    if "halo" in name:
        y = resample_windows(x, 100, new_rate, halo)
    elif name.startswith("ours"):
        y = resample_windows(x[:, halo:-halo], 100, new_rate, strict="strict" in name)
    else:
        function, first = some[name]
        y = layout(function(layout(x[:, halo:-halo], first)), first)
    known = 9.81 + 3 * np.sin(2 * np.pi * 2 * np.arange(y.shape[1]) / new_rate + phases)
    return float(np.abs(y - known).max())


def test_streams_fits_and_design(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 6000)).astype(np.float32)
    times = (np.arange(6000) + rng.uniform(-0.2, 0.2, 6000)) / 100

    def streamed(samples: int, rate: float) -> None:
        stream = Stream(rate, 50, 6, dtype=np.float32)
        for begin in range(0, 6000, samples):
            stream.push(x[:, begin : begin + samples])
        stream.flush()

    def designed(rate: float, new_rate: float) -> None:
        filters._plan.cache_clear()
        resample(x[:, :1], rate, new_rate)

    calls: dict[str, Callable[[], object]] = {
        "whole, 100 to 50 Hz": lambda: resample(x, 100, 50),
        "a stream of pieces of 1 s, 100 to 50 Hz": lambda: streamed(100, 100),
        "the same of single samples": lambda: streamed(1, 100),
        "times that jitter by 0.2, 100 to 50 Hz": lambda: uniform(times, x, 50),
    }
    benchmark.pedantic(calls["whole, 100 to 50 Hz"], rounds=5, warmup_rounds=1)
    for name, seconds in best(calls, rounds=5).items():
        tell(
            "six channels of 6,000 samples (one core, float32)",
            name,
            ms=f"{seconds * 1e3:.2f}",
            M_samples_per_s=f"{x.size / seconds / 1e6:.2f}",
        )
    designs = {f"design, {a:g} to {b:g} Hz": partial(designed, a, b) for a, b in (*RATES, (44100.0, 48000.0))}
    for name, seconds in best(designs, rounds=3).items():
        tell("six channels of 6,000 samples (one core, float32)", name, ms=f"{seconds * 1e3:.2f}")
