"""Reductions of finite element solutions: against published and measured figures, closed forms, and each other."""

from pathlib import Path

import magpylib
import numpy as np
import pytest

from scenarios.errors import InputError
from simulators.hand.fem import reduce
from simulators.hand.fem.cache import cached, folder, name_of
from simulators.hand.fem.mesh import Body, Sizing, disc, ring, triangulate
from simulators.hand.fem.reduce import Polarisability, multipoles, polarisability, refined_field, sampling
from simulators.hand.fem.respond import Cloud, respond
from simulators.hand.fem.solve import axial

MAGNET = disc("magnet", 6, 3, br=1.45)
RING = ring("ring", 18, 21, 4)
SIZING = Sizing(size=0.3, growth=0.1, corner=0.1)


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache for this module alone, shared by its tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVINGGROUND_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def magnet_field(points: np.ndarray, at: tuple[float, ...] = (0, 0, 0)) -> np.ndarray:
    """B of the magnet in uT at points (3, n) in mm, by magpylib."""
    magnet = magpylib.magnet.Cylinder(polarization=(0, 0, 1.45), dimension=(6e-3, 3e-3), position=1e-3 * np.array(at))
    return 1e6 * magnet.getB(1e-3 * points.T, squeeze=False).reshape(-1, 3).T


def dipole(moment: np.ndarray, points: np.ndarray) -> np.ndarray:
    r = np.linalg.norm(points, axis=0)
    return 1e8 * (3 * points * (moment @ points) / r**5 - moment[:, None] / r**3)


def places() -> np.ndarray:
    """(rho, z) at 30 and 60 mm, on the axis, at 60 degrees and at the equator."""
    turn = np.radians([0, 60, 90])
    return np.array([(r * np.sin(t), r * np.cos(t) if t < 1.5 else 0) for r in (30, 60) for t in turn]).T


# ---- iron beside a magnet


@pytest.mark.parametrize(
    ("body", "percent"),
    [
        (RING, (8.9, 13.2, 14.7, 11.0, 12.2, 12.5)),
        (ring("ring behind", 18, 21, 4, z=-10), (1.1, 1.9, 2.8, 1.6, 2.1, 2.3)),
        (ring("ring before", 18, 21, 4, z=25), (6.2, 1.3, 0.6, 3.2, 1.1, 0.9)),
    ],
    ids=lambda x: x.name if isinstance(x, Body) else "",
)
def test_change_of_field_by_a_ring(body: Body, percent: tuple[float, ...]) -> None:
    """The figures are the facts' table, measured with scikit-fem by another mesh and code; they have one decimal."""
    found = refined_field([MAGNET, body], places(), SIZING)
    rho, z = places()
    alone = magnet_field(np.array([rho, 0 * rho, z]))[[0, 2]]
    change = 100 * np.hypot(*(found.field - alone)) / np.hypot(*alone)
    bound = 100 * found.bound / np.hypot(*alone)
    assert bound.max() < 0.05
    assert (np.abs(change - percent) <= 0.06 + bound).all()


def test_superposition_fails_with_a_ring_as_the_other_formulation_says() -> None:
    """A magnet's field with a ring is not its field alone; the excess is the ring's answer to that field."""
    rho, z = places()
    points = np.array([rho, 0 * rho, z])
    found = refined_field([MAGNET, RING], places(), SIZING)
    excess = found.field - magnet_field(points)[[0, 2]]
    assert (np.hypot(*excess) > 50 * found.bound).all()
    answer = respond([RING], magnet_field).field(points)[[0, 2]]
    np.testing.assert_array_less(np.hypot(*(answer - excess)), found.bound + 1e-3 * np.hypot(*excess))


def test_multipoles_of_a_magnet_alone_are_the_closed_form() -> None:
    found = multipoles([disc("magnet", 8, 3, br=1.45)], SIZING)
    a, h = 4.0, 1.5
    ratios = (h**2 - 3 * a**2 / 4, h**4 - 5 * h**2 * a**2 / 2 + 5 * a**4 / 8)
    ratios += (h**6 - 21 * h**4 * a**2 / 4 + 35 * h**2 * a**4 / 8 - 35 * a**6 / 64,)
    np.testing.assert_allclose(found.coefficients[2::2] / found.coefficients[0], ratios, rtol=1e-10)
    np.testing.assert_allclose(found.coefficients[1::2], 0, atol=1e-10 * found.coefficients[0])
    np.testing.assert_array_equal(found.bound, 0)


