"""Ceilings: entries that are told what no method knows. Each says how it was got and what it leaves out.

An oracle is told the truth of a recording and, where it was simulated, its spec and key. Three sorts: bounds by
identifiability (what leaves no trace in the words cannot be found), a decoder that knows the coding, and tests against
the simulator's own law. None of them fits anything. Only the first are proven bounds, and only where `HOW` says so.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from scipy.special import log_ndtr, ndtr

from baselines.scene.channels import BIN_S, Channel, bins, channels, groups
from benchmarks.track import Context, Inputs, Prediction, Split, Truth
from scenarios.errors import InputError
from simulators.drift.generate import marginal_sd
from simulators.drift.spec import LSB, DriftSpec
from simulators.rng import Key
from simulators.scene.generate import render
from simulators.scene.kernels.bits import CHECKSUM, COUNTER, CRC, PARITY, seal
from simulators.scene.kernels.words import PLAIN
from simulators.scene.plan import Plan, plan
from simulators.scene.spec import FORMATS, NODE_TYPES, ORDERS, Anomalies, Drift, SceneSpec

HOW: dict[str, str] = {
    "node-type": "An upper bound by identifiability for answers that give all channels that never change one type: "
    "those that change are right, the others are all given the type that is most frequent among them in the "
    "recording. A prior by recording length or rate may do a little better on the latter. That every channel that "
    "changes can be told is not proven. There is no likelihood-ratio oracle: the law of a word given its type is a "
    "mixture over processes, codings and ranges, and over the latent paths behind them (a high half is a path divided "
    "by 65,536 and rounded down), whose integral has no closed form and which are shared with other words.",
    "pairing": "An upper bound by identifiability: the pairs whose high half changes, with their coding, and no other. "
    "On visible pairs that is 1; over all pairs it is 2V/(V+N) for V visible of N, exactly. Not reachable in full: "
    "few rollovers agree by chance, and float32 halves have no carry. Copies of a half are one class, so that any "
    "copy will do, and the scenes of twins are nearly solved by any tolerant method.",
    "bitmask": "An upper bound on boundary_f1 by identifiability, for answers that treat all bits that never change "
    "alike: every true cut between two bits that change, and a cut wherever one of two changes. It does not bound "
    "mask_iou: a bit that never changes looks the same within a field and outside of one, and every one that changes "
    "lies in a field (of simulated words), so that what is scored there is a prior on idle bits. They are given what "
    "is right for most of the recording.",
    "overflow": "Near-optimal in practice, not proven a bound: a decoder that is told roles, coding, modulus and read "
    "times, and sees the words. Nearest unwrapping of the low half, led by the high half where the value moves by more "
    "than a quarter of its modulus a sample. A joint smoothing of both halves would settle more of the fast values "
    "read by two clocks.",
    "anomaly": "Near-optimal in practice, not proven a bound, and no likelihood ratio: under an event the likelihood "
    "is an integral over its kind, channel, start, length and size, and many kinds act before rounding, packing and "
    "rollover, or copy what came before, so that it has no closed form. Only the normal side of the ratio is used: the "
    "recording is made again without events and without sensor noise; squared residuals of each channel and bin are "
    "tested as a chi-square (Wilson and Hilferty's normal root), repeated words by Chernoff's bound on their chance, "
    "and words that the law does not allow score above all. Approximations: coarse rounding is widened until its "
    "first two moments hold; channels and bins are tested one by one; the length of events is not known. It knows the "
    "latent values, which no method does.",
    "drift": "A likelihood ratio: Shiryaev and Roberts' statistic with the stream's true law before the change, mixed "
    "over a grid of the scenario's kinds and sizes of change. Optimal in the mean over that mixture, so not proven a "
    "bound on promptness at a threshold. Approximations: the grid, onsets of ramps every second, and log ratios of "
    "single samples cut at 50.",
    "drift-recordings": "Near-optimal in practice, not proven a bound: CUSUM, tuned to a shift of one sd of a bin, of "
    "the residuals from the recording made again without drift and sensor noise, largest over channels. It knows the "
    "latent values, which no method does.",
}
"""How the ceiling of each task was got."""

FINE = 16
"""Parts of a count to which the noiseless values of words are known."""
CUT = 5.0
EXACT = 1000.0
"""Score of a word that its law does not allow; above what residuals of numbers reach but in gross cases."""


def _told(context: Context, name: str) -> Any:
    if name not in context:
        raise InputError(f"an oracle must be given '{name}'; the context has {', '.join(context) or 'nothing'}")
    return context[name]


@dataclass(frozen=True, kw_only=True)
class _Oracle:
    """An entry that fits nothing."""

    def fit(self, train: Split, validation: Split, rng: np.random.Generator) -> None:
        """Nothing is fitted."""


# ---- structure


@dataclass(frozen=True, kw_only=True)
class TypeOracle(_Oracle):
    """What can be known of types: a channel that never changes carries no evidence.

    Those that change are right. All constant ones are given the type that is most frequent among them in this very
    recording, which is what the best guess from the scenario's composition comes to, if anything a little better.
    That a change by itself tells the type is not proven: a slow high half and a slow plain value may look alike.
    """

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """Types of all channels."""
        found = channels(inputs)
        ids = np.array([c.id for c in found], np.int64)
        types = np.asarray(_told(context, "truth")["truth/node_type"])[ids].astype(np.int64)
        still = np.array([not moving(c) for c in found], bool)
        if still.any():
            types[still] = np.bincount(types[still]).argmax()
        return {"channel_id": ids, "node_type": types}


@dataclass(frozen=True, kw_only=True)
class PairingOracle(_Oracle):
    """What can be known of pairs: one whose high half never changes leaves no evidence of it.

    The bound by identifiability: the visible pairs with their coding, and no other, so that F1 over all pairs is
    2v/(1+v) for a visible share v. Float32 pairs are among them: they have no carry, but a wrong partner makes the
    joint value rough. It leaves out that copies of one half are alike, that few rollovers may agree by chance, and
    that a coding may have several explanations.
    """

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """The visible pairs."""
        truth = _told(context, "truth")
        seen = np.asarray(truth["truth/pair_visible"]) == 1
        columns = {"msb": "msb", "lsb": "lsb", "order": "order", "format": "format"}
        return {
            name: np.asarray(truth[f"truth/pair_{column}"])[seen].astype(np.int64) for name, column in columns.items()
        }


@dataclass(frozen=True, kw_only=True)
class MaskOracle(_Oracle):
    """What can be known of fields: a bit that never changes is like one that means nothing.

    The mask is the true one of the bits that change; those that stay are all in it or none, as more of the recording's
    bit words have them. A cut is told where a field begins or ends between two bits that both change, and wherever only
    one of two does: there the truth may have a field go on into bits that stay.
    """

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """Masks and cuts of all channels."""
        truth = _told(context, "truth")
        found = channels(inputs)
        ids = np.array([c.id for c in found], np.int64)
        moved = np.array([moving(c) for c in found], np.uint16)
        edges = np.zeros(np.asarray(truth["truth/node_type"]).size, np.int64)
        start = np.asarray(truth["truth/field_start"], np.int64)
        for edge in (start, start + np.asarray(truth["truth/field_width"], np.int64)):
            inside = (edge > 0) & (edge < 16)
            np.bitwise_or.at(edges, np.asarray(truth["truth/field_channel"])[inside], 1 << edge[inside])
        below = moved << np.uint16(1)
        cuts = (edges[ids].astype(np.uint16) & moved & below) | ((moved ^ below) & np.uint16(0xFFFE))
        mask = np.asarray(truth["truth/mask"], np.uint16)[ids]
        ours = np.asarray(truth["truth/node_type"])[ids] == NODE_TYPES.index("bits")
        most = np.bitwise_count(~moved & mask)[ours].sum() > np.bitwise_count(~moved & ~mask)[ours].sum()
        return {"channel_id": ids, "mask": (moved & mask) | (~moved if most else np.uint16(0)), "cuts": cuts}


def moving(channel: Channel) -> int:
    """The bits of a channel that change, as a number of 16 bits."""
    return int(np.bitwise_or.reduce(channel.words ^ channel.words[:1], initial=0))


# ---- overflow


@dataclass(frozen=True, kw_only=True)
class OverflowOracle(_Oracle):
    """Rollovers by decoding with roles, order, format, modulus and true read times known, from the words alone.

    Where the low half moves by less than a quarter of its modulus from one fresh sample to the next, nearest
    unwrapping decides. Where it moves faster, the high half tells how far: by its steps where both are read at once
    and whole, else by its mean pace; the running median of the joint steps then mends single slips, unless the value
    moves too wildly. A Gray low half turns round where it would roll over; which turns are rollovers only the high
    half tells, and when, where it is read often enough. Left out: what is stale without a mark (held words) is taken
    as fresh, and a full joint smoothing of both halves would settle more of the fast values read by two clocks.
    """

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """Rollovers of all low halves."""
        truth = _told(context, "truth")
        known = {c.id: c for c in channels(inputs)}
        rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for pair in range(np.asarray(truth["truth/pair_lsb"]).size):
            low, high = (known[int(truth[f"truth/pair_{half}"][pair])] for half in ("lsb", "msb"))
            sample, sign = rollovers(_half(low, truth, pair), _half(high, truth, pair), truth, pair)
            rows.append((np.full(sample.size, low.id, np.int64), sample, sign))
        empty = np.empty(0, np.int64)
        columns = [np.concatenate([empty, *column]) for column in zip(*rows, strict=True)] or [empty] * 3
        return dict(zip(("channel_id", "sample", "sign"), columns, strict=True))


Half = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Samples that came, their read times (ns, float64), and their words as sent but for swapped bytes."""


