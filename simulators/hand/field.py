"""The field of magnets, from the cheapest level of the ladder whose own known error meets a tolerance.

Levels: `dipole`; `multipole` (l <= 7, cylinders); `cylinder` (exact); `magpylib` (exact, cylinders and cuboids, slow);
`fem` (cylinders: the exact one, and what finite elements add to its multipoles; seconds for the first magnet of its
shape and mu_r, then from the cache). All but the last describe a uniformly magnetised body, whose demagnetisation is
one factor of its moment (see `Magnet`). A magnet of mu_r > 1 is none, and their errors have a share for that. One whose
`demagnetisation` is given is uniform by definition, for `fem` too.

Shapes: positions and axes (magnets, 3, poses), points (points, 3). Lengths in mm, fields in uT.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenarios.errors import InputError
from simulators.hand.kernels import cylinder as exact
from simulators.hand.kernels import fields
from simulators.hand.magnets import Magnet

Floats = NDArray[np.float64]
LEVELS = ("dipole", "multipole", "cylinder", "magpylib", "fem")
OF_KIND = {"cylinder": LEVELS, "cuboid": ("dipole", "magpylib")}
LAST = {"dipole": 1, "multipole": 7}
ROUNDING = 1e-14
UNEVEN = (0.0275, 0.1, 0.025)
"""(a, b, c): the moment of a uniform body is within a (mu_r - 1)^2 of the magnet's, and its A_l within (b + c height /
width) (mu_r - 1) A_1 radius^(l-1); width: of the square of its area. Measured by FEM, see `error_bound`."""
UNEVEN_NEAR = 0.75
"""Greatest error of a uniform body's exact field over (mu_r - 1), from 1e-4 radii off its surface. Measured by FEM."""
DIGITS = 9
"""Decimals of A_l / (A_1 radius^(l-1)) that `fem` keeps: as many as it knows, fewer than differ between machines."""
FAR_BOUNDARY = 2e-9
"""Error of these by the mesh's outer boundary."""
SKIN = 1e-6
"""A point is inside a magnet that it would be inside of if that were larger by this share."""
_ORDERS = 200


def error_bound(magnet: Magnet, level: str, distance: float, *, gradient: bool = False) -> float:
    """Greatest |error of a level| / |B| of one magnet at `distance` mm or further from its centre, in any direction.

    A cylinder's multipole l is at most |A_l| (l+1) / 2 r^-(l+2) times the dipole's field in the same direction for
    A_1 = 1 (equal on the axis), so with e = sum over l > L of (l+1)/2 |A_l/A_1| r^(1-l) and s the same sum from l = 3
    the relative error is at most e / (1 - s). A cuboid is a mean of dipoles at distances d from its centre; the term
    of order n in d is at most (n+1)(n+2) (d/r)^n of the dipole's least field (derivatives of 1/r: Banach's theorem
    on symmetric forms), odd n vanish, and the mean of d^n is at most radius^n / 3. The bound is inf where it says
    nothing, below 1.2 radii at the latest. Exact levels: rounding, measured in the tests against
    extended precision, from 1e-4 of the largest side off the edges.

    A magnet of mu_r > 1 without a given `demagnetisation` is not uniform. To first order in mu_r - 1 the moment is
    right, for the mean of the field inside is, and A_3, A_5, ... change in proportion. `UNEVEN` bounds both changes
    for heights of 0.05 to 10 diameters, mu_r to 100 and l <= 25, and for cuboids of like shapes in first order; they
    are added to e and s, l = 1 with its share of the moment. Exact levels have the least of that and `UNEVEN_NEAR`.
    The error of `fem` is e of the changes of l > 25, by `UNEVEN`, which it leaves out, and that of the others, which
    lie between two dual energies.

    `gradient`: the same for both Jacobians, as spectral norms. By Banach's theorem again, the gradient of multipole l
    has (l+2)/3 times, and its derivative by the axis (l^2 + 1)^(1/2) / 2 times the field's share of the dipole's least.
    They are those of the uniform body: its being none is left out.
    """
    bound = _bound(magnet, level, distance, distance, gradient)
    return bound + _certificate(magnet, distance) if level == "fem" and bound < np.inf else bound


