"""Finite elements: meshes that conform, errors that fall at the element's order, fields against closed forms."""

import dataclasses
from math import pi

import magpylib
import numpy as np
import pytest
import skfem
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.errors import InputError
from simulators.hand.fem.mesh import Body, Mesh, Sizing, conforming, disc, distances, ring, triangulate
from simulators.hand.fem.reduce import energies, in_field, solution
from simulators.hand.fem.solve import MU0, Formulation, axial

MAGNET = disc("magnet", 6, 3, br=1.45)
COARSE = Sizing(size=0.8, growth=0.3, far=100)


def exact(points: np.ndarray, body: Body = MAGNET) -> np.ndarray:
    """B_rho and B_z of a disc, uT, by magpylib."""
    size = (2e-3 * body.outer, 1e-3 * (body.top - body.bottom))
    magnet = magpylib.magnet.Cylinder(polarization=(0, 0, body.br), dimension=size)
    magnet.position = (0, 0, 5e-4 * (body.top + body.bottom))
    b = magnet.getB(1e-3 * np.stack([points[0], 0 * points[0], points[1]], axis=1))
    return 1e6 * b[:, [0, 2]].T


def polar(radii: list[float] | np.ndarray, degrees: list[float]) -> np.ndarray:
    turn = np.radians(degrees)
    points = [(r * abs(np.sin(t)), r * np.cos(t)) for r in radii for t in turn]
    return np.where(np.abs(points) < 1e-12, 0, points).T


def angles(mesh: Mesh) -> np.ndarray:
    """Smallest angle of each triangle, degrees."""
    p = mesh.points[:, mesh.triangles]
    a, b, c = (np.hypot(*(p[:, i] - p[:, j])) for i, j in ((1, 2), (2, 0), (0, 1)))
    least, other, third = np.sort([a, b, c], axis=0)
    return np.degrees(np.arccos((other**2 + third**2 - least**2) / (2 * other * third)))


# ---- meshes


@settings(max_examples=15)
@given(
    inner=st.floats(3.2, 12),
    wall=st.floats(0.3, 5),
    height=st.floats(0.3, 8),
    z=st.floats(-30, 30),
    plate=st.floats(2, 30),
    gap=st.floats(0.05, 10),
    corner=st.sampled_from([0.1, 1.0]),
)
def test_meshes_follow_every_body(
    inner: float, wall: float, height: float, z: float, plate: float, gap: float, corner: float
) -> None:
    bodies = [MAGNET, ring("ring", 2 * inner, 2 * (inner + wall), height, z)]
    lowest = min(bodies[1].bottom, -1.5) - gap
    bodies.append(Body(name="plate", outer=plate, bottom=lowest - 0.5, top=lowest, mu_r=1000))
    mesh = triangulate(bodies, dataclasses.replace(COARSE, corner=corner, far=150))
    p = mesh.points[:, mesh.triangles]
    b, c = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    area = 0.5 * (b[0] * c[1] - b[1] * c[0])
    assert (area > 0).all()
    rings = area * 2 * pi * p[0].mean(axis=0)
    for i, body in enumerate(bodies):
        np.testing.assert_allclose(rings[mesh.region == i].sum(), body.volume, rtol=1e-8)
    assert rings.sum() == pytest.approx(4 / 3 * pi * 150**3, rel=0.04)
    assert angles(mesh).min() > 2
    assert np.median(angles(mesh)) > 45


def test_iron_may_be_built_of_touching_parts() -> None:
    can = [disc("lid", 20, 0.5, z=10.25, mu_r=500), ring("wall", 19, 20, 5, z=7.5, mu_r=500)]
    mesh = triangulate([MAGNET, *can], COARSE)
    assert set(mesh.region) == {-1, 0, 1, 2}


def test_a_mesh_that_crosses_an_interface_is_refused() -> None:
    mesh = triangulate([MAGNET], COARSE)
    free = distances([MAGNET], mesh.points)[0] > 1e-6
    with pytest.raises(InputError, match=r"a mesh that does not conform: .* triangles cross"):
        conforming([MAGNET], COARSE.far, mesh.points[:, free])


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        ([], "at least one body"),
        ([MAGNET, disc("backing", 8, 1, z=-2, mu_r=1000)], "backing and magnet: iron must not touch a magnet"),
        ([MAGNET, ring("ring", 6, 9, 2)], "ring and magnet: iron must not touch a magnet"),
        ([MAGNET, disc("coin", 20, 3, z=2, mu_r=100)], "coin and magnet: bodies must not overlap; they do by 1 mm"),
        ([MAGNET, disc("table", 400, 1, z=60, mu_r=100)], "table: must lie within 0.8 of the far radius"),
    ],
)
def test_impossible_bodies_are_refused(bodies: list[Body], text: str) -> None:
    with pytest.raises(InputError, match=text):
        triangulate(bodies, COARSE)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"outer": 1, "bottom": 1, "top": 0}, "radii must be"),
        ({"outer": 1, "inner": 2, "bottom": 0, "top": 1}, "radii must be"),
        ({"outer": 1, "bottom": 0, "top": 1, "mu_r": 0.5}, "relative permeability"),
    ],
)
def test_impossible_shapes_are_refused(fields: dict[str, float], text: str) -> None:
    with pytest.raises(InputError, match=f"thing: {text}"):
        Body(name="thing", **fields)


# ---- order of the elements


