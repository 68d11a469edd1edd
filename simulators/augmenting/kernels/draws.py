"""What is drawn for each sample of a batch: small tables of parameters, one row a sample.

Every function fills `out` (samples, width) float64 from `keys` (samples, 2) uint32, a row from its own key alone. Draw
0 of a key says whether the operation applies, into column 0; the parameters follow, group by group.
"""

import math

import numpy as np
from numba import njit, uint32

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit
from simulators.noise import hash32, normal_at, uniform_at

_A, _B = np.uint32(0x68E31DA4), np.uint32(0xB5297A4D)
_NORMALS = 1 << 20  # the first normal draw: no uniform one has its hash


@njit(cache=True)
def sample_keys(samples, k0, k1, out):
    """A key for each sample's number (uint64) under an operation's key."""
    for b in range(samples.size):
        low, high = uint32(samples[b] & 0xFFFFFFFF), uint32(samples[b] >> 32)
        a, c = hash32(low, k0, k1), hash32(low, k1 ^ _A, k0 ^ _B)
        out[b, 0], out[b, 1] = hash32(high, a, c), hash32(high, c ^ _A, a ^ _B)


@njit(inline="always", cache=True)
def below(n, at, k):
    """Draw `at` of a key as an integer from 0 to n - 1."""
    return min(n - 1, int(uniform_at(at, k[0], k[1]) * n))


@njit(cache=True)
def applied(probability, keys, out):
    """Whether the operation applies."""
    for b in range(out.shape[0]):
        out[b, 0] = uniform_at(0, keys[b, 0], keys[b, 1]) < probability


@njit(cache=True)
def uniforms(low, high, keys, out):
    """A number from low to high for each group."""
    for b in range(out.shape[0]):
        for g in range(out.shape[1] - 1):
            out[b, 1 + g] = low + (high - low) * uniform_at(1 + g, keys[b, 0], keys[b, 1])


