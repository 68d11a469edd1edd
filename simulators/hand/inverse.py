"""From readings back to the hand: curls of each sample, the geometry of all, and the additive bound.

Three fits, each with what it knows in the end: `fit_curls` of a known hand and design, sample by sample, by Newton's
steps in a box; `fit_geometry` of five dipoles at places between two ends, by Levenberg's and Marquardt's method
(Nocedal and Wright, Numerical Optimization, 2nd ed., section 10.3) with analytic derivatives; `fit_additive`, linear
least squares, which bounds every model of rigid magnets with two places each. Spread is Laplace's: the inverse of the
curvature at the solution, after Gauss and Newton.

Readings (sensors, 3, samples) in uT without what is known of them (Earth, iron); curls (5, samples) in 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import chdtri

from scenarios.errors import InputError
from simulators.hand.anatomy import FINGERS, Hand, Mounts
from simulators.hand.chain import ENDS, HIGH, LOW, SOFTNESS, bent, jacobian, place
from simulators.hand.field import field, field_jacobian
from simulators.hand.kernels import inverse as kernels
from simulators.hand.magnets import Magnet

Floats = NDArray[np.float64]
KNOTS = 513
LEVELS, STARTS = 4, 12
"""Of the curls among which `fit_curls` finds where to start: how many each finger has, how many are tried at most."""
WORSE = 0.01
"""`fit_curls` tries no further start where so many of the least costs of correct readings would be greater."""
RANK = 1e-9
"""Singular values below this share of the largest are null."""
SCALES = (0.05, 10.0, 10.0, 50.0)
"""What counts as large: a moment's component in A m2, a place's, extended and flexed, in mm, an offset's in uT."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a fit found. For curls every array has samples last: (5, samples), (5, 5, samples), (samples,)."""

    estimate: Floats
    sd: Floats
    """Posterior; inf where neither readings nor prior tell the parameter."""
    covariance: Floats
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    cost: Floats
    """Half the sum of squares of residuals over noise, with the prior's share."""


def names_of(sensors: int = 1) -> tuple[str, ...]:
    """Names of a geometry's 45 + 3 sensors parameters, in order: each finger's moment, places, then offsets."""
    own = [
        f"{finger} {what} {axis}" for finger in FINGERS for what in ("moment", "extended", "flexed") for axis in "xyz"
    ]
    return (*own, *(f"offset {axis}" + f" of sensor {s}" * (sensors > 1) for s in range(sensors) for axis in "xyz"))


def scales_of(sensors: int = 1) -> Floats:
    """SCALES of each parameter of a geometry."""
    return np.concatenate([np.tile(np.repeat(SCALES[:3], 3), 5), np.repeat(SCALES[3], 3 * sensors)])


def geometry_of(hand: Hand, worn: Mounts, magnets: Sequence[Magnet | None], sensors: int = 1) -> Floats:
    """The geometry that is nearest to a hand: places at both ends, moments as they stand in the fist, no offset."""
    positions, axes = place(hand, worn, bent(np.tile([0.0, 1.0], (5, 1))))
    moments = np.array([m.moment if m else 0.0 for m in magnets])
    own = np.concatenate([moments[:, None] * axes[..., 1], positions[..., 0], positions[..., 1]], axis=1)
    return np.concatenate([own.ravel(), np.zeros(3 * sensors)])


def geometry_readings(theta: ArrayLike, curls: ArrayLike, points: ArrayLike = ((0.0, 0.0, 0.0),)) -> Floats:
    """Readings (sensors, 3, samples) of a geometry theta (45 + 3 sensors,); nan where a magnet meets a sensor."""
    at = _points(points)
    c = _curls(curls)
    out = np.empty((len(at), 3, c.shape[1]))
    kernels.geometry(_theta(theta, at, "theta"), c, at, np.ones((len(at), c.shape[1])), out)
    return out