def _bound(magnet: Magnet, level: str, nearest: float, farthest: float, gradient: bool) -> float:
    """The error bound from `nearest` to `farthest` mm, but for what finite elements know of their own error."""
    ratio = nearest / magnet.radius
    rounding = ROUNDING if level in LAST else _rounding(magnet, level, farthest)
    moment, uneven = (0.0, 0.0) if gradient else _uneven(magnet)
    most = UNEVEN_NEAR * (magnet.mu_r - 1) if level in ("cylinder", "magpylib") else np.inf
    if level not in LAST and not moment:
        return rounding
    if not ratio > 1.2:
        return rounding + most
    order = np.arange(3.0, _ORDERS, 2)
    if magnet.kind == "cuboid":
        terms = order * (order + 1) / 3
        terms *= _steeper(order) if gradient else 1
    else:
        terms = (order + 1) / 2 * np.abs(magnet.ratios(order.size + 1)[1:])
        terms *= 2 * _steeper(order) if gradient else 1
    terms *= ratio ** (1 - order)
    changes = uneven * (order + 1) / 2 * ratio ** (1 - order)
    total = moment + float((terms + changes).sum())
    if level == "fem":
        left_out = float(changes[order > 2 * exact.TERMS].sum())
    else:
        left_out = float(terms[order > LAST.get(level, np.inf)].sum()) + moment + float(changes.sum())
    return rounding + min(most, left_out / (1 - total) if total < 1 else np.inf)


def _rounding(magnet: Magnet, level: str, distance: float) -> float:
    """Error of an exact level for a uniform body."""
    if level != "magpylib":
        flat = magnet.sides[0] ** 2 * magnet.sides[2] / 8 / magnet.radius**3
        return ROUNDING * (100 + exact.FAR**3 / flat / 10)
    return ROUNDING * (1 + distance**3 / magnet.volume)


def _uneven(magnet: Magnet) -> tuple[float, float]:
    """Bounds of what uneven magnetisation changes: the moment's share, and that of A_l / (A_1 radius^(l-1))."""
    if magnet.demagnetisation is not None:
        return 0.0, 0.0
    width, depth, height = magnet.sides
    a, b, c = UNEVEN
    return a * (magnet.mu_r - 1) ** 2, (b + c * height / np.sqrt(width * depth)) * (magnet.mu_r - 1)


def _steeper(order: Floats) -> Floats:
    return np.maximum((order + 2) / 3, np.hypot(order, 1) / 2)


def choose(magnet: Magnet, nearest: float, farthest: float, tolerance: float, *, gradient: bool = False) -> str:
    """The cheapest level whose error bound meets `tolerance` from `nearest` to `farthest` mm.

    Raises InputError if none does.
    """
    bounds = {}
    for level in OF_KIND[magnet.kind]:
        if gradient and level not in LAST:
            continue
        bounds[level] = _bound(magnet, level, nearest, farthest, gradient)
        if level == "fem" and bounds[level] <= tolerance:  # else there is no need to solve anything
            bounds[level] += _certificate(magnet, nearest)
        if bounds[level] <= tolerance:
            return level
    least = min(bounds, key=lambda level: bounds[level])
    raise InputError(
        f"the tolerance of a {magnet}{' and its Jacobians' * gradient} at {nearest:.3g} mm must be at least that of"
        f" its best level, {bounds[least]:.1e} ({least}); came {tolerance:g}"
    )


class Field(NamedTuple):
    """Fields in uT, and the level of the ladder that served each magnet."""

    field: Floats
    levels: tuple[str, ...]


class Jacobian(NamedTuple):
    """dB/d(position) in uT/mm, dB/d(axis) in uT, and the level that served each magnet."""

    by_position: Floats
    by_axis: Floats
    levels: tuple[str, ...]