@njit(cache=True, error_model="numpy")
def rotations(limit, keys, out):
    """A rotation matrix for each group, row by row: uniform over SO(3), or by 0 to limit (rad) where that is >= 0.

    Sources: Shoemake, "Uniform random rotations", Graphics Gems III, 1992; the axis is uniform on the sphere
    (Archimedes: so is its height on the axis of a cylinder).
    """
    for b in range(out.shape[0]):
        for g in range((out.shape[1] - 1) // 9):
            u = uniform_at(1 + 3 * g, keys[b, 0], keys[b, 1])
            v = 2 * math.pi * uniform_at(2 + 3 * g, keys[b, 0], keys[b, 1])
            w = uniform_at(3 + 3 * g, keys[b, 0], keys[b, 1])
            if limit >= 0:
                half, z = 0.5 * limit * w, 2 * u - 1
                r, s = math.sqrt(1 - z * z), math.sin(half)
                x, y, z, q = s * r * math.cos(v), s * r * math.sin(v), s * z, math.cos(half)
            else:
                w *= 2 * math.pi
                x, y = math.sqrt(1 - u) * math.sin(v), math.sqrt(1 - u) * math.cos(v)
                z, q = math.sqrt(u) * math.sin(w), math.sqrt(u) * math.cos(w)
            m = out[b, 1 + 9 * g : 10 + 9 * g]
            m[0], m[1], m[2] = 1 - 2 * (y * y + z * z), 2 * (x * y - z * q), 2 * (x * z + y * q)
            m[3], m[4], m[5] = 2 * (x * y + z * q), 1 - 2 * (x * x + z * z), 2 * (y * z - x * q)
            m[6], m[7], m[8] = 2 * (x * z - y * q), 2 * (y * z + x * q), 1 - 2 * (x * x + y * y)


@njit(cache=True, error_model="numpy")
def warps(change, knots, time, keys, out):
    """Control points of a cubic B-spline from 0 to time - 1 for each group, steps uniform in 1 +- change before that.

    Its derivative is a quadratic B-spline of the steps, which stays between the least and the greatest of them: a
    change below 1 cannot fold time. Source: de Boor, A Practical Guide to Splines, 1978.
    """
    n = knots + 3
    for b in range(out.shape[0]):
        for g in range((out.shape[1] - 1) // n):
            c = out[b, 1 + n * g : 1 + n * (g + 1)]
            c[0] = 0.0
            for j in range(1, n):
                c[j] = c[j - 1] + 1 + change * (2 * uniform_at(n * g + j, keys[b, 0], keys[b, 1]) - 1)
            first, last = (c[0] + 4 * c[1] + c[2]) / 6, (c[n - 3] + 4 * c[n - 2] + c[n - 1]) / 6
            for j in range(n):
                c[j] = (c[j] - first) * ((time - 1) / (last - first))


@njit(cache=True)
def curves(table, mean, sd, keys, out):
    """Control points of a cubic B-spline about `mean` for each group."""
    for b in range(out.shape[0]):
        for j in range(out.shape[1] - 1):
            out[b, 1 + j] = mean + sd * normal_at(table, _NORMALS + j, keys[b, 0], keys[b, 1])


@njit(cache=True, error_model="numpy")
def walks(table, knots, keys, out):
    """Control points of a random walk for each group, 0 at the start and of sd 1 at the end."""
    n = knots + 3
    step = 1 / math.sqrt(knots - 2 + 26 / 36)  # the last two steps count 5/6 and 1/6
    for b in range(out.shape[0]):
        for g in range((out.shape[1] - 1) // n):
            c = out[b, 1 + n * g : 1 + n * (g + 1)]
            c[:3] = 0.0
            for j in range(3, n):
                c[j] = c[j - 1] + step * normal_at(table, _NORMALS + n * g + j, keys[b, 0], keys[b, 1])


@njit(cache=True)
def _shuffle(rows, n, at, k):
    """Fisher and Yates: the first n rows in random order."""
    for i in range(n - 1, 0, -1):
        j = below(i + 1, at + i, k)
        for column in range(rows.shape[1]):
            rows[i, column], rows[j, column] = rows[j, column], rows[i, column]


@njit(cache=True)
def segments(least, most, shortest, time, keys, out):
    """For each group the count of segments, then start and length of each in their new order.

    The count is uniform from least to most, and so are the cuts that leave each segment `shortest` samples or more.
    """
    width = 1 + 2 * most
    for b in range(out.shape[0]):
        k = keys[b]
        for g in range((out.shape[1] - 1) // width):
            row, at = out[b, 1 + width * g : 1 + width * (g + 1)], 1 + width * g
            n = least + below(most - least + 1, at, k)
            parts = row[1:].reshape(most, 2)
            row[0] = n
            for i in range(n - 1):  # sorted by insertion
                cut, j = below(time - n * shortest + 1, at + 1 + i, k) * 1.0, i
                while j > 0 and parts[j, 0] > cut:
                    parts[j + 1, 0] = parts[j, 0]
                    j -= 1
                parts[j + 1, 0] = cut
            parts[0, 0] = 0.0
            for i in range(1, n):
                parts[i, 0] += i * shortest
            for i in range(n):
                parts[i, 1] = (parts[i + 1, 0] if i + 1 < n else time) - parts[i, 0]
            _shuffle(parts, n, at + most, k)


@njit(cache=True)
def windows(span, time, keys, out):
    """As `segments`, all of `span` samples; what is left over at the end stays there."""
    whole = time // span
    count = whole + (time % span > 0)
    width = 1 + 2 * count
    for b in range(out.shape[0]):
        for g in range((out.shape[1] - 1) // width):
            row = out[b, 1 + width * g : 1 + width * (g + 1)]
            row[0] = count
            parts = row[1:].reshape(count, 2)
            for i in range(count):
                parts[i, 0], parts[i, 1] = i * span, min(span, time - i * span)
            _shuffle(parts, whole, 1 + width * g, keys[b])


@njit(cache=True)
def intervals(length, time, keys, out):
    """Start and end of an interval for each group."""
    for b in range(out.shape[0]):
        for g in range((out.shape[1] - 1) // 2):
            start = below(time - length + 1, 1 + g, keys[b])
            out[b, 1 + 2 * g], out[b, 2 + 2 * g] = start, start + length


@njit(cache=True)
def losses(probability, time, keys, out):
    """The whole time or nothing for each group; one group at least stays."""
    groups = (out.shape[1] - 1) // 2
    for b in range(out.shape[0]):
        lost = 0
        for g in range(groups):
            gone = uniform_at(2 + g, keys[b, 0], keys[b, 1]) < probability
            lost += gone
            out[b, 1 + 2 * g], out[b, 2 + 2 * g] = 0.0, time if gone else 0.0
        if lost == groups:
            out[b, 2 + 2 * below(groups, 1, keys[b])] = 0.0


@njit(cache=True, error_model="numpy")
def choices(count, of, keys, out):
    """Flags for each group: exactly `count` of `of` are 1, each set as likely as any.

    Source: Knuth, The Art of Computer Programming, volume 2, section 3.4.2, algorithm S.
    """
    for b in range(out.shape[0]):
        for g in range((out.shape[1] - 1) // of):
            left = count
            for i in range(of):
                chosen = uniform_at(1 + of * g + i, keys[b, 0], keys[b, 1]) * (of - i) < left
                out[b, 1 + of * g + i] = chosen
                left -= chosen
