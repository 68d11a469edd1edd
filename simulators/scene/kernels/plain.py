"""The words of a scene in plain numpy: whole rows as array expressions, one channel at a time.

Written apart from the compiled kernels and equal to them bit for bit: the tests hold the two together, and the
benchmark tells how much the compiled ones gain. Every float32 operation is the same single IEEE operation in the same
order; integers wrap as theirs do. Ticks are a `range` where they are consecutive, else an int64 array.
"""

from functools import cache

import numpy as np

from simulators.noise import GAUSSIAN, TAIL_BINS, UNIFORM
from simulators.scene.kernels import bits as packed
from simulators.scene.kernels import words as kernel
from simulators.scene.plan import Plan

Ticks = range | np.ndarray
Word = int | np.uint32
F32, U32 = np.float32, np.uint32


# ---- noise


def hash32(n: np.ndarray, k0: Word, k1: Word) -> np.ndarray:
    """32 random bits for each counter n (uint32) under the key (k0, k1)."""
    x: np.ndarray = n * U32(0x9E3779B9)
    x ^= U32(k0)
    scratch = x >> U32(16)
    x ^= scratch
    x *= U32(0x21F0AAAD)
    x ^= np.right_shift(x, U32(15), out=scratch)
    x *= U32(0xD35A2D97)
    x ^= np.right_shift(x, U32(15), out=scratch)
    x += U32(k1)
    x ^= np.right_shift(x, U32(16), out=scratch)
    x *= U32(0x85EBCA6B)
    x ^= np.right_shift(x, U32(13), out=scratch)
    return x


def negative_log(p: np.ndarray) -> np.ndarray:
    """-ln(p) for 0 < p < 1, float64, by the series of artanh."""
    mantissa, exponent = np.frexp(p)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, 2.0 * mantissa, mantissa)
    t = (mantissa - 1.0) / (mantissa + 1.0)
    series = 1.0 / 19.0
    for k in range(17, 0, -2):
        series = series * (t * t) + 1.0 / k
    return (small - exponent) * 0.6931471805599453 - 2.0 * t * series


CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
     1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
     687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
MIDDLE = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip
"""Numerator and denominator of the three rational functions of AS 241 (Wichura 1988), highest power first."""


def quantile(p: np.ndarray) -> np.ndarray:
    """Standard normal quantile of 0 < p < 0.5, float64."""

    def horner(terms: tuple[float, ...], r: np.ndarray) -> np.ndarray:
        value = terms[0] * r
        for term in terms[1:-1]:
            value = (value + term) * r
        return value + terms[-1]

    q = p - 0.5
    r = 0.180625 - q * q
    far = np.sqrt(negative_log(p))
    out = q * horner(CENTRE[0], r) / horner(CENTRE[1], r)
    out = np.where(q > -0.425, out, -horner(MIDDLE[0], far - 1.6) / horner(MIDDLE[1], far - 1.6))
    return np.where((q > -0.425) | (far <= 5.0), out, -horner(FAR[0], far - 5.0) / horner(FAR[1], far - 5.0))


@cache
def _table() -> np.ndarray:
    """Quantiles in the middle of 65,536 bins: the 16 lowest, the 16 highest (outermost last), then the others."""
    low = quantile((np.arange(32768) + 0.5) / 65536).astype(F32)
    whole = np.concatenate([low, -low[::-1]])
    b = TAIL_BINS
    return np.concatenate([whole[:b], whole[-b:], whole[b:-b]])


def _refine(z: np.ndarray, u: np.ndarray, first: int, ticks: Ticks, k0: Word, k1: Word) -> np.ndarray:
    """Draw the samples whose bin u is one of the outermost to 48 bits, in place."""
    rare = np.flatnonzero(u < 2 * TAIL_BINS)
    if rare.size:
        bins = u[rare].astype(np.int64)
        n = first + rare if isinstance(ticks, range) else ticks[rare]
        w = (hash32(n.astype(U32), k0 ^ 0x5851F42D, k1 ^ 0x9E3779B9) + 0.5) / 4294967296.0
        below = bins < TAIL_BINS
        tail = quantile((np.where(below, bins, 2 * TAIL_BINS - 1 - bins) + w) / 65536.0)
        z[rare] = np.where(below, tail, -tail).astype(F32)
    return z