def _half(channel: Channel, truth: Truth, pair: int) -> Half:
    came = np.flatnonzero(channel.valid) if channel.valid is not None else np.arange(channel.words.size)
    swap = ORDERS[truth["truth/pair_order"][pair]] in ("BADC", "DCBA")
    words = channel.words[came]
    read = channel.times_ns[came] - np.asarray(truth["truth/latency_ns"])[channel.id]
    return came, read.astype(np.float64), words.byteswap() if swap else words


def ungray(words: np.ndarray) -> np.ndarray:
    """16-bit Gray code to numbers."""
    out = words.copy()
    for shift in (1, 2, 4, 8):
        out ^= out >> np.uint16(shift)
    return out


def rollovers(low: Half, high: Half, truth: Truth, pair: int) -> tuple[np.ndarray, np.ndarray]:
    """(first sample after each rollover, its sign) of a low half; see OverflowOracle."""
    form, modulus = FORMATS[truth["truth/pair_format"][pair]], int(truth["truth/pair_modulus"][pair])
    at, when, words = low
    _, high_when, high_words = high
    none = np.empty(0, np.int64)
    if form == "float32" or at.size < 2 or high_when.size < 2:
        return none, none
    gray = form == "gray"
    quotient = _unwrapped(ungray(high_words) if gray else high_words)
    together = high_when.size == when.size and bool((np.abs(high_when - when) < 1000).all())
    number = (ungray(words) if gray else words).astype(np.int64)
    together = together and not (np.asarray(truth["truth/torn_pair"]) == pair).any()
    if gray and 2 * np.median(np.diff(high_when)) < np.median(np.diff(when)):
        seen = np.diff(quotient[np.maximum(np.searchsorted(high_when, when, side="right") - 1, 0)])
        return at[np.flatnonzero(seen) + 1].astype(np.int64), np.sign(seen[seen != 0])
    if gray and not together:
        return _turns(at, when, number, high_when, quotient)
    if gray:
        number = np.where(quotient & 1, modulus - 1 - number, number)
    step = np.diff(number)
    wraps = np.diff(quotient) if gray else _wraps(step / modulus, when, high_when, quotient, together)
    events = np.flatnonzero(wraps)
    return at[events + 1].astype(np.int64), np.sign(wraps[events])


