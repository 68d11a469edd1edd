"""Alarm thresholds from the tail of normal scores: peaks over a threshold, with an interval that knows of dependence.

Scores above a high level u follow a generalised Pareto law (Balkema and de Haan 1974; Pickands 1975); a promised
false-alarm rate alpha is inverted through it. Three things make the usual fit dishonest, and are answered here:

- Maximum likelihood on few exceedances makes tails too short. The shape has a prior around the exponential tail
  (after Coles and Dixon 1999, who penalise it), and the threshold is the median of its posterior, not the quantile of
  one best fit.
- Scores are autocorrelated, so n of them know less than n. The likelihood is flattened by the factor by which
  dependence inflates the variance of the threshold (magnitude adjustment of a composite likelihood: Ribatet, Cooley
  and Davison 2012). The factor is the integrated autocorrelation time of the threshold's influence function.
- A threshold without an interval is believed too much. `low` and `high` are quantiles of the same posterior.

alpha is the share of single scores above the threshold: a quantile of the marginal law. Dependence does not move that
quantile; it widens the interval, and it makes alarms come in clusters. The extremal index theta (intervals estimator
of Ferro and Segers 2003) says how much: alarms as an operator counts them, bursts taken as one, come at about
alpha * theta a score.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import fft

from scenarios.errors import InputError

LEAST = 30
"""Exceedances below which no tail is fitted."""
WINDOW = 6.0
"""Lags of autocorrelation that are summed, in units of the sum (Sokal 1997)."""
DEPTH = 3.0
"""Dependence is measured on the threshold that exp(-3) of the exceedances pass: farther out the measure would hang on a
few scores. Dependence is weaker there, so that the measure errs to the wide side."""
NODES, REACH = 25, 4.5
"""Nodes of the posterior's grid along each axis, and how far it reaches, in sd."""
SHORTEST = -0.45
"""Shape below which the information of a generalised Pareto law is no longer used: it is infinite at -0.5."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """An alarm threshold, what it promises, and the tail that it comes from."""

    value: float
    """A score is above it with probability `alpha`: the posterior median."""
    low: float
    high: float
    """The true threshold lies between them with probability `level`."""
    alpha: float
    level: float
    u: float
    """Level above which the tail is fitted."""
    xi: float
    sigma: float
    """Shape and scale of the tail that is most probable."""
    zeta: float
    """Share of scores above u."""
    theta: float
    """Extremal index at u: one over the mean length of a cluster of exceedances."""
    exceedances: int
    inflation: float
    """Factor by which dependence inflates the variance of the threshold; 1 for independent scores."""


def fit_tail(
    scores: np.ndarray, alpha: float, *, share: float = 0.025, prior_sd: float = 0.3, level: float = 0.9
) -> Threshold:
    """The threshold that a normal score exceeds with probability `alpha`, from normal scores (n,) in time order.

    `share` of the scores are taken as the tail; `prior_sd` is the sd of the shape's prior around 0, and `level` the
    probability of the interval. The threshold scales and shifts with the scores and falls as alpha grows. Raises
    InputError for scores that are not finite, an alpha outside of the tail, and fewer than 30 exceedances.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise InputError(f"scores must be a row of finite numbers; they have shape {scores.shape} or others among them")
    if not 0 < share < 0.5:
        raise InputError(f"share must lie within 0 and 0.5; it is {share}")
    if not (0 < level < 1 and prior_sd > 0):
        raise InputError(f"level must lie within 0 and 1 and prior_sd above 0; they are {level} and {prior_sd}")
    n = scores.size
    rank = n - 1 - math.ceil(share * n)
    u = float(np.partition(scores, rank)[rank]) if rank >= 0 else math.nan
    times = np.flatnonzero(scores > u)
    excess = scores[times] - u
    k = times.size
    if k < LEAST or np.count_nonzero(excess != excess[0]) < LEAST // 2:
        raise InputError(f"a tail needs {LEAST} exceedances of unlike size; of {n} scores {k} lie above the level")
    zeta = k / n
    if not 0 < alpha < zeta:
        raise InputError(f"alpha must lie within 0 and the share above the level, {zeta:.4g}; it is {alpha}")

    unit = float(excess.mean())
    y = excess / unit
    xi, tau = _mode(y, 1.0, prior_sd)
    inflation = max(1.0, _autocorrelation_time(_influence(y, xi, tau, zeta, times, n)))
    xi, tau = _mode(y, 1 / inflation, prior_sd)
    shapes, scales, weights = _posterior(y, xi, tau, 1 / inflation, prior_sd)
    spread = math.sqrt(inflation * (1 - zeta) / k)
    value, low, high = (
        u + unit * _quantile(p, math.log(zeta / alpha), spread, shapes, scales, weights)
        for p in (0.5, 0.5 - level / 2, 0.5 + level / 2)
    )
    return Threshold(
        value=value,
        low=low,
        high=high,
        alpha=alpha,
        level=level,
        u=u,
        xi=xi,
        sigma=math.exp(tau) * unit,
        zeta=zeta,
        theta=extremal_index(times),
        exceedances=k,
        inflation=inflation,
    )


