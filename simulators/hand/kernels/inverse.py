"""What the inverse problems of the hand spend their time on: rows of the dipole geometry, and the fit of curls.

Nothing is checked here. float64; lengths in mm, moments in A m2, fields in uT until they are whitened. `geometry` and
`geometry_rows` have samples innermost; `fit_curls` goes sample by sample, so a sample has the same bits in any company.
"""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit
from simulators.hand.kernels.fields import UNIT

GROW, SHRINK, FIRST, MOST = 4.0, 0.2, 1e-3, 1e12
"""Damping of Levenberg and Marquardt: after a refused and an accepted step, at the start, where it gives up."""
BENT, RETURNS = 1.0, 3
"""Squared length of a step's second-order part over that of its first, at most; how often a step is led back."""


@njit(cache=True, error_model="numpy")
def geometry(theta, curls, points, weights, out):
    """Weighted readings (sensors, 3, samples) of a geometry: see `inverse.names_of` for theta.

    curls (5, samples); points (sensors, 3); weights (sensors, samples).
    """
    for s in range(points.shape[0]):
        bx, by, bz, w = out[s, 0], out[s, 1], out[s, 2], weights[s]
        o = theta[45 + 3 * s : 48 + 3 * s]
        for i in range(w.size):
            bx[i], by[i], bz[i] = o[0], o[1], o[2]
        for f in range(5):
            t, c = theta[9 * f : 9 * f + 9], curls[f]
            mx, my, mz = UNIT * t[0], UNIT * t[1], UNIT * t[2]
            ex, ey, ez = points[s, 0] - t[3], points[s, 1] - t[4], points[s, 2] - t[5]
            gx, gy, gz = t[6] - t[3], t[7] - t[4], t[8] - t[5]
            for i in range(w.size):
                x, y, z = ex - c[i] * gx, ey - c[i] * gy, ez - c[i] * gz
                q = 1.0 / (x * x + y * y + z * z)
                h = q * np.sqrt(q)
                k = 3.0 * (mx * x + my * y + mz * z) * q * h
                bx[i] += k * x - h * mx
                by[i] += k * y - h * my
                bz[i] += k * z - h * mz
        for i in range(w.size):
            bx[i] *= w[i]
            by[i] *= w[i]
            bz[i] *= w[i]


