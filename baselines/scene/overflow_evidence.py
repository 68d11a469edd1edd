"""Rollovers in single words, and which other word carries them.

A low half jumps back by about its modulus and the high half then steps by one. Where the channels are read at their
own times, the step may come up to one read of the high half after the jump (more if the read is torn), or up to one
read of the low half before it. So jumps and steps are matched one to one, in order, within that slack.

Codings of the two words that are tried: plain, bytes swapped, Gray (the halves share a code of 32 bits: the low half
alone turns back at its ends, where the high half steps), Gray with bytes swapped, and `held`, for values that pass more
than half a modulus a sample: the high half as it was at the low half's reads makes the joint value smooth. `tracked`
is for such values too, at any phase: the high half moves as far as the low half, followed by its speed.

Source: our own, from the codings alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import int64, njit

from baselines.scene.channels import Channel
from baselines.scene.overflow_events import (
    ALL,
    GRAY,
    GRAY_SWAPPED,
    PLAIN,
    SWAPPED,
    decode,
    find_jumps,
    find_steps,
    is_low,
    modulus_of,
    threshold,
    track,
    travelled,
)

HELD, HELD_SWAPPED, TRACKED, TRACKED_SWAPPED, HELD_GRAY, HELD_GRAY_SWAPPED = range(4, 10)
CODINGS = (
    "plain", "swapped", "gray", "gray_swapped", "held", "held_swapped", "tracked", "tracked_swapped", "held_gray",
    "held_gray_swapped",
)  # fmt: skip
SHIFTS = (-0.113, -0.0531, 0.0171, 0.0307, 0.0719)
"""Shifts of time, over the length of the recording, at which what still agrees does so by chance."""
ORDERS = (2, 4)
"""Orders of difference that are small for a smooth value; the higher one for fast waves."""
SLACK_NS = 3_000_000
"""Latencies of two channels differ by less, ns."""
EDGES = 13
"""Times at which ways are compared: 12 equal parts of the recording."""
HEAD = 4096
"""Words at the start by which the smoothness of a coding is judged."""
NONE = (np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, kw_only=True)
class Carries:
    """How well each channel's rollovers agree with another's steps."""

    scores: np.ndarray
    """Shape (codings, low, high), 0 to 1: share of rollovers and steps that find each other."""
    jumps: np.ndarray
    """Rollovers of each channel as it stands, and with bytes swapped, shape (2, channels)."""
    steps: np.ndarray
    """Changes of each channel, 0 where they are too many for a high half, shape (channels,)."""


def carries(channels: Sequence[Channel], lag: float = 1.0, window: int = 256, reach: float = 0.125) -> Carries:
    """Evidence that one channel of a recording carries into another, for all ordered pairs and codings.

    `lag`: reads by which a high half may be late; `window`: samples that the test of fast values looks at; `reach`:
    second difference that counts as smooth, over the modulus.
    """
    n = len(channels)
    scores = np.zeros((len(CODINGS), n, n), np.float32)
    jumps = np.zeros((2, n), np.int64)
    period = np.array([round(1e9 / c.rate_hz) for c in channels], np.int64)
    clock = [np.ascontiguousarray(c.times_ns) for c in channels]
    words = [_Readings(c.words) for c in channels]
    steps = [_train(t, *find_steps(of[PLAIN], max(of[PLAIN].size // 2, 1))) for of, t in zip(words, clock, strict=True)]
    for coding in (PLAIN, SWAPPED):
        read = [of[coding] for of in words]
        low = [
            _train(t, *find_jumps(w, threshold(w), w.size // 3 if is_low(w) else 0))
            for w, t in zip(read, clock, strict=True)
        ]
        high = [_again(of, coding, t, own) for of, t, own in zip(words, clock, steps, strict=True)]
        low = [NONE if a[0].size and not _rolls(a[0].size, b[1]) else a for a, b in zip(low, high, strict=True)]
        jumps[coding] = [times.size for times, _ in low]
        trains = [*low, *high]
        if n:
            at = np.concatenate([[0], np.cumsum([t.size for t, _ in trains])]).astype(np.int64)
            times, sizes = (np.concatenate(parts) for parts in zip(*trains, strict=True))
            small = np.array([_small(s) for _, s in high])
            _all(times, sizes, at, period, jumps[coding] > 0, small, lag, scores[coding])
        # A fast value passes through all its range, whichever way its bytes are read.
        fast = [
            of[PLAIN].size > 16 and not 0 < j <= of[PLAIN].size // 32 and is_low(of[PLAIN])
            for of, j in zip(words, jumps[coding], strict=True)
        ]
        _held(words, coding, clock, np.array(fast, bool), window, reach, scores[HELD + coding])
        _tracked(read, channels, clock, np.array(fast, bool), scores[TRACKED + coding])
        # A half of a Gray code is smoother when the code is undone.
        gray = GRAY + coding
        moves = [(_step(w[:HEAD]), _step(decode(w[:HEAD], GRAY))) for w in read]
        code = np.array([0 < undone < 0.95 * sent for sent, undone in moves], bool)
        _held(words, gray, clock, code, window, reach, scores[HELD_GRAY + coding])
        high = [_again(of, gray, t, own) for of, t, own in zip(words, clock, steps, strict=True)]
        _gray(words, gray, clock, period, code, high, lag, scores[gray])
    return Carries(scores=scores, jumps=jumps, steps=np.array([times.size for times, _ in steps], np.int64))


class _Readings:
    """A channel's words as sent, and decoded when asked for."""

    def __init__(self, words: np.ndarray) -> None:
        """Keep the words."""
        self.kept = {PLAIN: np.ascontiguousarray(words)}

    def __getitem__(self, coding: int) -> np.ndarray:
        """The words in a coding."""
        if coding not in self.kept:
            self.kept[coding] = decode(self.kept[PLAIN], coding)
        return self.kept[coding]


