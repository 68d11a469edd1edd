"""A second solver of coaxial magnets and iron, NGSolve's, for comparison: another mesher, other elements, another code.

The equation is that of `solve`: u = A_phi / rho, B = (-rho du/dz, 2 u + rho du/drho), mode 0, and a Robin condition on
the far arc that is exact for a dipole at the origin. Netgen makes the mesh; the arc is curved, not a polygon. NGSolve
(LGPL-2.1, https://ngsolve.org; Schöberl 2014, ASC Report 30/2014, TU Wien) is optional and imported when it is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.errors import InputError
from simulators.hand.fem.mesh import Body, Sizing, check_bodies

COARSE = Sizing(size=0.6, growth=0.2, corner=0.1)
"""Large elements, for a high order. `growth` is Netgen's grading: 1 is the steepest."""


@dataclass(frozen=True)
class Second:
    """The field of coaxial magnets and iron, by NGSolve."""

    mesh: Any
    induction: Any
    far: float

    def field(self, points: np.ndarray) -> np.ndarray:
        """B_rho and B_z in uT at points (rho, z) in mm, (2, n); InputError beyond the mesh."""
        points = np.asarray(points, float)
        reach = np.hypot(*points)
        if (reach >= 0.9 * self.far).any() or (points[0] < 0).any():
            raise InputError(
                f"field points must have rho >= 0 and lie within 0.9 of the far radius of {self.far:g} mm; "
                f"got {reach.max():g} mm"
            )
        return np.asarray(1e6 * self.induction(self.mesh(*points)).T)


def solution(bodies: Sequence[Body], sizing: Sizing = COARSE, order: int = 6) -> Second:
    """The mode 0 solution; InputError for impossible bodies, or without NGSolve."""
    check_bodies(bodies, sizing.far)
    ng = _ngsolve()
    mesh = _mesh(bodies, sizing)
    mesh.Curve(order)
    mu, br = (
        mesh.MaterialCF({_name(i): value for i, value in enumerate(values)}, default=air)
        for values, air in (([b.mu_r for b in bodies], 1.0), ([b.br for b in bodies], 0.0))
    )
    space = ng.H1(mesh, order=order)
    u, v = space.TnT()
    rho, r = ng.x, ng.sqrt(ng.x**2 + ng.y**2)

    def b(w: Any) -> Any:
        along_rho, along_z = ng.grad(w)[0], ng.grad(w)[1]
        return ng.CF((-rho * along_z, 2 * w + rho * along_rho))

    system = ng.BilinearForm(space, symmetric=True)
    system += rho / mu * b(u) * b(v) * ng.dx(bonus_intorder=3)
    system += rho**3 / r * u * v * ng.ds("far", bonus_intorder=3)
    load = ng.LinearForm(rho * br / mu * b(v)[1] * ng.dx(bonus_intorder=3))
    system.Assemble()
    load.Assemble()
    found = ng.GridFunction(space)
    found.vec.data = system.mat.Inverse(space.FreeDofs(), inverse="sparsecholesky") * load.vec
    return Second(mesh, b(found), sizing.far)


def _ngsolve() -> Any:
    try:
        import ngsolve
    except ImportError:
        raise InputError("the second solver needs NGSolve: pip install 'provingground[fem]'") from None
    return ngsolve


def _mesh(bodies: Sequence[Body], sizing: Sizing) -> Any:
    """A mesh of the half disc and of the bodies in it, fine at their corners off the axis."""
    import ngsolve
    from netgen.geom2d import CSG2d, EdgeInfo, PointInfo, Solid2d

    far, tip = sizing.far, PointInfo(maxh=sizing.size * sizing.corner)
    arcs = [EdgeInfo((far, side * far), bc="far") for side in (-1, 1)]  # control points of quarter circles
    air = Solid2d([(0, -far), arcs[0], (far, 0), arcs[1], (0, far), EdgeInfo(bc="axis")], mat="air")
    geometry = CSG2d()
    for i, body in enumerate(bodies):
        low, high = body.bottom, body.top
        corners = [(body.inner, low), (body.outer, low), (body.outer, high), (body.inner, high)]
        outline = [part for corner in corners for part in ((corner, tip) if corner[0] > 0 else (corner,))]
        solid = Solid2d(outline, mat=_name(i)).Maxh(sizing.size)
        air -= solid
        geometry.Add(solid)
    geometry.Add(air)
    return ngsolve.Mesh(geometry.GenerateMesh(maxh=far / 8, grading=sizing.growth))


def _name(index: int) -> str:
    return f"body {index}"
