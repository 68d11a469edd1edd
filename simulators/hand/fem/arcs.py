"""Iron in any field, at run time: the full solution by Fourier modes, reduced to one matrix.

Sources keep a distance from a body of revolution, so that their fields are smooth on it: B at `sites`, on rings through
the body, says them all. For each Fourier mode m about the axis and each amplitude at a ring of sites there is a field
that has it: of rings of charge cos(m phi) around the body and nearer to it than sources may come, by least squares
with a ridge. The energies of the finite element solution in pairs of such fields are the matrix from B at sites to
moments at sites: symmetric, as reciprocity asks, some microseconds a pose, and as near as the sites are dense (the
method of fundamental solutions; a T-matrix of Waterman 1965, Proc. IEEE 53, 805, on points instead of harmonics).
"""

from dataclasses import dataclass, replace

import numpy as np

from scenarios.errors import InputError
from simulators.hand.fem.cache import cached
from simulators.hand.fem.mesh import Body, Sizing, distances
from simulators.hand.fem.reduce import default_sizing
from simulators.hand.fem.respond import forms_of
from simulators.hand.fem.solve import MU0, Formulation, in_field

ORDER = 3
SPACING, MORE = 2.0, 4
"""Least distance of sources over that of sites from each other; sites of a ring beyond those, or the small ones take
high modes for low ones."""
ACROSS, ALONG = 2.5, 1.6
"""The former of a thin ring, over its section and along it, where none is small."""
MOST = 400
"""Greatest number of sites."""
PROXY, RIDGE = 0.9, 1e-2
"""Distance of the charges over that of sources; share of its rms that an amplitude may be off."""
TRUTH = 1.4
"""Modes of the full solution by which the certificate is made, over those of the matrix."""
NEAREST = 0.28
"""Least distance over a body's outer radius if nothing else is asked, but for a thin ring."""
SLENDER = 0.6
"""A ring is thin up to this ratio of its section's larger side to the core line's radius."""
LIMIT = 0.2
"""Greatest error of the iron's own field, which is a few percent of the magnets', with which iron is served."""
DIGITS = 9
"""Of the matrix, over its largest entry: what machines agree on."""
PROBES, POINTS, MANY, FACTORS = 18, 6, 500, (1.0, 2.0, 4.0)
"""Dipoles of the certificate; points of each distance, of error and for the rms; distances, in nearest ones."""


@dataclass(frozen=True, kw_only=True)
class Arcs:
    """Moments in A m2 by B in uT: `matrix` (3 k, 3 k) for vectors of x, y and z of each of `sites` (3, k), in mm.

    `bound` is measured and not proven: the greatest error found with PROBES random dipoles, two in three of them
    `nearest` mm from the iron and the others up to three times that, at POINTS random points at each of FACTORS times
    `nearest` mm, over the rms of the iron's own field at these points. The change by a coarser mesh is added to it.
    """

    body: Body
    sites: np.ndarray
    matrix: np.ndarray
    nearest: float
    bound: float

    def check_outside(self, points: np.ndarray, what: str) -> None:
        """Raise InputError for points (3, n) in the body's frame that are nearer than `nearest` mm to the iron."""
        gap = float(distances([self.body], np.array([np.hypot(points[0], points[1]), points[2]])).min())
        if gap < self.nearest:
            raise InputError(
                f"{self.body.name}: iron must not touch {what}; they must keep {self.nearest:.3g} mm, and come to "
                f"{gap:.3g} mm"
            )


