"""A ring in any field, at run time: the full solution by Fourier modes, reduced to one matrix.

A ring is thin beside the distance of magnets from it. What it does then depends only on the field along its core line,
and what it gives back comes as if from moments there. For each Fourier mode m about its axis the finite element
solution says how much: three harmonic fields, of the potentials rho^m, rho^-m and z rho^m times cos(m phi), have every
radial, tangential and axial amplitude at the core line (m = 0: ln rho and z; a tangential mean would need a current).
The modes' tensors make a matrix from B at `sites` to moments at `sites`: a few microseconds a pose, where a
polarisability (modes 0 and 1, and as if all came from the ring's centre) errs by a third at 20 mm.
"""

from dataclasses import dataclass, replace

import numpy as np

from scenarios.errors import InputError
from simulators.hand.fem.cache import cached
from simulators.hand.fem.mesh import Body, Sizing, distances, triangulate
from simulators.hand.fem.reduce import default_sizing
from simulators.hand.fem.respond import respond
from simulators.hand.fem.solve import MU0, Formulation, in_field

MODES, SITES = 8, 24
TRUTH = 12
"""Modes of the full solution by which the certificate is made."""
ORDER, QUADRATURE = 3, 6
SLENDER = 0.6
"""A ring is thin up to this ratio of its section's larger side to the core line's radius."""
LIMIT = 0.2
"""Greatest error of the ring's own field, which is a few percent of the magnets', with which a ring is served."""
PROBES = 3
"""Dipoles at the nearest distance by which the certificate is made."""


@dataclass(frozen=True, kw_only=True)
class Arcs:
    """Moments in A m2 by B in uT: `matrix` (3 k, 3 k) for vectors of x, y and z of each of `sites` (3, k), in mm.

    `bound` is the greatest error, over the ring's own field, that it was found to have for dipoles and points
    `nearest` mm from the iron; farther it is less.
    """

    body: Body
    sites: np.ndarray
    matrix: np.ndarray
    nearest: float
    bound: float

    def check_outside(self, points: np.ndarray, what: str) -> None:
        """Raise InputError for points (3, n) in the ring's frame that are nearer than `nearest` mm to the iron."""
        gap = float(distances([self.body], np.array([np.hypot(points[0], points[1]), points[2]])).min())
        if gap < self.nearest:
            raise InputError(
                f"{self.body.name}: iron must not touch {what}; they must keep {self.nearest:.3g} mm, and come to "
                f"{gap:.3g} mm"
            )


def arcs(body: Body, sizing: Sizing | None = None, limit: float = LIMIT) -> Arcs:
    """The matrix of a steel ring about z, about its own centre; from the cache where it was made before.

    Raises InputError for what is no ring of iron or not thin, and where the error is above `limit` of the ring's field.
    """
    core, section = (body.inner + body.outer) / 2, max(body.outer - body.inner, body.top - body.bottom)
    if body.br != 0 or body.mu_r == 1 or body.inner == 0:
        raise InputError(f"{body.name}: it must be a ring of iron; it has Br {body.br:g} T, mu_r {body.mu_r:g} and a "
                         f"hole of {body.inner:g} mm")  # fmt: skip
    if section > SLENDER * core:
        raise InputError(f"{body.name}: a ring's section must be at most {SLENDER:g} of its mean radius, "
                         f"{SLENDER * core:.3g} mm; it is {section:g} mm")  # fmt: skip
    half = round((body.top - body.bottom) / 2, 9)
    body = replace(body, bottom=-half, top=half)
    sizing = sizing or default_sizing(body)

    def make() -> dict[str, np.ndarray]:
        sites, matrix = _matrix(body, sizing)
        coarse = _matrix(body, sizing.coarser())[1]
        mesh = np.linalg.norm(matrix - coarse, 2) / np.linalg.norm(matrix, 2)
        return {"sites": sites, "matrix": matrix, "bound": np.array(mesh + _error(body, sizing, sites, matrix))}

    inputs = {"body": body, "sizing": sizing, "modes": MODES, "count": SITES, "nearest": nearest_of(body)}
    found = cached("arcs", inputs, make)
    if not (bound := float(found["bound"])) <= limit:
        raise InputError(f"{body.name}: a mesh that does not converge: error bound {bound:.2g}, above {limit:g}")
    return Arcs(
        body=body, sites=found["sites"], matrix=found["matrix"], nearest=nearest_of(body), bound=max(bound, 0.0)
    )


def nearest_of(body: Body) -> float:
    """How near a magnet or a sensor may come to the iron, mm: what sites and modes resolve, and the section does."""
    spacing = np.pi * (body.inner + body.outer) / SITES
    return float(max(spacing, body.outer - body.inner, body.top - body.bottom))