def geometry_jacobian(theta: ArrayLike, curls: ArrayLike, points: ArrayLike = ((0.0, 0.0, 0.0),)) -> Floats:
    """Derivatives (sensors, 3, samples, parameters) of `geometry_readings` by theta."""
    at = _points(points)
    c = _curls(curls)
    rows = np.empty((45 + 3 * len(at), len(at), 3, c.shape[1]))
    kernels.geometry_rows(_theta(theta, at, "theta"), c, at, np.ones((len(at), c.shape[1])), rows)
    return np.moveaxis(rows, 0, -1)


def fit_geometry(
    readings: ArrayLike,
    curls: ArrayLike,
    start: ArrayLike,
    *,
    points: ArrayLike = ((0.0, 0.0, 0.0),),
    noise_ut: float = 1.0,
    prior_sd: ArrayLike | None = None,
    prior_mean: ArrayLike | None = None,
    iterations: int = 200,
    tolerance: float = 1e-8,
) -> Fit:
    """Fit of a geometry, 48 parameters with one sensor, to readings of known curls.

    start, prior_sd (inf: none), prior_mean (by default start): (45 + 3 sensors,). Readings of equal curls are taken
    together as their mean, which changes nothing but the time. Converged when the gradient is `tolerance` of what it
    could be, or a step that was right promised less than `tolerance` squared of the cost. Raises InputError for shapes,
    for what is not finite, and for a start with a magnet at a sensor.
    """
    at = _points(points)
    b, c = _readings(readings, len(at)), _curls(curls)
    if c.shape[1] != b.shape[2]:
        raise InputError(f"curls must be as many as readings, {b.shape[2]}; they are {c.shape[1]}")
    _positive("noise_ut", noise_ut)
    theta = _theta(start, at, "start")
    if prior_sd is None and prior_mean is not None:
        raise InputError("prior_mean must come with a prior_sd; there is none")
    mean = theta if prior_mean is None else _theta(prior_mean, at, "prior_mean")
    precision = np.zeros(theta.size) if prior_sd is None else _precision(prior_sd, theta.size)
    c, b, weights, rest = _grouped(c, b, noise_ut)
    weights = np.tile(weights, (len(at), 1))
    b *= weights[:, None]
    value, rows = np.empty_like(b), np.empty((theta.size, *b.shape))

    def cost_of(theta: Floats) -> float:
        kernels.geometry(theta, c, at, weights, value)
        apart = (b - value).ravel()
        return rest + 0.5 * float(apart @ apart + precision @ (theta - mean) ** 2)

    cost, damping, done, count = cost_of(theta), kernels.FIRST, False, 0
    if not cost < np.inf:
        raise InputError("start must keep every magnet off the sensors at the given curls; one meets a sensor")
    ever = np.zeros(theta.size)
    while True:
        kernels.geometry_rows(theta, c, at, weights, rows)
        kernels.geometry(theta, c, at, weights, value)
        flat = rows.reshape(theta.size, -1)
        gradient = flat @ (value - b).ravel() + precision * (theta - mean)
        hessian = flat @ flat.T
        hessian[np.diag_indices(theta.size)] += precision
        size = np.diagonal(hessian).copy()
        steepest = float(np.max(np.abs(gradient) / np.sqrt(np.maximum(size, 1e-300))))
        done = done or steepest <= tolerance * np.sqrt(1.0 + 2.0 * cost)
        if done or count >= iterations:
            break
        count, new, step, ever = count + 1, np.inf, np.zeros_like(theta), np.maximum(ever, size)
        while damping <= kernels.MOST:
            hessian[np.diag_indices(theta.size)] = size + damping * ever + 1e-30
            try:
                step = -cho_solve(cho_factor(hessian, lower=True, check_finite=False), gradient, check_finite=False)
                new = cost_of(theta + step)
            except LinAlgError:
                new = np.inf
            if new < cost:
                break
            damping *= kernels.GROW
        promised = -0.5 * float(gradient @ step)
        if not new < cost:
            done = promised <= 1e-12 * cost
            break
        done = max(promised, cost - new) <= tolerance**2 * cost
        theta, cost, damping = theta + step, new, max(damping * kernels.SHRINK, 1e-12)
    square = np.zeros((theta.size, theta.size))
    kernels.triangle(flat, square, np.empty((theta.size, 128)))
    stacked = np.vstack([square, np.diag(np.sqrt(precision))])
    covariance, sd = spread(stacked, scales_of(len(at)))
    return Fit(
        estimate=theta,
        sd=sd,
        covariance=covariance,
        iterations=np.array(count),
        converged=np.array(done),
        cost=np.array(cost),
    )