@njit(cache=True, error_model="numpy")
def geometry_rows(theta, curls, points, weights, rows):
    """Derivatives of `geometry` by theta, (parameters, sensors, 3, samples)."""
    for s in range(points.shape[0]):
        w = weights[s]
        for a in range(points.shape[0]):
            for j in range(3):
                for b in range(3):
                    rows[45 + 3 * a + j, s, b, :] = 0.0
        for j in range(3):
            rows[45 + 3 * s + j, s, j, :] = w
        for f in range(5):
            t, c = theta[9 * f : 9 * f + 9], curls[f]
            mx, my, mz = UNIT * t[0], UNIT * t[1], UNIT * t[2]
            ex, ey, ez = points[s, 0] - t[3], points[s, 1] - t[4], points[s, 2] - t[5]
            gx, gy, gz = t[6] - t[3], t[7] - t[4], t[8] - t[5]
            m, e, g = rows[9 * f : 9 * f + 3, s], rows[9 * f + 3 : 9 * f + 6, s], rows[9 * f + 6 : 9 * f + 9, s]
            for i in range(w.size):
                x, y, z = ex - c[i] * gx, ey - c[i] * gy, ez - c[i] * gz
                q = 1.0 / (x * x + y * y + z * z)
                h = w[i] * q * np.sqrt(q)
                k = 3.0 * h * q
                u = UNIT * k
                xy, xz, yz = u * x * y, u * x * z, u * y * z
                m[0, 0, i], m[1, 1, i], m[2, 2, i] = u * x * x - UNIT * h, u * y * y - UNIT * h, u * z * z - UNIT * h
                m[0, 1, i], m[0, 2, i], m[1, 2, i] = xy, xz, yz
                m[1, 0, i], m[2, 0, i], m[2, 1, i] = xy, xz, yz
                v = mx * x + my * y + mz * z
                p = 5.0 * v * q
                far, near = -k * c[i], -k * (1.0 - c[i])
                d = 2.0 * mx * x + v - p * x * x
                e[0, 0, i], g[0, 0, i] = near * d, far * d
                d = 2.0 * my * y + v - p * y * y
                e[1, 1, i], g[1, 1, i] = near * d, far * d
                d = 2.0 * mz * z + v - p * z * z
                e[2, 2, i], g[2, 2, i] = near * d, far * d
                d = mx * y + my * x - p * x * y
                e[0, 1, i], g[0, 1, i] = near * d, far * d
                e[1, 0, i], g[1, 0, i] = near * d, far * d
                d = mx * z + mz * x - p * x * z
                e[0, 2, i], g[0, 2, i] = near * d, far * d
                e[2, 0, i], g[2, 0, i] = near * d, far * d
                d = my * z + mz * y - p * y * z
                e[1, 2, i], g[1, 2, i] = near * d, far * d
                e[2, 1, i], g[2, 1, i] = near * d, far * d


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def triangle(rows, r, work):
    """Householder's R (k, k) of rows.T, rows (k, n), block by block: each annihilates itself into what there is of R.

    One core and one pass, where LAPACK's threads wait for one another on a busy machine. r: zeros. work (k, block).
    """
    k, n = rows.shape
    for lo in range(0, n, work.shape[1]):
        size = min(work.shape[1], n - lo)
        for j in range(k):
            for i in range(size):
                work[j, i] = rows[j, lo + i]
        for j in range(k):
            squares = 0.0
            for i in range(size):
                squares += work[j, i] * work[j, i]
            if squares == 0.0:
                continue
            norm = np.sqrt(r[j, j] * r[j, j] + squares)
            end = -norm if r[j, j] > 0.0 else norm
            head = r[j, j] - end
            share = -head / end
            r[j, j] = end
            for i in range(size):
                work[j, i] /= head
            for m in range(j + 1, k):
                d = r[j, m]
                for i in range(size):
                    d += work[j, i] * work[m, i]
                d *= share
                r[j, m] -= d
                for i in range(size):
                    work[m, i] -= d * work[j, i]


@njit(inline="always", cache=True)
def curve(tables, f, c, work, at, row, size):
    """Add finger f's readings at a curl to work[at, 0]; their two derivatives into work[at, row] and work[at, row + 5].

    tables (5, knots, 2, size), cubic between knots.
    """
    last = tables.shape[1] - 1
    j = min(max(int(c * last), 0), last - 1)
    t = c * last - j
    s = 1.0 - t
    a0, a1 = s * s * (1.0 + 2.0 * t), t * t * (3.0 - 2.0 * t)
    b0, b1 = s * s * t / last, -t * t * s / last
    d, d0, d1 = 6.0 * s * t * last, s * (1.0 - 3.0 * t), t * (3.0 * t - 2.0)
    e, e0, e1 = 6.0 * (s - t) * last * last, (6.0 * t - 4.0) * last, (6.0 * t - 2.0) * last
    for r in range(size):
        p, q = tables[f, j, 0, r], tables[f, j + 1, 0, r]
        u, v = tables[f, j, 1, r], tables[f, j + 1, 1, r]
        work[at, 0, r] += a0 * p + a1 * q + b0 * u + b1 * v
        work[at, row, r] = d * (q - p) + d0 * u + d1 * v
        work[at, row + 5, r] = e * (q - p) + e0 * u + e1 * v


@njit(cache=True, error_model="numpy")
def whiten(matrix, readings, out):
    """Readings (n, samples) times a lower triangular matrix (n, n), into out (samples, n)."""
    for i in range(readings.shape[1]):
        for r in range(readings.shape[0]):
            x = 0.0
            for q in range(r + 1):
                x += matrix[r, q] * readings[q, i]
            out[i, r] = x


@njit(cache=True, error_model="numpy")
def readings(tables, curls, work, out):
    """What curls (5, samples) read, into out (readings, samples). work (1, 7, readings): scratch."""
    for i in range(curls.shape[1]):
        work[0, 0, :] = 0.0
        for f in range(5):
            curve(tables, f, curls[f, i], work, 0, 1, out.shape[0])
        out[:, i] = work[0, 0]


