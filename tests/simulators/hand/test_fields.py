"""The field ladder: its levels against each other, magpylib, FEM and extended precision, and the laws of fields."""

import dataclasses
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.errors import InputError
from simulators.hand.fem.lone import odd_multipoles
from simulators.hand.fem.mesh import Sizing, disc
from simulators.hand.fem.reduce import solution
from simulators.hand.fem.solve import Axial
from simulators.hand.field import LEVELS, UNEVEN, _changes, choose, error_bound, field, field_jacobian
from simulators.hand.kernels import cylinder as exact
from simulators.hand.magnets import Magnet

SEEDS = st.integers(0, 2**32 - 1)
DISC = Magnet(diameter_mm=6, height_mm=3, br_t=1.45, mu_r=1.0)
SOFT = Magnet(diameter_mm=6, height_mm=3, br_t=1.45, mu_r=1.05)
WIDE = Magnet(diameter_mm=8, height_mm=3, br_t=1.45)
BOX = Magnet(kind="cuboid", size_mm=(5, 3, 2), br_t=1.3, mu_r=1.0)
ORIGIN = np.zeros((1, 3))
UP = np.array([[[0.0], [0.0], [1.0]]])
ROUND = ("dipole", "multipole", "cylinder")


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache for this module alone, shared by its tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVINGGROUND_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@st.composite
def cylinders(draw: st.DrawFn) -> Magnet:
    """Uniformly magnetised ones."""
    return Magnet(
        diameter_mm=draw(st.floats(1, 12)),
        height_mm=draw(st.floats(1, 12)),
        br_t=draw(st.floats(1, 1.5)),
        polarity=draw(st.sampled_from((1, -1))),
        demagnetisation=draw(st.sampled_from((1.0, 0.97))),
    )


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random directions (..., 3, n)."""
    v = rng.normal(size=(*shape[:-1], 3, shape[-1]))
    return v / np.linalg.norm(v, axis=-2, keepdims=True)


def around(rng: np.random.Generator, count: int, poses: int, least: float, most: float) -> tuple[np.ndarray, ...]:
    """Positions at log-uniform distances from the origin, and axes: (count, 3, poses) both."""
    r = np.exp(rng.uniform(np.log(least), np.log(most), (count, 1, poses)))
    return r * unit(rng, count, poses), unit(rng, count, poses)


def of_one(magnet: Magnet, level: str, offset: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Field (3, n) of one magnet at `offset` (3, n) from it."""
    return field([magnet], -offset[None], axis[None], ORIGIN, level=level).field[0]