def fit_additive(readings: ArrayLike, curls: ArrayLike, *, noise_ut: float | None = None) -> Fit:
    """Least squares of B = b + sum over fingers of curl times D, in closed form.

    estimate (6, sensors, 3): each finger's D, then b; 18 numbers with one sensor. covariance (6, 6) is that of each
    channel, sd (6,): they scale with noise_ut, or with the residuals' where it is None. Raises InputError for shapes,
    for what is not finite, and for curls that do not tell the fingers apart.
    """
    b, c = _readings(readings), _curls(curls)
    if c.shape[1] != b.shape[2]:
        raise InputError(f"curls must be as many as readings, {b.shape[2]}; they are {c.shape[1]}")
    design = np.vstack([c, np.ones(c.shape[1])])
    gram = design @ design.T
    values, vectors = np.linalg.eigh(gram)
    if not values[0] > 1e-10 * values[-1]:
        worst = [(*FINGERS, "offset")[i] for i in np.flatnonzero(np.abs(vectors[:, 0]) > 0.1)]
        raise InputError(f"curls must tell the fingers and the offset apart; they do not for {', '.join(worst)}")
    inverse = (vectors / values) @ vectors.T
    flat = b.reshape(-1, b.shape[2])
    estimate = inverse @ (design @ flat.T)
    apart = flat - estimate.T @ design
    squares = float((apart * apart).sum())
    if noise_ut is None:
        noise_ut = float(np.sqrt(squares / max(apart.size - estimate.size, 1))) or np.finfo(float).tiny
    _positive("noise_ut", noise_ut)
    return Fit(
        estimate=estimate.reshape(6, *b.shape[:2]),
        sd=noise_ut * np.sqrt(np.diagonal(inverse)),
        covariance=noise_ut**2 * inverse,
        iterations=np.array(1),
        converged=np.array(True),
        cost=np.array(0.5 * squares / noise_ut**2),
    )


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What a finger's magnet gives at all sensors as its curl goes from 0 to 1, tabulated with its derivative."""

    tables: Floats
    """(5, KNOTS, 2, 3 sensors): readings in uT, and their derivatives by the curl."""

    def readings(self, curls: ArrayLike) -> Floats:
        """Readings (sensors, 3, samples) of curls (5, samples)."""
        c = _curls(curls)
        out = np.empty((self.tables.shape[3], c.shape[1]))
        kernels.readings(self.tables, c, np.empty((1, 7, len(out))), out)
        return out.reshape(-1, 3, c.shape[1])


def curl_readings(
    hand: Hand,
    worn: Mounts,
    magnets: Sequence[Magnet | None],
    points: ArrayLike,
    curls: ArrayLike,
    *,
    habit: Floats | None = None,
    tolerance: float = 1e-3,
) -> tuple[Floats, Floats]:
    """Each finger's readings at its curls, and their derivatives by them: both (5, sensors, 3, samples).

    The derivative is the chain's: field by place and axis, those by joint angles, these by curl. habit (2, 5, 4): see
    `chain.bent`. tolerance: of the field. Raises InputError as `field_jacobian` does.
    """
    at, c = _points(points), _curls(curls)
    if len(magnets) != 5 or worn.digit.tolist() != list(range(5)):
        raise InputError(f"a magnet or None is needed for each of five fingers; there are {len(magnets)}")
    angles = bent(c, habit=habit)
    positions, axes = place(hand, worn, angles)
    tangent = np.einsum("mrkp,mkp->mrp", jacobian(hand, worn, angles), _bend_slopes(c, habit))
    value, slope = np.zeros((2, 5, len(at), 3, c.shape[1]))
    for f, magnet in enumerate(magnets):
        if magnet is None:
            continue
        p, u = positions[f : f + 1], axes[f : f + 1]
        by = field_jacobian([magnet], p, u, at, tolerance)
        value[f] = field([magnet], p, u, at, level=by.levels[0]).field
        slope[f] = np.einsum("sijp,jp->sip", by.by_position[:, 0], tangent[f, :3])
        slope[f] += np.einsum("sijp,jp->sip", by.by_axis[:, 0], tangent[f, 3:])
    return value, slope