def extremal_index(times: np.ndarray) -> float:
    """Extremal index from the times of exceedances (k,), ascending: Ferro and Segers 2003, equation 5. In (0, 1]."""
    gaps = np.diff(times).astype(np.float64)
    if gaps.size == 0:
        return 1.0
    if gaps.max() <= 2:
        return float(min(1.0, 2 * gaps.sum() ** 2 / (gaps.size * (gaps**2).sum())))
    return float(min(1.0, 2 * (gaps - 1).sum() ** 2 / (gaps.size * ((gaps - 1) * (gaps - 2)).sum())))


def _autocorrelation_time(x: np.ndarray) -> float:
    """1 + 2 * the sum of autocorrelations of x (n,), over a window that grows with the sum (Sokal 1997)."""
    size = fft.next_fast_len(2 * x.size, real=True)
    spectrum = fft.rfft(x - x.mean(), size)
    covariance = fft.irfft(np.abs(spectrum) ** 2, size)[: x.size]
    times = 2 * np.cumsum(covariance / covariance[0]) - 1
    enough = np.flatnonzero(np.arange(x.size) >= WINDOW * times)
    return float(times[enough[0] if enough.size else -1])


def _influence(y: np.ndarray, xi: float, tau: float, zeta: float, times: np.ndarray, n: int) -> np.ndarray:
    """What each score adds to the threshold at DEPTH, to first order and but for a factor; shape (n,)."""
    xi = max(xi, SHORTEST)
    log_ratio = DEPTH
    slope_scale = _power(xi, log_ratio)
    step = 1e-4
    slope_shape = (_power(xi + step, log_ratio) - _power(xi - step, log_ratio)) / (2 * step)
    r = y * math.exp(-tau)
    z = np.maximum(1 + xi * r, 1e-3)
    if abs(xi) < 1e-5:
        of_shape, of_scale = r * r / 2 - r, r - 1
    else:
        of_shape, of_scale = np.log(z) / xi**2 - (1 + 1 / xi) * r / z, (1 + xi) * r / z - 1
    # inverse of the information of one exceedance about (xi, log sigma)
    a, b, c = (1 + xi) ** 2, -(1 + xi), 2 * (1 + xi)
    along_shape, along_scale = a * slope_shape + b * slope_scale, b * slope_shape + c * slope_scale
    out = np.full(n, -math.exp(xi * log_ratio))
    out[times] += (along_shape * of_shape + along_scale * of_scale + math.exp(xi * log_ratio)) / zeta
    return out


def _power(xi: float, x: float) -> float:
    """(exp(xi x) - 1) / xi, and its limit at 0."""
    return x if abs(xi * x) < 1e-9 else math.expm1(xi * x) / xi


@njit(cache=True)
def _log_likelihood(y: np.ndarray, xi: float, tau: float) -> float:
    """Log likelihood of excesses y under the generalised Pareto law of shape xi and log scale tau."""
    scale = math.exp(-tau)
    if abs(xi) < 1e-7:
        return -y.size * tau - y.sum() * scale
    b = xi * scale
    total, product = 0.0, 1.0
    for i in range(y.size):
        z = 1 + b * y[i]
        if z <= 0:
            return -np.inf
        product *= z
        if not 1e-200 < product < 1e200 or i % 16 == 15:  # one logarithm for many factors
            total += math.log(product)
            product = 1.0
    return -y.size * tau - (1 + 1 / xi) * (total + math.log(product))