def normals(ticks: Ticks, k0: Word, k1: Word) -> np.ndarray:
    """Standard normal samples at ticks, float32: each hash gives an even sample (low bits) and the odd one after it."""
    k0, k1 = int(k0), int(k1)
    if isinstance(ticks, range):
        first, n = ticks.start, len(ticks)
        hashes = hash32(np.arange(first >> 1, (first + n + 1) >> 1, dtype=U32), k0, k1)
        u = hashes.astype("<u4", copy=False).view("<u2")[first & 1 :][:n]
    else:
        first = 0
        hashes = hash32((ticks >> 1).astype(U32), k0, k1)
        u = np.where(ticks & 1, hashes >> U32(16), hashes & U32(0xFFFF))
    return _refine(_table().take(u), u, first, ticks, k0, k1)


def uniforms(n: np.ndarray, k0: Word, k1: Word) -> np.ndarray:
    """Uniform samples in (0, 1) for counters n, float64."""
    return (hash32(n.astype(U32), k0, k1) + 0.5) * 2.0**-32


def noise(kind: int, n: int, k0: Word, k1: Word) -> np.ndarray:
    """Samples 0 .. n - 1 of a kind of noise, float32, unit variance."""
    if kind == GAUSSIAN:
        return normals(range(n), k0, k1)
    k0, k1, i = int(k0), int(k1), np.arange(n)
    if kind == UNIFORM:
        return ((uniforms(i, k0, k1) - 0.5) * 3.4641016151377544).astype(F32)
    logs = negative_log(uniforms(i, k0 ^ 0x2545F491, k1)) + negative_log(uniforms(i, k0 ^ 0x14057B7E, k1))
    return (normals(range(n), k0, k1) / np.sqrt(0.5 * logs) * 0.5**0.5).astype(F32)


# ---- drivers


def _sine(phase: np.ndarray) -> np.ndarray:
    """sin of uint32 phases (turns / 2^32), float32."""
    f = phase.view(np.int32).astype(F32)
    f *= F32(2.0**-31)
    a = np.abs(f)
    a = np.minimum(a, F32(1) - a)
    s = a * a
    y = s * F32(-0.55946246)
    for term in (2.54401052, -5.16740673, 3.14159027):
        y += F32(term)
        if term != 3.14159027:
            y *= s
    y *= a
    return np.copysign(y, f)


def _envelope(driver: np.void, envelopes: np.ndarray, ticks: Ticks) -> np.ndarray:
    k, shift = _array(ticks), int(driver["shift"])
    j = int(driver["env"]) + (k >> shift)
    t = (k & ((1 << shift) - 1)).astype(F32) / F32(1 << shift)
    return envelopes[j] + (envelopes[j + 1] - envelopes[j]) * t


def _array(ticks: Ticks) -> np.ndarray:
    return np.arange(ticks.start, ticks.stop) if isinstance(ticks, range) else ticks


def _extras(driver: np.void, envelopes: np.ndarray, ticks: Ticks) -> np.ndarray | np.float32:
    """Tones and noise at ticks, float32."""
    out = F32(0)
    if driver["amp1"] or driver["amp2"]:
        k = np.arange(ticks.start, ticks.stop, dtype=U32) if isinstance(ticks, range) else ticks.astype(U32)
        if driver["amp1"]:
            out = out + driver["amp1"] * _sine(k * driver["inc1"] + driver["phase1"])
        if driver["amp2"]:
            gain = driver["amp2"]
            if driver["env"] >= 0:
                gain = gain * _envelope(driver, envelopes, ticks)
            out = out + gain * _sine(k * driver["inc2"] + driver["phase2"])
    if driver["noise"]:
        out = out + driver["noise"] * normals(ticks, driver["k0"], driver["k1"])
    return out