@njit(cache=True, error_model="numpy")
def _model(tables, c, readings, i, mean, precision, work, at):
    """The cost of curls c for reading i; what it leaves of it and the derivatives into work[at]."""
    size = readings.shape[1]
    for r in range(size):
        work[at, 0, r] = 0.0
    for f in range(5):
        curve(tables, f, c[f], work, at, 1 + f, size)
    total = 0.0
    for r in range(size):
        d = readings[i, r] - work[at, 0, r]
        work[at, 0, r] = d
        total += d * d
    for f in range(5):
        total += precision[f] * (c[f] - mean[f]) ** 2
    return 0.5 * total


@njit(cache=True, error_model="numpy")
def _system(work, at, size, c, mean, precision, gradient, hessian, extra):
    """Gradient, curvature after Gauss and Newton, and what the whole curvature has besides, on its diagonal."""
    for f in range(5):
        x, z = 0.0, 0.0
        for r in range(size):
            x -= work[at, 1 + f, r] * work[at, 0, r]
            z -= work[at, 6 + f, r] * work[at, 0, r]
        gradient[f], extra[f] = x + precision[f] * (c[f] - mean[f]), z
        for g in range(f + 1):
            y = precision[f] if f == g else 0.0
            for r in range(size):
                y += work[at, 1 + f, r] * work[at, 1 + g, r]
            hessian[f, g] = hessian[g, f] = y


@njit(cache=True, error_model="numpy")
def _factor(a, low):
    """Factor a (5, 5) = L D L', whose lower part is read; 1 / D on the diagonal. False where it is not positive."""
    for i in range(5):
        x = a[i, i]
        for j in range(i):
            y = a[i, j]
            for k in range(j):
                y -= low[k, i] * low[j, k]
            low[j, i] = y  # times D: above the diagonal, for the sums to come
            low[i, j] = y * low[j, j]
            x -= y * low[i, j]
        if not x > 1e-14 * abs(a[i, i]):
            return False
        low[i, i] = 1.0 / x
    return True


@njit(cache=True, error_model="numpy")
def _solve(low, b):
    """Solve L D L' x = b in place."""
    for i in range(5):
        for k in range(i):
            b[i] -= low[i, k] * b[k]
    for i in range(4, -1, -1):
        b[i] *= low[i, i]
        for k in range(i + 1, 5):
            b[i] -= low[k, i] * b[k]


@njit(cache=True, error_model="numpy")
def _step(hessian, diagonal, gradient, c, held, fixed, damped, low, step):
    """The step to the least value of a quadratic form in the box 0 to 1; False where that has none.

    A curl that would leave the box goes to its end, and the others find their steps anew.
    """
    for f in range(5):
        fixed[f], step[f] = held[f], 0.0
    while True:
        for f in range(5):
            for g in range(f):
                damped[f, g] = 0.0 if fixed[f] or fixed[g] else hessian[f, g]
            damped[f, f] = 1.0 if fixed[f] else diagonal[f]
        if not _factor(damped, low):
            return False
        for f in range(5):
            if not fixed[f]:
                step[f] = -gradient[f]
                for g in range(5):
                    if fixed[g]:
                        step[f] -= hessian[f, g] * step[g]
        _solve(low, step)  # those that are fixed keep their step: their rows are the unit matrix's
        leaves = False
        for f in range(5):
            end = c[f] + step[f]
            if not fixed[f] and not 0.0 <= end <= 1.0:
                step[f] = -c[f] if end < 0.0 else 1.0 - c[f]
                fixed[f] = leaves = True
        if not leaves:
            return True


@njit(cache=True, error_model="numpy")
def _answer(work, at, wanted, size, fixed, low, turn):
    """The change of the free curls that takes away work[wanted, 0] of what is left, by the slopes in work[at]."""
    for f in range(5):
        x = 0.0
        if not fixed[f]:
            for r in range(size):
                x += work[at, 1 + f, r] * work[wanted, 0, r]
        turn[f] = x
    _solve(low, turn)


