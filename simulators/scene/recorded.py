"""Recordings of real buses in the schema of the scene simulator: bus logs and their DBC in, words and truth out.

One log is a recording. A set has one of two views:

- `words`: the payload's 16-bit words as sent. A word is read in the byte order of its message (that of the majority
  of its signals that cross a byte); a last odd byte is a word by itself. Every signal is expressed exactly by pieces
  of words (`field_*`). Words of which the DBC explains no bit are left out and counted, as are unknown frames.
- `signals`: each signal's raw value, as an unsigned word where it has up to 16 bits, else cut into 16-bit parts.

A channel that is one whole 16-bit signal is `plain`; two neighbouring whole words of one wider signal are `lsb` and
`msb` (a second such pair above them likewise); everything else is `bits`: `one_bit`, `narrow` (one signal of 2 to 15
bits alone, as the simulator calls it) or `packed`. A multiplexed message becomes one group of channels for each value
of its selector, each with the frames of that value only. All samples of a channel came in frames of one identifier,
so clocks are the bus's: `arrival_ns` counts from the log's first frame.

What a log cannot tell is empty, 0 or -1: process, driver, phase, latency, anomalies, drift, torn reads, links. An
overflow's true time is unknown; `overflow_time_ns` is the arrival of the frame that shows it. Where a value passes the
end of its range, the shorter way round is taken for the wraps. Field kinds follow from names and widths.
Channel numbers are in an order that says nothing (by a hash of the channel's name), and the same for a whole set.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.scene import logs as log_files
from simulators.scene.dbc import Layout, Piece, Signal, extract, load_dbc, word, word_pieces
from simulators.scene.decode import channel_words, decode, raw_values, twos_complement
from simulators.scene.logs import Frames, read_log
from simulators.scene.spec import FORMATS, NODE_TYPES, ORDERS, WORD_KINDS

__all__ = ["VIEWS", "Frames", "Source", "View", "carries", "decode", "nominal_rate", "raw_values", "read_log"]
__all__ += ["recordings", "scan"]

View = Literal["words", "signals"]
VIEWS: tuple[View, ...] = ("words", "signals")
PLAIN, MSB, LSB, BITS = (NODE_TYPES.index(name) for name in ("plain", "msb", "lsb", "bits"))
NOMINAL_PERIODS_MS = (
    1, 2, 2.5, 4, 5, 8, 10, 12, 12.5, 16, 20, 24, 25, 30, 32, 40, 48, 50, 60, 80, 100, 120, 125, 150, 160, 200, 240,
    250, 300, 400, 500, 600, 750, 800, 1000, 1200, 1500, 2000, 2500, 3000, 4000, 5000, 10_000, 20_000, 30_000, 60_000,
)  # fmt: skip
NOMINAL_HZ = np.array([float(f"{1000 / period:.3g}") for period in NOMINAL_PERIODS_MS])
TOLERANCE = 1.1
_EMPTY = {
    "anomaly": {"channel": "i4", "start": "i4", "end": "i4", "kind": "i1", "group": "i4", "detectability": "f8"},
    "drift": {"channel": "i4", "start": "i4", "end": "i4", "kind": "i1", "size": "f8"},
    "torn": {"pair": "i4", "start": "i4", "end": "i4"},
    "link": {"a": "i4", "b": "i4", "kind": "i1"},
}


@dataclass(frozen=True, kw_only=True)
class _Channel:
    """A channel: word `part` of a layout's frames or, in the signals view, 16-bit part `part` of signal `signal`."""

    name: str
    layout: int
    part: int
    signal: int
    pieces: tuple[tuple[int, Piece], ...]
    node_type: int
    word_kind: int
    rate_hz: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two channels that hold bits `shift` to `shift + 32` of a signal; channels by name."""

    lsb: str
    msb: str
    signal: int
    shift: int
    order: int
    format: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """A set of logs, understood but not yet cut into words: `recording(i)` reads log i again and makes its arrays."""

    logs: tuple[Path, ...]
    view: View
    bus: int
    layouts: tuple[Layout, ...] = field(repr=False)
    signals: tuple[tuple[int, Signal], ...] = field(repr=False)
    channels: tuple[_Channel, ...] = field(repr=False)
    pairs: tuple[_Pair, ...] = field(repr=False)
    attrs: dict[str, Any] = field(repr=False)

    def __len__(self) -> int:
        """Number of logs, and so of recordings."""
        return len(self.logs)

    def recording(self, index: int) -> Arrays:
        """The arrays of log `index`, in the schema of the scene simulator (with `arrival_ns`)."""
        frames = read_log(self.logs[index])
        picked, _ = _match(frames, self.layouts, self.bus)
        arrays = self._inputs(frames, picked)
        arrays.update(self._truth(arrays, frames, picked))
        return arrays

    def _inputs(self, frames: Frames, picked: dict[int, np.ndarray]) -> Arrays:
        arrays: Arrays = {}
        for rate in sorted({channel.rate_hz for channel in self.channels}, reverse=True):
            ids = [i for i, channel in enumerate(self.channels) if channel.rate_hz == rate]
            lengths = np.array([len(picked.get(self.channels[i].layout, ())) for i in ids], np.int32)
            shape = (len(ids), int(lengths.max()))
            words, arrival = np.zeros(shape, np.uint16), np.zeros(shape, np.int64)
            for row, (i, n) in enumerate(zip(ids, lengths, strict=True)):
                if n:
                    rows = picked[self.channels[i].layout]
                    words[row, :n] = self._words(self.channels[i], frames.data[rows])
                    arrival[row, :n] = frames.time_ns[rows]
            start = np.array([a[0] if n else 0 for a, n in zip(arrival, lengths, strict=True)], np.int64)
            group = f"inputs/r{rate:g}"
            arrays |= {
                f"{group}/words": words,
                f"{group}/channel_id": np.array(ids, np.int32),
                f"{group}/n_samples": lengths,
                f"{group}/start_ns": start,
                f"{group}/lsb": np.ones(len(ids)),
                f"{group}/arrival_ns": arrival,
            }
        return arrays

    def _words(self, channel: _Channel, data: np.ndarray) -> np.ndarray:
        if self.view == "words":
            return word(self.layouts[channel.layout], data, channel.part)
        raw = extract(data, self.signals[channel.signal][1])
        return ((raw >> np.uint64(16 * channel.part)) & np.uint64(0xFFFF)).astype(np.uint16)

    def _truth(self, arrays: Arrays, frames: Frames, picked: dict[int, np.ndarray]) -> Arrays:
        count, numbers = len(self.channels), {channel.name: i for i, channel in enumerate(self.channels)}
        single = [self.signals[c.pieces[0][0]][1] if len(c.pieces) == 1 else None for c in self.channels]
        rows = [(i, number, piece) for i, channel in enumerate(self.channels) for number, piece in channel.pieces]
        signals = [self.signals[number][1] for _, number, _ in rows]
        masks = np.zeros(count, np.uint16)
        for i, _, piece in rows:
            masks[i] |= np.uint16(((1 << piece.width) - 1) << piece.start)
        truth: Arrays = {
            "node_type": np.array([c.node_type for c in self.channels], np.int8),
            "word_kind": np.array([c.word_kind for c in self.channels], np.int8),
            "process": np.zeros(count, np.int8),
            "mask": masks,
            "phase_ns": np.zeros(count, np.int64),
            "latency_ns": np.zeros(count, np.int64),
            "driver": np.full(count, -1, np.int32),
            "scale": np.array([s.scale if s else 1.0 for s in single]),
            "offset": np.array([s.offset if s else 0.0 for s in single]),
            "pair_msb": np.array([numbers[p.msb] for p in self.pairs], np.int32),
            "pair_lsb": np.array([numbers[p.lsb] for p in self.pairs], np.int32),
            "pair_order": np.array([p.order for p in self.pairs], np.int8),
            "pair_format": np.array([p.format for p in self.pairs], np.int8),
            "pair_modulus": np.full(len(self.pairs), 65536, np.int32),
            "pair_scale": np.ones(len(self.pairs)),
            "field_channel": np.array([i for i, _, _ in rows], np.int32),
            "field_start": np.array([piece.start for _, _, piece in rows], np.int8),
            "field_width": np.array([piece.width for _, _, piece in rows], np.int8),
            "field_kind": np.array([s.kind for s in signals], np.int8),
            "field_signal": np.array([number for _, number, _ in rows], np.int32),
            "field_shift": np.array([piece.shift for _, _, piece in rows], np.int8),
            "field_signed": np.array([s.signed for s in signals], np.int8),
            "field_scale": np.array([s.scale for s in signals], np.float64),
            "field_offset": np.array([s.offset for s in signals], np.float64),
        }
        words = {int(i): w[:n] for i, n, w in channel_words(arrays)}
        visible = np.array([_changes(words[numbers[p.msb]]) for p in self.pairs], np.int8)
        share = float(visible.mean()) if len(visible) else 0.0
        carries = visible[truth["pair_format"] != FORMATS.index("float32")].sum() / max(1, len(visible))
        truth |= self._overflows(frames, picked) | {
            "pair_visible": visible,
            "visible_share": np.array(share),
            "pair_f1_bound": np.array(2 * carries / (1 + carries)),
        }
        truth |= {f"{t}_{c}": np.zeros(0, kind) for t, columns in _EMPTY.items() for c, kind in columns.items()}
        return {f"truth/{name}": array for name, array in truth.items()}

    def _overflows(self, frames: Frames, picked: dict[int, np.ndarray]) -> Arrays:
        found: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        for row, pair in enumerate(self.pairs):
            layout, signal = self.signals[pair.signal]
            frame_rows = picked.get(layout)
            if frame_rows is None or signal.is_float:
                continue
            raw = extract(frames.data[frame_rows], signal) >> np.uint64(pair.shift)
            samples, wraps = carries(raw, signal.width - pair.shift)
            found.append((row, samples, frames.time_ns[frame_rows[samples]], wraps))
        none = np.zeros(0, np.int64)
        return {
            "overflow_pair": np.concatenate([none, *(np.full(len(f[1]), f[0]) for f in found)]).astype(np.int32),
            "overflow_sample": np.concatenate([none, *(f[1] for f in found)]).astype(np.int32),
            "overflow_time_ns": np.concatenate([none, *(f[2] for f in found)]),
            "overflow_wraps": np.concatenate([none, *(f[3] for f in found)]).astype(np.int32),
        }


def recordings(
    logs: Sequence[Path], dbc: Path, view: View, *, name: str | None = None, bus: int | None = None
) -> tuple[list[Arrays], dict[str, Any]]:
    """Every log as a recording, and what a set of them says about itself (JSON-able). See `scan` for the arguments."""
    source = scan(logs, dbc, view, name=name, bus=bus)
    return [source.recording(index) for index in range(len(source))], source.attrs


def scan(logs: Sequence[Path], dbc: Path, view: View, *, name: str | None = None, bus: int | None = None) -> Source:
    """Read logs once and settle what is common to the set: messages, channels, rates, the bus, the attributes.

    `name` is by default that of the folder that the first log lies in; `bus` by default the one with most frames that
    the DBC knows (in comma2k19: 0, the car's own). Raises InputError for a log or DBC that cannot be read, and for a
    log without a frame that the DBC knows.
    """
    logs = tuple(Path(log) for log in logs)
    if not logs:
        raise InputError("a recorded set must have at least one log; none was given")
    if view not in VIEWS:
        raise InputError(f"view must be one of {', '.join(VIEWS)}; it is '{view}'")
    layouts = load_dbc(dbc)
    by_bus: dict[int, list[dict[str, Any]]] = {}
    buses: list[dict[int, int]] = []
    clocks: dict[tuple[int, int], list[np.ndarray]] = {}
    entries = []
    for log in logs:
        frames = read_log(log)
        known = np.isin(_keys(frames), [_key(layout) for layout in layouts])
        numbers, counts = np.unique(frames.bus[known], return_counts=True)
        if not len(numbers):
            raise InputError(
                f"log '{log}' must hold frames that DBC '{Path(dbc).name}' knows; none of {len(frames)} is known"
            )
        buses.append(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
        for number in numbers.tolist():
            picked, left_out = _match(frames, layouts, number)
            by_bus.setdefault(number, []).append({"log": log, **left_out})
            for layout, rows in picked.items():
                clocks.setdefault((number, layout), []).append(frames.time_ns[rows])
        entries.append({"name": log_files.log_name(log), "sha256": log_files.log_sha256(log), "frames": len(frames)})
    if bus is None:
        totals = {number: sum(found.get(number, 0) for found in buses) for number in by_bus}
        bus = min(totals, key=lambda number: (-totals[number], number))
    for log, found in zip(logs, buses, strict=True):
        if bus not in found:
            raise InputError(f"log '{log}' must hold frames that the DBC knows on bus {bus}; they are on {list(found)}")
    counted = {entry.pop("log"): entry for entry in by_bus[bus]}
    entries = [entry | counted[log] for entry, log in zip(entries, logs, strict=True)]
    rates = {layout: nominal_rate(times) for (number, layout), times in clocks.items() if number == bus}
    signals = tuple((i, signal) for i, layout in enumerate(layouts) if i in rates for signal in layout.signals)
    channels, pairs, skipped = _channels(layouts, signals, rates, view)
    if not channels:
        raise InputError(f"DBC '{dbc}' must describe signals of the frames in the logs; it describes none")
    attrs = {
        "name": name or log_files.log_folder(logs[0]),
        "view": view,
        "bus": bus,
        "logs": entries,
        "dbc": {"name": Path(dbc).name, "sha256": log_files.log_sha256(Path(dbc))},
        "words_without_signal": skipped,
        "channels": [_channel_text(c, layouts[c.layout]) for c in channels],
        "signals": [_signal_text(signal, layouts[i], rates[i]) for i, signal in signals],
        "conventions": " ".join((__doc__ or "").split()),
    }
    return Source(
        logs=logs, view=view, bus=bus, layouts=layouts, signals=signals, channels=channels, pairs=pairs, attrs=attrs
    )


def carries(raw: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Carry events above the low 16 bits of a raw value: the samples where raw >> 16 has changed, and the wraps.

    `raw` uint64 (n,) holds `width` bits, signed or not. A step from one sample to the next is taken the shorter way
    round the signal's full range; the wraps are the signed change of floor(value / 65536) on that way, int64, held
    within int32.

    >>> [x.tolist() for x in carries(np.array([65535, 65536, 3, 2**20 - 1], np.uint64), 20)]
    [[1, 2, 3], [1, -1, -1]]
    """
    mask = np.uint64((1 << width) - 1)
    upper = raw & mask
    samples = np.flatnonzero((upper[1:] ^ upper[:-1]) >> np.uint64(16)) + 1
    before, step = upper[samples - 1], (upper[samples] - upper[samples - 1]) & mask
    signed = twos_complement(step, width)
    low = (before & np.uint64(0xFFFF)).astype(np.int64)
    wraps = (signed >> 16) + ((low + (signed & 0xFFFF)) >> 16)
    return samples, np.clip(wraps, -(2**31), 2**31 - 1)


def nominal_rate(times: Sequence[np.ndarray]) -> float:
    """The nominal rate in Hz of frames with these arrivals (one int64 array in ns a log).

    The median interval over all logs, snapped to a usual period within 10 %. Frames that are too few, or whose
    intervals spread by more than their median (sent on request), get their mean rate, to one digit.
    """
    gaps = np.concatenate([np.diff(t) for t in times])
    if len(gaps) >= 8:
        low, median, high = np.percentile(gaps, (25, 50, 75))
        if median > 0 and high - low <= median:
            rate = 1e9 / median
            nearest = float(NOMINAL_HZ[np.abs(np.log(NOMINAL_HZ / rate)).argmin()])
            close = max(nearest / rate, rate / nearest) <= TOLERANCE
            return nearest if close else float(f"{rate:.3g}")
    seconds = float(gaps.sum()) / 1e9
    return max(float(f"{len(gaps) / seconds:.1g}"), 1e-3) if seconds else 1.0


def _changes(words: np.ndarray) -> bool:
    return bool((words[1:] != words[:-1]).any())


def _key(layout: Layout) -> int:
    return layout.frame_id | layout.extended << 32


def _keys(frames: Frames) -> np.ndarray:
    return frames.address.astype(np.int64) | frames.extended.astype(np.int64) << 32


def _match(frames: Frames, layouts: tuple[Layout, ...], bus: int) -> tuple[dict[int, np.ndarray], dict[str, int]]:
    """Rows of the frames of each layout that occurs on a bus, and the counts of those used and left out."""
    on_bus = np.flatnonzero(frames.bus == bus)
    keys = _keys(frames)[on_bus]
    owner = {_key(layout): layout.message for layout in layouts}  # of several messages of one id the last, as cantools
    rows_of = {key: on_bus[keys == key] for key in owner}
    known = sum(map(len, rows_of.values()))
    picked: dict[int, np.ndarray] = {}
    for number, layout in enumerate(layouts):
        rows = rows_of[_key(layout)]
        if layout.message != owner[_key(layout)] or not len(rows):
            continue
        rows = rows[frames.length[rows] >= layout.length]
        for signal, value in layout.selectors:
            rows = rows[extract(frames.data[rows], signal) == value]
        if len(rows):
            picked[number] = rows
    used = sum(map(len, picked.values()))
    counts = {"frames_on_bus": len(on_bus), "frames_used": used, "frames_unknown": len(on_bus) - known}
    return picked, counts | {"frames_unfit": known - used}


def _channels(
    layouts: tuple[Layout, ...], signals: tuple[tuple[int, Signal], ...], rates: dict[int, float], view: View
) -> tuple[tuple[_Channel, ...], tuple[_Pair, ...], int]:
    """Channels in the order of their numbers, the pairs among them, and how many words the DBC says nothing about."""
    pieces: dict[tuple[int, int, int], list[tuple[int, Piece]]] = {}
    for number, (i, signal) in enumerate(signals):
        if view == "words":
            for piece in word_pieces(layouts[i], signal):
                pieces.setdefault((i, piece.place, -1), []).append((number, piece))
        else:
            for part, low in enumerate(range(0, signal.width, 16)):
                piece = Piece(place=part, start=0, width=min(16, signal.width - low), shift=low)
                pieces[i, part, number] = [(number, piece)]
    names = {place: _channel_name(layouts[place[0]], signals, place) for place in pieces}
    halves: dict[str, int] = {}
    pairs: list[_Pair] = []
    for number, (_, signal) in enumerate(signals):
        places = sorted(
            (found[0][1].shift, place)
            for place, found in pieces.items()
            if len(found) == 1 and found[0][0] == number and (found[0][1].width == 16 or view == "signals")
        )
        if signal.is_float and signal.width != 32:
            continue
        while len(places) >= 2:
            (low, lsb), (high, msb) = places[:2]
            if high != low + 16:
                places = places[1:]
                continue
            pairs.append(
                _Pair(
                    lsb=names[lsb],
                    msb=names[msb],
                    signal=number,
                    shift=low,
                    order=ORDERS.index("CDAB" if view == "words" and lsb[1] < msb[1] else "ABCD"),
                    format=FORMATS.index("float32" if signal.is_float else "i32" if signal.signed else "u32"),
                )
            )
            halves |= {names[lsb]: LSB, names[msb]: MSB}
            places = places[2:]
    channels = []
    for place, found in pieces.items():
        node_type, kind = _classify(found, signals, halves.get(names[place]))
        channels.append(
            _Channel(
                name=names[place],
                layout=place[0],
                part=place[1],
                signal=place[2],
                pieces=tuple(found),
                node_type=node_type,
                word_kind=WORD_KINDS.index(kind),
                rate_hz=rates[place[0]],
            )
        )
    channels.sort(key=lambda channel: hashlib.blake2b(channel.name.encode(), digest_size=8).digest())
    skipped = 0
    if view == "words":
        skipped = sum((layouts[i].length + 1) // 2 for i in rates) - len(channels)
    return tuple(channels), tuple(pairs), skipped


def _classify(
    found: list[tuple[int, Piece]], signals: tuple[tuple[int, Signal], ...], half: int | None
) -> tuple[int, str]:
    """(node type, word kind) of a channel from the pieces in it."""
    if half is not None:
        return half, "half"
    if len(found) > 1:
        return BITS, "packed"
    number, piece = found[0]
    signal = signals[number][1]
    if piece.width == signal.width == 16:
        return PLAIN, "i16" if signal.signed else "u16"
    if piece.width == 1:
        return BITS, "one_bit"
    return BITS, "narrow" if piece.width < 16 else "packed"


def _channel_name(layout: Layout, signals: tuple[tuple[int, Signal], ...], place: tuple[int, int, int]) -> str:
    _, part, number = place
    if number < 0:
        return f"{layout.name}/word{part}"
    signal = signals[number][1]
    return f"{layout.name}.{signal.name}" + (f"/part{part}" if signal.width > 16 else "")


def _channel_text(channel: _Channel, layout: Layout) -> dict[str, Any]:
    return {
        "name": channel.name,
        "message": layout.message,
        "frame_id": layout.frame_id,
        "byte_order": "big" if layout.big_endian else "little",
        "rate_hz": channel.rate_hz,
    }


def _signal_text(signal: Signal, layout: Layout, rate_hz: float) -> dict[str, Any]:
    return {
        "signal": signal.name,
        "message": layout.message,
        "selectors": {selector.name: value for selector, value in layout.selectors},
        "unit": signal.unit,
        "choices": {str(key): text for key, text in signal.choices.items()},
        "width": signal.width,
        "signed": signal.signed,
        "float": signal.is_float,
        "byte_order": "big" if signal.big_endian else "little",
        "rate_hz": rate_hz,
    }