def curves(
    hand: Hand,
    worn: Mounts,
    magnets: Sequence[Magnet | None],
    points: ArrayLike,
    *,
    habit: Floats | None = None,
    tolerance: float = 1e-3,
) -> Curves:
    """The tables of a known hand and design, for `fit_curls`; cubic between knots. Arguments as of `curl_readings`.

    Raises InputError as that does, and for a design without a magnet.
    """
    if not any(magnets):
        raise InputError("a design must have a magnet; without one readings tell nothing of curls")
    knots = np.tile(np.linspace(0.0, 1.0, KNOTS), (5, 1))
    both = np.stack(curl_readings(hand, worn, magnets, points, knots, habit=habit, tolerance=tolerance))
    return Curves(tables=np.ascontiguousarray(both.reshape(2, 5, -1, KNOTS).transpose(1, 3, 0, 2)))


def fit_curls(
    known: Curves,
    readings: ArrayLike,
    *,
    noise_ut: ArrayLike = 1.0,
    prior_mean: ArrayLike = 0.5,
    prior_sd: ArrayLike = 0.5,
    start: ArrayLike | None = None,
    iterations: int = 50,
    tolerance: float = 1e-6,
) -> Fit:
    """Fit of five curls in 0 to 1 to each sample's readings, of a known hand and design.

    noise_ut: sd of every channel, or of each (3 sensors,), or their covariance (3 sensors, 3 sensors), which can hold
    an unknown field that all sensors share. prior_mean, prior_sd: of each curl; inf is no prior. start (5, samples): by
    default up to STARTS of a coarse grid, best first, until noise explains what is left (WORSE). So where several
    postures explain a reading, as many do of one sensor, one of them is found, and the spread is about that one. At the
    ends of the range the spread is that of the free curl. Raises InputError for shapes and for what is not finite or
    positive.
    """
    size = known.tables.shape[3]
    b = _readings(readings, size // 3)
    count = b.shape[2]
    whiten = _whitening(noise_ut, size)
    tables = (known.tables.reshape(-1, size) @ whiten.T).reshape(known.tables.shape)
    flat = np.empty((count, size))
    kernels.whiten(whiten, b.reshape(size, count), flat)
    mean = np.asarray(prior_mean, np.float64)
    if mean.shape not in ((), (5,)) or not np.isfinite(mean).all():
        raise InputError(f"prior_mean of curls must be one finite number or five; it is {mean.tolist()}")
    precision = _precision(prior_sd, 5)
    estimate = np.empty((count, 5)) if start is None else np.array(_curls(start).T, order="C")
    if estimate.shape != (count, 5):
        raise InputError(f"start must have the shape (5, {count}); it has {estimate.shape[::-1]}")
    covariance, told, cost = np.empty((count, 5, 5)), np.empty(count, np.bool_), np.empty(count)
    enough = 0.5 * chdtri(size, WORSE)
    steps, converged = np.empty(count, np.int64), np.empty(count, np.bool_)
    mean = np.ascontiguousarray(np.broadcast_to(mean, 5))
    grid, models = _candidates(tables)
    prior = _combined(precision[:, None] * (grid - mean[:, None]) ** 2)
    kernels.fit_curls(
        tables, grid, models, prior, 0 if start is not None else STARTS, enough, flat, mean, precision, iterations,
        tolerance, estimate, covariance, told, cost, steps, converged,
    )  # fmt: skip
    covariance[~told], outside = _pseudo_inverse(covariance[~told])
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    sd[~told] = np.where(outside > 1e-8, np.inf, sd[~told])
    return Fit(
        estimate=np.ascontiguousarray(estimate.T),
        sd=np.ascontiguousarray(sd.T),
        covariance=np.ascontiguousarray(covariance.transpose(1, 2, 0)),
        iterations=steps,
        converged=converged,
        cost=cost,
    )


def decompose(rows: Floats, scale: Floats, tolerance: float = RANK) -> tuple[Floats, Floats, int]:
    """Singular values (k,), right vectors (k, k) and rank of rows (n, k) whose columns are taken times scale (k,)."""
    scaled = rows * scale
    if len(scaled) < scaled.shape[1]:
        scaled = np.vstack([scaled, np.zeros((scaled.shape[1] - len(scaled), scaled.shape[1]))])
    _, values, vectors = np.linalg.svd(scaled, full_matrices=False)
    return values, vectors, int((values > tolerance * values[0]).sum()) if values[0] > 0 else 0


def spread(rows: Floats, scale: Floats, tolerance: float = RANK) -> tuple[Floats, Floats]:
    """Covariance (k, k) and sd (k,) of what whitened rows (n, k) tell of parameters: an inverse within their rank.

    A prior is a row. The sd is inf for a parameter that has a part outside of that space.
    """
    values, vectors, rank = decompose(rows, scale, tolerance)
    half = vectors[:rank].T / values[:rank] * scale[:, None]
    outside = (vectors[rank:] ** 2).sum(0)
    covariance = half @ half.T
    return covariance, np.where(outside > 1e-8, np.inf, np.sqrt(np.diagonal(covariance)))


def _pseudo_inverse(curvature: Floats) -> tuple[Floats, Floats]:
    """That of each curvature (samples, 5, 5), and how much of each parameter lies outside of its rank, (samples, 5)."""
    values, vectors = np.linalg.eigh(curvature)
    ranked = (values > 1e-12 * values[:, -1:])[:, None]
    half = vectors * np.where(ranked, 1.0 / np.sqrt(np.where(ranked, values[:, None], 1.0)), 0.0)
    return half @ half.transpose(0, 2, 1), np.where(ranked, 0.0, vectors**2).sum(2)


def _bend_slopes(curls: Floats, habit: Floats | None) -> Floats:
    """Derivatives (5, 4, samples) of `bent` by each finger's curl."""
    ends = ENDS if habit is None else ENDS + habit
    steep = np.repeat((ends[1] - ends[0])[..., None], curls.shape[1], axis=2)
    if habit is None:
        return steep
    x = HIGH[..., None] - ends[0][..., None] - steep * curls[:, None]
    r = np.sqrt(x * x + SOFTNESS**2)
    y = (HIGH - LOW)[..., None] - r
    return np.asarray(steep * x / r * y / np.sqrt(y * y + SOFTNESS**2))


def _candidates(tables: Floats) -> tuple[Floats, Floats]:
    """Curls (5, LEVELS) where descents may start, and what their combinations read, (readings, LEVELS^5).

    Each finger's are as dense as straight lines between them would follow its readings with equal errors.
    """
    every = (KNOTS - 1) // 64
    bow = np.sqrt(np.linalg.norm(np.diff(tables[:, ::every, 1], axis=1), axis=2))
    far = np.cumsum(bow + 1e-3 * bow.mean() + 1e-300, axis=1)
    shares = (np.arange(LEVELS) + 0.5) / LEVELS
    knots = every * np.stack([np.searchsorted(own, shares * own[-1]) for own in far])
    models = _combined(np.stack([table[knot, 0].T for table, knot in zip(tables, knots, strict=True)]))
    return knots / (KNOTS - 1.0), np.ascontiguousarray(models)


def _combined(each: Floats) -> Floats:
    """Sums of one level's value of each finger, (5, ..., levels), over all combinations: (..., levels^5)."""
    total = np.zeros(1)
    for own in each:
        total = (total[..., :, None] + own[..., None, :]).reshape(*own.shape[:-1], -1)
    return total


def _grouped(curls: Floats, readings: Floats, noise: float) -> tuple[Floats, Floats, Floats, float]:
    """Curls, mean readings and weights of samples of equal curls, and the cost that is left within them."""
    kinds, which, counts = np.unique(curls.T, axis=0, return_inverse=True, return_counts=True)
    if 2 * len(kinds) > curls.shape[1]:
        return curls, readings.copy(), np.full(curls.shape[1], 1 / noise), 0.0
    flat = readings.reshape(-1, curls.shape[1])
    means = np.stack([np.bincount(which.ravel(), row, len(kinds)) for row in flat]) / counts
    apart = flat - means[:, which.ravel()]
    means = means.reshape(*readings.shape[:2], -1)
    return np.ascontiguousarray(kinds.T), means, np.sqrt(counts) / noise, 0.5 * float((apart**2).sum()) / noise**2


def _readings(readings: ArrayLike, sensors: int | None = None) -> Floats:
    b = np.ascontiguousarray(readings, np.float64)
    shape = f"({sensors or 'sensors'}, 3, samples)"
    if b.ndim != 3 or b.shape[1] != 3 or not b.shape[2] or b.shape[0] != (sensors or b.shape[0]):
        raise InputError(f"readings must have the shape {shape}; they have {b.shape}")
    if not np.isfinite(b).all():
        raise InputError(f"readings must be finite; {int((~np.isfinite(b)).sum())} are not")
    return b


def _curls(curls: ArrayLike) -> Floats:
    c = np.ascontiguousarray(curls, np.float64)
    if c.ndim != 2 or len(c) != 5 or not c.size:
        raise InputError(f"curls must have the shape (5, samples); they have {c.shape}")
    if not (c.min() >= 0 and c.max() <= 1):
        raise InputError(f"curls must be 0 to 1; they are {c.min():g} to {c.max():g}")
    return c


def _points(points: ArrayLike) -> Floats:
    at = np.ascontiguousarray(points, np.float64)
    if at.ndim != 2 or at.shape[1] != 3 or not len(at) or not np.isfinite(at).all():
        raise InputError(f"points must be finite numbers of the shape (sensors, 3); came the shape {at.shape}")
    return at


def _theta(theta: ArrayLike, at: Floats, what: str) -> Floats:
    t = np.array(theta, np.float64)
    if t.shape != (45 + 3 * len(at),) or not np.isfinite(t).all():
        raise InputError(f"{what} must be {45 + 3 * len(at)} finite numbers; came the shape {t.shape}")
    return t


def _precision(sd: ArrayLike, size: int) -> Floats:
    s = np.asarray(sd, np.float64)
    if s.shape not in ((), (size,)) or not (s > 0).all():
        raise InputError(f"prior_sd must be one number above 0 or {size}; it is {s.tolist()}")
    return np.broadcast_to(1.0 / s**2, size).copy()


def _positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise InputError(f"{name} must be above 0 and finite; it is {value!r}")


def _whitening(noise: ArrayLike, size: int) -> Floats:
    n = np.asarray(noise, np.float64)
    if n.shape not in ((), (size,), (size, size)):
        raise InputError(f"noise_ut must be one number, {size}, or a {size} x {size} covariance; it is {n.shape}")
    if n.ndim == 2:
        try:
            if np.isfinite(n).all() and np.allclose(n, n.T, rtol=1e-9, atol=0):
                return np.tril(np.linalg.inv(np.linalg.cholesky(n)))
        except np.linalg.LinAlgError:
            pass
        raise InputError("noise_ut must be a symmetric positive definite covariance; it is not")
    for value in np.atleast_1d(n):
        _positive("noise_ut", float(value))
    return np.diag(np.broadcast_to(1.0 / n, size))
