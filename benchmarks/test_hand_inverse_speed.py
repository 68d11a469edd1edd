"""Speed of the hand's inverse problems beside numpy and scipy on the same readings.

    pytest benchmarks/test_hand_inverse_speed.py --benchmark-only

The mean hand with 6x3 mm discs on the middle phalanges, one sensor in the palm (arrays of two and four beside it), and
2,165 readings, as many as the recorded set has labelled, of 0.5 uT noise. scipy gets the same readings, the same
start, and analytic Jacobians: our compiled one for the geometry, cubic splines of our tables for curls. One thread for
all. Curls are timed in five parts whose best times are added up: whole runs are so long that a busy machine interrupts
them all.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from benchmarks.conftest import best
from simulators.hand import chain, inverse
from simulators.hand.anatomy import mean_hand, mounts
from simulators.hand.inverse import Curves, Fit, fit_additive, fit_curls, fit_geometry
from simulators.hand.magnets import Magnet

SAMPLES, NOISE, STARTS, PARTS = 2165, 0.5, 6, 5
HAND = mean_hand()
WORN = mounts(HAND, "middle")
MAGNETS = [Magnet(diameter_mm=6, height_mm=3, br_t=1.43, polarity=sign) for sign in (1, 1, 1, -1, 1)]
PALM = np.array([[0.0, 45.0, -16.0]])
ARRAYS = {
    "one sensor": PALM,
    "two": np.array([[0.0, 45.0, -16.0], [20.0, 60.0, -16.0]]),
    "four": np.array([[20.0, 70.0, -16.0], [-20.0, 70.0, -16.0], [20.0, 30.0, -16.0], [-20.0, 30.0, -16.0]]),
}
UNKNOWN = np.concatenate([np.tile(np.repeat([0.01, 5.0, 5.0], 3), 5), np.full(3, 10.0)])
"""Sd of the start about the truth: 0.01 A m2, 5 mm, 10 uT; of the prior, where there is one, too."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(limits=1):
        yield


def stream(rng: np.random.Generator) -> np.ndarray:
    """Curls of 60 combos one after another at 26 Hz, moves between them and enslaving as the simulator has them."""
    times = np.arange(SAMPLES) / 26.0
    combos = ["".join(own) for own in rng.choice(list("ef"), (60, 5))]
    return chain.angles_of(rng, combos, np.arange(60) * times[-1] / 60, times).curls


def by_scipy(readings: np.ndarray, curls: np.ndarray, start: np.ndarray, method: str) -> Any:
    """A geometry by scipy, to the gradient that ours goes to; each parameter scaled by its column."""

    def residuals(theta: np.ndarray) -> np.ndarray:
        return np.asarray((inverse.geometry_readings(theta, curls, PALM) - readings).ravel() / NOISE)

    def slopes(theta: np.ndarray) -> np.ndarray:
        return inverse.geometry_jacobian(theta, curls, PALM).reshape(-1, theta.size) / NOISE

    return least_squares(residuals, start, slopes, method=method, x_scale="jac", ftol=1e-15, xtol=1e-12, gtol=1e-8)


def excess(cost: float) -> str:
    """2 cost over the number of readings; 1 is what noise leaves."""
    return f"{2 * cost / SAMPLES / 3:.4f}"


