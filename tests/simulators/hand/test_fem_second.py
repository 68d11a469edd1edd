"""The second solver, NGSolve, against the first one and the exact cylinder."""

import sys
from collections.abc import Sequence

import numpy as np
import pytest

from scenarios.errors import InputError
from simulators.hand.fem import second
from simulators.hand.fem.mesh import Body, Sizing, disc, ring
from simulators.hand.fem.reduce import solution
from simulators.hand.field import field
from simulators.hand.magnets import Magnet

MAGNET = disc("magnet", 6, 3, br=1.45)
RING = ring("ring", 18, 21, 4)
CAN = [disc("lid", 20, 0.5, z=10.25, mu_r=500), ring("wall", 19, 20, 5, z=7.5, mu_r=500)]


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVINGGROUND_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def _with_ngsolve() -> None:
    pytest.importorskip("ngsolve", reason="NGSolve is optional: pip install 'provingground[fem]'")


def places(radii: Sequence[float], degrees: Sequence[float]) -> np.ndarray:
    turn = np.radians(degrees)
    return np.array([(r * np.sin(t), r * np.cos(t)) for r in radii for t in turn]).T


def of_ladder(magnet: Magnet, level: str, points: np.ndarray) -> np.ndarray:
    offset = np.stack([points[0], 0 * points[0], points[1]])
    up = np.zeros((1, *offset.shape))
    up[0, 2] = 1
    return field([magnet], -offset[None], up, np.zeros((1, 3)), level=level).field[0, [0, 2]]


@pytest.mark.usefixtures("_with_ngsolve")
def test_disc_against_the_exact_cylinder() -> None:
    points = places(np.geomspace(5, 80, 9), [0, 20, 45, 70, 90, 135, 180])
    truth = of_ladder(Magnet(diameter_mm=6, height_mm=3, br_t=1.45, mu_r=1.0), "cylinder", points)
    error = np.hypot(*(second.solution([MAGNET]).field(points) - truth)) / np.hypot(*truth)
    assert error.max() < 5e-5


@pytest.mark.usefixtures("_with_ngsolve")
def test_a_permeable_disc_against_the_last_level_of_the_ladder() -> None:
    points = places([5.5, 8, 10, 15, 25], [0, 20, 45, 70, 90, 135, 180])
    told = of_ladder(Magnet(diameter_mm=6, height_mm=3, br_t=1.45, mu_r=1.2), "fem", points)
    sizing = Sizing(size=0.4, growth=0.12, corner=0.02)
    other = second.solution([disc("magnet", 6, 3, mu_r=1.2, br=1.45)], sizing, order=7).field(points)
    assert (np.hypot(*(other - told)) / np.hypot(*told)).max() < 5e-6


@pytest.mark.usefixtures("_with_ngsolve")
@pytest.mark.parametrize(
    "bodies", [[MAGNET], [MAGNET, RING], [MAGNET, *CAN], [disc("soft", 6, 3, br=1.45, mu_r=1.2)]], ids=len
)
def test_the_two_solvers_agree(bodies: list[Body]) -> None:
    """Within 0.01 %: the first one's own error with these sizes."""
    points = places([5, 30, 60], [0, 60, 90])
    points = np.concatenate([points, [[0, 1.5], [0, 1.0]]], axis=1)  # and in the magnet
    first = solution(bodies, Sizing(size=0.3, growth=0.08, corner=0.03)).field(points)
    error = np.hypot(*(second.solution(bodies).field(points) - first)) / np.hypot(*first)
    assert error.max() < 1e-4


@pytest.mark.usefixtures("_with_ngsolve")
def test_the_second_solver_converges_with_the_order() -> None:
    points = places([10, 30], [0, 60, 90])
    fields = [second.solution([MAGNET, RING], order=order).field(points) for order in (2, 4, 6)]
    low, high = (np.hypot(*(f - fields[2])).max() / np.hypot(*fields[2]).max() for f in fields[:2])
    assert high < low / 30


@pytest.mark.usefixtures("_with_ngsolve")
def test_points_off_the_mesh_are_refused() -> None:
    found = second.solution([MAGNET], order=2)
    for point in ((0, 285), (-1, 0)):
        with pytest.raises(InputError, match=r"within 0\.9 of the far radius of 300 mm"):
            found.field(np.array([point], float).T)


def test_impossible_bodies_are_refused() -> None:
    with pytest.raises(InputError, match="iron must not touch a magnet"):
        second.solution([MAGNET, disc("backing", 8, 1, z=-2, mu_r=1000)])


def test_without_ngsolve_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ngsolve", None)
    with pytest.raises(InputError) as caught:
        second.solution([MAGNET])
    assert str(caught.value) == "the second solver needs NGSolve: pip install 'provingground[fem]'"
