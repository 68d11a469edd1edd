"""Graded triangle meshes of the half disc rho >= 0, rho^2 + z^2 <= R^2, conforming to bodies of rectangular section.

Points go onto all interfaces first, spaced by the wanted size. Delaunay triangles too large for it then get a point at
their circumcentre, in rounds, and the free points are smoothed. Nothing is trusted: a mesh is checked to follow every
interface before it is returned (Ruppert 1995, J. Algorithms 18, 548, for refinement by circumcentres).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from scenarios.errors import InputError

NEAR = 1e-9  # mm; closer coordinates are one
SHAPE = 0.70  # wanted circumradius over size: 0.577 would ask for equilateral triangles
APART = 0.62  # free points keep this share of the size from interfaces and from each other
ROUNDS = 60
SMOOTHING = 5
CORNER_GROWTH = 0.3
ARC = 121  # points on the far half circle: its polygon is 1e-4 short


@dataclass(frozen=True, kw_only=True)
class Body:
    """A solid of revolution about z with a rectangular section, in mm; a magnet where `br` (T, along z) is not 0."""

    name: str
    inner: float = 0.0
    outer: float
    bottom: float
    top: float
    mu_r: float = 1.0
    br: float = 0.0

    def __post_init__(self) -> None:
        """Check what a body must be; raise InputError."""
        if not 0 <= self.inner < self.outer or not self.bottom < self.top:
            raise InputError(
                f"{self.name}: radii must be 0 <= inner < outer and bottom < top; "
                f"got {self.inner:g}, {self.outer:g} and {self.bottom:g}, {self.top:g} mm"
            )
        if not 1 <= self.mu_r <= 1e6:
            raise InputError(f"{self.name}: relative permeability must be 1 to 1e6; got {self.mu_r:g}")

    @property
    def volume(self) -> float:
        """Volume in mm3."""
        return float(np.pi * (self.outer**2 - self.inner**2) * (self.top - self.bottom))

    @property
    def radius(self) -> float:
        """Radius in mm of the smallest sphere about the body's centre that holds it."""
        return float(np.hypot(self.outer, (self.top - self.bottom) / 2))


def disc(name: str, diameter: float, height: float, z: float = 0.0, mu_r: float = 1.0, br: float = 0.0) -> Body:
    """A disc about z (centre), mm."""
    return Body(name=name, outer=diameter / 2, bottom=z - height / 2, top=z + height / 2, mu_r=mu_r, br=br)


def ring(name: str, inner: float, outer: float, height: float, z: float = 0.0, mu_r: float = 1000.0) -> Body:
    """A ring about z (centre) by its inner and outer diameter, mm."""
    return Body(name=name, inner=inner / 2, outer=outer / 2, bottom=z - height / 2, top=z + height / 2, mu_r=mu_r)


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """Element size at the bodies (mm), its growth with distance, its share at their corners, the far radius (mm)."""

    size: float = 0.2
    growth: float = 0.05
    corner: float = 0.3
    far: float = 300.0

    def coarser(self, factor: float = 1.5) -> "Sizing":
        """The same with larger elements."""
        return Sizing(size=self.size * factor, growth=self.growth * factor, corner=self.corner, far=self.far)


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """Points (2, n) as (rho, z) in mm, triangles (3, m), and of each triangle its body's index, -1 in air."""

    points: np.ndarray
    triangles: np.ndarray
    region: np.ndarray
    bodies: tuple[Body, ...]
    far: float


def distances(bodies: Sequence[Body], p: np.ndarray) -> np.ndarray:
    """Distance of points (2, n) from each body's outline, within and without: shape (bodies, n)."""
    rows = []
    for b in bodies:
        r = np.abs(p[0] - (b.inner + b.outer) / 2) - (b.outer - b.inner) / 2
        if b.inner == 0:  # the axis is no outline
            r = p[0] - b.outer
        z = np.abs(p[1] - (b.bottom + b.top) / 2) - (b.top - b.bottom) / 2
        rows.append(np.where(np.maximum(r, z) < 0, -np.maximum(r, z), np.hypot(np.maximum(r, 0), np.maximum(z, 0))))
    return np.array(rows)


def corners(body: Body) -> np.ndarray:
    """The corners off the axis, shape (2, k)."""
    radii = [body.outer] if body.inner == 0 else [body.inner, body.outer]
    return np.array([(r, z) for r in radii for z in (body.bottom, body.top)]).T


def wanted(bodies: Sequence[Body], sizing: Sizing, p: np.ndarray) -> np.ndarray:
    """Wanted element size at points (2, n): grows from the bodies, and fits thin bodies and narrow gaps."""
    d = distances(bodies, p)
    thin = np.array([min(b.top - b.bottom, b.outer - b.inner) for b in bodies])
    size = np.min(np.minimum(sizing.size, thin)[:, None] + sizing.growth * d, axis=0)
    apart = np.array([d[group].min(axis=0) for group in _groups(bodies)])
    if len(apart) > 1:
        nearest = np.partition(apart, 1, axis=0)
        size = np.minimum(size, np.maximum(nearest[0] + nearest[1], 0.01 * sizing.size))
    if sizing.corner < 1:
        tips = np.concatenate([corners(b) for b in bodies], axis=1)
        to_tip, _ = cKDTree(tips.T).query(p.T)
        size = np.minimum(size, sizing.size * sizing.corner + CORNER_GROWTH * to_tip)
    return size