@njit(cache=True, error_model="numpy")
def _steepest(c, gradient, hessian, held):
    """The greatest squared gradient over curvature; `held` receives which curls the box holds at its ends."""
    most = 0.0
    for f in range(5):
        held[f] = (c[f] <= 0.0 and gradient[f] > 0.0) or (c[f] >= 1.0 and gradient[f] < 0.0)
        if not held[f] and hessian[f, f] > 0.0:
            most = max(most, gradient[f] * gradient[f] / hessian[f, f])
    return most


@njit(cache=True, error_model="numpy")
def _descend(tables, readings, i, mean, precision, most, tolerance, c, work, small, flags, gradient, hessian):
    """Newton's steps in the box 0 to 1 from c, damped after Levenberg and Marquardt; (cost, steps, if it converged).

    Few readings leave a narrow and bent valley of curls that explain them. A step is therefore bent along it (the
    geodesic acceleration of Transtrum and Sethna, arXiv 1201.5885, of which additive readings need only each finger's
    second derivative) and, where that does not lower the cost, led back into it with the same matrix.

    c, gradient (5,) and hessian (5, 5), after Gauss and Newton, receive those at the end. work (2, 11, readings),
    small (15, 5), flags (2, 5): scratch.
    """
    size = readings.shape[1]
    damped, low = small[:5], small[5:10]
    step, trial, extra, diagonal, turn = small[10], small[11], small[12], small[13], small[14]
    held, fixed = flags[0], flags[1]
    at, other = 0, 1
    own = _model(tables, c, readings, i, mean, precision, work, at)
    damping, done, count = FIRST, False, 0
    _system(work, at, size, c, mean, precision, gradient, hessian, extra)
    while True:
        done = done or _steepest(c, gradient, hessian, held) <= tolerance * tolerance * (1.0 + 2.0 * own)
        if done or count >= most or damping > MOST:
            return own, count, done
        count += 1
        for f in range(5):
            diagonal[f] = hessian[f, f] * (1.0 + damping) + extra[f] + 1e-30
        if not _step(hessian, diagonal, gradient, c, held, fixed, damped, low, step):
            for f in range(5):
                diagonal[f] = hessian[f, f] * (1.0 + damping) + 1e-30
            if not _step(hessian, diagonal, gradient, c, held, fixed, damped, low, step):
                damping *= GROW
                continue
        for r in range(size):
            x = 0.0
            for f in range(5):
                x -= work[at, 6 + f, r] * step[f] * step[f]
            work[other, 0, r] = 0.5 * x
        _answer(work, at, other, size, fixed, low, turn)
        length = bent = 0.0
        for f in range(5):
            trial[f] = min(max(c[f] + step[f] + turn[f], 0.0), 1.0)
            length += step[f] * step[f]
            bent += turn[f] * turn[f]
        if bent > BENT * length:
            damping *= GROW
            continue
        new = _model(tables, trial, readings, i, mean, precision, work, other)
        back = 0
        while new >= own and back < RETURNS:
            back += 1
            for r in range(size):  # what is left now, but for what the plain step would have left
                x = work[other, 0, r] - work[at, 0, r]
                for f in range(5):
                    x += work[at, 1 + f, r] * step[f]
                work[other, 0, r] = x
            _answer(work, at, other, size, fixed, low, turn)
            for f in range(5):
                trial[f] = min(max(trial[f] + turn[f], 0.0), 1.0)
            before, new = new, _model(tables, trial, readings, i, mean, precision, work, other)
            if new > 0.5 * before:
                break
        if new < own:
            done = own - new <= 1e-15 * own
            own, damping = new, damping if back else max(damping * SHRINK, 1e-12)
            for f in range(5):
                c[f] = trial[f]
            at, other = other, at
            _system(work, at, size, c, mean, precision, gradient, hessian, extra)
        else:
            damping *= GROW
            promised = 0.0
            for f in range(5):
                promised -= 0.5 * gradient[f] * step[f]
            done = abs(promised) <= 1e-14 * own  # below 0 where the box turned the step uphill