def field(
    magnets: Sequence[Magnet],
    positions: ArrayLike,
    axes: ArrayLike,
    points: ArrayLike,
    tolerance: float = 1e-3,
    level: str | None = None,
    *,
    each: bool = False,
    sides: ArrayLike | None = None,
) -> Field:
    """B of all magnets, shape (points, 3, poses), and the level that served each magnet.

    Each magnet gets the cheapest level whose error is at most `tolerance` of its own field wherever it comes (so the
    level depends on the nearest and the farthest of the given poses), or `level`. With `each`, the fields of single
    magnets, shape (points, magnets, 3, poses). `axes` are unit vectors; `sides`, of the same shape, are unit vectors
    along the first of the `size_mm` of cuboids, without which it is the coordinate axis most across the magnet's own,
    made square to it.

    Raises InputError for arrays that do not fit or are not finite, for a tolerance that no level meets, for a level
    that a magnet does not have, for `fem` within the sphere round a magnet, and for a magnet with a point inside it.
    """
    p, u, at = _checked(magnets, positions, axes, points)
    reach = _survey(magnets, p, u, at)
    _refuse_inside(magnets, p, u, at, reach, sides)
    levels = _levels(magnets, reach, tolerance, level)
    out = np.zeros((len(at), len(magnets) if each else 1, 3, p.shape[2]))
    served = ["series" if name in LAST else name for name in levels]
    for name in sorted(set(served)):
        which = [i for i, its in enumerate(served) if its == name]
        serve = {"series": _series, "cylinder": _cylinders, "magpylib": _magpylib, "fem": _by_elements}[name]
        if len(which) == len(magnets):
            serve(magnets, levels, p, u, at, out, sides)
            continue
        part = np.zeros((len(at), len(which) if each else 1, 3, p.shape[2]))
        chosen = None if sides is None else np.asarray(sides)[which]
        serve([magnets[i] for i in which], [levels[i] for i in which], p[which], u[which], at, part, chosen)
        if each:
            out[:, which] = part
        else:
            out += part
    return Field(out if each else out[:, 0], levels)


def field_jacobian(
    magnets: Sequence[Magnet],
    positions: ArrayLike,
    axes: ArrayLike,
    points: ArrayLike,
    tolerance: float = 1e-3,
    level: str | None = None,
) -> Jacobian:
    """dB/d(position) in uT/mm and dB/d(axis) in uT of each magnet, (points, magnets, 3, 3, poses), and the levels.

    The first 3 is B's component, the second the derivative's. The strength grows with the axis' length: dB/d(moment
    vector) is dB/d(axis) / moment, and dB/d(axis) times a small turn of the axis is the change of B. Levels are
    `dipole` and `multipole`; the tolerance is on each magnet's Jacobians, as spectral norms. They are those of the
    uniform body: `fem` is left out, and so is a magnet's being uneven, which is some (mu_r - 1) of a Jacobian near the
    magnet. Raises InputError as `field` does, so also for a magnet too near for both levels.
    """
    p, u, at = _checked(magnets, positions, axes, points)
    reach = _survey(magnets, p, u, at)
    _refuse_inside(magnets, p, u, at, reach, None)
    levels = _levels(magnets, reach, tolerance, level, gradient=True)
    by_position = np.empty((len(at), len(magnets), 3, 3, p.shape[2]))
    by_axis = np.empty_like(by_position)
    fields.jacobian(p, u, _coefficients(magnets, levels), at, by_position, by_axis)
    return Jacobian(by_position, by_axis, levels)


def _coefficients(magnets: Sequence[Magnet], levels: Sequence[str]) -> Floats:
    dipole = np.array([1.0, 0, 0, 0])
    pairs = zip(magnets, levels, strict=True)
    return np.array([m.coefficients if name == "multipole" else fields.UNIT * m.moment * dipole for m, name in pairs])


def _series(
    magnets: Sequence[Magnet], levels: Sequence[str], p: Floats, u: Floats, at: Floats, out: Floats, _: object
) -> None:
    fields.multipoles(p, u, _coefficients(magnets, levels), at, out)