def arcs(body: Body, nearest_mm: float | None = None, sizing: Sizing | None = None, limit: float = LIMIT) -> Arcs:
    """The matrix of iron about z, about its own centre, for sources and points `nearest_mm` away (else `nearest_of`).

    From the cache where it was made before. Raises InputError for what is no iron, for a distance that asks for more
    than MOST sites, and where the error is above `limit` of the iron's field.
    """
    if body.br != 0 or body.mu_r == 1:
        raise InputError(f"{body.name}: it must be of iron; it has Br {body.br:g} T, mu_r {body.mu_r:g}")
    half = round((body.top - body.bottom) / 2, 9)
    body = replace(body, bottom=-half, top=half)
    nearest = float(nearest_of(body) if nearest_mm is None else nearest_mm)
    counts, places = rings_of(body, nearest)
    if sum(counts) > MOST:
        raise InputError(
            f"{body.name}: iron of this size cannot be served {nearest:.3g} mm from it: that takes {sum(counts)} sites,"
            f" above {MOST}; try from {nearest_of(body):.3g} mm on"
        )
    sizing = sizing or sizing_of(body)

    def make() -> dict[str, np.ndarray]:
        coarse = _matrix(body, sizing.coarser(), nearest, max(counts))
        matrix = _matrix(body, sizing, nearest, max(counts))
        mesh = np.linalg.norm(matrix - coarse, 2) / np.linalg.norm(matrix, 2)
        unit = 10.0 ** np.ceil(np.log10(np.abs(matrix).max()))
        matrix = np.round(matrix / unit, DIGITS) * unit
        error = float(_errors(body, sizing, nearest, matrix, seed=0).max())
        return {"matrix": matrix, "bound": np.array(float(f"{mesh + error:.3g}"))}

    inputs = {"body": body, "sizing": sizing, "nearest": nearest}
    found = cached("arcs", inputs, make)
    if not (bound := float(found["bound"])) <= limit:
        raise InputError(f"{body.name}: a mesh that does not converge: error bound {bound:.2g}, above {limit:g}")
    return Arcs(body=body, sites=sites_of(counts, places), matrix=found["matrix"], nearest=nearest, bound=bound)


def sizing_of(body: Body) -> Sizing:
    """Elements for high modes: one layer of a disc's, of 1/20 of its radius, was off by a third."""
    sizing = default_sizing(body)
    return sizing if body.inner > 0 else replace(sizing, size=min(sizing.size, body.outer / 40))


def nearest_of(body: Body) -> float:
    """How near a magnet or a sensor may come to the iron if nothing else is asked, mm."""
    if is_thin_ring(body):
        return round(max(np.pi * (body.inner + body.outer) / 24, body.outer - body.inner, body.top - body.bottom), 9)
    return round(max(NEAREST * body.outer, 1.5 * min(body.outer - body.inner, body.top - body.bottom)), 9)


def is_thin_ring(body: Body) -> bool:
    """Whether a body's section is small beside its mean radius."""
    return max(body.outer - body.inner, body.top - body.bottom) <= SLENDER * (body.inner + body.outer) / 2


def rings_of(body: Body, nearest: float) -> tuple[list[int], np.ndarray]:
    """Number of sites on each ring, and the rings' (rho, z), (2, rings): midpoints of equal parts of the section."""
    over, along, more = (ACROSS, ALONG, 0) if is_thin_ring(body) else (SPACING, SPACING, MORE)
    across, up = (
        (np.arange(n := int(np.ceil(over * side / nearest - 1e-9))) + 0.5) * side / n
        for side in (body.outer - body.inner, body.top - body.bottom)
    )
    rho, z = np.meshgrid(body.inner + across, body.bottom + up, indexing="ij")
    counts = (np.ceil(along * 2 * np.pi * rho / nearest) + more).astype(int).ravel()
    return np.maximum(counts, 2 * MORE - 1).tolist(), np.array([rho.ravel(), z.ravel()])


def sites_of(counts: list[int], places: np.ndarray) -> np.ndarray:
    """The sites (3, k) of rings at (rho, z), ring by ring."""
    return np.concatenate(
        [
            [rho * np.cos(turn := _turns(n)), rho * np.sin(turn), np.full(n, z)]
            for n, (rho, z) in zip(counts, places.T, strict=True)
        ],
        axis=1,
    )


def _turns(count: int) -> np.ndarray:
    return 2 * np.pi * (np.arange(count) + 0.5) / count