def _spline(driver: np.void, knots: np.ndarray, ticks: Ticks, absolute: bool) -> tuple[np.ndarray, np.ndarray]:
    """The spline at ticks: integer start of each segment (int64), and the value from there on (from 0: `absolute`)."""
    shift = int(driver["shift"])
    step, knot = 1 << shift, int(driver["knot"])
    if isinstance(ticks, range):  # a row per segment; cut out of the rows what is asked for
        p = knots[knot + (ticks.start >> shift) : knot + (max(ticks.stop - 1, 0) >> shift) + 3]
        p0, p1, p2 = p[:-2], p[1:-1], p[2:]
        f = np.arange(step, dtype=F32)
    else:
        j = knot + (ticks >> shift)
        p0, p1, p2 = knots[j], knots[j + 1], knots[j + 2]
        f = (ticks & (step - 1)).astype(F32)
    start = 0.5 * (p0 + p1)
    whole = np.floor(start)
    scale = 1.0 / step
    base = (start - whole).astype(F32)
    slope = ((p1 - p0) * scale).astype(F32)
    curve = (0.5 * (p0 - 2.0 * p1 + p2) * scale * scale).astype(F32)
    whole = whole.astype(np.int64)
    if absolute:
        base = whole.astype(F32) + base
    if not isinstance(ticks, range):
        return whole, base + f * (slope + f * curve)
    if step == 1:
        return whole, base + F32(0)
    inside = f * curve[:, None]
    inside += slope[:, None]
    inside *= f
    inside += base[:, None]
    a = ticks.start & (step - 1)
    cut = slice(a, a + len(ticks))
    return np.repeat(whole, step)[cut], inside.reshape(-1)[cut]


def _values(driver: np.void, knots: np.ndarray, envelopes: np.ndarray, ticks: Ticks) -> np.ndarray:
    """A driver's values at ticks before rounding, float32."""
    return _spline(driver, knots, ticks, absolute=True)[1] + _extras(driver, envelopes, ticks)


def latent_at(driver: np.void, knots: np.ndarray, envelopes: np.ndarray, ticks: Ticks) -> np.ndarray:
    """A driver's exact numbers at ticks, not wrapped, int64."""
    whole, inside = _spline(driver, knots, ticks, absolute=False)
    inside += _extras(driver, envelopes, ticks)
    return whole + np.floor(inside, out=inside).astype(np.int32)


def _numbers(driver: np.void, knots: np.ndarray, envelopes: np.ndarray, ticks: Ticks) -> np.ndarray:
    """A driver's numbers at ticks modulo 2^32, uint32."""
    return latent_at(driver, knots, envelopes, ticks).astype(U32)


# ---- reads


def _read_times(job: np.void, reads: np.ndarray, n: np.ndarray) -> np.ndarray:
    """True times of reads n of a job's channel, ns."""
    if job["reads"] >= 0:
        return reads[int(job["reads"]) + n]
    return int(job["phase_ns"]) + n * int(job["period_ps"]) // 1000


def _ticks(job: np.void, driver: np.void, reads: np.ndarray, n: Ticks) -> Ticks:
    """The driver's ticks that reads n of a job's channel see."""
    first, stride = int(job["first"]), int(job["stride"])
    if isinstance(n, range) and stride == 1:
        return range(first, first + len(n))
    n = _array(n)
    return first + stride * n if stride > 0 else _read_times(job, reads, n) // int(driver["tick_ns"])


def job_of(p: Plan, channel: int) -> np.void:
    """The job that fills a channel's row. Raises KeyError where none does (a decoy that counts rollovers)."""
    start = p.starts[channel]
    rows = np.flatnonzero((p.jobs["row"] == start) | (p.jobs["low_row"] == start))
    if not rows.size:
        raise KeyError(f"channel must be filled by a job; {channel} is not")
    return p.jobs[rows[0]]


def latent_numbers(
    p: Plan, knots: np.ndarray, envelopes: np.ndarray, channel: int, reads: np.ndarray | None = None
) -> np.ndarray:
    """The exact number, not wrapped, that each read of a channel finds in its driver, shape (samples,) int64.

    `reads`: true times of all reads, flat in channel order, or None or empty for regular clocks. For channels that
    hold a half; what a lost, held or torn read would have shown is told as if it had come.
    """
    job = job_of(p, channel).copy()
    driver = p.drivers[int(job["driver"])]
    reads = np.empty(0, np.int64) if reads is None else reads
    job["reads"] = p.starts[channel] if reads.size else -1
    return latent_at(driver, knots, envelopes, _ticks(job, driver, reads, range(int(job["n"]))))


# ---- words


def _plain(job: np.void, p: Plan, knots: np.ndarray, envelopes: np.ndarray, reads: np.ndarray) -> np.ndarray:
    driver, n = p.drivers[int(job["driver"])], int(job["n"])
    y = _values(driver, knots, envelopes, _ticks(job, driver, reads, range(n)))
    y *= job["gain"]
    y += job["offset"]
    if job["noise"]:
        z = noise(int(job["noise_kind"]), n, job["k0"], job["k1"])
        z *= job["noise"]
        y += z
    y *= F32(1) / job["step"]
    y += F32(0.5)
    np.floor(y, out=y)
    y *= job["step"]
    np.clip(y, job["least"], job["most"], out=y)
    return y.astype(np.int32).astype(np.uint16)