def _cylinders(
    magnets: Sequence[Magnet], _: Sequence[str], p: Floats, u: Floats, at: Floats, out: Floats, __: object
) -> None:
    bodies = np.array([(m.polarisation * 1e6, m.sides[0] / 2, m.sides[2] / 2) for m in magnets])
    power = np.arange(0, 2 * exact.TERMS, 2)
    series = np.array([m.ratios(exact.TERMS) * m.radius**power for m in magnets])
    series[:, 0] = [fields.UNIT * m.moment for m in magnets]
    exact.cylinder(p, u, bodies, series, at, out)


def _by_elements(
    magnets: Sequence[Magnet], levels: Sequence[str], p: Floats, u: Floats, at: Floats, out: Floats, sides: object
) -> None:
    _cylinders(magnets, levels, p, u, at, out, sides)
    change = np.array([_changes(m)[0] * m.radius ** np.arange(0, 2 * exact.TERMS, 2) for m in magnets])
    moments = fields.UNIT * np.array([m.moment for m in magnets])
    dipoles = np.zeros((len(magnets), 4))
    dipoles[:, 0] = moments * (change[:, 0] - 1)  # the series of cylinders starts with one dipole; it goes again here
    change[:, 0] = moments
    more = np.empty_like(out)
    exact.cylinder(p, u, np.zeros((len(magnets), 3)), change, at, more)  # of no size, and so by their series alone
    out += more
    fields.multipoles(p, u, dipoles, at, more)
    out += more


def _certificate(magnet: Magnet, distance: float) -> float:
    """Error of what finite elements find, as a share of the dipole's field from `distance` mm on."""
    bound = _changes(magnet)[1]
    order = np.arange(1, 2 * bound.size, 2)
    return float(((order + 1) / 2 * bound * (magnet.radius / distance) ** (order - 1)).sum())


def _changes(magnet: Magnet) -> tuple[Floats, Floats]:
    """What A_1, A_3, ... have beyond the uniform body's, over its A_1 radius^(l-1), and error bounds. Shape (TERMS,).

    Magnets of one shape and mu_r share them.
    """
    mu_r = magnet.mu_r if magnet.demagnetisation is None else 1.0
    width, height = (round(side / magnet.radius, DIGITS) for side in magnet.sides[1:])
    return _changes_of(width, height, mu_r)


@lru_cache(maxsize=256)
def _changes_of(width: float, height: float, mu_r: float) -> tuple[Floats, Floats]:
    if mu_r == 1:
        return np.zeros(exact.TERMS), np.zeros(exact.TERMS)
    from simulators.hand.fem.lone import odd_multipoles  # slow to import

    uniform = Magnet(diameter_mm=width, height_mm=height, br_t=1.0, mu_r=mu_r)
    found, bound = odd_multipoles(width, height, mu_r, exact.TERMS)
    change = found / uniform.polarisation - uniform.ratios(exact.TERMS)
    return np.round(change, DIGITS), bound / uniform.polarisation + 0.5 * 10**-DIGITS + FAR_BOUNDARY


def _magpylib(
    magnets: Sequence[Magnet],
    _: Sequence[str],
    p: Floats,
    u: Floats,
    at: Floats,
    out: Floats,
    sides: ArrayLike | None,
) -> None:
    from magpylib.func import cuboid_field, cylinder_field  # slow to import

    for i, magnet in enumerate(magnets):
        frame = frame_of(u[i], None if sides is None else np.asarray(sides, float)[i])
        for k, point in enumerate(at):
            local = np.einsum("jip,ip->pj", frame, point[:, None] - p[i]) * 1e-3
            sizes, call = (
                (magnet.sides[1:], cylinder_field) if magnet.kind == "cylinder" else (magnet.sides, cuboid_field)
            )
            found = call("B", local, np.array(sizes) * 1e-3, (0.0, 0.0, magnet.polarisation), squeeze=False)
            out[k, i if out.shape[1] > 1 else 0] += np.einsum("jip,pj->ip", frame, np.reshape(found, local.shape)) * 1e6