@njit(cache=True, error_model="numpy")
def _compare(models, prior, readings, i, cost):
    """Twice the cost of each candidate for reading i."""
    for k in range(cost.size):
        cost[k] = prior[k]
    for r in range(readings.shape[1]):
        b = readings[i, r]
        for k in range(cost.size):
            d = b - models[r, k]
            cost[k] += d * d


@njit(cache=True, error_model="numpy")
def _least(cost):
    """The first place of the least cost, or -1 where all are inf.

    The bits of floats >= 0 sort as the floats do, and the least of integers is found in vectors.
    """
    bits = cost.view(np.int64)
    none = np.int64(0x7FF0000000000000)  # inf
    where, least = 0, none
    for lo in range(0, bits.size, 64):
        own = none
        for k in range(lo, min(lo + 64, bits.size)):
            own = min(own, bits[k])
        if own < least:
            where, least = lo, own
    if least == none:
        return -1
    while bits[where] != least:
        where += 1
    return where


@njit(cache=True, error_model="numpy")
def _strike(cost, place, levels):
    """Let a candidate and its neighbours on the grid cost inf."""
    low, high = np.empty(5, np.int64), np.empty(5, np.int64)
    for f in range(5):
        digit = place // levels ** (4 - f) % levels
        low[f], high[f] = max(digit - 1, 0), min(digit + 2, levels)
    for a in range(low[0], high[0]):
        for b in range(low[1], high[1]):
            for c in range(low[2], high[2]):
                for d in range(low[3], high[3]):
                    first = (((a * levels + b) * levels + c) * levels + d) * levels
                    cost[first + low[4] : first + high[4]] = np.inf


@njit(cache=True, error_model="numpy")
def fit_curls(
    tables, grid, models, prior, starts, enough, readings, mean, precision, most, tolerance, estimate, covariance,
    told, cost, iterations, converged,
):  # fmt: skip
    """Curls in 0 to 1 of least cost, sample by sample.

    tables (5, knots, 2, readings): whitened readings and their derivatives by the curl. grid (5, levels): curls; models
    (readings, levels^5), prior (levels^5,): what their combinations read, the last finger's turning fastest, and twice
    their prior's cost. The best, no two of them neighbours, are tried until a cost is `enough`, or `starts` of them;
    starts 0: `estimate` is the start. readings (samples, readings): whitened; mean, precision (5,): the prior. estimate
    (samples, 5), covariance (samples, 5, 5), told, cost, iterations, converged (samples,) receive. What is not `told`
    has no covariance, but its inverse there. A sample has converged when its gradient is `tolerance` of what it could
    be, or its cost falls by less than rounding.
    """
    levels = grid.shape[1]
    work, small, flags = np.empty((2, 11, readings.shape[1])), np.zeros((15, 5)), np.empty((2, 5), np.bool_)
    gradient, hessian, curvature, step, c = np.empty(5), np.empty((5, 5)), np.empty((5, 5)), np.empty(5), np.empty(5)
    twice, low = np.empty(prior.size), np.zeros((5, 5))
    for i in range(readings.shape[0]):
        if starts:
            _compare(models, prior, readings, i, twice)
        cost[i], iterations[i] = np.inf, 0
        place = _least(twice) if starts else 0
        for k in range(max(starts, 1)):
            if k > 0:
                _strike(twice, place, levels)
                place = _least(twice)
            if place < 0:
                break
            for f in range(5):
                c[f] = grid[f, place // levels ** (4 - f) % levels] if starts else estimate[i, f]
            own, taken, done = _descend(
                tables, readings, i, mean, precision, most, tolerance, c, work, small, flags, gradient, hessian
            )
            iterations[i] += taken
            if own < cost[i]:
                cost[i], converged[i] = own, done
                for f in range(5):
                    estimate[i, f] = c[f]
                    for g in range(5):
                        curvature[f, g] = hessian[f, g]
            if cost[i] <= enough:
                break
        told[i] = _factor(curvature, low)
        for f in range(5):
            for g in range(5):
                step[g] = 1.0 if f == g else 0.0
            if told[i]:
                _solve(low, step)
            for g in range(5):
                covariance[i, f, g] = step[g] if told[i] else curvature[f, g]