def _overlap(a: Body, b: Body) -> float:
    """By how much two bodies overlap, mm; 0 where they touch, below 0 where they are apart."""
    return min(min(a.outer, b.outer) - max(a.inner, b.inner), min(a.top, b.top) - max(a.bottom, b.bottom))


def _groups(bodies: Sequence[Body]) -> list[list[int]]:
    """Indices of bodies, those that touch together."""
    groups: list[list[int]] = []
    for i, body in enumerate(bodies):
        linked = [g for g in groups if any(_overlap(body, bodies[j]) >= -NEAR for j in g)]
        groups = [g for g in groups if g not in linked] + [[i, *(j for g in linked for j in g)]]
    return groups


def check_bodies(bodies: Sequence[Body], far: float) -> None:
    """Raise InputError for bodies that overlap, iron that touches a magnet, or one that comes near the far boundary."""
    if not bodies:
        raise InputError("a mesh needs at least one body; got none")
    for i, a in enumerate(bodies):
        reach = float(np.hypot(a.outer, max(abs(a.bottom), abs(a.top))))
        if reach > 0.8 * far:
            raise InputError(f"{a.name}: must lie within 0.8 of the far radius of {far:g} mm; it reaches {reach:g} mm")
        for b in bodies[:i]:
            overlap = _overlap(a, b)
            if overlap > NEAR:
                raise InputError(f"{a.name} and {b.name}: bodies must not overlap; they do by {overlap:g} mm")
            if overlap >= -NEAR and (a.br != 0 or b.br != 0):
                raise InputError(f"{a.name} and {b.name}: iron must not touch a magnet; the gap is 0 mm")


def _rounded(body: Body) -> Body:
    """The body with coordinates that are equal where they are nearly so."""
    return replace(body, **{name: round(getattr(body, name), 9) for name in ("inner", "outer", "bottom", "top")})


def _outline(bodies: Sequence[Body], far: float) -> np.ndarray:
    """All straight interface pieces and the axis, cut where corners lie on them: rows (rho, z, rho, z), each once."""
    edges = [((0.0, -far), (0.0, far))]
    for b in bodies:
        a, c = (b.inner, b.bottom), (b.outer, b.top)
        edges += [(a, (c[0], a[1])), ((a[0], c[1]), c), ((c[0], a[1]), c)]
        if b.inner > 0:
            edges.append((a, (a[0], c[1])))
    ends = np.unique(np.round(np.array(edges).reshape(-1, 2), 9), axis=0)
    pieces = set()
    for start, stop in np.round(np.array(edges), 9):
        along = int(start[0] == stop[0])
        on = ends[(ends[:, 1 - along] == start[1 - along]) & (ends[:, along] >= start[along])]
        on = on[on[:, along] <= stop[along]]
        on = on[np.argsort(on[:, along])]
        pieces |= {(*p, *q) for p, q in zip(on[:-1].tolist(), on[1:].tolist(), strict=True)}
    return np.array(sorted(pieces))


def _spaced(bodies: Sequence[Body], sizing: Sizing, path: np.ndarray) -> np.ndarray:
    """Points along a finely sampled path (2, n), spaced by the wanted size, with both ends."""
    step = np.hypot(*np.diff(path))
    density = 1 / wanted(bodies, sizing, (path[:, 1:] + path[:, :-1]) / 2)
    total = np.concatenate([[0.0], np.cumsum(step * density)])
    marks = np.linspace(0, total[-1], max(int(np.ceil(total[-1])), 1) + 1)
    found = np.array([np.interp(marks, total, row) for row in path])
    found[:, 0], found[:, -1] = path[:, 0], path[:, -1]
    return found


def _samples(length: float, finest: float) -> np.ndarray:
    """Places 0 to 1 along a piece, dense at both ends, where sizes change fastest."""
    half = np.concatenate([[0.0], np.geomspace(min(0.1 * finest / length, 0.1), 0.5, 500)])
    return np.concatenate([half, 1 - half[-2::-1]])


def triangulate(bodies: Sequence[Body], sizing: Sizing) -> Mesh:
    """A checked mesh; InputError where bodies are impossible or the mesh does not conform."""
    check_bodies(bodies, sizing.far)
    bodies = [_rounded(b) for b in bodies]
    parts = []
    for piece in _outline(bodies, sizing.far):
        start, stop = piece[:2], piece[2:]
        t = _samples(float(np.hypot(*(stop - start))), sizing.size * sizing.corner)
        parts.append(_spaced(bodies, sizing, start[:, None] + (stop - start)[:, None] * t))
    turn = np.linspace(-np.pi / 2, np.pi / 2, ARC)
    parts.append(sizing.far * np.array([np.cos(turn), np.sin(turn)]))
    fixed = np.unique(np.round(np.concatenate(parts, axis=1), 9), axis=1)
    fixed[0] = np.maximum(fixed[0], 0)
    points = _smooth(_fill(bodies, sizing, fixed), fixed.shape[1])
    return conforming(bodies, sizing.far, points)