def _fields(m: int, core: float, places: np.ndarray) -> np.ndarray:
    """B (fields, 3, ...) of a mode's harmonic fields at places (rho, z) (2, ...): rho, z go with cos, phi with sin."""
    rho, z = places[0] / core, places[1] / core
    zero = np.zeros_like(rho)
    if m == 0:
        return np.array([[1 / rho, zero, zero], [zero, zero, zero + 1]])
    grown, shrunk = rho ** (m - 1), rho ** (-m - 1)
    return np.array([[-grown, grown, zero], [shrunk, shrunk, zero], [-m * z * grown, m * z * grown, -(rho**m)]])


def _matrix(body: Body, sizing: Sizing) -> tuple[np.ndarray, np.ndarray]:
    """Sites (3, SITES) and the matrix (3 SITES, 3 SITES)."""
    core = (body.inner + body.outer) / 2
    mesh = triangulate([body], sizing)
    turn = 2 * np.pi * (np.arange(SITES) + 0.5) / SITES
    c, s, zero = np.cos(turn), np.sin(turn), np.zeros(SITES)
    to_cartesian = np.array([[c, -s, zero], [s, c, zero], [zero, zero, zero + 1]])  # (xyz, rho phi z, site)
    total = np.zeros((SITES, 3, SITES, 3))
    for m in range(MODES):
        form = Formulation(mesh, "potential", m, ORDER, QUADRATURE)
        given = _fields(m, core, form.places) * 1e-6  # T of uT
        answer = in_field(form, given + form.on_bodies(form.solve(in_field(form, given))))
        area = form.bodies.dx * form.places[0]
        lumped = (answer * area).sum((2, 3)) * (1e-9 / MU0) * (2 * np.pi / SITES)  # (fields, rho phi z), A m2
        at_core = _fields(m, core, np.array([core, 0.0]))
        tensor = lumped.T @ np.linalg.pinv(at_core.T)  # (3, 3): amplitudes of moments by amplitudes of B
        even, odd = np.cos(m * turn), np.sin(m * turn)
        for waves in ([even, odd, even], [odd, -even, odd])[: 1 if m == 0 else 2]:
            w = np.array(waves)  # (rho phi z, site)
            total += np.einsum("ik,ij,jl->kilj", w, tensor, w) * ((1 if m == 0 else 2) / SITES)
    turned = np.einsum("xik,kilj,yjl->xkyl", to_cartesian, total, to_cartesian)
    sites = np.array([core * c, core * s, zero])
    return sites, turned.transpose(1, 0, 3, 2).reshape(3 * SITES, 3 * SITES)


def _error(body: Body, sizing: Sizing, sites: np.ndarray, matrix: np.ndarray) -> float:
    """Greatest error of the matrix over the ring's field, against the full solution, for dipoles as near as may be."""
    away = nearest_of(body)
    around = np.array([[body.outer + away, 0.0], [(body.inner + body.outer) / 2, body.top + away],
                       [body.outer + away, body.top + away]])  # fmt: skip
    worst = 0.0
    for i, (rho, z) in enumerate(around[:PROBES]):
        turn = 2 * np.pi * i / PROBES
        source = np.array([rho * np.cos(turn), rho * np.sin(turn), z])
        moment = np.roll([0.08, 0.05, 0.02], i)

        def field(p: np.ndarray, source: np.ndarray = source, moment: np.ndarray = moment) -> np.ndarray:
            return dipoles(source[:, None], moment[:, None], p)

        points = np.concatenate([4 * around, 2 * around]).T
        points = np.array([points[0] * np.cos(turn + 2), points[0] * np.sin(turn + 2), -points[1]])
        truth = respond([body], field, modes=TRUTH, sizing=sizing).field(points)
        moments = (matrix @ field(sites).T.ravel()).reshape(-1, 3).T
        apart = np.linalg.norm(dipoles(sites, moments, points) - truth, axis=0)
        worst = max(worst, float((apart / np.linalg.norm(truth, axis=0)).max()))
    return worst


def dipoles(sites: np.ndarray, moments: np.ndarray, points: np.ndarray) -> np.ndarray:
    """B in uT (3, n) at points (3, n) in mm of moments (3, k) in A m2 at sites (3, k) in mm."""
    r = points[:, :, None] - sites[:, None]
    inverse = 1 / np.sqrt((r * r).sum(0))
    along = np.einsum("cnk,ck->nk", r, moments) * inverse**5
    return np.asarray(1e8 * (3 * np.einsum("nk,cnk->cn", along, r) - np.einsum("nk,ck->cn", inverse**3, moments)))