def test_geometry(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    table = f"fit of 48 parameters to {SAMPLES:,} readings (asked: 60 ms; the seed: 10.7 s, elsewhere, 9 means)"
    truth = inverse.geometry_of(HAND, WORN, MAGNETS)
    for what in ("a stream's curls", "curls all over the range"):
        rng = np.random.default_rng(1)
        curls = stream(rng) if what == "a stream's curls" else rng.uniform(0, 1, (5, SAMPLES))
        readings = inverse.geometry_readings(truth, curls, PALM)
        readings = readings + NOISE * rng.normal(size=readings.shape)
        starts = truth + UNKNOWN * rng.normal(size=(STARTS, 48))

        def fit(
            start: np.ndarray, sd: np.ndarray | None = None, b: np.ndarray = readings, c: np.ndarray = curls
        ) -> Fit:
            mean = truth if sd is not None else None
            return fit_geometry(b, c, start, points=PALM, noise_ut=NOISE, prior_sd=sd, prior_mean=mean)

        if what == "a stream's curls":
            benchmark.pedantic(partial(fit, starts[0]), rounds=3, warmup_rounds=1)
        least = best({str(k): partial(fit, start) for k, start in enumerate(starts)}, rounds=8)
        prior = best({"prior": partial(fit, starts[0], UNKNOWN)}, rounds=8)["prior"]
        found = [fit(start) for start in starts]
        distinct = len(np.unique(curls.T, axis=0))
        for name, fits, seconds in (
            (f"{STARTS} starts, the median", found, float(np.median(list(least.values())))),
            (f"{STARTS} starts, the slowest", found, max(least.values())),
            ("with a prior", [fit(starts[0], UNKNOWN)], prior),
        ):
            steps = sorted(int(each.iterations) for each in fits)
            tell(
                table,
                f"{what} ({distinct:,} distinct): {name}",
                ms=f"{seconds * 1e3:.1f}",
                steps=f"{steps[0]} to {steps[-1]}",
                converged=f"{np.mean([each.converged for each in fits]):.0%}",
                squares_left=excess(max(float(each.cost) for each in fits)),
            )
        for method in ("lm", "trf"):
            its = by_scipy(readings, curls, starts[0], method)
            seconds = best({method: partial(by_scipy, readings, curls, starts[0], method)}, rounds=3)[method]
            tell(
                table,
                f"{what}: scipy {method}, first start",
                ms=f"{seconds * 1e3:.1f}",
                times_ours=f"{seconds / least['0']:.1f}",
                steps=str(its.nfev),
                converged="100%" if its.success else "0%",
                squares_left=excess(float(its.cost)),
            )
        assert all(each.converged for each in found)


def curls_by_scipy(known: Curves, readings: np.ndarray) -> Callable[[], object]:
    """Curls of readings (sensors, 3, samples) by scipy, one sample after another."""
    knots = np.linspace(0, 1, known.tables.shape[1])
    splines = [CubicHermiteSpline(knots, table[:, 0], table[:, 1]) for table in known.tables]
    tangents = [spline.derivative() for spline in splines]
    prior = np.eye(5) / 0.5

    def fit(b: np.ndarray) -> object:
        def residuals(c: np.ndarray) -> np.ndarray:
            model = sum(spline(x) for spline, x in zip(splines, c, strict=True))
            return np.concatenate([(model - b) / NOISE, (c - 0.5) / 0.5])

        def slopes(c: np.ndarray) -> np.ndarray:
            rows = np.stack([tangent(x) for tangent, x in zip(tangents, c, strict=True)], axis=1)
            return np.concatenate([rows / NOISE, prior])

        return least_squares(residuals, np.full(5, 0.5), slopes, bounds=(0, 1), x_scale="jac")

    return lambda: [fit(b) for b in readings.reshape(-1, readings.shape[2]).T]


def test_curls(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    table = f"five curls of each of {SAMPLES:,} readings, prior 0.5 +- 0.5 (asked: 10 us each)"
    rng = np.random.default_rng(2)
    curls = rng.uniform(0, 1, (5, SAMPLES))
    near = np.clip(curls + 0.05 * rng.normal(size=curls.shape), 0, 1)
    parts = [slice(k * SAMPLES // PARTS, (k + 1) * SAMPLES // PARTS) for k in range(PARTS)]
    for what, points in ARRAYS.items():
        known = inverse.curves(HAND, WORN, MAGNETS, points)
        readings = known.readings(curls)
        readings += NOISE * rng.normal(size=readings.shape)

        def fit(part: slice, start: np.ndarray | None = None, known: Curves = known, b: np.ndarray = readings) -> Fit:
            return fit_curls(known, b[..., part], noise_ut=NOISE, start=None if start is None else start[:, part])

        if what == "one sensor":
            benchmark.pedantic(partial(fit, slice(None)), rounds=5, warmup_rounds=1)
        whole = {}
        for how, start in (("", None), (", start near by", near)):
            runs = {str(part): partial(fit, part, start) for part in parts}
            whole[how] = sum(best(runs, rounds=25).values()) / SAMPLES
            found = fit(slice(None), start)
            tell(
                table,
                what + how,
                us_each=f"{whole[how] * 1e6:.2f}",
                steps=f"{found.iterations.mean():.1f}",
                converged=f"{found.converged.mean():.2%}",
                median_error=f"{np.median(np.abs(found.estimate - curls)):.4f}",
                median_sd=f"{np.median(found.sd):.4f}",
            )
            assert found.converged.mean() > 0.99
        few = 10
        seconds = best({"scipy": curls_by_scipy(known, readings[..., :few])}, rounds=4)["scipy"] / few
        tell(
            table,
            f"{what}: scipy trf, {few} of them",
            us_each=f"{seconds * 1e6:.0f}",
            times_ours=f"{seconds / whole['']:.0f}",
        )


def test_additive(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    table = f"additive least squares, 18 numbers from {SAMPLES:,} readings (the fact sheet's: 0.6 ms)"
    rng = np.random.default_rng(3)
    curls = stream(rng).round()
    readings = 300 * rng.normal(size=(1, 3, SAMPLES))
    design = np.vstack([curls, np.ones(SAMPLES)]).T
    flat = np.ascontiguousarray(readings.reshape(3, SAMPLES).T)
    benchmark.pedantic(lambda: fit_additive(readings, curls), rounds=20, warmup_rounds=2)
    least = best(
        {
            "ours, with its spread and checks": lambda: fit_additive(readings, curls),
            "numpy lstsq, without": lambda: np.linalg.lstsq(design, flat),
        },
        rounds=200,
    )
    known = np.linalg.lstsq(design, flat)[0]
    apart = np.abs(fit_additive(readings, curls).estimate.reshape(6, 3) - known).max() / np.abs(known).max()
    for what, seconds in least.items():
        tell(
            table,
            what,
            ms=f"{seconds * 1e3:.3f}",
            times_ours=f"{seconds / least['ours, with its spread and checks']:.2f}",
            greatest_difference=f"{apart:.0e}",
        )