def around(body: Body, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """A fine line (rho, z) (2, n) that keeps `gap` from a body, by its length (n,) from its start at 0."""
    right = np.linspace(-np.pi / 2, np.pi / 2, 400)
    hole = body.inner - gap
    centre = (body.inner + body.outer) / 2 if hole > 0 else 0.0
    edge = np.array(
        [body.outer + gap * np.cos(right), np.where(right < 0, body.bottom, body.top) + gap * np.sin(right)]
    )
    flats = np.linspace(centre, body.outer, 400, endpoint=False)
    path: list[np.ndarray | list[np.ndarray]] = [
        [flats, 0 * flats + body.bottom - gap],
        edge,
        [flats[::-1], 0 * flats + body.top + gap],
    ]
    if hole > 0:
        back = np.array([body.inner - gap * np.cos(right), edge[1]])[:, ::-1]
        inward = np.linspace(centre, body.inner, 400, endpoint=False)
        path += [[inward, 0 * inward + body.top + gap], back, [inward[::-1], 0 * inward + body.bottom - gap]]
    line = np.concatenate([np.array(part) for part in path], axis=1)
    return line, np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line)))])


def _charges(body: Body, nearest: float) -> np.ndarray:
    """Places (rho, z) (2, n) of rings of charge that stand for all sources beyond."""
    line, length = around(body, PROXY * nearest)
    count = int(np.ceil(2 * length[-1] / (PROXY * nearest)))
    marks = (np.arange(count) + 0.5) / count * length[-1]
    return np.array([np.interp(marks, length, row) for row in line])


def charged(charges: np.ndarray, places: np.ndarray, modes: int, turns: int) -> np.ndarray:
    """Amplitudes (modes, 3, charges, n) at places (rho, z) (2, n) of B of rings of charge cos(m phi).

    rho and z go with cos, phi with sin. `turns` points on each half ring: their error falls as exp(-2 turns distance /
    rho).
    """
    turn = np.pi * (np.arange(turns) + 0.5) / turns
    waves = np.array([(f(np.outer(turn, np.arange(modes))) / turns) for f in (np.cos, np.sin)])
    out = np.empty((modes, 3, charges.shape[1], places.shape[1]))
    for k, (rho, z) in enumerate(charges.T):
        along, up = places[0][:, None] - rho * np.cos(turn), places[1][:, None] - z
        inverse = (along**2 + (rho * np.sin(turn)) ** 2 + up**2) ** -1.5
        out[:, 0, k] = ((along * inverse) @ waves[0]).T
        out[:, 1, k] = ((rho * np.sin(turn) * inverse) @ waves[1]).T
        out[:, 2, k] = ((up * inverse) @ waves[0]).T
    return out


