"""What one pass over all words of a recording tells of each channel in each 100 ms bin, and robust scores of it.

Bins count from a channel's own first sample, as the labels do. Channels are ordered by rate and content, not by place
or id, so that what is computed from them does not hang on either.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit

from baselines.scene.channels import BIN_S, bins, groups

FEATURES = (
    "mean", "least", "most", "step", "most_step", "bend", "most_bend", "changes", "toggles", "still", "net",
    "rolls", "net_swapped", "rolls_swapped", "last",
)  # fmt: skip
"""Of the word as a number: mean, least and most; of its wrapped steps (-32,768 to 32,767): mean size and greatest; of
their differences likewise; share of steps that change the word; bits that toggle a sample; samples since the last
change, at most in the bin; sum of the wrapped steps, and rollovers of the unsigned word, upwards minus downwards; both
of the word with its bytes swapped; last value."""
INDEX = {name: i for i, name in enumerate(FEATURES)}


@dataclass(frozen=True, kw_only=True)
class Binned:
    """Features of all channels of a recording by bin."""

    ids: np.ndarray
    """Channel ids, (channels,) int64."""
    rate_hz: np.ndarray
    """(channels,) float64."""
    signed: np.ndarray
    """Whether the words are taken for two's complement, (channels,) bool: where that makes fewer jumps."""
    jumps: np.ndarray
    """Steps beyond half the range, of the number as it is taken, (channels,) int64."""
    count: np.ndarray
    """Samples, (channels, bins) int64."""
    flipped: np.ndarray
    """Bits that flipped at least once, (channels, bins) uint16."""
    cube: np.ndarray
    """(features, channels, bins) float64; a bin without samples holds the bin before."""

    def __getitem__(self, name: str) -> np.ndarray:
        """One feature, (channels, bins)."""
        return self.cube[INDEX[name]]

    @property
    def filled(self) -> np.ndarray:
        """Where there are samples, (channels, bins) bool."""
        return self.count > 0


def binned(inputs: Mapping[str, np.ndarray], look_s: float = np.inf) -> Binned:
    """Features of all channels in all bins of a recording. Signs are told from the first `look_s` seconds."""
    n_bins = bins(inputs)
    parts = []
    for group in groups(inputs):
        base, rate = f"inputs/{group}", float(group[1:])
        words = inputs[f"{base}/words"]
        sizes = np.minimum(np.asarray(inputs[f"{base}/n_samples"], np.int64), words.shape[1])
        edges = np.ceil(np.arange(n_bins + 1) * (BIN_S * rate) - 1e-6).astype(np.int64)
        rows = np.arange(sizes.size)
        ids = np.asarray(inputs[f"{base}/channel_id"], np.int64)
        content = [zlib.crc32(words[i, : sizes[i]].tobytes()) for i in rows.tolist()]
        order = np.array(sorted(rows.tolist(), key=lambda i: (sizes[i], content[i])), np.int64)
        look = int(min(look_s * rate, float(words.shape[1])))
        parts.append((ids[order], np.full(order.size, rate), *_pass(words, sizes, order, edges, look)))
    if not parts:
        none = np.empty(0)
        parts = [(none.astype(np.int64), none, *_pass(np.empty((0, 0), np.uint16), *[np.empty(0, np.int64)] * 3, 0))]
    ids, rates, signed, jumps, count, flipped = (np.concatenate([p[i] for p in parts]) for i in range(6))
    cube = np.concatenate([p[6] for p in parts], axis=1)
    return Binned(ids=ids, rate_hz=rates, signed=signed, jumps=jumps, count=count, flipped=flipped, cube=cube)


@njit(cache=True)
def _jumps(row: np.ndarray) -> tuple[int, int]:
    """Steps beyond half the range of the words taken as unsigned, and as two's complement."""
    unsigned, signed = 0, 0
    for i in range(1, row.size):
        a, b = np.int32(row[i - 1]), np.int32(row[i])
        unsigned += int(abs(b - a) > 32768)
        signed += int(abs((b ^ 0x8000) - (a ^ 0x8000)) > 32768)
    return unsigned, signed