@njit(cache=True)
def _mode(y: np.ndarray, weight: float, prior_sd: float) -> tuple[float, float]:
    """(xi, log sigma) of highest posterior: for each shape the best scale, by golden sections. The mean of y is 1."""
    low, high = -1.0, 2.0
    longest = y.max()
    golden = (math.sqrt(5.0) - 1) / 2
    best = np.zeros((2, 3))
    for side in range(2):
        best[side, 0] = high - golden * (high - low) if side == 0 else low + golden * (high - low)
        best[side, 1], best[side, 2] = _profile(y, best[side, 0], longest, weight, prior_sd)
    for _ in range(26):
        if best[0, 2] > best[1, 2]:
            high = best[1, 0]
            best[1] = best[0]
            best[0, 0] = high - golden * (high - low)
            best[0, 1], best[0, 2] = _profile(y, best[0, 0], longest, weight, prior_sd)
        else:
            low = best[0, 0]
            best[0] = best[1]
            best[1, 0] = low + golden * (high - low)
            best[1, 1], best[1, 2] = _profile(y, best[1, 0], longest, weight, prior_sd)
    at = 0 if best[0, 2] > best[1, 2] else 1
    return best[at, 0], best[at, 1]


@njit(cache=True)
def _profile(y: np.ndarray, xi: float, longest: float, weight: float, prior_sd: float) -> tuple[float, float]:
    """The log scale that fits best at a shape, by Newton's method kept inside of a bracket, and the log posterior."""
    low = max(-8.0, math.log(-xi * longest) + 1e-6) if xi < 0 else -8.0
    high = max(low + 1.0, math.log(longest) + 1.0)
    tau = min(max(math.log(max(1 - xi, 0.1)), low + 1e-3), high)
    for _ in range(30):
        scale = math.exp(-tau)
        first, second = -1.0 * y.size, 0.0
        for i in range(y.size):
            r = y[i] * scale
            z = 1 / (1 + xi * r)
            first += (1 + xi) * r * z
            second -= (1 + xi) * r * z * z
        if first > 0:
            low = tau
        else:
            high = tau
        step = -first / second if second < 0 else 0.0
        new = tau + step
        if not low < new < high or step == 0.0:
            new = 0.5 * (low + high)
        if abs(new - tau) < 1e-9:
            break
        tau = new
    return tau, weight * _log_likelihood(y, xi, tau) - 0.5 * (xi / prior_sd) ** 2


@njit(cache=True)
def _posterior(
    y: np.ndarray, xi: float, tau: float, weight: float, prior_sd: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shapes, scales and weights of a grid around the mode, along the axes of the posterior's spread."""
    k = weight * y.size
    at = max(xi, SHORTEST + 0.05)
    a = 2 * k / ((1 + at) * (1 + 2 * at)) + prior_sd**-2
    b, c = k / ((1 + at) * (1 + 2 * at)), k / (1 + 2 * at)
    sd = math.sqrt(c / (a * c - b * b))  # of the shape
    slope, own = -b / c, math.sqrt(1 / c)  # of the log scale: its mean given the shape, and its sd given it
    count = NODES * NODES
    shapes, scales, weights = np.empty(count), np.empty(count), np.empty(count)
    top = -np.inf
    for i in range(NODES):
        shape = xi + sd * REACH * (2 * i / (NODES - 1) - 1)
        for j in range(NODES):
            log_scale = tau + slope * (shape - xi) + own * REACH * (2 * j / (NODES - 1) - 1)
            m = i * NODES + j
            shapes[m], scales[m] = shape, math.exp(log_scale)
            weights[m] = weight * _log_likelihood(y, shape, log_scale) - 0.5 * (shape / prior_sd) ** 2
            top = max(top, weights[m])
    weights = np.exp(weights - top)
    return shapes, scales, weights / weights.sum()


@njit(cache=True)
def _quantile(
    p: float, log_ratio: float, spread: float, shapes: np.ndarray, scales: np.ndarray, weights: np.ndarray
) -> float:
    """Quantile p of the posterior of the threshold above u; the share above u is log-normal with sd `spread`."""
    low, high = 0.0, 1.0
    while _below(high, log_ratio, spread, shapes, scales, weights) < p and high < 1e12:
        low, high = high, 2 * high
    while high - low > 1e-10 * high:
        middle = 0.5 * (low + high)
        if _below(middle, log_ratio, spread, shapes, scales, weights) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@njit(cache=True)
def _below(
    x: float, log_ratio: float, spread: float, shapes: np.ndarray, scales: np.ndarray, weights: np.ndarray
) -> float:
    """Probability that the threshold lies at most x above u."""
    total = 0.0
    for m in range(shapes.size):
        if weights[m] < 1e-9:
            continue
        r = x / scales[m]
        z = 1 + shapes[m] * r
        if z <= 0:
            total += weights[m]
            continue
        depth = r if abs(shapes[m]) < 1e-7 else math.log(z) / shapes[m]
        total += weights[m] * 0.5 * math.erfc(-(depth - log_ratio) / (spread * math.sqrt(2.0)))
    return total
