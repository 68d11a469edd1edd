"""Odd multipoles of a lone cylindrical magnet of any permeability, to any order, with bounds of their errors."""

import numpy as np

from simulators.hand.fem.cache import cached
from simulators.hand.fem.mesh import Sizing, disc, triangulate
from simulators.hand.fem.reduce import energies, harmonic
from simulators.hand.fem.solve import Formulation, in_field, magnets

SIZING = Sizing(size=0.09, growth=0.15, corner=0.05, far=60)
"""In radii of the sphere round the magnet. The far boundary's error is (1 / far)^5 and 1e-4 (1 / far)^3: 2e-9."""


def odd_multipoles(width: float, height: float, mu_r: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A_1, A_3, ... over br volume / (4 pi) of a magnet in a sphere of radius 1, and bounds of their errors: (count,).

    As `reduce.multipoles`, but for the odd ones alone, to any order: those that a magnet has that is symmetric.
    """
    body = disc("magnet", width, height, mu_r=mu_r, br=1.0)

    def make() -> dict[str, np.ndarray]:
        mesh = triangulate([body], SIZING)
        one, other = (Formulation(mesh, form) for form in ("induction", "potential"))
        probes = np.array([harmonic(n, one.places) for n in range(1, 2 * count, 2)])
        middle, bound = energies((one, other), lambda form: np.concatenate([magnets(form), in_field(form, probes)]))
        direct = np.einsum("keq,nkeq,eq->n", magnets(one)[0], probes, one.weights / mu_r)
        return {"values": (direct + middle[0, 1:]) / body.volume, "bound": bound[0, 1:] / body.volume}

    found = cached("lone", {"body": body, "sizing": SIZING, "count": count}, make)
    return found["values"], found["bound"]