def _wraps(
    step: np.ndarray, when: np.ndarray, high_when: np.ndarray, quotient: np.ndarray, together: bool
) -> np.ndarray:
    """Rollovers between consecutive samples of a low half, from its steps (in moduli) and the high half's quotient."""
    nearest = -np.rint(step)
    pace = np.diff(np.interp(when, high_when, quotient.astype(float)))
    if np.mean((np.abs(step + nearest) > 0.25) | (np.abs(_running(pace, np.mean)) > 0.3)) < 0.02:
        return nearest.astype(np.int64)
    told = np.diff(quotient) if together else np.rint(_running(pace, np.mean, 3) - step)
    usual = _running(step + told, np.median)
    wild = np.median(np.abs(step + told - usual)) > (0.05 if together else 0.2)
    return (told if wild else np.rint(usual - step)).astype(np.int64)


def _running(values: np.ndarray, of: Any, width: int = 7) -> np.ndarray:
    """A running mean or median, centred."""
    padded = np.pad(values.astype(np.float64), width // 2, mode="edge")
    return of(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)


def _unwrapped(words: np.ndarray) -> np.ndarray:
    steps = (words[1:] - words[:-1]).view(np.int16).astype(np.int64)
    return int(words[0]) + np.concatenate([[0], np.cumsum(steps)])


def _turns(
    at: np.ndarray, when: np.ndarray, number: np.ndarray, high_when: np.ndarray, quotient: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rollovers of a Gray low half that is read by another clock: at its turn nearest to each step of the high half.

    number: the low half's code undone by itself, which runs up in even pages and down in odd ones.
    """
    samples, signs = [], []
    period = float(np.median(np.diff(when)))
    for j in np.flatnonzero(np.diff(quotient)):
        sign = 1 if quotient[j + 1] > quotient[j] else -1
        first = max(0, int(np.searchsorted(when, high_when[j] - period)) - 1)
        last = min(when.size - 1, int(np.searchsorted(when, high_when[j + 1] + period)))
        top = bool(quotient[j] & 1) != (sign > 0)  # an even page is left upwards at its top
        piece = number[first : last + 1]
        distance = 65535 - piece if top else piece
        n = int(distance.argmin())
        # the nearest sample lies before the turn if what follows is the farther neighbour
        before, after = distance[n - 1] if n else 65536, distance[n + 1] if n + 1 < piece.size else 65536
        samples.append(first + n + (1 if after <= before else 0))
        signs.append(sign)
    keep = [i for i, s in enumerate(samples) if s < at.size]
    return at[[samples[i] for i in keep]].astype(np.int64), np.array([signs[i] for i in keep], np.int64)


# ---- anomalies


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """What a rate group's words differ from those that its law expects."""

    channel_id: np.ndarray
    """Shape (channels,)."""
    total: np.ndarray
    """Sum of the standardised residuals in each bin, shape (channels, bins)."""
    square: np.ndarray
    """Sum of their squares."""
    fresh: np.ndarray
    """Samples that came fresh in each bin."""
    broken: np.ndarray
    """Fresh samples that no noise explains."""
    same: np.ndarray
    """Fresh samples of a channel with noise that repeat the word before."""
    chance: np.ndarray
    """Chance that noise by itself makes a word repeat the one before, shape (channels,); 1 for less than a step."""


def residuals(inputs: Inputs, truth: Truth, spec: SceneSpec, key: Key) -> list[Residuals]:
    """Residuals of each rate group from the recording made again without events, drift and sensor noise.

    Everything is known but the noise of plain words: numbers of pairs and words of fields are exact. The variance is
    that of the noise and of one rounding, or more (see `rounded`). Near the ends of a word's range, where the noise is
    cut off, only residuals beyond CUT sd count.
    """
    clean = spec.model_copy(update={"anomalies": Anomalies(), "drift": Drift()})
    p = plan(clean, key)
    sd, step = np.zeros(p.starts.size), np.ones(p.starts.size)
    plain = p.jobs["op"] == PLAIN
    rows = np.searchsorted(p.starts, p.jobs["row"][plain])
    sd[rows], step[rows] = p.jobs["noise"][plain], p.jobs["step"][plain]
    signed = np.zeros(sd.size, bool)
    signed[rows] = p.jobs["least"][plain] < 0
    p.jobs["noise"][plain] = 0
    expected = render(clean, key, p)
    fine = _fine(clean, key, p)
    count = bins(inputs)
    counting = np.asarray(truth["truth/field_channel"])[np.asarray(truth["truth/field_kind"]) == COUNTER]
    found = []
    for group in groups(inputs):
        ids = np.asarray(inputs[f"inputs/{group}/channel_id"])
        words, law = (np.asarray(a[f"inputs/{group}/words"]) for a in (inputs, expected))
        if not words.size:
            continue
        valid, held = inputs.get(f"inputs/{group}/valid"), truth.get(f"truth/{group}/held")
        kept = np.ones(words.shape, bool) if valid is None else np.asarray(valid)
        kept = kept if held is None else kept & ~np.asarray(held)
        edges = bin_edges(words.shape[1], float(group[1:]), count)
        noisy = sd[ids] > 0
        broken = np.zeros((ids.size, count))
        for row in np.flatnonzero(~noisy):
            channel = int(ids[row])
            wrong = _unlawful(words[row], law[row], truth, channel) if channel in counting else words[row] != law[row]
            broken[row] = _sums((wrong & kept[row])[None], edges)[0]
        z, steps = np.zeros(words.shape), sd[ids] / step[ids]
        same = np.zeros(words.shape, bool)
        for row in np.flatnonzero(noisy):
            own, size, channel = words[row], sd[ids[row]], ids[row]
            near = (fine[f"inputs/{group}/words"][row] - np.uint16(FINE) * law[row]).view(np.int16) / FINE
            kind, bottom = (np.int16, -32768) if signed[channel] else (np.uint16, 0)
            value = law[row].view(kind).astype(np.float64) - bottom
            edge = np.minimum(value, 65535 - value) < CUT * size + step[channel]
            mean, spread = rounded(near / step[channel], size / step[channel])
            difference = (own - law[row]).view(np.int16) - np.where(edge, 0.0, near + step[channel] * mean)
            difference[edge & (np.abs(difference) < CUT * size)] = 0
            z[row] = np.where(kept[row], difference, 0.0) / (step[channel] * spread)
            same[row, 1:] = ((own[1:] == own[:-1]) & kept[row, 1:]) & ~edge[1:]
        found.append(
            Residuals(
                channel_id=ids, total=_sums(z, edges), square=_sums(z**2, edges), fresh=_sums(kept, edges),
                broken=broken, same=_sums(same, edges),
                chance=np.where(steps < 1, 1.0, 1 / (2 * np.sqrt(np.pi) * np.maximum(steps, 1.0))),
            )
        )  # fmt: skip
    return found


def rounded(fraction: np.ndarray, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """(mean, spread) of what rounding to whole steps makes of a number with noise, less the number; all in steps.

    fraction: the number less the nearest whole, shape (n,), -0.5 to 0.5. Noise well below a step does not spread the
    rounding evenly: halfway between two steps it tosses a coin, elsewhere it seldom moves a word. So the spread is the
    usual one, of noise and an even rounding, widened until squares in its units have neither a greater mean nor a
    greater variance than those of a normal number: a bound, which makes rare flips less surprising than they are.
    """
    usual = sd**2 + 1 / 12
    if sd >= 1:
        return np.zeros(fraction.shape), np.full(fraction.shape, np.sqrt(usual))
    grid, whole = np.linspace(-0.5, 0.5, 257), np.arange(-7, 8)
    share = np.diff(ndtr((np.arange(-7.5, 8) - grid[:, None]) / max(sd, 1e-6)), axis=1)  # (grid, whole)
    mean = share @ whole - grid
    off = (whole - (grid + mean)[:, None]) ** 2
    square, fourth = (share * off).sum(1), (share * off**2).sum(1)
    most = np.maximum(square, np.sqrt(np.maximum(fourth - square**2, 0.0) / 2))
    spread = np.sqrt(np.maximum(usual, most))
    return np.interp(fraction, grid, mean), np.interp(fraction, grid, spread)


def _fine(spec: SceneSpec, key: Key, p: Plan) -> Truth:
    """The plan's plain words in steps of 1/FINE count, modulo 2^16: what rounding took from them."""
    jobs = p.jobs
    p.jobs = jobs[jobs["op"] == PLAIN]
    for name in ("gain", "offset"):
        p.jobs[name] *= FINE
    p.jobs["step"], p.jobs["least"], p.jobs["most"] = 1, -(2.0**24), 2.0**24
    try:
        return render(spec, key, p)
    finally:
        p.jobs = jobs


def _unlawful(words: np.ndarray, expected: np.ndarray, truth: Truth, channel: int) -> np.ndarray:
    """Which words of a channel with a counter are wrong, shape (samples,) bool.

    A counter that has leapt goes on from there: only the leap is wrong. So counters are held to their steps, seals to
    the rest of the word, and all else to what is expected.
    """
    left = np.uint16(0xFFFF)
    wrong = np.zeros(words.size, bool)
    for f in np.flatnonzero(np.asarray(truth["truth/field_channel"]) == channel):
        kind, start, width = (int(truth[f"truth/field_{name}"][f]) for name in ("kind", "start", "width"))
        own = np.uint16(((1 << width) - 1) << start)
        if kind == COUNTER:
            steps = ((row & own)[1:] - (row & own)[:-1] for row in (words, expected))
            wrong[1:] |= np.bitwise_xor(*steps) & own > 0
            left &= ~own
        elif kind in (PARITY, CRC, CHECKSUM):
            sealed = words.copy()
            seal(sealed, kind, start, width)
            wrong |= sealed != words
            left &= ~own
    return wrong | ((words ^ expected) & left > 0)


def bin_edges(samples: int, rate_hz: float, count: int) -> np.ndarray:
    """First sample of each bin and the end of the last, shape (count + 1,)."""
    bin_of = np.floor(np.arange(samples) / rate_hz / BIN_S + 1e-6).astype(np.int64)
    return np.searchsorted(bin_of, np.arange(count + 1))


def _sums(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    total = np.concatenate([np.zeros((values.shape[0], 1)), np.cumsum(values, axis=1, dtype=np.float64)], axis=1)
    return total[:, edges[1:]] - total[:, edges[:-1]]


def normal_score(square: np.ndarray, n: np.ndarray) -> np.ndarray:
    """A chi-square of n degrees of freedom as a standard normal; 0 where n is 0. Wilson and Hilferty's root (1931)."""
    n = np.maximum(n, 1e-9)
    z = (np.cbrt(square / n) - (1 - 2 / (9 * n))) / np.sqrt(2 / (9 * n))
    return np.where(n >= 1, z, 0.0)


def surprise(square: np.ndarray, n: np.ndarray) -> np.ndarray:
    """-log of the chance that a chi-square of n degrees of freedom is larger; 0 where n is 0, finite everywhere."""
    return np.where(n >= 1, -log_ndtr(-normal_score(square, n)), 0.0)


def repetition(same: np.ndarray, n: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """-log of a bound on the chance that so many of n words repeat; by Chernoff (1952), 0 where as few as usual do."""
    n, p = np.maximum(n, 1.0), np.minimum(chance[:, None], 1 - 1e-9)
    share = np.clip(same / n, 1e-12, 1 - 1e-12)
    excess = share * np.log(share / p) + (1 - share) * np.log((1 - share) / (1 - p))
    return np.where((share > p) & (chance[:, None] < 1), n * excess, 0.0)


@dataclass(frozen=True, kw_only=True)
class AnomalyOracle(_Oracle):
    """Tests of each channel and bin against the recording as it would be without events.

    The recording is made again from spec and key, without events and without the noise of plain words; the squared
    residuals over the known noise have nearly a chi-square law in each bin, and words repeat by chance at a known rate.
    The score is -log of the smaller tail, the largest over channels; a word that the law does not allow scores EXACT.
    It knows the latent values, which no method does, and not what events are like: no likelihood ratio, and no bound.
    """

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """Scores of bins, and of channels."""
        found = residuals(inputs, *(_told(context, name) for name in ("truth", "spec", "key")))
        ids = np.concatenate([np.empty(0, np.int64), *(r.channel_id for r in found)])
        parts = [
            np.maximum(surprise(r.square, r.fresh), repetition(r.same, r.fresh, r.chance))
            + np.where(r.broken > 0, EXACT + r.broken, 0.0)
            for r in found
        ]
        score = np.concatenate([np.empty((0, bins(inputs))), *parts])
        return {"score": score.max(0, initial=0.0), "channel_id": ids, "channel_score": score}


# ---- drift


@dataclass(frozen=True, kw_only=True)
class DriftRecordingsOracle(_Oracle):
    """Page's CUSUM on what each channel differs from the recording without drift, largest over channels.

    The residuals of AnomalyOracle, here from the latent values as they would be without drift. In each bin their mean
    (for a shift) and their squares (for a gain), standardised, are summed from where the sum was least; words that the
    law does not allow add EXACT. Causal. It knows the latent values, which no method does.
    """

    allowance: float = 0.5
    """Half of the change, in sd of a bin, that the sums are tuned to."""

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """The running statistic."""
        found = residuals(inputs, *(_told(context, name) for name in ("truth", "spec", "key")))
        score = np.zeros(bins(inputs))
        for r in found:
            mean, spread = r.total / np.sqrt(np.maximum(r.fresh, 1)), normal_score(r.square, r.fresh)
            spread = spread + np.where(r.broken > 0, EXACT, 0.0)
            for part in (mean, -mean, spread):
                sums = np.cumsum(part - self.allowance, axis=1)
                least = np.minimum.accumulate(np.minimum(sums, 0.0), axis=1)
                score = np.maximum(score, (sums - least).max(0, initial=0.0))
        return {"score": score}


@dataclass(frozen=True, kw_only=True)
class DriftOracle(_Oracle):
    """Shiryaev and Roberts' statistic of a stream whose law before the change is known (Roberts 1966).

    The stream is whitened by its true coefficients, level and innovations. Changes are those of the scenario: steps,
    ramps and growing spread, on a grid of sizes and lengths, all equally likely, beginning at any sample (ramps: at
    any second). The score is the log of the sum of their likelihood ratios: optimal, in the sense of Pollak, for that
    mixture. That there is a change at all, when, and which one, it does not know.
    """

    sizes: int = 4
    lengths: int = 3
    every: int = 10
    """Samples between the onsets of ramps that are tried."""

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """The running statistic."""
        truth, spec = _told(context, "truth"), _told(context, "spec")
        score = np.asarray(inputs["inputs/score"], np.float64)
        law = {name: float(np.asarray(truth[f"truth/{name}"])) for name in ("phi1", "phi2", "level", "spread")}
        phi = (law["phi1"], law["phi2"])
        u = (score - law["level"]) / law["spread"] * marginal_sd(phi)
        e = np.zeros(u.size)
        e[2:] = u[2:] - phi[0] * u[1:-1] - phi[1] * u[:-2]
        means, ages, every, factors = self._changes(spec, phi, float(np.asarray(inputs["inputs/rate_hz"])))
        law_of = int(truth["truth/law"]), float(truth["truth/law_shape"])
        grain = 4 * LSB / float(truth["truth/innovation_sd"])
        return {"score": _shiryaev_roberts(e, *law_of, grain, means, ages, every, factors)}

    def _changes(
        self, spec: DriftSpec, phi: tuple[float, float], rate_hz: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(mean of the innovations by change and age, ages until it stays, samples between onsets, factors)."""
        sizes = np.linspace(*spec.size_sd, 2 * self.sizes + 1)[1::2]
        lengths = np.geomspace(*spec.ramp_s, 2 * self.lengths + 1)[1::2]
        shapes = []
        if spec.kinds.get("step", 0):
            shapes.append((1, 1))
        if spec.kinds.get("ramp", 0):
            shapes += [(max(2, round(s * rate_hz)), self.every) for s in lengths]
        sd, rows, every = marginal_sd(phi), [], []
        longest = max((n for n, _ in shapes), default=1) + 3
        for n, apart in shapes:
            ramp = np.clip((np.arange(-2, longest) + 1) / n, 0.0, 1.0)
            shift = sd * (ramp[2:] - phi[0] * ramp[1:-1] - phi[1] * ramp[:-2])
            rows += [sign * size * shift for size in sizes for sign in (1, -1)]
            every += [apart] * (2 * sizes.size)
        ages = np.repeat([n + 2 for n, _ in shapes], 2 * sizes.size)
        scales = np.geomspace(*spec.scale, 2 * self.sizes + 1)[1::2] if spec.kinds.get("scale", 0) else np.empty(0)
        table = np.array(rows).reshape(-1, longest)
        return table, ages.astype(np.int64), np.array(every, np.int64), scales


LIMIT = 50.0
"""Largest log-likelihood ratio of one sample."""


@njit(cache=True)
def _log_density(e: float, law: int, shape: float, grain: float) -> float:
    """Log density, constants left out, of a standardised innovation that is known to within `grain`."""
    if law == 1:
        return -0.5 * (shape + 1.0) * np.log1p(e * e / (shape - 2.0))
    if law == 2:
        g, q = e * np.sqrt(shape) + shape, grain * np.sqrt(shape)
        return (shape - 1.0) * np.log(max(g, q)) - g if g > -q else -1e3
    return -0.5 * e * e


@njit(cache=True)
def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a + np.log1p(np.exp(b - a)) if b > -1e300 else a


@njit(cache=True)
def _shiryaev_roberts(
    e: np.ndarray,
    law: int,
    shape: float,
    grain: float,
    means: np.ndarray,
    ages: np.ndarray,
    every: np.ndarray,
    factors: np.ndarray,
) -> np.ndarray:
    """Log of the mean over changes of the sum over onsets of the likelihood ratio, shape (samples,).

    e: innovations of unit variance under the old law, known to within `grain`; means: their mean by change and age,
    shape (changes, ages), with the last age that matters in `ages` and the samples between onsets in `every`; factors:
    of their spread.
    """
    count, least = means.shape[0], -np.inf
    young = np.full((count, means.shape[1]), least)
    onset = np.zeros((count, means.shape[1]), np.int64)
    held = np.zeros(count, np.int64)
    old, grown = np.full(count, least), np.full(factors.size, least)
    out = np.zeros(e.size)
    for t in range(e.size):
        here = _log_density(e[t], law, shape, grain)
        total = least
        for h in range(count):
            settled = means[h, ages[h]]
            old[h] += min(max(_log_density(e[t] - settled, law, shape, grain) - here, -LIMIT), LIMIT)
            if t % every[h] == 0:
                onset[h, held[h]] = t
                young[h, held[h]] = np.log(float(every[h]))
                held[h] += 1
            kept = 0
            sum_of = old[h]
            for c in range(held[h]):
                age = t - onset[h, c]
                value = young[h, c] + min(
                    max(_log_density(e[t] - means[h, age], law, shape, grain) - here, -LIMIT), LIMIT
                )
                sum_of = _add(sum_of, value)
                if age >= ages[h]:
                    old[h] = _add(old[h], value)
                else:
                    young[h, kept] = value
                    onset[h, kept] = onset[h, c]
                    kept += 1
            held[h] = kept
            total = _add(total, sum_of)
        for k in range(factors.size):
            ratio = _log_density(e[t] / factors[k], law, shape, grain) - np.log(factors[k]) - here
            ratio = min(max(ratio, -LIMIT), LIMIT)
            grown[k] = _add(grown[k], 0.0) + ratio
            total = _add(total, grown[k])
        out[t] = max(total - np.log(float(max(1, count + factors.size))), -1e3)
    return out