def frame_of(axis: Floats, side: Floats | None = None) -> Floats:
    """A magnet's own x, y and z as rows of a matrix, (3, 3, poses)."""
    if side is None:
        least = np.argmin(np.abs(axis), axis=0)
        side = np.eye(3)[:, least]
    x = side - (side * axis).sum(0) * axis
    x /= np.sqrt((x * x).sum(0))
    return np.stack([x, np.cross(axis, x, axis=0), axis])


def _checked(
    magnets: Sequence[Magnet], positions: ArrayLike, axes: ArrayLike, points: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    p, u, at = (np.ascontiguousarray(a, np.float64) for a in (positions, axes, points))
    poses = p.shape[-1] if p.ndim else 0
    for name, array, shape in (("positions", p, (len(magnets), 3, poses)), ("axes", u, p.shape)):
        if array.shape != shape or not poses:
            raise InputError(f"the {name} of {len(magnets)} magnets must have the shape {shape}; came {array.shape}")
    if at.ndim != 2 or at.shape[1] != 3 or not np.isfinite(at).all():
        raise InputError(f"points must be finite numbers of the shape (points, 3); came the shape {at.shape}")
    return p, u, at


def _survey(magnets: Sequence[Magnet], p: Floats, u: Floats, at: Floats) -> Floats:
    """Least and greatest distance of each magnet to the points, (magnets, 2)."""
    reach, skew = np.empty((len(magnets), 2)), np.empty(len(magnets))
    fields.survey(p, u, at, reach, skew)
    for i, (magnet, (_, farthest), most) in enumerate(zip(magnets, reach, skew, strict=True)):
        if not farthest < np.inf:
            raise InputError(f"positions of magnet {i} ({magnet}) must be finite; came nan or inf")
        if not most < 1e-6:
            raise InputError(
                f"axes of magnet {i} ({magnet}) must be unit vectors; came one with |u|^2 - 1 = {most:.2g}"
            )
    return np.sqrt(reach)


def _refuse_inside(
    magnets: Sequence[Magnet], p: Floats, u: Floats, at: Floats, reach: Floats, sides: ArrayLike | None
) -> None:
    for i, magnet in enumerate(magnets):
        if reach[i, 0] > magnet.radius * (1 + SKIN):
            continue
        frame = frame_of(u[i], None if sides is None else np.asarray(sides, float)[i])
        half = np.array(magnet.sides)[:, None] / 2 * (1 + SKIN)
        for k, point in enumerate(at):
            d = point[:, None] - p[i]
            local = np.abs(np.einsum("jip,ip->jp", frame, d))
            if magnet.kind == "cylinder":
                local[:2] = np.hypot(*local[:2])
            inside = (local <= half).all(axis=0)
            if inside.any():
                distance = np.sqrt((d * d).sum(0))
                pose = int(np.argmin(np.where(inside, distance, np.inf)))
                raise InputError(
                    f"a magnet must be outside the sensor: magnet {i} ({magnet}) has point {k} inside it at pose"
                    f" {pose}, {distance[pose]:.3g} mm from its centre"
                )


def _levels(
    magnets: Sequence[Magnet], reach: Floats, tolerance: float, level: str | None, *, gradient: bool = False
) -> tuple[str, ...]:
    if level is None:
        if not 0 < tolerance < np.inf:
            raise InputError(f"the tolerance of a field must be > 0; came {tolerance!r}")
        return tuple(
            choose(m, near, far, tolerance, gradient=gradient) for m, (near, far) in zip(magnets, reach, strict=True)
        )
    for i, magnet in enumerate(magnets):
        levels = OF_KIND[magnet.kind]
        levels = tuple(name for name in levels if name in LAST) if gradient else levels
        if level not in levels:
            raise InputError(f"the level of magnet {i} ({magnet}) must be one of {', '.join(levels)}; came {level!r}")
        if level == "fem" and not reach[i, 0] > magnet.radius:
            raise InputError(
                f"the level fem of magnet {i} ({magnet}) needs points beyond {magnet.radius:.3g} mm of its centre; came"
                f" one at {reach[i, 0]:.3g} mm"
            )
    return (level,) * len(magnets)
