"""Counter-based bulk noise for kernels: sample n of a channel is a pure function of (key, n).

The hash is a two-round integer finaliser keyed before and between the rounds: the multipliers of Steele, Lea and
Flood's and Appleby's MurmurHash3 finalisers, as improved by Wellons ("Prospecting for hash functions", 2018). All
arithmetic is on integers or plain IEEE float without libm, so the same bits come out of every machine.

One hash serves two Gaussian samples: each takes 16 bits as the index of a quantile table; the outermost 16 of 65,536
bins on each side are refined by a further hash to 48 bits, so the tails are those of the normal law to beyond 7 sd
(they are not cut at 3.45 sd as a sum of bytes is). The table is laid out so that those 32 bins have the lowest
indices, which makes "any tail in this block?" one vector minimum. Counters are 32 bits wide: at most 2^32 samples to
a key.
"""

from functools import cache

import numpy as np
from numba import njit, uint32, uint64

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit

GAUSSIAN, UNIFORM, HEAVY = range(3)
"""Kinds of noise, each of unit variance: normal, uniform, and Student's t with 4 degrees of freedom."""

TAIL_BINS = 16
_RARE = np.uint32(2 * TAIL_BINS)
_M1, _M2, _M3 = np.uint32(0x21F0AAAD), np.uint32(0xD35A2D97), np.uint32(0x85EBCA6B)
_GOLDEN, _TAIL, _HEAVY_A, _HEAVY_B = np.uint32(0x9E3779B9), np.uint32(0x5851F42D), 0x2545F491, 0x14057B7E
_S13, _S15, _S16 = np.uint32(13), np.uint32(15), np.uint32(16)
_LOW16 = np.uint32(0xFFFF)
_CHUNK = 64


@njit(inline="always", cache=True)
def hash32(n, k0, k1):
    """32 random bits for counter `n` under the 64-bit key (k0, k1); all uint32."""
    x = uint32(uint32(n) * _GOLDEN) ^ k0
    x = uint32(uint32(x ^ uint32(x >> _S16)) * _M1)
    x = uint32(uint32(x ^ uint32(x >> _S15)) * _M2)
    x = uint32(uint32(x ^ uint32(x >> _S15)) + k1)
    x = uint32(uint32(x ^ uint32(x >> _S16)) * _M3)
    return uint32(x ^ uint32(x >> _S13))


