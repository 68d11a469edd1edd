"""Finite elements of the hand: error and seconds of a magnet, and of a magnet in a ring, mesh and all.

pytest benchmarks/test_hand_fem_speed.py --benchmark-only
"""

from collections.abc import Callable
from pathlib import Path

import magpylib
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from simulators.hand.fem.mesh import Sizing, disc, ring, triangulate
from simulators.hand.fem.reduce import multipoles, polarisability, refined_field, solution
from simulators.hand.fem.solve import Formulation

Tell = Callable[..., None]
MAGNET = disc("magnet", 6, 3, br=1.45)
RING = ring("ring", 18, 21, 4)
RUNS = iter(range(10_000))


def exact(points: np.ndarray) -> np.ndarray:
    magnet = magpylib.magnet.Cylinder(polarization=(0, 0, 1.45), dimension=(6e-3, 3e-3))
    return 1e6 * magnet.getB(1e-3 * np.stack([points[0], 0 * points[0], points[1]], axis=1))[:, [0, 2]].T


def polar(radii: np.ndarray, degrees: list[float]) -> np.ndarray:
    turn = np.radians(degrees)
    return np.array([(r * np.sin(t), 0 if t == np.pi / 2 else r * np.cos(t)) for r in radii for t in turn]).T


@pytest.mark.parametrize(
    ("order", "sizing"),
    [(2, Sizing()), (3, Sizing()), (4, Sizing(growth=0.15)), (4, Sizing(growth=0.08)), (4, Sizing())],
)
def test_disc(benchmark: Benchmark, tell: Tell, order: int, sizing: Sizing) -> None:
    points = polar(np.geomspace(10, 80, 15), [0, 15, 30, 45, 60, 75, 90])
    truth = exact(points)
    found = benchmark.pedantic(lambda: solution([MAGNET], sizing, order).field(points), rounds=3)
    error = np.hypot(*(found - truth)) / np.hypot(*truth)
    mesh = triangulate([MAGNET], sizing)
    tell(
        "FEM of a 6x3 mm disc against the exact cylinder, 10 to 80 mm, mesh and all (to reach: 0.002 %, 6 s)",
        f"order {order}, size {sizing.size:g} mm, growth {sizing.growth:g}",
        triangles=f"{mesh.triangles.shape[1]}",
        unknowns=f"{np.unique(Formulation(mesh, 'induction', 0, order).unknowns).size}",
        seconds=f"{benchmark.stats.stats.min:.2f}",
        worst_percent=f"{100 * error.max():.5f}",
        rms_percent=f"{100 * np.sqrt((error**2).mean()):.5f}",
    )


@pytest.mark.parametrize("name", ["round the magnet", "10 mm behind", "25 mm before"])
def test_ring(benchmark: Benchmark, tell: Tell, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    z = {"round the magnet": 0, "10 mm behind": -10, "25 mm before": 25}[name]
    body = ring("ring", 18, 21, 4, z=z)
    points = polar(np.array([30, 60]), [0, 60, 90])
    alone = exact(points)

    def run() -> tuple[np.ndarray, np.ndarray]:
        monkeypatch.setenv("PROVINGGROUND_CACHE", str(tmp_path / str(next(RUNS))))
        found = refined_field([MAGNET, body], points, Sizing(size=0.3, growth=0.08, corner=0.1))
        return found.field, found.bound

    field, bound = benchmark.pedantic(run, rounds=2)
    change = 100 * np.hypot(*(field - alone)) / np.hypot(*alone)
    places = [f"{r}_mm,_{where}" for r in (30, 60) for where in ("axis", "60_deg", "equator")]
    tell(
        "change of field by a steel ring, percent (both meshes' seconds)",
        name,
        seconds=f"{benchmark.stats.stats.min:.1f}",
        **{place: f"{value:.2f}" for place, value in zip(places, change, strict=True)},
        error_at_most=f"{(100 * bound / np.hypot(*alone)).max():.4f}",
    )


@pytest.mark.parametrize("name", ["ring polarisability", "multipoles of magnet and ring", "the same from the cache"])
def test_reductions(
    benchmark: Benchmark, tell: Tell, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> tuple[np.ndarray, np.ndarray]:
        if "cache" not in name:
            monkeypatch.setenv("PROVINGGROUND_CACHE", str(tmp_path / str(next(RUNS))))
        if name == "ring polarisability":
            one = polarisability(RING)
            return np.array([one.axial, one.transverse]), np.array([one.axial_bound, one.transverse_bound])
        both = multipoles([MAGNET, RING], Sizing(size=0.3, growth=0.1, corner=0.05))
        return both.coefficients[:1] / 1e8, both.bound[:1] / 1e8

    monkeypatch.setenv("PROVINGGROUND_CACHE", str(tmp_path))
    values, bounds = benchmark.pedantic(run, rounds=2, warmup_rounds=1)
    tell(
        "reductions with bounds by dual energies (mm3: axial, transverse; A m2)",
        name,
        seconds=f"{benchmark.stats.stats.min:.3f}",
        values=", ".join(f"{v:.6g}" for v in values),
        bounds=", ".join(f"{b:.2g}" for b in bounds),
    )
