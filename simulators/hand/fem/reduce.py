"""Finite element solutions reduced to a few numbers, each with a bound on its error.

The induction form gives a quadratic energy from below and the potential form from above. A polarisability is such an
energy, a multipole a mutual one (reciprocity: it is what an external harmonic field does to the magnet). The value is
the middle, the bound half the gap, sqrt(gap * gap) / 2 for mutual ones. It covers all error of the elements, but not
that of the far boundary: of order (reach / far)^5, and 1e-4 (reach / far)^3 for the far circle's being a polygon.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scenarios.errors import InputError
from simulators.hand.fem.cache import cached
from simulators.hand.fem.mesh import Body, Sizing, triangulate
from simulators.hand.fem.solve import MU0, Axial, Formulation, axial, in_field, magnets

DEGREES = tuple(range(1, 8))
CONVERGED = 0.01  # the largest relative bound of a result that counts as one
TURNS = 16  # angles of a body's sampling points


@dataclass(frozen=True, kw_only=True)
class Multipoles:
    """A_1..A_7 in uT mm^(l+2) about the origin, their error bounds, and the radius in mm beyond which they hold."""

    coefficients: np.ndarray
    bound: np.ndarray
    reach: float


@dataclass(frozen=True, kw_only=True)
class Polarisability:
    """Induced moment over field of a body of revolution, in mm3, along its axis and across, with error bounds.

    `sites` (3, n) in mm and `shares` (n,) average a field over the body, about the origin of the body's own z.
    """

    name: str
    axial: float
    transverse: float
    axial_bound: float
    transverse_bound: float
    radius: float
    centre: float
    sites: np.ndarray
    shares: np.ndarray

    def moment(self, field: np.ndarray) -> np.ndarray:
        """Moment in A m2, (3, ...), from the field in uT averaged over the body, (3, ...), both in the body's frame."""
        scale = np.array([self.transverse, self.transverse, self.axial]).reshape(3, *[1] * (field.ndim - 1))
        return np.asarray(scale * field * (1e-15 / MU0))

    def check_outside(self, points: np.ndarray) -> None:
        """Raise InputError for a point (3, ...) in the body's frame inside the body's circumscribing sphere."""
        rho2 = points[0] ** 2 + points[1] ** 2
        nearest = float(np.sqrt(rho2 + (points[2] - self.centre) ** 2).min())
        if nearest < self.radius:
            raise InputError(
                f"{self.name}: a polarisability serves only outside the circumscribing sphere of {self.radius:g} mm; "
                f"got a point at {nearest:g} mm: use the full solution there"
            )


def energies(forms: tuple[Formulation, Formulation], sources: Callable[[Formulation], np.ndarray]) -> np.ndarray:
    """Middle of the mutual energies of remanences (k of them) and the bound of each: shape (2, k, k), T2 mm3."""
    both = []
    for form in forms:
        p = sources(form)
        answer = form.on_bodies(form.solve(p))
        mu = form.mu[form.inside][:, None]
        answer = p + mu * answer if form.form == "potential" else answer
        both.append(np.einsum("skeq,tkeq->st", p * (form.weights / mu), answer, optimize=True))
    low, high = both
    gap = np.maximum(np.abs(np.diag(high - low)), 1e-13 * np.abs(np.diag(high)))
    return np.array([(low + high) / 2, np.sqrt(np.outer(gap, gap)) / 2])


def harmonic(degree: int, places: np.ndarray) -> np.ndarray:
    """Gradient of r^l P_l (rho, phi, z) at places (2, ...): the external field that asks for A_l."""
    r, c = np.hypot(*places), places[1] / np.hypot(*places)
    legendre = np.polynomial.Legendre.basis(degree)
    value, slope = legendre(c), legendre.deriv()(c)
    s = places[0] / r
    along, turning = degree * value, -s * slope
    front = r ** (degree - 1)
    return front * np.array([along * s + turning * c, 0 * r, along * c - turning * s])


def _uniform(unit: tuple[float, float, float]) -> Callable[[Formulation], np.ndarray]:
    """Remanence that stands for iron in a field of constant amplitudes (rho, phi, z)."""
    return lambda form: in_field(form, np.multiply.outer(np.array([unit]), np.ones_like(form.weights)))


def _dual(bodies: Sequence[Body], m: int, sizing: Sizing, order: int) -> tuple[Formulation, Formulation]:
    mesh = triangulate(bodies, sizing)
    return Formulation(mesh, "induction", m, order), Formulation(mesh, "potential", m, order)


def multipoles(
    bodies: Sequence[Body], sizing: Sizing | None = None, order: int = 4, limit: float = CONVERGED
) -> Multipoles:
    """Multipoles of coaxial magnets with their iron; InputError where A_1 is not known within `limit`."""
    sizing = sizing or Sizing()

    def make() -> dict[str, np.ndarray]:
        forms = _dual(bodies, 0, sizing, order)

        def sources(form: Formulation) -> np.ndarray:
            probes = np.array([harmonic(n, form.places) for n in DEGREES])
            return np.concatenate([magnets(form), in_field(form, probes)])

        one = forms[0]
        direct = magnets(one)[0] * (one.weights / one.mu[one.inside][:, None])
        values = np.array([(direct * harmonic(n, one.places)).sum() for n in DEGREES])
        scale = 1e6 / (4 * np.pi)
        if all(b.mu_r == 1 for b in bodies):  # nothing to solve
            return {"coefficients": scale * values, "bound": 0 * values}
        middle, bound = energies(forms, sources)
        return {"coefficients": scale * (values + middle[0, 1:]), "bound": scale * bound[0, 1:]}

    found = cached("multipoles", {"bodies": bodies, "sizing": sizing, "order": order}, make)
    _converged("multipoles", float(found["bound"][0] / abs(found["coefficients"][0])), limit)
    reach = max(float(np.hypot(b.outer, max(abs(b.bottom), abs(b.top)))) for b in bodies)
    return Multipoles(coefficients=found["coefficients"], bound=found["bound"], reach=reach)