def _matrix(body: Body, sizing: Sizing, nearest: float, most: int) -> np.ndarray:
    """The matrix (3 k, 3 k) on the sites of `rings_of`."""
    counts, places = rings_of(body, nearest)
    modes = (most + 1) // 2
    forms = forms_of((body,), _truth_modes(most), sizing, ORDER)
    charges, inside = _charges(body, nearest), forms[0].places
    turns = 2 * most
    at_sites = charged(charges, places, modes, turns)
    in_body = charged(charges, inside.reshape(2, -1), modes, turns)
    start = np.concatenate([[0], np.cumsum(counts)])
    total = np.zeros((start[-1], 3, start[-1], 3))
    for m in range(modes):
        rings = [i for i, n in enumerate(counts) if 2 * m < n]
        known = at_sites[m][:, :, rings].transpose(2, 0, 1).reshape(3 * len(rings), -1)  # (rings rho phi z, charges)
        norm = np.linalg.norm(known, axis=0)
        scale = 1 / np.maximum(norm, 1e-3 * norm.max())  # charges near the axis have no high modes but for rounding
        known = known * scale
        square = known @ known.T
        ridge = RIDGE**2 * np.trace(square) / len(square) * np.eye(len(square))
        weights = scale[:, None] * np.linalg.solve(square + ridge, known).T  # (charges, amplitudes)
        given = np.einsum("cpn,pa->acn", in_body[m], weights, optimize=True).reshape(-1, 3, *inside.shape[1:]) * 1e-6
        energy = _energies(forms[m], given).reshape(len(rings), 3, len(rings), 3)
        for a, i in enumerate(rings):
            for b, j in enumerate(rings):
                share = (1 if m == 0 else 4) / (counts[i] * counts[j])
                for one, other in zip(_waves(m, counts[i]), _waves(m, counts[j]), strict=True):
                    total[start[i] : start[i + 1], :, start[j] : start[j + 1]] += share * np.einsum(
                        "ki,ij,lj->kilj", one, energy[a, :, b], other
                    )
    turn = np.concatenate([_turns(n) for n in counts])
    c, s, zero = np.cos(turn), np.sin(turn), np.zeros(turn.size)
    to_cartesian = np.array([[c, -s, zero], [s, c, zero], [zero, zero, zero + 1]])  # (xyz, rho phi z, site)
    turned = np.einsum("xik,kilj,yjl->kxly", to_cartesian, total, to_cartesian, optimize=True)
    flat = turned.reshape(3 * turn.size, 3 * turn.size)
    return np.asarray((flat + flat.T) / 2)


def _waves(m: int, count: int) -> list[np.ndarray]:
    """Of mode m at the sites of a ring, (site, rho phi z): as cos and, a quarter turn on, as sin."""
    even, odd = np.cos(m * _turns(count)), np.sin(m * _turns(count))
    return [np.array(w).T for w in ([even, odd, even], [odd, -even, odd])[: 1 if m == 0 else 2]]


def _magnetised(form: Formulation, given: np.ndarray) -> np.ndarray:
    """Magnetisation over 1 / mu0 in T at the form's places, in fields (sources, 3, triangles, q), in T."""
    return in_field(form, given + form.on_bodies(form.solve(in_field(form, given))))


def _energies(form: Formulation, given: np.ndarray) -> np.ndarray:
    """Energies (sources, sources) of each field with what another makes of the body, in A m2 uT by fields of uT."""
    answer = _magnetised(form, given) * form.weights * (1e-9 / MU0 * 1e6)
    return np.asarray(given.reshape(len(given), -1) @ answer.reshape(len(given), -1).T)