def _fill(bodies: Sequence[Body], sizing: Sizing, fixed: np.ndarray) -> np.ndarray:
    """The fixed points (2, n) and free ones after them, until no triangle is too large for the wanted size."""
    points = fixed
    edge = cKDTree(fixed.T)
    for _ in range(ROUNDS):
        centres, radii = circumcircles(points, Delaunay(points.T).simplices.T)
        keep = (centres[0] > 0) & (np.hypot(*centres) < sizing.far)
        centres, radii = centres[:, keep], radii[keep]
        size = wanted(bodies, sizing, centres)
        keep = (radii > SHAPE * size) & (edge.query(centres.T)[0] > APART * size)
        centres, size, worst = centres[:, keep], size[keep], (radii / size)[keep]
        if not size.size:
            return points
        near = cKDTree(centres.T)
        dead = np.zeros(size.size, bool)
        chosen = []
        for i in np.argsort(-worst, kind="stable"):
            if not dead[i]:
                chosen.append(i)
                dead[near.query_ball_point(centres[:, i], size[i])] = True
        points = np.concatenate([points, centres[:, chosen]], axis=1)
    raise InputError(f"a mesh that does not end: size {sizing.size:g} mm, growth {sizing.growth:g}")


def _smooth(points: np.ndarray, fixed: int) -> np.ndarray:
    """Move each free point to the mean of its neighbours, a few times."""
    for _ in range(SMOOTHING):
        t = Delaunay(points.T).simplices
        pairs = np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]])
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
        ends = np.concatenate([pairs, pairs[:, ::-1]])
        count = np.bincount(ends[:, 0], minlength=points.shape[1])
        mean = np.array([np.bincount(ends[:, 0], row[ends[:, 1]], points.shape[1]) for row in points]) / count
        points = np.concatenate([points[:, :fixed], mean[:, fixed:]], axis=1)
    return points


def circumcircles(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres (2, m) and radii (m,) of the circles through the triangles' corners."""
    a, b, c = (points[:, k] for k in triangles)
    b, c = b - a, c - a
    with np.errstate(divide="ignore", invalid="ignore"):
        det = 2 * (b[0] * c[1] - b[1] * c[0])
        bb, cc = (b * b).sum(0), (c * c).sum(0)
        offset = np.array([c[1] * bb - b[1] * cc, b[0] * cc - c[0] * bb]) / det
    flat = ~np.isfinite(offset).all(axis=0)
    offset[:, flat] = 0
    return a + offset, np.where(flat, 0, np.hypot(*offset))


def conforming(bodies: Sequence[Body], far: float, points: np.ndarray) -> Mesh:
    """The Delaunay mesh of points (2, n); InputError where a triangle lies in two regions or is degenerate."""
    t = Delaunay(points.T).simplices.T
    a, b, c = (points[:, k] for k in t)
    area = 0.5 * ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0])
    longest = np.maximum.reduce([np.hypot(*(b - a)), np.hypot(*(c - b)), np.hypot(*(a - c))])
    flat = np.abs(area) < 1e-6 * longest**2
    hull = flat & (np.abs(np.hypot(*((a + b + c) / 3)) - far) < longest)  # slivers of the rounded axis and arc
    hull |= flat & ((a + b + c)[0] < NEAR)
    t, area, flat = t[:, ~hull], area[~hull], flat[~hull]
    middle = points[:, t].mean(axis=1)
    region = np.full(t.shape[1], -1)
    wrong = flat
    for i, body in enumerate(bodies):
        inside = _within(body, middle, 0)
        region[inside] = i
        in_or_on = _within(body, points[:, t].reshape(2, -1), -NEAR * 10).reshape(t.shape)
        strictly = _within(body, points[:, t].reshape(2, -1), NEAR * 10).reshape(t.shape)
        wrong = wrong | (inside & ~in_or_on.all(axis=0)) | (~inside & strictly.any(axis=0))
    covered = np.abs(area) * 2 * np.pi * middle[0]
    for i, body in enumerate(bodies):
        if abs(covered[region == i].sum() / body.volume - 1) > 1e-9:
            wrong = wrong | (region == i)
    if wrong.any():
        raise InputError(f"a mesh that does not conform: {int(wrong.sum())} of {t.shape[1]} triangles cross interfaces")
    order = np.where(area < 0, 1, 0)
    t = np.where(order, t[[0, 2, 1]], t)
    return Mesh(points=points, triangles=t, region=region, bodies=tuple(bodies), far=far)


def _within(body: Body, p: np.ndarray, margin: float) -> np.ndarray:
    left = p[0] > body.inner + margin if body.inner > 0 else np.ones(p.shape[1], bool)
    return left & (p[0] < body.outer - margin) & (p[1] > body.bottom + margin) & (p[1] < body.top - margin)