@njit(cache=True)
def _pass(  # type: ignore[no-untyped-def]
    words: np.ndarray, sizes: np.ndarray, order: np.ndarray, edges: np.ndarray, look: int
):
    """Signed or not, jumps, samples, flipped bits and features of the rows of a group, in the order asked for."""
    n, n_bins = order.size, max(edges.size - 1, 0)
    signed, jumps = np.zeros(n, np.bool_), np.zeros(n, np.int64)
    count, flipped = np.zeros((n, n_bins), np.int64), np.zeros((n, n_bins), np.uint16)
    cube = np.zeros((15, n, n_bins))
    for c in range(n):
        row = words[order[c], : sizes[order[c]]]
        by_unsigned, by_signed = _jumps(row[:look])
        signed[c] = by_signed < by_unsigned
        jumps[c] = min(by_signed, by_unsigned)
        flip = np.int32(0x8000 if signed[c] else 0)
        before = np.int32(row[0] if row.size else 0)
        swapped = np.int32((before & 0xFF) << 8 | before >> 8)
        step_before, still = np.int32(0), np.int32(0)
        for b in range(n_bins):
            start, end = min(edges[b], row.size), min(edges[b + 1], row.size)
            m = end - start
            if m == 0:
                if b > 0:
                    cube[:, c, b] = cube[:, c, b - 1]
                    cube[10:14, c, b] = 0
                continue
            least, most, total = np.int32(1 << 20), np.int32(-(1 << 20)), np.int64(0)
            steps, bends, changes, toggles = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            net, rolls, net_swapped, rolls_swapped = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            most_step, most_bend, longest, bits = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
            for i in range(start, end):  # without branches, and in 32 bits, which is twice as fast
                w = np.int32(row[i])
                v = np.int32((w ^ flip) - flip)
                total += v
                least, most = min(least, v), max(most, v)
                x = np.int32(w ^ before)
                bits |= x
                moved = np.int32(x != 0)
                changes += moved
                still = np.int32((still + np.int32(1)) * (np.int32(1) - moved))
                longest = max(longest, still)
                x = np.int32(x - ((x >> 1) & 0x5555))
                x = np.int32((x & 0x3333) + ((x >> 2) & 0x3333))
                x = np.int32((x + (x >> 4)) & 0x0F0F)
                toggles += np.int32((x + (x >> 8)) & 0x1F)
                raw = np.int32(w - before)
                step = np.int32(np.int16(raw))
                rolls += np.int32((step - raw) >> 16)
                net += step
                other = np.int32((w & 0xFF) << 8 | w >> 8)
                raw = np.int32(other - swapped)
                other_step = np.int32(np.int16(raw))
                rolls_swapped += np.int32((other_step - raw) >> 16)
                net_swapped += other_step
                size = np.int32(abs(step))
                steps += size
                most_step = max(most_step, size)
                bend = np.int32(abs(np.int32(np.int16(step - step_before))))
                bends += bend
                most_bend = max(most_bend, bend)
                before, swapped, step_before = w, other, step
            count[c, b], flipped[c, b] = m, bits
            out = cube[:, c, b]
            out[0], out[1], out[2] = total / m, least, most
            out[3], out[4], out[5], out[6] = steps / m, most_step, bends / m, most_bend
            out[7], out[8], out[9] = changes / m, toggles / m, longest
            out[10], out[11], out[12], out[13] = net, rolls, net_swapped, rolls_swapped
            out[14] = (before ^ flip) - flip
    return signed, jumps, count, flipped, cube


def robust_z(x: np.ndarray, filled: np.ndarray, floor: float) -> np.ndarray:
    """Signed robust z of the rows of x (..., rows, bins): against their own median, in units of their own spread.

    The spread is the greater of the median deviation, half of that of the middle 95 %, and `floor`; it is therefore
    above 0 for constants and rare flags. 0 where there are no samples.
    """
    x = np.where(filled, x, np.nan)
    last = np.broadcast_to(filled, x.shape).sum(axis=-1, keepdims=True) - 1

    def part(rows: np.ndarray, q: float) -> np.ndarray:
        return np.take_along_axis(rows, np.maximum((q * last).astype(np.int64), 0), -1)

    if not x.size:
        return np.zeros(x.shape)
    rows = np.sort(x, axis=-1)  # NaN come last
    away = x - part(rows, 0.5)
    scale = np.maximum(
        1.4826 * part(np.sort(np.abs(away), axis=-1), 0.5), (part(rows, 0.975) - part(rows, 0.025)) / 7.84
    )
    return np.where(filled, away / np.fmax(scale, floor), 0.0)


def differences(x: np.ndarray) -> np.ndarray:
    """Change from bin to bin, (..., bins); 0 in the first."""
    return np.diff(x, axis=-1, prepend=x[..., :1])


def widest(x: np.ndarray, reach: int) -> np.ndarray:
    """Greatest of x (..., bins) within `reach` bins to both sides."""
    out = x.copy()
    for k in range(1, reach + 1):
        out[..., k:] = np.maximum(out[..., k:], x[..., :-k])
        out[..., :-k] = np.maximum(out[..., :-k], x[..., k:])
    return out
