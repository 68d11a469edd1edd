"""Speed of the hand's magnetic fields: each level beside magpylib and beside the memory that it reads.

    pytest benchmarks/test_hand_fields_speed.py --benchmark-only

Five magnets at 100,000 poses each, one sensor, one thread for all, float64. magpylib's functions get positions and
moments ready in their own layout. What is compared with the memory's pace is timed in turn with nothing else between,
so that all find the arrays (24 MB) as far up the caches as they left them to one another.
"""

from collections.abc import Callable

import magpylib
import numpy as np
import pytest
from magpylib.func import cylinder_field, dipole_field
from numba import njit
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from benchmarks.conftest import best
from simulators.hand.field import field
from simulators.hand.kernels import cylinder as exact
from simulators.hand.kernels import fields
from simulators.hand.magnets import Magnet

MAGNETS, POSES = 5, 100_000
DISC = Magnet(diameter_mm=6, height_mm=3, br_t=1.45)
SENSOR = np.zeros((1, 3))


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(magpylib.defaults, "threads", 1)


@njit(cache=True)
def _add_rows(x, y, z, ux, uy, uz, x2, y2, z2, ux2, uy2, uz2, bx, by, bz):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        bx[i] += x[i] + ux[i] + x2[i] + ux2[i]
        by[i] += y[i] + uy[i] + y2[i] + uy2[i]
        bz[i] += z[i] + uz[i] + z2[i] + uz2[i]


@njit(cache=True)
def _stream(positions, axes, out):  # type: ignore[no-untyped-def]
    """What a field reads and writes, in the same order, with one addition a number."""
    poses = positions.shape[2]
    for lo in range(0, poses, fields.BLOCK):
        hi = min(lo + fields.BLOCK, poses)
        bx, by, bz = fields.target(out, 0, 0, lo, hi)
        for m in range(0, positions.shape[0], 2):
            x, y, z = fields.rows(positions, m, lo, hi)
            ux, uy, uz = fields.rows(axes, m, lo, hi)
            n = min(m + 1, positions.shape[0] - 1)  # the last of an odd count is read twice, from the cache
            x2, y2, z2 = fields.rows(positions, n, lo, hi)
            ux2, uy2, uz2 = fields.rows(axes, n, lo, hi)
            _add_rows(x, y, z, ux, uy, uz, x2, y2, z2, ux2, uy2, uz2, bx, by, bz)


def drawn(least: float, most: float, poses: int = POSES) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    away, axes = (rng.normal(size=(MAGNETS, 3, poses)) for _ in range(2))
    away *= rng.uniform(least, most, (MAGNETS, 1, poses)) / np.linalg.norm(away, axis=1, keepdims=True)
    return away, axes / np.linalg.norm(axes, axis=1, keepdims=True)


def flat(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(0, 2, 1)).reshape(-1, 3)


def test_dipole_and_multipole(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    positions, axes = drawn(15, 80)
    coefficients = np.tile(DISC.coefficients, (MAGNETS, 1))
    dipoles = coefficients * [1, 0, 0, 0]
    out, each = np.empty((1, 1, 3, POSES)), np.empty((1, MAGNETS, 3, POSES))
    by_position = np.empty((1, MAGNETS, 3, 3, POSES))
    by_axis = np.empty_like(by_position)
    places, vectors = flat(positions) * 1e-3, flat(axes) * DISC.moment
    half = np.ones((positions.nbytes + axes.nbytes + out.nbytes) // 16)
    copied = np.empty_like(half)
    magnets = [DISC] * MAGNETS
    paced: dict[str, Callable[[], object]] = {
        "dipole": lambda: fields.multipoles(positions, axes, dipoles, SENSOR, out),
        "multipole, l <= 7": lambda: fields.multipoles(positions, axes, coefficients, SENSOR, out),
        "the same bytes, added up": lambda: _stream(positions, axes, out),
    }
    others: dict[str, Callable[[], object]] = {
        "as many bytes, half of them copied to the other": lambda: np.copyto(copied, half),
        "multipole, each magnet's": lambda: fields.multipoles(positions, axes, coefficients, SENSOR, each),
        "both Jacobians": lambda: fields.jacobian(positions, axes, coefficients, SENSOR, by_position, by_axis),
        "field(), which checks and chooses": lambda: field(magnets, positions, axes, SENSOR),
        "functional dipole of magpylib": lambda: dipole_field("B", (0, 0, 0), vectors, positions=places),
        "its kernel alone, moments at the origin": lambda: dipole_field("B", places, vectors),
    }
    benchmark.pedantic(paced["dipole"], rounds=5, warmup_rounds=1)
    least = best(paced, rounds=50) | best(others, rounds=10)
    for what, seconds in least.items():
        tell(
            f"dipoles and multipoles ({MAGNETS * POSES:,} evaluations, one core)",
            what,
            ns_each=f"{seconds / MAGNETS / POSES * 1e9:.2f}",
            magpylib_takes=f"{least['functional dipole of magpylib'] / seconds:.1f}",
            of_adding_the_bytes_up=f"{seconds / least['the same bytes, added up']:.2f}",
            of_copying_them=f"{seconds / least['as many bytes, half of them copied to the other']:.2f}",
            of_the_dipole=f"{seconds / least['dipole']:.2f}",
        )


def test_cylinder(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    poses = 20_000
    border = exact.FAR * DISC.radius
    size, polarisation = (6e-3, 3e-3), (0.0, 0.0, DISC.polarisation)
    out = np.empty((1, MAGNETS, 3, poses))
    up = np.zeros((MAGNETS, 3, poses))
    up[:, 2] = 1
    bodies = np.tile([DISC.polarisation * 1e6, 3.0, 1.5], (MAGNETS, 1))
    series = np.tile(DISC.ratios(exact.TERMS) * DISC.radius ** np.arange(0, 2 * exact.TERMS, 2), (MAGNETS, 1))
    series[:, 0] = fields.UNIT * DISC.moment
    for where, bounds in {
        "closed form": (4.0, border),
        "both, 4 to 23 mm": (4.0, 2 * border - 4),
        "series, to 80 mm": (border, 80.0),
    }.items():
        positions, _ = drawn(*bounds, poses)
        observers = flat(-positions) * 1e-3

        def ours(positions: np.ndarray = positions) -> np.ndarray:
            exact.cylinder(positions, up, bodies, series, SENSOR, out)
            return out

        def theirs(observers: np.ndarray = observers) -> np.ndarray:
            return cylinder_field("B", observers, size, polarisation)

        if where == "closed form":
            benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
        least = best({"ours": ours, "theirs": theirs}, rounds=7)
        found, known = flat(ours()[0]), theirs() * 1e6
        apart = np.linalg.norm(found - known, axis=1) / np.linalg.norm(known, axis=1)
        tell(
            f"exact cylinder, 6x3 mm ({MAGNETS * poses:,} evaluations, one core)",
            where,
            ns_each=f"{least['ours'] / MAGNETS / poses * 1e9:.1f}",
            magpylib_ns=f"{least['theirs'] / MAGNETS / poses * 1e9:.0f}",
            magpylib_takes=f"{least['theirs'] / least['ours']:.1f}",
            greatest_difference=f"{apart.max():.0e}",
        )