def test_self_demagnetisation() -> None:
    """A 6x3 disc of permeability 1.05 has 2.32 % less moment (facts, by another code)."""
    plain, soft = (multipoles([disc("m", 6, 3, br=1.45, mu_r=mu)], Sizing(growth=0.1)) for mu in (1, 1.05))
    assert soft.coefficients[0] / plain.coefficients[0] == pytest.approx(0.9768, abs=1e-4)
    assert soft.bound[0] / soft.coefficients[0] < 1e-5


def test_multipoles_by_reciprocity_and_by_a_sphere() -> None:
    bodies = [MAGNET, disc("backing", 8, 1, z=-2.1, mu_r=1000)]
    sizing = Sizing(size=0.25, growth=0.1, corner=0.05)
    found = multipoles(bodies, sizing)
    sphere = axial(triangulate(bodies, sizing)).sphere_multipoles(8)
    scale = found.coefficients[0] * found.reach ** np.arange(7)
    assert (found.bound < 1e-3 * scale).all()
    assert (np.abs(sphere - found.coefficients) <= found.bound + 2e-4 * scale).all()
    assert found.reach == pytest.approx(np.hypot(4, 2.6))


# ---- polarisability


def test_ring_polarisability() -> None:
    """1.364 and 9.499 cm3 by another code on one mesh without a bound; ours must agree within that mesh's 0.2 %."""
    found = polarisability(RING)
    assert found.axial == pytest.approx(1364, rel=2e-3)
    assert found.transverse == pytest.approx(9499, rel=2e-3)
    assert max(found.axial_bound / found.axial, found.transverse_bound / found.transverse) < 1e-4
    coarse = polarisability(RING, Sizing(size=2, growth=0.4, corner=0.2, far=150), order=2)
    assert abs(coarse.axial - found.axial) <= coarse.axial_bound + found.axial_bound
    assert abs(coarse.transverse - found.transverse) <= coarse.transverse_bound + found.transverse_bound


