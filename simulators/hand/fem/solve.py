"""Linear magnetostatics of bodies of revolution, by two dual finite element formulations on one mesh.

Everything is in tesla and mm with mu0 = 1: B = mu_r H + P, where P is a remanence (a magnet's Br, or (mu_r - 1) H0 of
iron in a given field H0; then B and H are the reaction beside H0). One Fourier mode m about z at a time; vectors are
(rho, phi, z) amplitudes, rho and z with cos(m phi), phi with sin(m phi).

- *induction*: B = curl A, so div B = 0 exactly. m = 0: unknown u = A_phi / rho. m = 1: unknowns b_rho and b_z, and
  b_phi = -(b_rho + rho d_rho b_rho + rho d_z b_z) rids them of divergence; only the normal one is continuous at iron.
- *potential*: H = -grad f, so curl H = 0 exactly. m = 0: unknown f; m >= 1: unknown f / rho.

Both have a Robin condition on the far arc, exact for a dipole at the origin. Between them lies the true energy
(Prager & Synge 1947, Q. Appl. Math. 5, 241), but for far multipoles of order (reach / far)^5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import skfem
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import SuperLU, splu
from scipy.spatial import cKDTree

from scenarios.errors import InputError
from simulators.hand.fem.mesh import NEAR, Mesh

ELEMENTS = {2: skfem.ElementTriP2, 3: skfem.ElementTriP3, 4: skfem.ElementTriP4}
INNER = {2: 0, 3: 1, 4: 3}  # unknowns inside a triangle, last in scikit-fem's numbering
MU0 = 4e-7 * np.pi
BODY_ORDER = 12  # of the quadrature over bodies: probes r^6 times the element's order


def operator(form: str, m: int, rho: np.ndarray, value: np.ndarray, slope: np.ndarray) -> list[np.ndarray]:
    """Vector field (3, ...) of a unit of each of the form's unknowns, from a shape's value (...) and slope (2, ...)."""
    zero = np.zeros_like(value)
    if form == "potential":
        if m == 0:
            return [-np.array([slope[0], zero, slope[1]])]
        return [-np.array([value + rho * slope[0], -m * value, rho * slope[1]])]
    if m == 0:
        return [np.array([-rho * slope[1], zero, 2 * value + rho * slope[0]])]
    return [np.array([value, -value - rho * slope[0], zero]), np.array([zero, -rho * slope[1], value])]


def _shapes(basis: skfem.AbstractBasis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (2, elements, q), values (shapes, elements, q) and slopes (shapes, 2, elements, q)."""
    place = np.asarray(basis.global_coordinates())
    full = place.shape[1:]
    values = np.array([np.broadcast_to(np.asarray(b[0]), full) for b in basis.basis])
    slopes = np.array([np.broadcast_to(b[0].grad, (2, *full)) for b in basis.basis])
    return place, values, slopes