def _truth_modes(most: int) -> int:
    return int(np.ceil(TRUTH * ((most + 1) // 2)))


def _drawn(rng: np.random.Generator, body: Body, gap: float, count: int) -> np.ndarray:
    """Points (3, count) at random at `gap` mm from a body."""
    line, length = around(body, gap)
    marks, turn = rng.uniform(0, length[-1], count), rng.uniform(0, 2 * np.pi, count)
    rho, z = (np.interp(marks, length, row) for row in line)
    return np.array([rho * np.cos(turn), rho * np.sin(turn), z])


def _errors(body: Body, sizing: Sizing, nearest: float, matrix: np.ndarray, seed: int) -> np.ndarray:
    """Errors (dipoles, distances, points) of the matrix, against the full solution, as `Arcs.bound` has them."""
    rng = np.random.default_rng(seed)
    gaps = nearest * np.where(np.arange(PROBES) % 3 < 2, 1.0, rng.uniform(1, 3, PROBES))
    places = np.concatenate([_drawn(rng, body, gap, 1) for gap in gaps], axis=1)
    moments = rng.normal(size=(3, PROBES))
    moments *= 0.1 / np.linalg.norm(moments, axis=0)
    points = np.concatenate([_drawn(rng, body, f * nearest, POINTS) for f in FACTORS], axis=1)
    counts, rings = rings_of(body, nearest)
    sites = sites_of(counts, rings)
    forms = forms_of((body,), _truth_modes(max(counts)), sizing, ORDER)
    truth = answers(forms, places, moments, points)
    many = np.concatenate([_drawn(rng, body, f * nearest, MANY) for f in FACTORS], axis=1)
    errors = np.empty((PROBES, len(FACTORS), POINTS))
    for k in range(PROBES):
        given = dipoles(places[:, k : k + 1], moments[:, k : k + 1], sites)
        own = (matrix @ given.T.ravel()).reshape(-1, 3).T
        rms = np.sqrt((dipoles(sites, own, many) ** 2).sum(0).reshape(len(FACTORS), MANY).mean(axis=1))
        apart = np.linalg.norm(dipoles(sites, own, points) - truth[k], axis=0)
        errors[k] = apart.reshape(len(FACTORS), POINTS) / rms[:, None]
    return errors


def answers(forms: list[Formulation], places: np.ndarray, moments: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The full solution: B in uT (k, 3, n) at points (3, n) of what dipoles (3, k) in A m2 make of a body, mm.

    By reciprocity: the energy of what a dipole makes of the body with the field of a unit dipole at the point.
    """
    each = zip(places.T, moments.T, strict=True)
    made = np.array([_modes_of(forms, place, moment[None])[0] for place, moment in each])
    for m, form in enumerate(forms):
        both = made[:, m].copy()
        both[:, 1] *= 1j if m else 0  # phi goes with sin: a quarter turn on; a mean H_phi would need a current
        both = np.concatenate([both.real, both.imag]) * 1e-6
        j = _magnetised(form, both) * (form.weights * 1e-9 / MU0)
        made[:, m] = j[: len(made)] + 1j * j[len(made) :]
        made[:, m, 1] *= -1j
    flat = made.reshape(len(made), -1).conj()
    found = np.empty((len(made), 3, points.shape[1]))
    for n, point in enumerate(points.T):
        found[:, :, n] = (flat @ _modes_of(forms, point, np.eye(3)).reshape(3, -1).T).real
    return found


def _modes_of(forms: list[Formulation], place: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Complex amplitudes (k, modes, 3, triangles, q) on the body of B of moments (k, 3) at a place, each of one dipole.

    B is the real part of their waves exp(i m phi).
    """
    rho, z = forms[0].places.reshape(2, -1)
    count = 3 * len(forms)
    turn = 2 * np.pi * np.arange(count) / count
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    r = np.array([rho * c - place[0], rho * s - place[1], np.broadcast_to(z - place[2], (count, rho.size))])
    inverse = 1 / np.sqrt((r * r).sum(0))
    cube, fifth = 1e8 * inverse**3, 3e8 * inverse**5
    found = np.empty((len(moments), len(forms), 3, rho.size), complex)
    waves = np.exp(-1j * np.outer(np.arange(len(forms)), turn)) * (2 / count)
    waves[0] /= 2
    parts = np.concatenate([waves.real, waves.imag])
    for one, (x, y, up) in zip(found, moments, strict=True):
        along = (x * r[0] + y * r[1] + up * r[2]) * fifth
        b = along * r[0] - x * cube, along * r[1] - y * cube, along * r[2] - up * cube
        for i, part in enumerate((b[0] * c + b[1] * s, b[1] * c - b[0] * s, b[2])):
            both = parts @ part
            one[:, i] = both[: len(forms)] + 1j * both[len(forms) :]
    return found.reshape(*found.shape[:3], *forms[0].places.shape[1:])


def dipoles(sites: np.ndarray, moments: np.ndarray, points: np.ndarray) -> np.ndarray:
    """B in uT (3, n) at points (3, n) in mm of moments (3, k) in A m2 at sites (3, k) in mm."""
    r = points[:, :, None] - sites[:, None]
    inverse = 1 / np.sqrt((r * r).sum(0))
    along = np.einsum("cnk,ck->nk", r, moments) * inverse**5
    return np.asarray(1e8 * (3 * np.einsum("nk,cnk->cn", along, r) - np.einsum("nk,ck->cn", inverse**3, moments)))