@pytest.mark.parametrize(
    ("body", "field"), [(RING, (9.5, 2.8, 0.6)), (disc("watch back", 32, 1, mu_r=1000), (24, 7, 1.5))]
)
def test_iron_in_the_earth_field(body: Body, field: tuple[float, ...]) -> None:
    """The facts' largest field in uT at 20, 30 and 50 mm, of iron in 50 uT across its axis, by the induced dipole."""
    moment = polarisability(body).moment(np.array([50.0, 0, 0]))
    points = np.array([[20.0, 30, 50], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(dipole(moment, points)[0], field, rtol=0.04)


@pytest.mark.parametrize("body", [disc("disc", 10, 2, mu_r=1.01), ring("ring", 8, 20, 5, mu_r=1.01)])
def test_demagnetising_factors_sum_to_one(body: Body) -> None:
    """Weak iron has alpha = (mu_r - 1) V (1 - (mu_r - 1) N), and the N of the three axes add up to 1."""
    found = polarisability(body)
    share = np.array([found.axial, found.transverse, found.transverse]) / (0.01 * body.volume)
    factors = (1 / share - 1) / 0.01
    assert factors.sum() == pytest.approx(1, abs=1e-3)
    assert (factors > 0).all()


def test_a_field_is_averaged_over_the_ring() -> None:
    """A magnet 25 mm off, read at 85 mm: the facts give 0.28 uT by the mean field and by FEM, 0.43 by the centre's."""
    moved = ring("ring", 18, 21, 4, z=7)
    found = polarisability(moved)
    centre, source = np.array([[0], [0], [7.0]]), (0.0, 0.0, 32.0)
    point = centre + np.array([[0], [0], [85.0]])
    truth = respond([moved], lambda p: magnet_field(p, source)).field(point)[2]
    mean = (magnet_field(found.sites, source) * found.shares).sum(axis=1)
    by_mean, by_centre = (
        dipole(found.moment(b), point - centre)[2] for b in (mean, magnet_field(centre, source)[:, 0])
    )
    np.testing.assert_allclose([truth, by_mean, by_centre], [[0.287], [0.286], [0.436]], atol=0.002)


def test_far_field_of_a_polarisability_is_the_full_solution() -> None:
    found = polarisability(RING)
    for earth in np.eye(3) * 50:
        cloud = respond([RING], lambda p, earth=earth: np.tile(earth[:, None], p.shape[1]))
        np.testing.assert_allclose(
            cloud.moments.sum(axis=1), found.moment(earth), atol=2e-4 * found.moment(earth).max()
        )
        point = np.array([[120.0, 0, 150], [0, 90, 20], [160, -130, 0]])
        far = cloud.field(point)
        assert np.linalg.norm(far - dipole(found.moment(earth), point)) < 0.02 * np.linalg.norm(far)


def test_sampling_averages_over_the_body() -> None:
    body = Body(name="b", inner=2, outer=5, bottom=1, top=4)
    sites, shares = sampling(body)
    assert shares.sum() == pytest.approx(1)
    assert (shares * (sites[0] ** 2 + sites[1] ** 2)).sum() == pytest.approx((25 + 4) / 2)
    assert (shares * sites[2] ** 2).sum() == pytest.approx((64 - 1) / 9)
    np.testing.assert_allclose((shares * sites).sum(axis=1), [0, 0, 2.5], atol=1e-12)


# ---- refusals


def test_no_polarisability_near_the_body() -> None:
    found = polarisability(ring("ring", 18, 21, 4, z=5))
    found.check_outside(np.array([[0], [0], [16.0]]))
    with pytest.raises(InputError, match=r"ring: a polarisability serves only outside .* 10\.68\S* mm; .* at 10 mm"):
        found.check_outside(np.array([[0, 50], [0, 0], [15.0, 0]]))
    cloud = respond([RING], magnet_field)
    assert np.isfinite(cloud.field(np.zeros((3, 1)))).all()
    with pytest.raises(InputError, match=r"must keep .* mm from the iron; got 1 mm"):
        cloud.field(np.array([[11.5], [0], [0]]))


def test_only_iron_has_a_polarisability() -> None:
    with pytest.raises(InputError, match=r"magnet: a polarisability needs iron; got Br 1\.45 T, mu_r 1"):
        polarisability(MAGNET)
    with pytest.raises(InputError, match="must have Br 0; got a magnet"):
        respond([MAGNET], magnet_field)


def test_a_mesh_that_does_not_converge_is_refused() -> None:
    rough = Sizing(size=3, growth=1, far=150)
    with pytest.raises(InputError, match=r"ring: a mesh that does not converge: error bound \S+, above 0\.001"):
        polarisability(RING, rough, order=2, limit=1e-3)
    with pytest.raises(InputError, match="multipoles: a mesh that does not converge"):
        multipoles([MAGNET, RING], rough, order=2, limit=1e-3)
    with pytest.raises(InputError, match="field: a mesh that does not converge"):
        refined_field([MAGNET, RING], places(), rough, order=2)


# ---- cache


def test_results_come_back_from_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROVINGGROUND_CACHE", str(tmp_path / "new"))
    body = disc("coin", 20, 3.2, mu_r=100)
    sizing = Sizing(size=1, growth=0.4, corner=0.1, far=150)
    first = polarisability(body, sizing, order=2)
    (file,) = (tmp_path / "new").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(reduce, "triangulate", lambda *_: pytest.fail("solved again"))
        second = polarisability(disc("another name", 20, 3.2, z=8, mu_r=100), sizing, order=2)
    numbers = [(p.axial, p.transverse, p.axial_bound, p.transverse_bound) for p in (first, second)]
    assert numbers[0] == numbers[1]
    assert isinstance(second, Polarisability)
    assert second.centre == 8
    file.write_bytes(file.read_bytes()[:100])
    assert polarisability(body, sizing, order=2).axial == first.axial
    assert file.stat().st_size > 100


def test_cache_names_follow_inputs() -> None:
    names = {name_of("k", {"body": body, "order": order}) for body in (RING, MAGNET) for order in (3, 4)}
    assert len(names) == 4
    assert name_of("k", {"body": RING, "order": 4}) in names


def test_a_failed_result_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROVINGGROUND_CACHE", str(tmp_path))

    def torn(file: object, **_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", torn)
        with pytest.raises(KeyboardInterrupt):
            cached("k", {}, lambda: {"a": np.zeros(3)})
    assert not list(folder().iterdir())
    tmp_path.joinpath("file").touch()
    monkeypatch.setenv("PROVINGGROUND_CACHE", str(tmp_path / "file"))  # no folder can be made here
    np.testing.assert_array_equal(cached("k", {}, lambda: {"a": np.ones(3)})["a"], 1)


def test_a_cloud_keeps_its_shape() -> None:
    cloud = respond([RING], magnet_field, modes=2, order=2)
    assert isinstance(cloud, Cloud)
    assert cloud.field(np.full((3, 40), 30.0)).shape == (3, 40)