def _again(
    words: _Readings, coding: int, clock: np.ndarray, steps: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Steps in another coding: they come at the same times, if there are not too many."""
    if coding == PLAIN or not steps[0].size:
        return steps
    return _train(clock, *find_steps(words[coding], words[coding].size))


def _train(times: np.ndarray, samples: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return times[samples], sizes


def _rolls(jumps: int, sizes: np.ndarray) -> bool:
    """Whether a word moves enough between its jumps; a high half around zero jumps with every other step."""
    return not sizes.size or sizes.size >= 16 * jumps or float(np.median(np.abs(sizes))) > 8


def _small(sizes: np.ndarray) -> bool:
    """Whether most steps are small enough for a high half."""
    return bool(sizes.size) and float(np.median(np.abs(sizes))) <= 8


def _step(words: np.ndarray) -> float:
    """Mean size of the wrapped steps of words."""
    return float(np.abs(np.diff(words).view(np.int16).astype(np.int32)).mean()) if words.size > 1 else 0.0


@njit(cache=True)
def _settle(times: np.ndarray, sizes: np.ndarray, slack: int, out_times: np.ndarray, out_sizes: np.ndarray) -> int:
    """Take out changes that are undone within the slack; returns how many stay."""
    count = 0
    for i in range(times.size):
        if count and out_sizes[count - 1] == -sizes[i] and times[i] - out_times[count - 1] <= slack:
            count -= 1
            continue
        out_times[count], out_sizes[count] = times[i], sizes[i]
        count += 1
    return count


@njit(cache=True, error_model="numpy")
def agreement(
    jump_times: np.ndarray,
    signs: np.ndarray,
    step_times: np.ndarray,
    sizes: np.ndarray,
    before: int,
    after: int,
    spare: np.ndarray,
    room: np.ndarray,
) -> float:
    """Share of jumps and steps, counted singly, that pair up in order, sign by sign, within the slack; 0 to 1.

    A step may come `before` ns earlier than its jump, or `after` ns later. Chatter at the boundary is taken out first.
    """
    n = _settle(jump_times, signs, max(before, after), spare[0], room[0])
    m = _settle(step_times, sizes, max(before, after), spare[1], room[1])
    matched = total = jump = 0
    for k in range(m):
        left = min(abs(room[1, k]), 16)
        total += left
        sign = 1 if room[1, k] > 0 else -1
        while left and jump < n:
            late = spare[1, k] - spare[0, jump]
            if late > after:
                jump += 1
            elif late < -before:
                break
            elif room[0, jump] == sign:
                matched += 1
                left -= 1
                jump += 1
            else:
                jump += 1
    # What cancels completely, on one side alone, says nothing for the two.
    return matched / max(total, n) if n and total else 0.0


@njit(cache=True, error_model="numpy")
def _all(
    times: np.ndarray,
    sizes: np.ndarray,
    at: np.ndarray,
    period: np.ndarray,
    rolls: np.ndarray,
    is_high: np.ndarray,
    lag: float,
    out: np.ndarray,
) -> None:
    """Agreement, beyond chance, of every low train with every high one; low trains lie first, `at` are their bounds."""
    n = period.size
    longest = 1
    for k in range(2 * n):
        longest = max(longest, at[k + 1] - at[k])
    spare, room = np.empty((2, longest), np.int64), np.empty((2, longest), np.int64)
    span = times.max() - times.min() if times.size else 0
    for low in range(n):
        if not rolls[low]:
            continue
        a = at[low], at[low + 1]
        jumps = a[1] - a[0]
        for high in range(n):
            b = at[n + high], at[n + high + 1]
            steps = b[1] - b[0]
            if high == low or not is_high[high] or steps > 8 * jumps + 8:
                continue
            before, after = period[low] + SLACK_NS, lag * period[high] + SLACK_NS
            if 4 * jumps * (before + after) > span:  # dense: with more slack anything would match
                after = period[high] + SLACK_NS
            chance = min(jumps, steps) * (before + after) / max(span, 1)
            if chance >= 1.0:
                continue
            found = agreement(
                times[a[0] : a[1]], sizes[a[0] : a[1]], times[b[0] : b[1]], sizes[b[0] : b[1]],
                before, after, spare, room,
            )  # fmt: skip
            out[low, high] = max(0.0, found - chance) / (1.0 - chance)


@njit(cache=True, error_model="numpy")
def _turning(
    words: np.ndarray,
    times: np.ndarray,
    reach: int,
    step_times: np.ndarray,
    before: int,
    after: int,
    shift: int,
) -> float:
    """Share of the steps near which a Gray-decoded low half comes within `reach` of an end, step times shifted."""
    n, found, counted = words.size, 0, 0
    for k in range(step_times.size):
        t = step_times[k] + shift
        i = np.searchsorted(times, t - after)
        if i >= n:
            continue
        counted += 1
        while i < n and times[i] <= t + before:
            x = int64(words[i])
            if min(x, 65535 - x) <= reach:
                found += 1
                break
            i += 1
    return found / counted if counted else 0.0


def _gray(
    words: list[_Readings],
    coding: int,
    clock: list[np.ndarray],
    period: np.ndarray,
    code: np.ndarray,
    steps: list[tuple[np.ndarray, np.ndarray]],
    lag: float,
    out: np.ndarray,
) -> None:
    """Share of the single steps of a Gray-coded high half that find the low half turning, beyond chance."""
    high = [j for j, (_, sizes) in enumerate(steps) if sizes.size and float(np.mean(np.abs(sizes) == 1)) >= 0.8]
    for i in np.flatnonzero(code).tolist():
        number = words[i][coding]
        reach = int(2 * _step(number[:HEAD])) + 64
        span = int(clock[i][-1] - clock[i][0])
        for j in high:
            if j == i:
                continue
            times = steps[j][0][:256]
            before, after = int(period[i]) + SLACK_NS, int(lag * period[j]) + SLACK_NS
            share = _turning(number, clock[i], reach, times, before, after, 0)
            if share < 0.5:
                continue
            chance = float(
                np.median([_turning(number, clock[i], reach, times, before, after, int(s * span)) for s in SHIFTS])
            )
            chance += 3 * np.sqrt(max(chance, 0.05) * (1 - chance) / times.size)
            out[i, j] = max(0.0, share - chance) / (1.0 - chance) if chance < 0.9 else 0.0


@njit(cache=True, error_model="numpy")
def _smooth(
    low: np.ndarray,
    low_times: np.ndarray,
    high: np.ndarray,
    high_times: np.ndarray,
    modulus: int,
    reach: int,
    order: int,
    gray: bool,
    spare: np.ndarray,
) -> float:
    """Share of the joint value's differences of some order, modulo 65,536 moduli, that are small."""
    n, joint, at = low.size, 0, 0
    around = 65536 * modulus
    for i in range(n):
        while at + 1 < high_times.size and high_times[at + 1] <= low_times[i]:
            at += 1
        own = int64(low[i])
        if gray and high[at] & 1:  # the code of the low half runs backwards
            own = 65535 - own
        spare[i] = int64(high[at]) * modulus + own
    for _ in range(order):
        n -= 1
        for i in range(n):
            spare[i] = (spare[i + 1] - spare[i] + around // 2) % around - around // 2
    for i in range(n):
        joint += abs(spare[i]) < reach
    return joint / max(n, 1)


def _held(
    words: list[_Readings],
    coding: int,
    clock: list[np.ndarray],
    fast: np.ndarray,
    window: int,
    reach: float,
    out: np.ndarray,
) -> None:
    """Smoothness of the joint value that the low half alone has not, on a window in the middle.

    A high half moves less in its own byte order than in the other. Without that, two words that count would make a
    smooth value that passes its whole range in a few reads.
    """
    spare = np.empty(window, np.int64)
    gray = coding in (GRAY, GRAY_SWAPPED)
    sent = [of[PLAIN] for of in words]
    moving = [
        j
        for j, row in enumerate(sent)
        if row.size > 2
        and bool((row[1:65] != row[:64][: row.size - 1]).any())
        and _step(words[j][coding][:HEAD]) <= _step(words[j][coding ^ 1][:HEAD])  # the other byte order
    ]
    for i in np.flatnonzero(fast).tolist():
        row = words[i][coding]
        if row.size < 8 or not is_low(row):
            continue
        modulus = modulus_of(row)
        near = max(int(reach * modulus), 4)
        first = max(0, (row.size - window) // 2)
        low, times = row[first : first + window], clock[i][first : first + window]
        alone = float(np.mean(np.abs(np.diff(low.astype(np.int32), 2)) < near))
        if alone > 0.9:
            continue
        for j in moving:
            a = max(0, int(np.searchsorted(clock[j], times[0], side="right")) - 1)
            b = int(np.searchsorted(clock[j], times[-1], side="right"))
            if j != i and b - a >= 8:
                high = words[j][coding][a:b], clock[j][a:b]
                joint = max(_smooth(low, times, *high, modulus, near, order, gray, spare) for order in ORDERS)
                out[i, j] = max(0.0, joint - alone) / (1.0 - alone)


def _ways(times: list[np.ndarray], ways: list[np.ndarray], edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Way of each channel at each edge, and the number of its last sample, shape (channels, edges)."""
    at = np.array([np.searchsorted(t, edges, side="right") - 1 for t in times]).reshape(len(times), EDGES)
    out = np.array([w[np.clip(i, 0, None)] if w.size else np.zeros(EDGES) for w, i in zip(ways, at, strict=True)])
    return out.reshape(len(times), EDGES), np.clip(at, 0, None)


def _tracked(
    words: list[np.ndarray], channels: Sequence[Channel], clock: list[np.ndarray], fast: np.ndarray, out: np.ndarray
) -> None:
    """Share of the parts of a recording in which a high half moves as far as a tracked low half does."""
    lows = [i for i in np.flatnonzero(fast).tolist() if is_low(words[i])]
    if not lows:
        return
    spans = np.array([t[-1] - t[0] if t.size else 0 for t in clock])
    ends = [(t[0], t[-1]) for t, span in zip(clock, spans, strict=True) if 2 * span > spans.max()]
    edges = np.linspace(max(a for a, _ in ends), min(b for _, b in ends), EDGES).astype(np.int64)
    ways = [np.empty(w.size, np.int64) for w in words]
    for w, of in zip(words, ways, strict=True):
        travelled(w, of)
    high = np.diff(_ways(clock, ways, edges)[0], axis=1)  # (channels, parts)
    much = (2 * spans > spans.max()) & (np.abs(high).sum(axis=1) >= 6 * (EDGES - 1))
    for i in lows:
        if 2 * spans[i] <= spans.max():
            continue
        modulus, place = modulus_of(words[i]), np.empty(words[i].size, np.int64)
        if track(words[i], _came(channels[i]), modulus, place) < 0.7:
            continue
        if np.median(np.abs(np.diff(place))) * 16 < modulus:  # jumps tell more of slow values
            continue
        way, at = _ways([clock[i]], [place], edges)
        low, samples = np.diff(way, axis=1) / modulus, np.diff(at, axis=1)
        if np.abs(low).sum() < EDGES:  # a fast tone goes nowhere
            continue
        laps = np.rint((high.sum(axis=1) - low.sum()) / max(int(samples.sum()), 1))
        off = high - low - laps[:, None] * samples
        fits = much & (np.abs(off.sum(axis=1)) <= 4)
        fits[i] = False
        out[i] = np.where(fits, np.mean(np.abs(off) <= 2, axis=1), 0)


def _came(channel: Channel) -> np.ndarray:
    return ALL if channel.valid is None else np.ascontiguousarray(channel.valid)


def laps_by(low: Channel, high: Channel, words: np.ndarray, steps: np.ndarray, place: np.ndarray) -> int:
    """Whole moduli a sample that a tracked low half lacks, by how far the high half moves in the same time."""
    own, other = low.times_ns, high.times_ns
    ends = np.array([max(own[0], other[0]), min(own[-1], other[-1])])
    way = np.empty(steps.size, np.int64)
    travelled(steps, way)
    a, b = (np.clip(np.searchsorted(t, ends, side="right") - 1, 0, None) for t in (own, other))
    moved = float(way[b[1]] - way[b[0]]) - (place[a[1]] - place[a[0]]) / modulus_of(words)
    return round(moved / max(int(a[1] - a[0]), 1))