@dataclass(frozen=True)
class Formulation:
    """One form ("induction" or "potential") and mode on a mesh, factored once for any remanence."""

    mesh: Mesh
    form: str
    m: int = 0
    order: int = 4
    quadrature: int = BODY_ORDER

    def __post_init__(self) -> None:
        """Check form, mode and order; raise InputError."""
        if self.order not in ELEMENTS:
            raise InputError(f"element order must be one of {sorted(ELEMENTS)}; got {self.order}")
        if self.form not in ("induction", "potential") or (self.form == "induction" and self.m not in (0, 1)):
            raise InputError(f"no formulation {self.form!r} of mode {self.m}")

    @cached_property
    def grid(self) -> skfem.MeshTri:
        """The mesh as scikit-fem has it."""
        return skfem.MeshTri(self.mesh.points, self.mesh.triangles, sort_t=True, validate=False)

    @cached_property
    def mu(self) -> np.ndarray:
        """Relative permeability of each triangle."""
        return np.array([*(b.mu_r for b in self.mesh.bodies), 1.0])[self.mesh.region]

    @cached_property
    def inside(self) -> np.ndarray:
        """Indices of the triangles in bodies."""
        return np.flatnonzero(self.mesh.region >= 0)

    @cached_property
    def bodies(self) -> skfem.CellBasis:
        """Shapes on the bodies' triangles, with the quadrature of sources and reactions."""
        return skfem.CellBasis(self.grid, ELEMENTS[self.order](), elements=self.inside, intorder=self.quadrature)

    @cached_property
    def places(self) -> np.ndarray:
        """Quadrature points of the bodies, (2, elements, q)."""
        return np.asarray(self.bodies.global_coordinates())

    @cached_property
    def weights(self) -> np.ndarray:
        """Volume weights of `places`, with the mean of cos^2(m phi): sums of them are integrals in mm3."""
        return np.asarray(self.bodies.dx * self.places[0] * np.pi * (2 if self.m == 0 else 1))

    @cached_property
    def body_fields(self) -> np.ndarray:
        """Field of each local unknown at `places`, (elements, unknowns, 3, q)."""
        return self._fields(self.bodies)

    def _fields(self, basis: skfem.AbstractBasis) -> np.ndarray:
        place, values, slopes = _shapes(basis)
        by_shape = [operator(self.form, self.m, place[0], v, s) for v, s in zip(values, slopes, strict=True)]
        fields = np.array([f for one in zip(*by_shape, strict=True) for f in one])
        return np.ascontiguousarray(fields.transpose(2, 0, 1, 3))

    @cached_property
    def unknowns(self) -> np.ndarray:
        """Global index of each triangle's local unknowns, (triangles, unknowns)."""
        basis = skfem.CellBasis(self.grid, ELEMENTS[self.order](), intorder=1)
        one = basis.element_dofs.T
        if self.form == "potential" or self.m == 0:
            return one
        edges = self.grid.facets
        sides = self.grid.f2t
        iron = np.append(self.mu > 1, False)  # the last for "no triangle"
        border = np.flatnonzero(iron[sides[0]] != iron[sides[1]])
        ends = self.grid.p[:, edges[:, border]]
        upright = np.abs(ends[0, 0] - ends[0, 1]) < NEAR
        both, count = [], basis.N
        for tied in (upright, ~upright):  # b_rho passes upright faces whole, b_z flat ones
            on = np.unique(basis.get_dofs(border).all()) if border.size else np.empty(0, int)
            held = basis.get_dofs(border[tied]).all() if tied.any() else np.empty(0, int)
            split = np.setdiff1d(on, held)
            own = np.arange(basis.N)
            own[split] = count + np.arange(split.size)
            count += split.size
            both.append(np.where(iron[:-1, None], own[one], one))
        return np.concatenate([both[0], count + both[1]], axis=1)

    @cached_property
    def _system(self) -> tuple[SuperLU, np.ndarray, int, np.ndarray, np.ndarray]:
        """Factored matrix without the unknowns inside triangles, and what brings those back."""
        basis = skfem.CellBasis(self.grid, ELEMENTS[self.order](), intorder=2 * self.order + 1)
        fields = self._fields(basis)
        law = self.mu if self.form == "potential" else 1 / self.mu
        weight = basis.dx * np.asarray(basis.global_coordinates())[0] * law[:, None]
        flat = fields.shape[:2]
        matrix = (fields * weight[:, None, None, :]).reshape(*flat, -1) @ fields.reshape(*flat, -1).transpose(0, 2, 1)
        self._add_far(matrix)
        inner = self._is_inner
        outer = ~inner
        back = np.linalg.solve(matrix[:, inner][:, :, inner], matrix[:, inner][:, :, outer])
        small = matrix[:, outer][:, :, outer] - matrix[:, outer][:, :, inner] @ back
        names, index = np.unique(self.unknowns[:, outer], return_inverse=True)
        index = index.reshape(-1, int(outer.sum()))
        rows = np.repeat(index[:, :, None], index.shape[1], axis=2)
        total = csc_matrix((small.ravel(), (rows.ravel(), rows.transpose(0, 2, 1).ravel())))
        factor = splu(total, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return factor, index, names.size, back, matrix[self.inside][:, inner][:, :, inner]

    @property
    def _is_inner(self) -> np.ndarray:
        shapes = {2: 6, 3: 10, 4: 15}[self.order]
        fields = 2 if self.form == "induction" and self.m == 1 else 1
        return np.tile(np.arange(shapes) >= shapes - INNER[self.order], fields)

    def _add_far(self, matrix: np.ndarray) -> None:
        """Add the Robin condition on the far arc to the element matrices."""
        edge = self.grid.boundary_facets()
        far = edge[np.abs(np.hypot(*self.grid.p[:, self.grid.facets[:, edge]]) - self.mesh.far).max(axis=0) < 1e-6]
        basis = skfem.FacetBasis(self.grid, ELEMENTS[self.order](), facets=far, intorder=2 * self.order + 3)
        place, values, _ = _shapes(basis)
        rho, r = place[0], np.hypot(*place)
        out = (basis.normals * place).sum(0) / r  # e.n
        along = (basis.normals[0] * place[1] - basis.normals[1] * place[0]) / r  # theta.n = -e.t, of the chord
        if self.form == "potential":
            traces, law = values * (rho if self.m else 1), 2 * out / r
        elif self.m == 0:  # B.t / A of a dipole at the origin, at the chord's own points
            traces, law = values * rho, (out - 2 * (place[1] / rho) * along) / r
        else:
            traces, law = np.concatenate([values * basis.normals[0], values * basis.normals[1]]), r / 2
        add = np.einsum("ieq,jeq,eq->eij", traces, traces, law * rho * basis.dx)
        np.add.at(matrix, np.asarray(self.grid.f2t[0, far]), add)

    def solve(self, remanence: np.ndarray) -> np.ndarray:
        """Local unknowns (sources, triangles, unknowns) for remanences (sources, 3, body triangles, q) at `places`."""
        factor, index, size, back, core = self._system
        law = -1.0 if self.form == "potential" else 1 / self.mu[self.inside][:, None]
        load = np.einsum("skeq,eukq->seu", remanence * (law * self.bodies.dx * self.places[0]), self.body_fields)
        inner = self._is_inner
        found = np.zeros((len(load), self.mesh.triangles.shape[1], inner.size))
        for one, f in zip(found, load, strict=True):
            outer = f[:, ~inner] - np.einsum("eib,ei->eb", back[self.inside], f[:, inner])
            right = np.bincount(index[self.inside].ravel(), outer.ravel(), size)
            one[:, ~inner] = factor.solve(right)[index]
            one[:, inner] = -np.einsum("eib,eb->ei", back, one[:, ~inner])
            if inner.any():
                one[np.ix_(self.inside, np.flatnonzero(inner))] += np.linalg.solve(core, f[:, inner, None])[:, :, 0]
        return found

    def on_bodies(self, unknowns: np.ndarray) -> np.ndarray:
        """B of the induction form or H of the potential form at `places`, (sources, 3, body triangles, q)."""
        return np.einsum("seu,eukq->skeq", unknowns[:, self.inside], self.body_fields)

    def at(self, unknowns: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The same at points (rho, z) (2, n) for one source's unknowns (triangles, unknowns): shape (3, n)."""
        reach = np.hypot(*points)
        if (reach >= 0.9 * self.mesh.far).any() or (points[0] < 0).any():
            raise InputError(
                f"field points must have rho >= 0 and lie within 0.9 of the far radius of {self.mesh.far:g} mm; "
                f"got {reach.max():g} mm"
            )
        cells = self._find(points)
        mapping = self.grid.mapping()
        local = mapping.invF(points[:, :, None], tind=cells)
        element = ELEMENTS[self.order]()
        total = np.zeros((3, points.shape[1]))
        shapes = self._is_inner.size // (2 if self.form == "induction" and self.m == 1 else 1)
        for i in range(shapes):
            shape = element.gbasis(mapping, local, i, tind=cells)[0]
            fields = operator(self.form, self.m, points[0], np.asarray(shape)[:, 0], shape.grad[:, :, 0])
            for k, field in enumerate(fields):
                total += unknowns[cells, i + k * shapes] * field
        return total

    def vector_potential(self, unknowns: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A_phi / rho of mode 0 at points (2, n), in T."""
        cells = self._find(points)
        mapping, element = self.grid.mapping(), ELEMENTS[self.order]()
        local = mapping.invF(points[:, :, None], tind=cells)
        shapes = [element.gbasis(mapping, local, i, tind=cells)[0] for i in range(unknowns.shape[1])]
        return np.asarray(sum(unknowns[cells, i] * np.asarray(s)[:, 0] for i, s in enumerate(shapes)))

    def _find(self, points: np.ndarray) -> np.ndarray:
        """A triangle of each point (2, n); on an interface, any that holds it."""
        p, t = self.grid.p, self.grid.t
        tree = self._middles
        best = np.full(points.shape[1], -np.inf)
        cells = np.zeros(points.shape[1], int)
        for near in (8, 64):
            lost = np.flatnonzero(best < -1e-9)
            if not lost.size:
                break
            _, tried = tree.query(points[:, lost].T, min(near, t.shape[1]))
            a, b, c = (p[:, t[k, tried]] for k in range(3))
            d, b, c = points[:, lost, None] - a, b - a, c - a
            det = b[0] * c[1] - b[1] * c[0]
            x, y = (d[0] * c[1] - d[1] * c[0]) / det, (b[0] * d[1] - b[1] * d[0]) / det
            least = np.minimum(np.minimum(x, y), 1 - x - y)
            pick = least.argmax(axis=1)
            rows = np.arange(lost.size)
            best[lost], cells[lost] = least[rows, pick], tried[rows, pick]
        if (best < -1e-6).any():
            raise InputError(f"{int((best < -1e-6).sum())} field points lie in no triangle of the mesh")
        return cells

    @cached_property
    def _middles(self) -> cKDTree:
        return cKDTree(self.grid.p[:, self.grid.t].mean(axis=1).T)


def magnets(form: Formulation) -> np.ndarray:
    """Remanence (1, 3, body triangles, q) of the mesh's magnets, in T."""
    br = np.array([b.br for b in form.mesh.bodies])[form.mesh.region[form.inside]]
    p = np.zeros((1, 3, *form.places.shape[1:]))
    p[0, 2] = br[:, None]
    return p


def in_field(form: Formulation, field: np.ndarray) -> np.ndarray:
    """Remanence that stands for permeable bodies in fields H0 (sources, 3, body triangles, q)."""
    return field * (form.mu[form.inside] - 1)[:, None]


@dataclass(frozen=True)
class Axial:
    """The field of coaxial magnets and iron, mode 0, by the induction form."""

    form: Formulation
    unknowns: np.ndarray

    def field(self, points: np.ndarray) -> np.ndarray:
        """B_rho and B_z in uT at points (rho, z) in mm, (2, n); InputError beyond the mesh."""
        return 1e6 * self.form.at(self.unknowns, np.asarray(points, float))[[0, 2]]

    def energy(self) -> float:
        """Field energy of the magnets' remanence, 1/2 the integral of Br.B / mu, in J."""
        b = self.form.on_bodies(self.unknowns[None])
        p = magnets(self.form) / self.form.mu[self.form.inside][:, None]
        return float(0.5 * (p * b * self.form.weights).sum() * 1e-9 / MU0)

    def sphere_multipoles(self, radius: float, degrees: Sequence[int] = range(1, 8)) -> np.ndarray:
        """Coefficients A_l (uT mm^(l+2)) by the integral of A_phi over a sphere in mm round all bodies."""
        if radius <= (reach := max(np.hypot(b.outer, max(abs(b.bottom), abs(b.top))) for b in self.form.mesh.bodies)):
            raise InputError(f"a sphere for multipoles must hold all bodies, {reach:g} mm; got {radius:g} mm")
        c, w = np.polynomial.legendre.leggauss(120)
        u = self.form.vector_potential(self.unknowns, radius * np.array([np.sqrt(1 - c * c), c]))
        slopes = [np.polynomial.Legendre.basis(n).deriv()(c) for n in degrees]
        return np.array(
            [
                1e6 * n * (2 * n + 1) / (2 * n * (n + 1)) * radius ** (n + 2) * (w * (1 - c * c) * s * u).sum()
                for n, s in zip(degrees, slopes, strict=True)
            ]
        )


def axial(mesh: Mesh, order: int = 4) -> Axial:
    """Solve the mesh's magnets and iron."""
    form = Formulation(mesh, "induction", 0, order)
    return Axial(form, form.solve(magnets(form))[0])