def off(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """|found - truth| / |truth| along axis -2."""
    return np.linalg.norm(found - truth, axis=-2) / np.linalg.norm(truth, axis=-2)


def cel(k: np.ndarray, p: np.ndarray, c: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Bulirsch's integral as he wrote it, in the precision of its arguments."""
    p = np.sqrt(p)
    s, m, kk, q = s / p, np.ones_like(k), k, k
    for _ in range(12):
        g = kk / p
        c, s, p = c + s / p, 2 * (s + c * g), p + g
        m, q = m + q, 2 * np.sqrt(kk)
        kk = m * q
    return np.longdouble(np.pi / 2) * (s + c * m) / (m * (m + p))


def derby_olbert(magnet: Magnet, offset: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The closed form in extended precision, (3, n)."""
    d, u = offset.astype(np.longdouble), axis.astype(np.longdouble)
    a, h = (np.longdouble(side) / 2 for side in magnet.sides[1:])
    u = u / np.sqrt((u * u).sum(0))
    t = (u * d).sum(0)
    v = d - t * u
    rho = np.sqrt((v * v).sum(0))
    one, g, parts = np.ones_like(rho), (a - rho) / (a + rho), []
    for z in (t + h, t - h):
        s = np.sqrt(z * z + (rho + a) ** 2)
        k = np.sqrt(z * z + (rho - a) ** 2) / s
        parts.append((a / s * cel(k, one, one, -one), z / s * cel(k, g * g, one, g) * a / (a + rho)))
    radial, axial = (below - above for below, above in zip(*parts, strict=True))
    radial = np.divide(radial, rho, out=np.zeros_like(rho), where=rho > 0)
    # numpy's pi is rounded to double: as the factor of cel and here it cancels
    return (radial * v + axial * u) * (np.longdouble(magnet.polarisation) * 1_000_000 / np.longdouble(np.pi))


# ---- levels against each other and against the truth


@given(cylinders(), SEEDS)
def test_the_cylinder_is_exact_within_its_bound(magnet: Magnet, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, u = around(rng, 1, 300, 1.02 * magnet.radius, 30 * magnet.radius)
    truth = derby_olbert(magnet, -p[0], u[0])
    bound = error_bound(magnet, "cylinder", magnet.radius)
    assert off(field([magnet], p, u, ORIGIN, level="cylinder").field[0], truth).max() < bound < 1.1e-11


@given(cylinders(), SEEDS)
def test_the_cylinder_is_exact_beside_its_faces(magnet: Magnet, seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = magnet.sides[1:]
    gap = 10 ** rng.uniform(-3, 0, 300) * max(width, height)
    above, turn = rng.random(300) < 0.5, rng.uniform(0, 2 * np.pi, 300)
    rho = np.where(above, rng.uniform(0, width, 300), width / 2 + gap)
    z = np.where(above, height / 2 + gap, rng.uniform(0, height, 300)) * rng.choice((-1, 1), 300)
    offset = np.stack([rho * np.cos(turn), rho * np.sin(turn), z])
    up = np.repeat([[0.0], [0.0], [1.0]], 300, axis=1)
    error = off(of_one(magnet, "cylinder", offset, up), derby_olbert(magnet, offset, up))
    assert error.max() < error_bound(magnet, "cylinder", magnet.radius)


@pytest.mark.parametrize("magnet", [DISC, WIDE, Magnet(diameter_mm=3, height_mm=9, br_t=1.2)])
def test_the_cylinder_agrees_with_magpylib(magnet: Magnet) -> None:
    rng = np.random.default_rng(1)
    p, u = around(rng, 1, 4000, 1.001 * magnet.radius, 80.0)
    ours, theirs = (field([magnet], p, u, ORIGIN, level=level).field[0] for level in ("cylinder", "magpylib"))
    assert off(ours, theirs).max() < 1e-10


def test_the_cylinder_on_its_axis_beside_its_rim_and_in_its_corners() -> None:
    a, h = 3.0, 1.5
    z = np.array([1.5001, 1.6, 2, 5, 8, 13.4, 13.5, 20, 80])
    on_axis = np.stack([0 * z, 0 * z, z])
    up = np.repeat([[0.0], [0.0], [1.0]], z.size, axis=1)
    known = 1e6 * DISC.polarisation / 2 * ((z + h) / np.hypot(z + h, a) - (z - h) / np.hypot(z - h, a))
    found = of_one(DISC, "cylinder", on_axis, up)
    np.testing.assert_allclose(found[2], known, rtol=1e-11)
    assert not found[:2].any()
    rho = np.array([a, a, a * (1 + 1e-12), a * (1 - 1e-9), 1e-9, 1e-17, 2.9999, 3.0001, 3.0001])
    z = np.array([1.6, 3.0, 5.0, 7.0, 2.0, 4.0, 1.5001, 1.5001, 1.4999])
    beside = np.stack([0.6 * rho, 0.8 * rho, z])
    assert off(of_one(DISC, "cylinder", beside, up), derby_olbert(DISC, beside, up)).max() < 1e-10
    for sign in (1, -1):
        mirrored = of_one(DISC, "cylinder", sign * beside, sign * up)
        np.testing.assert_allclose(mirrored, sign * of_one(DISC, "cylinder", beside, up), rtol=1e-12)


@given(cylinders(), SEEDS)
def test_closed_form_and_series_meet(magnet: Magnet, seed: int) -> None:
    rng = np.random.default_rng(seed)
    away, u = unit(rng, 1, 200), unit(rng, 1, 200)
    border = exact.FAR * magnet.radius
    inner, outer = (of_one(magnet, "cylinder", border * k * away[0], u[0]) for k in (1 - 1e-14, 1 + 1e-14))
    assert off(inner, outer).max() < error_bound(magnet, "cylinder", border)


@given(cylinders(), SEEDS)
def test_levels_keep_their_bounds(magnet: Magnet, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distance = magnet.radius * np.exp(rng.uniform(0.2, 4.0))
    c = np.concatenate([[0.0, 1.0, -1.0], rng.uniform(-1, 1, 200)])
    offset = distance * np.stack([np.sqrt(1 - c * c), 0 * c, c])
    up = np.repeat([[0.0], [0.0], [1.0]], c.size, axis=1)
    truth = derby_olbert(magnet, offset, up)
    for level in ("dipole", "multipole"):
        error, bound = off(of_one(magnet, level, offset, up), truth).max(), error_bound(magnet, level, distance)
        assert error <= bound + 2e-19 * distance**3 / magnet.volume  # what extended precision loses
        if 1e-9 < bound < 0.01 and level == "multipole":
            assert error > bound / 50 or abs(magnet.ratios(5)[4]) < 0.02, "the bound says too little"
    boundaries = [error_bound(magnet, "dipole", k * magnet.radius) for k in (1.0, 2, 4, 8, 16)]
    assert boundaries == sorted(boundaries, reverse=True)


def test_a_multipole_is_at_most_half_of_l_plus_one_dipoles() -> None:
    c = np.linspace(0, 1, 2001)
    low, high = np.ones_like(c), 3 * c  # P'_l and P'_(l+1)
    before, now = c, (3 * c * c - 1) / 2  # P_l and P_(l+1)
    dipole = np.sqrt(1 + 3 * c * c)
    for order in range(1, 200):
        strength = np.hypot((order + 1) * before, np.sqrt(1 - c * c) * low)
        assert (strength <= (order + 1) / 2 * dipole * (1 + 1e-12)).all()
        low, high = high, ((2 * order + 3) * c * high - (order + 2) * low) / (order + 1)
        before, now = now, ((2 * order + 3) * c * now - (order + 1) * before) / (order + 2)


@pytest.mark.parametrize(
    ("magnet", "figures"),
    [
        (DISC, {8: 6.2e-4, 10: 1.0e-4, 15: 3.9e-6, 20: 3.9e-7, 25: 6.5e-8}),
        (WIDE, {8: 2.4e-3, 10: 4.3e-4, 15: 1.8e-5, 20: 1.8e-6, 25: 3.0e-7}),
    ],
)
def test_stated_errors_of_the_multipole(magnet: Magnet, figures: dict[int, float]) -> None:
    c = np.linspace(-1, 1, 401)
    around_it = np.stack([np.sqrt(1 - c * c), 0 * c, c])
    up = np.repeat([[0.0], [0.0], [1.0]], c.size, axis=1)
    for distance, figure in figures.items():
        offset = distance * around_it
        error = off(of_one(magnet, "multipole", offset, up), of_one(magnet, "cylinder", offset, up)).max()
        assert error == pytest.approx(figure, rel=0.03)


def test_stated_errors_of_the_dipole() -> None:
    ends = np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    up = np.repeat([[0.0], [0.0], [1.0]], 2, axis=1)
    for magnet, figures in (
        (DISC, {15: (4.13, 2.93), 30: (1.01, 0.75), 80: (0.14, 0.11)}),
        (WIDE, {15: (8.97, 6.35), 30: (2.19, 1.62), 80: (0.31, 0.23)}),
    ):
        for distance, known in figures.items():
            found = off(of_one(magnet, "dipole", distance * ends, up), of_one(magnet, "cylinder", distance * ends, up))
            np.testing.assert_allclose(100 * found, known, atol=0.0051)


@given(st.lists(cylinders(), min_size=1, max_size=5), SEEDS, st.floats(-9, -1.5), st.sampled_from((6.0, 20.0, 90.0)))
def test_the_chosen_levels_meet_the_tolerance(magnets: list[Magnet], seed: int, digits: float, near: float) -> None:
    rng = np.random.default_rng(seed)
    p, u = around(rng, len(magnets), 40, 1.0, 3.0)
    p *= near * np.array([m.radius for m in magnets])[:, None, None] / 4
    points = rng.normal(size=(2, 3)) * 0.1
    tolerance = 10**digits
    each, levels = field(magnets, p, u, points, tolerance, each=True)
    truth = field(magnets, p, u, points, level="cylinder", each=True).field
    assert off(each, truth).max() <= tolerance
    total, same = field(magnets, p, u, points, tolerance)
    assert levels == same
    assert np.abs(total - each.sum(1)).max() <= 1e-14 * np.abs(each).sum(1).max()
    for magnet, level, where in zip(magnets, levels, p, strict=True):
        nearest = np.linalg.norm(points[:, :, None] - where, axis=1).min()
        cheaper = ROUND[: ROUND.index(level)]
        assert all(error_bound(magnet, name, nearest) > tolerance for name in cheaper)


@given(SEEDS)
def test_cuboids_go_by_magpylib_and_far_away_by_the_dipole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = rng.uniform(2, 8, 3)
    box = Magnet(kind="cuboid", size_mm=tuple(size), br_t=1.2, mu_r=1.0)
    distance = box.radius * np.exp(rng.uniform(0.3, 4))
    offset = distance * unit(rng, 100)
    up, side = (np.repeat(np.eye(3)[:, [k]], 100, axis=1) for k in (2, 0))
    truth, levels = field([box], -offset[None], up[None], ORIGIN, level="magpylib", sides=side[None])
    assert levels == ("magpylib",)
    assert off(of_one(box, "dipole", offset, up), truth[0]).max() <= error_bound(box, "dipole", distance)
    strict = 2 * error_bound(box, "magpylib", distance)
    assert field([box], -offset[None], up[None], ORIGIN, strict).levels == ("magpylib",)
    assert field([box], -40 * box.radius / distance * offset[None], up[None], ORIGIN, 0.02).levels == ("dipole",)


def test_a_cuboid_is_turned_by_axis_and_side() -> None:
    rng = np.random.default_rng(3)
    turns = np.linalg.qr(rng.normal(size=(50, 3, 3)))[0]
    turns *= np.linalg.det(turns)[:, None, None]
    local = 6 * unit(rng, 50)
    from magpylib.func import cuboid_field

    plain = 1e6 * cuboid_field("B", local.T * 1e-3, np.array(BOX.sides) * 1e-3, (0, 0, BOX.polarisation))
    turned = np.einsum("pij,jp->ip", turns, local)
    axis, side = turns[:, :, 2].T, turns[:, :, 0].T
    found = field([BOX], -turned[None], axis[None], ORIGIN, level="magpylib", sides=side[None]).field[0]
    np.testing.assert_allclose(found, np.einsum("pij,pj->ip", turns, plain), rtol=1e-9, atol=1e-6)


# ---- magnets that are not uniform

SHAPES = [(0.2, 1.02), (0.5, 1.05), (0.5, 1.2), (2.0, 1.2)]  # height / diameter, mu_r


def soft(aspect: float, mu_r: float) -> Magnet:
    return Magnet(diameter_mm=6, height_mm=6 * aspect, br_t=1.3, mu_r=mu_r)


@cache
def solved(aspect: float, mu_r: float) -> Axial:
    """The full solution, point by point."""
    magnet = soft(aspect, mu_r)
    body = disc("magnet", magnet.sides[0], magnet.sides[2], mu_r=mu_r, br=magnet.br_t)
    return solution([body], Sizing(size=0.07 * magnet.radius, growth=0.08, corner=0.03))


def unlike(magnet: Magnet, level: str, offset: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Relative errors of a level at `offset` (rho, z) (2, n) from a magnet along z."""
    up = np.repeat([[0.0], [0.0], [1.0]], offset.shape[1], axis=1)
    return off(of_one(magnet, level, np.stack([offset[0], 0 * offset[0], offset[1]]), up)[[0, 2]], truth)


@pytest.mark.parametrize(("aspect", "mu_r"), SHAPES)
def test_levels_keep_their_bounds_for_magnets_that_are_not_uniform(aspect: float, mu_r: float) -> None:
    magnet, c = soft(aspect, mu_r), np.linspace(0, 1, 40)
    for distance in magnet.radius * np.array([1.3, 1.6, 2.2, 3.0]):
        offset = distance * np.stack([np.sqrt(1 - c * c), c])
        truth = solved(aspect, mu_r).field(offset)
        for level in LEVELS:
            error, bound = unlike(magnet, level, offset, truth).max(), error_bound(magnet, level, distance)
            assert error <= bound + 1.5e-4, level  # of the full solution, point by point
            if level == "cylinder" and distance > 2 * magnet.radius:
                assert error > bound / 6, "the bound says too little"


@pytest.mark.parametrize(("aspect", "mu_r"), SHAPES)
def test_uniform_levels_keep_their_bounds_beside_faces_and_edges(aspect: float, mu_r: float) -> None:
    magnet, rng = soft(aspect, mu_r), np.random.default_rng(0)
    gap, turn = 10 ** rng.uniform(-2, 0, 3000) * magnet.radius, rng.uniform(0, np.pi / 2, 3000)
    a, h = magnet.sides[0] / 2, magnet.sides[2] / 2
    above = np.stack([a * rng.random(3000), h + gap])
    beside = np.stack([a + gap, h * rng.random(3000)])
    round_edge = np.stack([a + gap * np.cos(turn), h + gap * np.sin(turn)])
    for offset in (above, beside, round_edge):
        error = unlike(magnet, "cylinder", offset, solved(aspect, mu_r).field(offset))
        assert error.max() <= min(error_bound(magnet, "cylinder", 0.0), 0.75 * (mu_r - 1) + 1e-12)


@pytest.mark.parametrize(("aspect", "mu_r"), [*SHAPES, (0.05, 1.1), (5.0, 1.1)])
def test_what_unevenness_does_to_multipoles(aspect: float, mu_r: float) -> None:
    excess, (moment, share, by_aspect) = mu_r - 1, UNEVEN
    change, bound = _changes(soft(aspect, mu_r))
    assert 0 < change[0] < moment * excess**2  # more than the uniform body's: the mean of 1 / (1 + x) is
    most = np.abs(change[1:]).max() / excess
    assert (share + by_aspect * aspect) / 2 < most < share + by_aspect * aspect or aspect == 0.05
    assert bound.max() < 3e-6 * excess + 3e-9


@pytest.mark.parametrize("aspect", [0.2, 0.5, 2.0])
def test_multipoles_of_finite_elements_are_the_closed_form_where_nothing_is_to_solve(aspect: float) -> None:
    magnet = soft(aspect, 1.0)
    found, bound = odd_multipoles(magnet.sides[0] / magnet.radius, magnet.sides[2] / magnet.radius, 1.0, exact.TERMS)
    np.testing.assert_allclose(found, magnet.ratios(exact.TERMS), rtol=0, atol=3e-9)
    assert bound.max() < 1e-12


@pytest.mark.parametrize("sides", [(5.0, 3.0, 2.0), (4.0, 4.0, 1.0), (1.0, 1.0, 2.0)])
def test_unevenness_of_cuboids_to_first_order(sides: tuple[float, float, float]) -> None:
    """The uniform body's own field, by magpylib, says how the magnetisation changes; that is summed as dipoles."""
    from magpylib.func import cuboid_field

    x, weight = np.polynomial.legendre.leggauss(12)
    x, weight = np.sin(np.pi / 2 * x), weight * np.pi / 4 * np.cos(np.pi / 2 * x)  # dense at the edges
    inside = np.stack(np.meshgrid(x, x, x, indexing="ij"), -1).reshape(-1, 3) * np.array(sides) / 2
    share = np.einsum("i,j,k->ijk", weight, weight, weight).ravel()
    change = cuboid_field("B", inside, sides, (0, 0, 1)) - (0, 0, 1)
    change -= share @ change
    magnet = Magnet(kind="cuboid", size_mm=sides, br_t=1.0, mu_r=1 + 1e-6)
    for distance in magnet.radius * np.array([1.5, 2.0, 4.0]):
        points = distance * unit(np.random.default_rng(4), 200).T
        d = points[:, None] - inside
        r = np.linalg.norm(d, axis=2, keepdims=True)
        dipoles = 3 * d * (d * change).sum(2, keepdims=True) / r**5 - change / r**3
        error = 1e-6 * magnet.volume / (4 * np.pi) * np.einsum("n,pnk->kp", share, dipoles)
        size = np.linalg.norm(cuboid_field("B", points, sides, (0, 0, 1)), axis=1)
        assert (np.linalg.norm(error, axis=0) / size).max() <= error_bound(magnet, "magpylib", distance)


def test_finite_elements_come_where_a_uniform_magnet_will_not_do() -> None:
    def level(magnet: Magnet, distance: float, tolerance: float) -> str:
        return field([magnet], distance * UP, UP, ORIGIN, tolerance).levels[0]

    assert level(SOFT, 15, 1e-3) == "multipole"
    assert level(SOFT, 9, 1e-3) == level(SOFT, 20, 1e-5) == level(SOFT, 5, 1e-4) == "fem"
    assert level(DISC, 9, 1e-3) == level(DISC, 20, 1e-5) == "multipole"
    assert level(dataclasses.replace(SOFT, demagnetisation=0.97), 9, 1e-4) == "cylinder"
    assert field([SOFT], np.array([9.0, 90.0]) * UP, np.repeat(UP, 2, axis=2), ORIGIN, 1e-3).levels == ("fem",)
    with pytest.raises(InputError, match=r"6x3 mm cylinder at 9 mm must be .* its best level, 8\.8e-09 \(fem\)"):
        choose(SOFT, 9, 9, 3e-9)
    with pytest.raises(InputError, match=r"at 3 mm must be .* its best level, 3\.8e-02 \(magpylib\)"):
        choose(SOFT, 3, 3, 1e-3)


def test_finite_elements_add_nothing_to_a_uniform_magnet() -> None:
    p, u = around(np.random.default_rng(5), 2, 200, 4, 60)
    magnets = [DISC, dataclasses.replace(SOFT, demagnetisation=0.9, polarity=-1)]
    found, same = (field(magnets, p, u, ORIGIN, level=level).field for level in ("fem", "cylinder"))
    np.testing.assert_allclose(found, same, rtol=0, atol=1e-13 * np.abs(same).max())


def test_finite_elements_serve_every_size_and_strength_of_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    p, u = around(np.random.default_rng(6), 1, 200, 4, 60)
    first = field([SOFT], p, u, ORIGIN, level="fem").field
    monkeypatch.setitem(sys.modules, "simulators.hand.fem.lone", None)  # no second solution
    twice = Magnet(diameter_mm=12, height_mm=6, br_t=0.725, polarity=-1)
    found = field([twice], 2 * p, u, ORIGIN, level="fem").field
    np.testing.assert_allclose(found, -0.5 * first, rtol=0, atol=1e-12 * np.abs(first).max())


def test_finite_elements_are_not_imported_before_they_are_needed() -> None:
    code = (
        "import sys; import numpy as np; from simulators.hand.field import field; from simulators.hand.magnets import"
        " Magnet; up = np.array([[[0.0], [0.0], [1.0]]]); m = Magnet(diameter_mm=6, height_mm=3, br_t=1.4);"
        " print(field([m], 18 * up, up, np.zeros((1, 3))).levels, 'skfem' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["('multipole',)", "False"]


def test_finite_elements_stay_outside_the_sphere_round_the_magnet() -> None:
    assert np.isfinite(field([SOFT], 3.36 * UP, UP, ORIGIN, level="fem").field).all()
    with pytest.raises(
        InputError, match=r"fem of magnet 0 \(6x3 mm cylinder\) needs points beyond 3\.35 mm .* at 3 mm"
    ):
        field([SOFT], 3.0 * UP, UP, ORIGIN, level="fem")


# ---- laws of fields


@pytest.mark.parametrize("level", LEVELS)
@given(SEEDS)
def test_fields_have_neither_divergence_nor_curl(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, u = around(rng, 1, 20, 1.5 * WIDE.radius, 60)
    step = 1e-3 * np.linalg.norm(p[0], axis=0)
    gradient = np.empty((3, 3, 20))
    for k in range(3):
        move = np.eye(3)[:, [k]] * step
        ends = [of_one(WIDE, level, -p[0] + s * move, u[0]) for s in (1, -1, 2, -2)]
        gradient[:, k] = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * step)
    size = np.sqrt((gradient**2).sum((0, 1)))
    assert (np.abs(np.trace(gradient)) / size).max() < 1e-7
    assert (np.abs(gradient - gradient.transpose(1, 0, 2)).max((0, 1)) / size).max() < 1e-7


@pytest.mark.parametrize("level", LEVELS)
@given(SEEDS, st.floats(0.2, 5))
def test_a_field_stays_when_all_lengths_grow(level: str, seed: int, k: float) -> None:
    p, u = around(np.random.default_rng(seed), 1, 30, 1.2 * DISC.radius, 80)
    larger = Magnet(diameter_mm=6 * k, height_mm=3 * k, br_t=1.45, mu_r=1.0)
    assert larger.moment == pytest.approx(k**3 * DISC.moment)
    pair = [field([m], p * s, u, ORIGIN, level=level).field[0] for m, s in ((DISC, 1.0), (larger, k))]
    assert off(pair[1], pair[0]).max() < (1e-9 if level == "magpylib" else 2e-12)


@pytest.mark.parametrize("level", LEVELS)
@given(SEEDS)
def test_fields_add_up_and_turn_with_polarity(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    magnets = [DISC, WIDE, dataclasses.replace(DISC, polarity=-1)]
    p, u = around(rng, 3, 10, 8, 60)
    p[2], u[2] = p[0], u[0]
    points = rng.normal(size=(2, 3))
    total, each = (field(magnets, p, u, points, level=level, each=e).field for e in (False, True))
    assert np.abs(total - each.sum(1)).max() < 1e-13 * np.abs(each).max()
    np.testing.assert_array_equal(each[:, 2], -each[:, 0])


@pytest.mark.parametrize("level", LEVELS)
@given(SEEDS)
def test_fields_turn_with_the_world(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, u = around(rng, 2, 10, 8, 60)
    points = rng.normal(size=(2, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    plain = field([DISC, WIDE], p, u, points, level=level).field
    turned = field([DISC, WIDE], turn @ p, turn @ u, points @ turn.T, level=level).field
    np.testing.assert_allclose(turned, turn @ plain, rtol=0, atol=1e-9 * np.abs(plain).max())


@given(SEEDS)
def test_far_fields_fall_as_the_third_power(seed: int) -> None:
    rng = np.random.default_rng(seed)
    away, u = unit(rng, 20), unit(rng, 20)
    for level in ROUND:
        near, far = (np.linalg.norm(of_one(DISC, level, r * away, u), axis=0) for r in (300.0, 600.0))
        np.testing.assert_allclose(np.log2(far / near), -3, atol=2e-4)


@pytest.mark.parametrize("level", ROUND)
def test_a_pose_has_the_same_bits_in_any_company(level: str) -> None:
    p, u = around(np.random.default_rng(7), 3, 5003, 8, 60)
    magnets, points = [DISC, WIDE, DISC], np.array([[0.0, 0, 0], [1, 2, 3]])
    whole = field(magnets, p, u, points, level=level).field
    for part in (slice(1, 2), slice(13, 29), slice(2040, 4100)):
        np.testing.assert_array_equal(
            field(magnets, p[..., part], u[..., part], points, level=level).field, whole[..., part]
        )


# ---- Jacobians


@pytest.mark.parametrize("level", ["dipole", "multipole"])
@given(SEEDS)
def test_jacobians_equal_finite_differences(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    magnets, points = [DISC, Magnet(diameter_mm=8, height_mm=3, br_t=1.2, polarity=-1)], rng.normal(size=(2, 3))
    p, u = around(rng, 2, 15, 9, 60)
    by_position, by_axis, _ = field_jacobian(magnets, p, u, points, level=level)

    def at(position: np.ndarray, axis: np.ndarray) -> np.ndarray:
        """With an axis of any length: it scales the strength."""
        length = np.linalg.norm(axis, axis=1, keepdims=True)
        return length * field(magnets, position, axis / length, points, level=level, each=True).field

    for k in range(3):
        move = np.eye(3)[:, [k]]
        for found, slope, step in (
            (by_position, lambda s, move=move: at(p + s * move, u), 1e-3 * np.linalg.norm(p, axis=1).min()),
            (by_axis, lambda s, move=move: at(p, u + s * move), 1e-3),
        ):
            numeric = (8 * (slope(step) - slope(-step)) - slope(2 * step) + slope(-2 * step)) / (12 * step)
            size = np.sqrt((found**2).sum((2, 3), keepdims=True))[:, :, 0]
            assert (np.abs(found[:, :, :, k] - numeric) / size).max() < 1e-8
    np.testing.assert_allclose(np.einsum("smijp,mjp->smip", by_axis, u), at(p, u), rtol=1e-9, atol=1e-7)


@given(cylinders(), SEEDS)
def test_jacobians_keep_their_bounds(magnet: Magnet, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distance = magnet.radius * np.exp(rng.uniform(0.6, 2.5))
    away, u = distance * unit(rng, 1, 30), unit(rng, 1, 30)
    p, step = -away, 3e-3 * distance
    lower = np.linalg.qr(np.concatenate([u[0].T[:, :, None], rng.normal(size=(30, 3, 2))], 2))[0]
    across = lower[:, :, 1:].transpose(2, 1, 0)  # two directions square to the axis

    def at(position: np.ndarray, axis: np.ndarray) -> np.ndarray:
        return field(
            [magnet], position, axis / np.linalg.norm(axis, axis=1, keepdims=True), ORIGIN, level="cylinder"
        ).field[0]

    def slope(move_p: np.ndarray, move_u: np.ndarray, s: float) -> np.ndarray:
        ends = [at(p + k * s * move_p, u + k * s * move_u) for k in (1, -1, 2, -2)]
        return (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * s)

    none = np.zeros((3, 1))
    by_position = np.stack([slope(np.eye(3)[:, [k]], none, step) for k in range(3)], 1)
    by_axis = np.stack([at(p, u), *(slope(none, turn, 3e-3) for turn in across)], 1)
    basis = np.stack([u[0], *across])
    for level in ("dipole", "multipole"):
        bound = error_bound(magnet, level, distance, gradient=True)
        found_position, found_axis, _ = field_jacobian([magnet], p, u, ORIGIN, level=level)
        for found, truth in (
            (found_position[0, 0], by_position),
            (np.einsum("ijp,kjp->ikp", found_axis[0, 0], basis), by_axis),
        ):
            error = np.linalg.norm((found - truth).transpose(2, 0, 1), 2, axis=(1, 2))
            size = np.linalg.norm(truth.transpose(2, 0, 1), 2, axis=(1, 2))
            assert (error / size).max() <= bound + 1e-7


def test_jacobians_choose_their_level() -> None:
    axis = np.array([[[0.0], [0.0], [1.0]]])

    def level(x: float, tolerance: float) -> str:
        return field_jacobian([DISC], axis * x, axis, ORIGIN, tolerance).levels[0]

    assert level(20, 1e-3) == "multipole"
    assert level(400, 1e-3) == "dipole"
    with pytest.raises(InputError, match="Jacobians at 5 mm must be at least that of its best level"):
        level(5, 1e-3)


# ---- bad input


@pytest.mark.parametrize(
    ("magnet", "where", "refused"),
    [
        (DISC, (0.0, 0, 0), True),
        (DISC, (2.99, 0, 1.49), True),
        (DISC, (3.0, 0, 1.5), True),
        (DISC, (3.0001, 0, 0), False),
        (DISC, (0, 0, -1.5001), False),
        (DISC, (2.5, 2.5, 0), False),
        (BOX, (2.4, 1.4, 0.9), True),
        (BOX, (2.6, 0, 0), False),
        (BOX, (0, 0, 1.01), False),
    ],
)
def test_a_magnet_inside_the_sensor_is_refused(magnet: Magnet, where: tuple[float, ...], refused: bool) -> None:
    p = np.repeat(40.0 * UP, 4, axis=2)
    p[0, :, 2] = -np.array(where)
    axes, sides = np.repeat(UP, 4, axis=2), np.repeat(np.eye(3)[None, :, :1], 4, axis=2)
    other = np.concatenate([p + 50, p]), np.concatenate([axes, axes])
    points = np.array([[30.0, 0, 0], [0, 0, 0]])
    if not refused:
        found = field([DISC, magnet], *other, points, sides=np.concatenate([sides, sides])).field
        assert np.isfinite(found).all()
        return
    with pytest.raises(InputError) as caught:
        field([DISC, magnet], *other, points, sides=np.concatenate([sides, sides]))
    text = str(caught.value)
    assert text.startswith("a magnet must be outside the sensor: magnet 1 (")
    assert f"point 1 inside it at pose 2, {np.linalg.norm(where):.3g} mm from its centre" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"positions": UP[0]}, "positions of 1 magnets must have the shape (1, 3, 1); came (3, 1)"),
        ({"positions": UP * np.nan}, "positions of magnet 0 (6x3 mm cylinder) must be finite"),
        ({"positions": np.full((1, 3, 1), np.inf)}, "positions of magnet 0 (6x3 mm cylinder) must be finite"),
        ({"axes": UP * 1.1}, "axes of magnet 0 (6x3 mm cylinder) must be unit vectors"),
        ({"axes": UP * np.nan}, "axes of magnet 0 (6x3 mm cylinder) must be unit vectors"),
        ({"axes": UP[:, :2]}, "axes of 1 magnets must have the shape (1, 3, 1); came (1, 2, 1)"),
        ({"points": np.zeros(3)}, "points must be finite numbers of the shape (points, 3); came the shape (3,)"),
        ({"tolerance": 0.0}, "tolerance of a field must be > 0; came 0.0"),
        ({"tolerance": 1e-16}, "must be at least that of its best level"),
        ({"level": "bem"}, "must be one of dipole, multipole, cylinder, magpylib, fem; came 'bem'"),
        ({"magnets": [BOX], "level": "fem"}, "must be one of dipole, magpylib; came 'fem'"),
        ({"magnets": [BOX], "level": "multipole"}, "must be one of dipole, magpylib; came 'multipole'"),
    ],
)
def test_bad_input_is_refused_in_one_line(change: dict[str, Any], named: str) -> None:
    given_: dict[str, Any] = {"magnets": [DISC], "positions": 20 * UP, "axes": UP, "points": ORIGIN}
    with pytest.raises(InputError) as caught:
        field(**given_ | change)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_magnets_make_no_field() -> None:
    none = np.zeros((0, 3, 4))
    assert not field([], none, none, ORIGIN).field.any()