def default_sizing(body: Body) -> Sizing:
    """Elements that know a polarisability to about 1e-4, with a far radius in proportion."""
    thin = min(body.top - body.bottom, body.outer - body.inner)
    return Sizing(size=max(thin / 2, body.radius / 40), growth=0.3, corner=0.02, far=14 * body.radius)


def polarisability(
    body: Body, sizing: Sizing | None = None, order: int = 4, limit: float = CONVERGED
) -> Polarisability:
    """Polarisability of a permeable body by modes 0 and 1; InputError where it is not known within `limit`."""
    if body.br != 0 or body.mu_r == 1:
        raise InputError(f"{body.name}: a polarisability needs iron; got Br {body.br:g} T, mu_r {body.mu_r:g}")
    centre = (body.bottom + body.top) / 2
    half = round((body.top - body.bottom) / 2, 9)
    body = replace(body, bottom=-half, top=half)
    sizing = sizing or default_sizing(body)

    def make() -> dict[str, np.ndarray]:
        values = []
        for m, unit in ((0, (0.0, 0.0, 1.0)), (1, (1.0, -1.0, 0.0))):
            forms = _dual([body], m, sizing, order)
            lone = (body.mu_r - 1) / body.mu_r * body.volume
            middle, bound = energies(forms, _uniform(unit))
            values += [lone + middle[0, 0], bound[0, 0]]
        return {"values": np.array(values)}

    inputs = {"body": body, "sizing": sizing, "order": order}
    along, along_bound, across, across_bound = cached("polarisability", inputs, make)["values"].tolist()
    _converged(body.name, max(along_bound / along, across_bound / across), limit)
    sites, shares = sampling(body)
    sites[2] += centre
    return Polarisability(
        name=body.name,
        axial=along,
        transverse=across,
        axial_bound=along_bound,
        transverse_bound=across_bound,
        radius=body.radius,
        centre=centre,
        sites=sites,
        shares=shares,
    )


def sampling(body: Body, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Points (3, n) in mm and shares (n,) that average a smooth field over a body."""
    x, w = np.polynomial.legendre.leggauss(count)
    square = (body.inner**2 + body.outer**2) / 2 + (body.outer**2 - body.inner**2) / 2 * x
    z = (body.bottom + body.top) / 2 + (body.top - body.bottom) / 2 * x
    turn = 2 * np.pi * (np.arange(TURNS) + 0.5) / TURNS
    rho, height, angle = np.meshgrid(np.sqrt(square), z, turn, indexing="ij")
    shares = np.einsum("i,j,k->ijk", w / 2, w / 2, np.full(TURNS, 1 / TURNS))
    return np.array([rho * np.cos(angle), rho * np.sin(angle), height]).reshape(3, -1), shares.ravel()


@dataclass(frozen=True, kw_only=True)
class Refined:
    """B (rho, z) in uT at points, (2, n), and an estimate of its error, (n,).

    The estimate is the difference from a coarser mesh, relative to the field: there, or its rms over all the points,
    since two meshes may agree at one point by chance.
    """

    field: np.ndarray
    bound: np.ndarray


def refined_field(
    bodies: Sequence[Body],
    points: np.ndarray,
    sizing: Sizing | None = None,
    order: int = 4,
    limit: float = CONVERGED,
) -> Refined:
    """The full mode 0 solution at points (rho, z) (2, n) in mm; InputError where two meshes differ by over `limit`."""
    sizing = sizing or Sizing()

    def make() -> dict[str, np.ndarray]:
        fine, coarse = (solution(bodies, s, order).field(points) for s in (sizing, sizing.coarser()))
        size = np.hypot(*fine)
        change = np.hypot(*(fine - coarse)) / size
        return {"field": fine, "bound": size * np.maximum(change, np.sqrt((change**2).mean()))}

    inputs = {"bodies": bodies, "sizing": sizing, "order": order, "points": np.asarray(points).tolist()}
    found = cached("field", inputs, make)
    _converged("field", float((found["bound"] / np.hypot(*found["field"])).max()), limit)
    return Refined(field=found["field"], bound=found["bound"])


def solution(bodies: Sequence[Body], sizing: Sizing | None = None, order: int = 4) -> Axial:
    """The full mode 0 solution of coaxial magnets and iron."""
    return axial(triangulate(bodies, sizing or Sizing()), order)


def _converged(what: str, relative: float, limit: float) -> None:
    if not relative <= limit:
        raise InputError(f"{what}: a mesh that does not converge: error bound {relative:.2g}, above {limit:g}")