@njit(cache=True, error_model="numpy")
def negative_log(p):
    """-ln(p) for 0 < p <= 1 in float64, from exact scaling and the series of artanh; no libm."""
    e = 0
    while p < 0.7071067811865476:
        p *= 2.0
        e += 1
    t = (p - 1.0) / (p + 1.0)
    s = t * t
    series = 1.0 / 19.0
    for k in (17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
        series = series * s + 1.0 / k
    return e * 0.6931471805599453 - 2.0 * t * series


@njit(cache=True, error_model="numpy")
def quantile(p):
    """Standard normal quantile of 0 < p < 0.5, to 1e-15. Source: Wichura, algorithm AS 241, PPND16, 1988."""
    q = p - 0.5
    if q > -0.425:
        r = 0.180625 - q * q
        a = ((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
              + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
             + 133.14166789178437745) * r + 3.387132872796366608  # fmt: skip
        b = ((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
              + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r
             + 42.313330701600911252) * r + 1.0  # fmt: skip
        return q * a / b
    r = np.sqrt(negative_log(p))
    if r <= 5.0:
        r -= 1.6
        a = ((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
              + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r
             + 4.6303378461565452959) * r + 1.42343711074968357734  # fmt: skip
        b = ((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r
              + 0.14810397642748007459) * r + 0.68976733498510000455) * r + 1.6763848301838038494) * r
             + 2.05319162663775882187) * r + 1.0  # fmt: skip
        return -a / b
    r -= 5.0
    a = ((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r
          + 0.026532189526576123093) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r
         + 5.4637849111641143699) * r + 6.6579046435011037772  # fmt: skip
    b = ((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r
          + 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r + 0.13692988092273580531) * r
         + 0.59983220655588793769) * r + 1.0  # fmt: skip
    return -a / b


@njit(cache=True)
def _fill_table(table):
    for i in range(32768):
        z = np.float32(quantile((i + 0.5) / 65536.0))
        low = i if i < TAIL_BINS else i + TAIL_BINS
        high = 2 * TAIL_BINS - 1 - i if i < TAIL_BINS else 65535 + TAIL_BINS - i
        table[low] = z
        table[high] = -z


@cache
def normal_table() -> np.ndarray:
    """Quantiles at the middle of 65,536 equal bins, shape (65536,) float32: what the Gaussian kernels look up.

    Indices 0 to 15 are the lowest bins, 16 to 31 the highest, the others follow in ascending order.
    """
    table = np.empty(65536, np.float32)
    _fill_table(table)
    table.setflags(write=False)
    return table


@njit(cache=True, error_model="numpy")
def _tail(u, n, k0, k1):
    w = (float(hash32(n, k0 ^ _TAIL, k1 ^ _GOLDEN)) + 0.5) / 4294967296.0
    if u < TAIL_BINS:
        return np.float32(quantile((float(u) + w) / 65536.0))
    return np.float32(-quantile((float(2 * TAIL_BINS - 1 - u) + w) / 65536.0))


@njit(cache=True, error_model="numpy")
def normal_at(table, n, k0, k1):
    """Standard normal sample `n` (int64 >= 0) under key (k0, k1), float32; equal to `normals`' sample n."""
    h = hash32(uint32(n >> 1), k0, k1)
    u = uint32(h >> _S16) if n & 1 else uint32(h & _LOW16)
    return _tail(int(u), uint32(n), k0, k1) if u < _RARE else table[u]


@njit(cache=True, error_model="numpy")
def normals(table, first, n, k0, k1, out):
    """Standard normal samples first .. first + n - 1 under key (k0, k1) into out[:n], float32."""
    hashes = np.empty(_CHUNK, np.uint32)
    i = 0
    if first & 1 and n > 0:
        out[0] = normal_at(table, first, k0, k1)
        i = 1
    while i + 2 <= n:
        m = min((n - i) >> 1, _CHUNK)
        c = uint32((first + i) >> 1)
        least = _LOW16
        for j in range(m):
            h = hash32(uint32(c + uint32(j)), k0, k1)
            hashes[j] = h
            least = min(least, min(uint32(h & _LOW16), uint32(h >> _S16)))
        part = out[i : i + 2 * m]
        for j in range(m):
            h = hashes[j]
            part[2 * j] = table[h & _LOW16]
            part[2 * j + 1] = table[h >> _S16]
        if least < _RARE:
            for j in range(m):
                u, v = uint32(hashes[j] & _LOW16), uint32(hashes[j] >> _S16)
                if min(u, v) < _RARE:
                    out[i + 2 * j] = normal_at(table, first + i + 2 * j, k0, k1)
                    out[i + 2 * j + 1] = normal_at(table, first + i + 2 * j + 1, k0, k1)
        i += 2 * m
    if i < n:
        out[i] = normal_at(table, first + i, k0, k1)


@njit(inline="always", cache=True)
def uniform_at(n, k0, k1):
    """Uniform sample `n` in (0, 1), float64."""
    return (float(hash32(uint32(n), k0, k1)) + 0.5) * 2.0**-32


@njit(cache=True, error_model="numpy")
def heavy_at(table, n, k0, k1):
    """Sample `n` of Student's t with 4 degrees of freedom, scaled to unit variance, float32."""
    u = uniform_at(n, k0 ^ uint32(_HEAVY_A), k1)
    v = uniform_at(n, k0 ^ uint32(_HEAVY_B), k1)
    return np.float32(normal_at(table, n, k0, k1) / np.sqrt(0.5 * (negative_log(u) + negative_log(v))) * 0.5**0.5)


@njit(cache=True, error_model="numpy")
def fill(kind, table, first, n, k0, k1, out):
    """Unit-variance samples first .. first + n - 1 of a kind of noise into out[:n], float32."""
    if kind == GAUSSIAN:
        normals(table, first, n, k0, k1, out)
    elif kind == UNIFORM:
        for i in range(n):
            out[i] = np.float32((uniform_at(first + i, k0, k1) - 0.5) * 3.4641016151377544)
    else:
        for i in range(n):
            out[i] = heavy_at(table, first + i, k0, k1)


@njit(cache=True)
def bernoulli(p, first, n, k0, k1, out):
    """out[i] = True with probability p, for counters first .. first + n - 1 under key (k0, k1)."""
    limit = uint64(p * 4294967296.0)
    for i in range(n):
        out[i] = uint64(hash32(uint32(first + i), k0, k1)) < limit