def _halves(
    job: np.void, p: Plan, knots: np.ndarray, envelopes: np.ndarray, reads: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """High words, low words and floor(number / modulus) at a job's reads."""
    driver, modulus = p.drivers[int(job["driver"])], int(job["modulus"])
    x = _numbers(driver, knots, envelopes, _ticks(job, driver, reads, range(int(job["n"]))))
    if modulus != kernel.FULL:
        q, low = np.divmod(x, U32(modulus))
        return q.astype(np.uint16), low.astype(np.uint16), q.view(np.int32)
    q = (x >> U32(16)).view(np.int32)
    if job["format"] == kernel.GRAY:
        x = x ^ (x >> U32(1))
    elif job["format"] == kernel.FLOAT32:
        x = (x.view(np.int32).astype(F32) * job["float_scale"]).view(U32)
    return (x >> U32(16)).astype(np.uint16), x.astype(np.uint16), q


def _dwelling(field: np.void, n: int, period_s: float) -> np.ndarray:
    """States of a flag or an enum: exponential dwell times of at least one sample, a new state each time."""
    states, k0, k1 = 1 << int(field["width"]), int(field["k0"]), int(field["k1"])
    state = int(uniforms(np.zeros(1), k1, k0)[0] * states)
    values: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    turn = covered = 0
    while covered < n:  # by ever more turns at once
        turns = np.arange(turn, 2 * turn + 64)
        steps = 1 + (uniforms(turns, k1, k0 ^ 1) * (states - 1)).astype(np.int64)
        after = (state + np.cumsum(steps)) % states
        here = np.concatenate([[state], after[:-1]])
        mean = np.full(turns.size, field["dwell_s"])
        if field["kind"] == packed.FLAG:
            share = float(field["high_share"])
            mean *= 2.0 * np.where(here > 0, share, 1.0 - share)
        values.append(here)
        lengths.append(1 + (mean / period_s * negative_log(uniforms(turns, k0, k1))).astype(np.int64))
        state, turn = int(after[-1]), turn + turns.size
        covered += int(lengths[-1].sum())
    return np.repeat(np.concatenate(values), np.concatenate(lengths))[:n].astype(np.uint16)


def _signal(
    job: np.void, field: np.void, p: Plan, knots: np.ndarray, envelopes: np.ndarray, reads: np.ndarray
) -> np.ndarray:
    driver, n = p.drivers[int(field["driver"])], int(job["n"])
    y = _values(driver, knots, envelopes, _ticks(job, driver, reads, range(n)))
    y += F32(0.5)
    if field["noise"]:
        y += field["noise"] * normals(range(n), field["k0"], field["k1"])
    np.clip(y, F32(0), F32((1 << int(field["width"])) - 1), out=y)
    return y.astype(np.int32).astype(np.uint16)


def _seal(kind: int, rest: np.ndarray) -> np.ndarray:
    """The value of a seal from the words without it."""
    if kind == packed.PARITY:
        return np.bitwise_count(rest) & 1
    if kind == packed.CRC:
        return _crc_table()[rest]
    total = np.zeros_like(rest)
    for shift in (0, 4, 8, 12):
        total += rest >> np.uint16(shift) & np.uint16(15)
    return np.uint16(15) - (total & np.uint16(15))


@cache
def _crc_table() -> np.ndarray:
    """CRC-4 of every 16-bit word, most significant bit first, by long division of all of them at once."""
    word, remainder = np.arange(65536), np.full(65536, 0xF)
    for bit in range(15, -1, -1):
        top = remainder >> 3 ^ (word >> bit & 1)
        remainder = (remainder << 1 & 0xF) ^ top * (packed.CRC_POLYNOMIAL & 0xF)
    return remainder.astype(np.uint16)


def _bits(job: np.void, p: Plan, knots: np.ndarray, envelopes: np.ndarray, reads: np.ndarray) -> np.ndarray:
    n = int(job["n"])
    row = np.zeros(n, np.uint16)
    fields = p.fields[int(job["field"]) : int(job["field"] + job["fields"])]
    for field in fields:
        kind, start, width = int(field["kind"]), np.uint16(field["start"]), int(field["width"])
        if kind in (packed.FLAG, packed.ENUM):
            row |= _dwelling(field, n, float(job["period_s"])) << start
        elif kind == packed.COUNTER:
            count = int(field["value"]) + np.arange(n) // int(field["every"])
            row |= (count & ((1 << width) - 1)).astype(np.uint16) << start
        elif kind == packed.SIGNAL:
            row |= _signal(job, field, p, knots, envelopes, reads) << start
        elif kind == packed.CONSTANT:
            row |= np.uint16(field["value"]) << start
    for field in fields:
        if packed.PARITY <= field["kind"] <= packed.CHECKSUM:
            start = np.uint16(field["start"])
            row &= np.uint16(0xFFFF ^ ((1 << int(field["width"])) - 1 << int(start)))
            row |= _seal(int(field["kind"]), row).astype(np.uint16) << start
    return row


def hold(row: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """A row in which what was not kept is replaced by the last value that was."""
    last = np.where(kept, np.arange(row.size), 0)
    return row[np.maximum.accumulate(last)]


def _rollovers(
    job: np.void, p: Plan, knots: np.ndarray, envelopes: np.ndarray, reads: np.ndarray, kept: np.ndarray, q: np.ndarray
) -> np.ndarray:
    """The rollovers of a low half between reads that were kept, and the tick of the driver at which each was."""
    seen = np.flatnonzero(kept[1:]) + 1 if kept.size else np.arange(1, q.size)
    seen = np.concatenate([[0], seen])
    at = np.flatnonzero(np.diff(q[seen]))
    old, new = seen[at], seen[at + 1]
    driver = p.drivers[int(job["driver"])]
    before, since = (np.asarray(_ticks(job, driver, reads, n)) for n in (old, new))
    k = since.copy()
    gap = k - before - 1
    if gap.sum():  # look at the ticks in between: the first after the last one with another quotient
        event = np.repeat(np.arange(at.size), gap)
        place = np.arange(event.size) - np.repeat(np.cumsum(gap) - gap, gap)
        ticks = before[event] + 1 + place
        x = _numbers(driver, knots, envelopes, ticks)
        other = (x // U32(job["modulus"])).astype(np.int32) != q[new][event]
        since = before + 1
        np.maximum.at(since, event[other], ticks[other] + 1)
    events = np.empty(at.size, kernel.EVENT)
    events["pair"], events["sample"] = job["pair"], new
    wraps = q[new] - q[old]
    events["wraps"] = wraps.astype(np.int16) if job["modulus"] == kernel.FULL else q[new].astype(np.int64) - q[old]
    on_tick = int(driver["tick_ns"])
    events["time_ns"] = since * on_tick if on_tick else _read_times(job, reads, new - (k - since))
    return events


def run_jobs(
    p: Plan, knots: np.ndarray, envelopes: np.ndarray, reads: np.ndarray, kept: np.ndarray, flat: np.ndarray
) -> np.ndarray:
    """Fill all rows of a scene, as `words.run_jobs` does; returns all rollovers in the order of the jobs."""
    events = [np.empty(0, kernel.EVENT)]
    for job in p.jobs:
        rows: dict[int, np.ndarray] = {}
        row, low_row, op = int(job["row"]), int(job["low_row"]), int(job["op"])
        if op == kernel.PLAIN:
            rows[row] = _plain(job, p, knots, envelopes, reads)
        elif op == kernel.BITS:
            rows[row] = _bits(job, p, knots, envelopes, reads)
        else:
            high, low, q = _halves(job, p, knots, envelopes, reads)
            rows = {kernel.HALVES: {row: high, low_row: low}, kernel.HIGH: {row: high}, kernel.LOW: {row: low}}[op]
        lossy = kept if job["lossy"] else kept[:0]
        for start, words in rows.items():
            words = words.byteswap() if job["swap"] else words
            end = start + words.size
            flat[start:end] = hold(words, lossy[start:end]) if lossy.size else words
        if job["pair"] >= 0 and op != kernel.HIGH and job["format"] != kernel.FLOAT32:
            own = lossy[low_row : low_row + q.size]
            events.append(_rollovers(job, p, knots, envelopes, reads, own, q))
    return np.concatenate(events)