def halved(mesh: Mesh) -> Mesh:
    """The mesh with each triangle cut in four; new points of the far arc go onto it."""
    grid = skfem.MeshTri(mesh.points, mesh.triangles, sort_t=True, validate=False)
    fine, edges = grid.refined(), grid.boundary_facets()
    ends = np.hypot(*grid.p[:, grid.facets[:, edges]])
    far = grid.p.shape[1] + edges[(np.abs(ends - mesh.far) < 1e-6).all(axis=0)]
    points = fine.p.copy()
    points[:, far] *= mesh.far / np.hypot(*points[:, far])
    middle, region = points[:, fine.t].mean(axis=1), np.full(fine.t.shape[1], -1)
    for i, body in enumerate(mesh.bodies):
        radial = (middle[0] > body.inner) & (middle[0] < body.outer)
        region[radial & (middle[1] > body.bottom) & (middle[1] < body.top)] = i
    return dataclasses.replace(mesh, points=points, triangles=fine.t, region=region)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("m", [0, 1])
def test_error_falls_at_the_elements_order(order: int, m: int) -> None:
    """The gap of the dual energies is the squared error of both forms; a smooth source has no corner to slow it.

    Meshes are halved, not made anew: triangles of every size then keep their shapes, and nothing but size changes. The
    first halving is not yet at the order (off by up to 0.14), the second is.
    """
    body = disc("smooth", 6, 6)

    def source(form: Formulation) -> np.ndarray:
        rho, z = form.places / 3
        bump = ((1 - rho**2) * (1 - z**2)) ** 4
        p = np.zeros((1, 3, *rho.shape))
        for k, sign in ((2, 1),) if m == 0 else ((0, 1), (1, -1)):
            p[0, k] = sign * bump
        return p

    mesh, errors = triangulate([body], Sizing(size=1, growth=0.3, corner=1, far=200)), []
    for _ in range(3):
        forms = Formulation(mesh, "induction", m, order), Formulation(mesh, "potential", m, order)
        errors.append(np.sqrt(energies(forms, source)[1, 0, 0]))
        mesh = halved(mesh)
    first, second = -np.diff(np.log2(errors))
    assert abs(first - order) < 0.2
    assert abs(second - order) < 0.1


# ---- fields of a magnet


def test_disc_against_the_exact_cylinder() -> None:
    points = polar(np.geomspace(10, 80, 13), [0, 20, 45, 70, 90, 135, 180])
    b, truth = solution([MAGNET]).field(points), exact(points)
    assert (np.hypot(*(b - truth)) / np.hypot(*truth)).max() <= 2e-5


def test_field_inside_and_close_to_the_magnet() -> None:
    points = np.array([(0, 0), (1.5, 0.5), (0, 1.7), (2, -2), (3.4, 0)], float).T
    found = axial(triangulate([MAGNET], Sizing(size=0.2, growth=0.15, corner=0.1))).field(points)
    assert np.abs(found - exact(points)).max() <= 1e-4 * np.abs(exact(points)).max()


def test_multipoles_by_a_sphere_against_closed_form() -> None:
    one = axial(triangulate([MAGNET], Sizing(growth=0.1)))
    a1, a2, a3, a4, a5, a6, _ = one.sphere_multipoles(8) / 3.0 ** np.arange(7)
    moment = 1.45 * MAGNET.volume * 1e-9 / MU0
    assert a1 == pytest.approx(1e8 * moment, rel=5e-7)
    np.testing.assert_allclose(np.array([a3, a5]) / a1, [-0.5, 0.0625], atol=2e-5)
    np.testing.assert_allclose(np.array([a2, a4, a6]) / a1, 0, atol=2e-5)
    with pytest.raises(InputError, match=r"must hold all bodies, 3\.35\S* mm; got 3 mm"):
        one.sphere_multipoles(3)


def test_energy_gives_the_demagnetising_factor() -> None:
    """N of a cylinder as high as its radius is 0.4745 (Chen, Brug & Goldfarb 1991, IEEE Trans. Magn. 27, 3601)."""
    one = axial(triangulate([MAGNET], Sizing(size=0.3, growth=0.2, corner=0.1)), order=3)
    whole = 0.5 * 1.45**2 * MAGNET.volume * 1e-9 / MU0
    assert 1 - one.energy() / whole == pytest.approx(0.4745, abs=1e-4)


def test_points_off_the_mesh_are_refused() -> None:
    one = axial(triangulate([MAGNET], COARSE), order=2)
    for point in ((0, 95), (-1, 0)):
        with pytest.raises(InputError, match=r"within 0\.9 of the far radius of 100 mm"):
            one.field(np.array([point], float).T)


def test_only_known_formulations() -> None:
    mesh = triangulate([MAGNET], COARSE)
    with pytest.raises(InputError, match="no formulation 'induction' of mode 2"):
        Formulation(mesh, "induction", 2)
    with pytest.raises(InputError, match=r"order must be one of \[2, 3, 4\]; got 5"):
        Formulation(mesh, "potential", 0, 5)


@pytest.mark.parametrize("m", [0, 1])
def test_dual_energies_enclose_the_truth(m: int) -> None:
    """A coarse mesh's interval holds that of a fine one, for iron with its corners."""
    body = ring("ring", 18, 21, 4)
    unit = np.array([(0.0, 0, 1), (1.0, -1, 0)])[m][None, :, None, None]
    middle, bound = [], []
    for size in (2.0, 0.5):
        mesh = triangulate([body], Sizing(size=size, growth=0.3, corner=0.1 * size, far=150))
        forms = Formulation(mesh, "induction", m, 3), Formulation(mesh, "potential", m, 3)
        found = energies(forms, lambda form: in_field(form, unit * np.ones_like(form.weights)))
        middle.append(found[0, 0, 0])
        bound.append(found[1, 0, 0])
    assert bound[1] < bound[0] / 2
    assert abs(middle[0] - middle[1]) <= bound[0] + bound[1]
