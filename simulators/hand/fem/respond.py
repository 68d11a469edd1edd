"""Iron in any field: the full solution by Fourier modes, as a cloud of dipoles through the iron.

It serves where a polarisability does not: near the iron, or in a field that varies across it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenarios.errors import InputError
from simulators.hand.fem.mesh import Body, Sizing, distances, triangulate
from simulators.hand.fem.reduce import default_sizing
from simulators.hand.fem.solve import MU0, Formulation, in_field

QUADRATURE = 6
BLOCK = 16  # points at once


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Induced moments (3, n) in A m2 at sites (3, n) in mm, good down to `nearest` mm from the iron."""

    bodies: tuple[Body, ...]
    sites: np.ndarray
    moments: np.ndarray
    nearest: float

    def field(self, points: np.ndarray) -> np.ndarray:
        """B in uT of the induced moments at points (3, k) in mm; InputError nearer than `nearest` to the iron."""
        gap = float(distances(self.bodies, np.array([np.hypot(points[0], points[1]), points[2]])).min())
        if gap < self.nearest:
            raise InputError(f"points must keep {self.nearest:.3g} mm from the iron; got {gap:.3g} mm")
        parts = []
        for k in range(0, points.shape[1], BLOCK):
            r = points[:, k : k + BLOCK, None] - self.sites[:, None]
            inverse = 1 / np.sqrt((r * r).sum(0))
            along = np.einsum("ckn,cn->kn", r, self.moments) * inverse**5
            parts.append(3 * np.einsum("kn,ckn->ck", along, r) - np.einsum("kn,cn->ck", inverse**3, self.moments))
        return np.asarray(1e8 * np.concatenate(parts, axis=1))


@lru_cache(maxsize=1)
def forms_of(bodies: tuple[Body, ...], modes: int, sizing: Sizing, order: int) -> list[Formulation]:
    """One formulation a mode; kept for the next field, since to factor them takes longest."""
    mesh = triangulate(bodies, sizing)
    return [Formulation(mesh, "potential", m, order, QUADRATURE) for m in range(modes)]


def respond(
    bodies: Sequence[Body],
    field: Callable[[np.ndarray], np.ndarray],
    *,
    modes: int = 4,
    sizing: Sizing | None = None,
    order: int = 3,
) -> Cloud:
    """What iron does in `field`, B in uT at points (3, n) in mm, of sources outside it, by modes 0 to `modes` - 1."""
    if any(b.br != 0 for b in bodies):
        raise InputError("iron in a field must have Br 0; got a magnet")
    sizing = sizing or default_sizing(max(bodies, key=lambda b: b.radius))
    forms = forms_of(tuple(bodies), modes, sizing, order)
    rho, z = forms[0].places
    count = 4 * modes
    turn = 2 * np.pi * (np.arange(count) + 0.5) / count
    c, s = np.cos(turn)[:, None, None], np.sin(turn)[:, None, None]
    sites = np.array([rho * c, rho * s, z + 0 * c])  # (3, turns, triangles, q)
    b = field(sites.reshape(3, -1)).reshape(sites.shape)
    given = np.array([b[0] * c + b[1] * s, b[1] * c - b[0] * s, b[2]]) * 1e-6
    total = np.zeros_like(given)
    for m, form in enumerate(forms):
        wave = np.exp(1j * m * turn)
        h = np.einsum("ctek,t->cek", given, wave.conj()) * ((1 if m == 0 else 2) / count)
        h[1] *= 1j if m else 0  # phi goes with sin: a quarter turn on; a mean H_phi would need a current
        both = np.array([h.real, h.imag])
        j = in_field(form, both + form.on_bodies(form.solve(in_field(form, both))))
        j = j[0] + 1j * j[1]
        j[1] *= -1j
        total += (j[:, None] * wave[:, None, None]).real
    volume = forms[0].weights / count
    moments = np.array([total[0] * c - total[1] * s, total[0] * s + total[1] * c, total[2]]) * volume * (1e-9 / MU0)
    outer = max(b.outer for b in bodies)
    return Cloud(
        bodies=tuple(bodies),
        sites=sites.reshape(3, -1),
        moments=moments.reshape(3, -1),
        nearest=2 * max(sizing.size, 2 * np.pi * outer / count / 2),
    )
