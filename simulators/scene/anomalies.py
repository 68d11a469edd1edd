"""Faults and anomalies, injected into the words of a recording and labelled: simulated ones, or a user's own.

Each kind is a function from a bus, a generator and a length in seconds to patches (new words for a stretch of a
channel), or to None where the bus has no place for it. Anomalies of numbers act on plain words, those of bits and
protocol on fields and halves, so that nothing is "added" to a word that is no number. Positions are uniform and the
density is low (Wu and Keogh, arXiv 2009.13807, on what benchmarks do wrong); a kind that needs a rollover takes a
uniform one. What is lost or stale under a patch goes on repeating the word before. Kinds of ACROSS_KINDS leave a
channel as it could be by itself; how far each event stands out in its own channel is told beside it.
"""

from collections.abc import Callable

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.scene.bus import Bus, Patch, Stretch
from simulators.scene.detectability import detectability
from simulators.scene.kernels.bits import COUNTER, seal
from simulators.scene.spec import (
    ACROSS_KINDS,
    ANOMALY_KINDS,
    FIELD_KINDS,
    FORMATS,
    LINK_KINDS,
    ORDERS,
    PROCESSES,
    Anomalies,
)

TRIES = 40
VISIBLE = 3.0
"""Root mean square change that an anomaly of a number must make, in sd of the noise around it."""

Patches = list[Patch] | None
OF_NUMBERS = frozenset({
    "spike", "drift", "noise_burst", "level_shift", "frequency_change", "pattern_change", "dropout",
    "broken_correlation", "replay", "twin_replay", "lag", "gain_change",
})  # fmt: skip
ENDS_WITH_CHANGE = frozenset({"frozen_msb", "replay"})
LAG_S = (0.05, 0.5)
GAIN = (0.15, 0.6)
"""Change of a gain, as a share of it."""
WANDERING = ("walk", "setpoint", "thermal")
CUTS, SOONEST = 32, 0.6
"""Times among which a replay is cut in, and the share of its length after which it may end."""
OFTEN = 0.5
"""A carry may be late by no less than this share of the mean time between steps."""
SLOW_S = 0.05
"""What a moving mean over this time keeps is slow."""
SEALS = (FIELD_KINDS.index("parity"), FIELD_KINDS.index("crc"), FIELD_KINDS.index("checksum"))


def _plain(bus: Bus, rng: np.random.Generator, seconds: float, least: int = 2) -> Stretch | None:
    channels = bus.of_type(0)
    return bus.stretch(int(rng.choice(channels)), rng, seconds, least) if channels else None


def _size(bus: Bus, at: Stretch, rng: np.random.Generator, low: float, high: float) -> float:
    """A signed step of `low` to `high` times the channel's own spread, at least 50 counts."""
    row = bus.rows[at[0]]
    few = row[:: max(1, row.size // 1024)]
    low_part, high_part = np.percentile(few.view(np.int16) if bus.signed(at[0]) else few, [10, 90])
    spread = max(float(high_part - low_part), 50.0)
    size = float(rng.uniform(low, high)) * spread * (1 if rng.random() < 0.5 else -1)
    return size * _strength(bus, rng)


def _strength(bus: Bus, rng: np.random.Generator) -> float:
    low, high = bus.strength
    return low * (high / low) ** float(rng.random()) if high != low else low


def _spike(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    if (at := _plain(bus, rng, 0.0, 1)) is None:
        return None
    channel, start, _ = at
    end = min(start + int(rng.integers(1, 4)), bus.rows[channel].size)
    if not bus.free(channel, start, end):
        return None
    return bus.numbered(channel, start, bus.numbers(channel, start, end) + _size(bus, at, rng, 1.5, 6))


def _add(shape: Callable[[int, np.random.Generator], np.ndarray], low: float, high: float) -> Callable:
    """An anomaly that adds a shape, scaled to the channel's spread, to a plain value."""

    def kind(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
        if (at := _plain(bus, rng, seconds)) is None:
            return None
        channel, start, end = at
        size = _size(bus, at, rng, low, high)
        return bus.numbered(channel, start, bus.numbers(channel, start, end) + size * shape(end - start, rng))

    return kind


def _stuck(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    if (at := _plain(bus, rng, seconds)) is None:
        return None
    channel, start, end = at
    return [Patch(channel, start, np.full(end - start, bus.rows[channel][start - 1]))]


def _dropout(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    if (at := _plain(bus, rng, seconds)) is None:
        return None
    channel, start, end = at
    return [Patch(channel, start, np.full(end - start, (0, 0xFFFF)[int(rng.integers(2))], np.uint16))]


def _frequency_change(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """The stretch runs at 1.5 to 4 times its pace, there and back, so that it joins at both ends."""
    if (at := _plain(bus, rng, seconds, 8)) is None:
        return None
    channel, start, end = at
    source = bus.numbers(channel, start, end)
    span = source.size - 1
    position = np.arange(source.size) * float(rng.uniform(1.5, 4)) % (2 * span)
    position = np.minimum(position, 2 * span - position)
    return bus.numbered(channel, start, source[np.rint(position).astype(np.int64)])


def _pattern_change(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """The stretch runs backwards, in half the cases mirrored about its mean: another shape in the same range."""
    if (at := _plain(bus, rng, seconds, 8)) is None:
        return None
    channel, start, end = at
    source = bus.numbers(channel, start, end)
    mirrored = 2 * source.mean() - source
    return bus.numbered(channel, start, (mirrored if rng.random() < 0.5 else source)[::-1])


def _coupled(bus: Bus, rng: np.random.Generator, seconds: float) -> Stretch | None:
    """A stretch of at least half a second on a redundant or derived value."""
    kinds = bus.truth.get("link_kind", np.empty(0))
    coupled = np.flatnonzero((kinds == LINK_KINDS.index("twin")) | (kinds == LINK_KINDS.index("derived")))
    plain = set(bus.of_type(0))
    channels = [c for c in bus.truth["link_b"][coupled].tolist() if c in plain] if coupled.size else []
    return bus.stretch(int(rng.choice(channels)), rng, max(seconds, 0.5), 8) if channels else None


def _moved(bus: Bus, at: Stretch, other: int) -> list[Patch]:
    """The stretch shows what the channel shows from sample `other` on.

    Joined at the ends by a straight line, so that no step gives it away.
    """
    channel, start, end = at
    here = bus.numbers(channel, start, end)
    moved = bus.numbers(channel, other, other + end - start)
    return bus.numbered(channel, start, moved + np.linspace(here[0] - moved[0], here[-1] - moved[-1], end - start))


def _cut_in(bus: Bus, at: Stretch, others: np.ndarray) -> list[Patch]:
    """The stretch shows another time of its channel: of `others`, where the cuts show least; it may end sooner."""
    channel, start, end = at
    row = bus.numbers(channel, 0, bus.rows[channel].size)
    lengths = np.arange(max(8, int(SOONEST * (end - start))), end - start + 1)
    gaps = np.abs(row[others[:, None] + lengths - 1] - row[start + lengths - 1])
    total = np.abs(row[others] - row[start]) + gaps.min(1)
    best = int(total.argmin())
    return _moved(bus, (channel, start, start + int(lengths[gaps[best].argmin()])), int(others[best]))


def _broken_correlation(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """A redundant or derived value shows another time of its own: normal by itself, wrong beside its partner."""
    if (at := _coupled(bus, rng, seconds)) is None:
        return None
    return _moved(bus, at, int(rng.integers(0, bus.rows[at[0]].size - (at[2] - at[1]))))


def _twin_replay(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """A redundant or derived value shows another time of its own, cut in where it joins on."""
    if (at := _coupled(bus, rng, seconds)) is None:
        return None
    return _cut_in(bus, at, rng.integers(0, bus.rows[at[0]].size - (at[2] - at[1]), CUTS))


def _lag(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """A redundant or derived value is late by 0.05 to 0.5 s: normal by itself, behind its partner."""
    if (at := _coupled(bus, rng, seconds)) is None:
        return None
    late = np.ceil(rng.uniform(*LAG_S, CUTS) * bus.rates[at[0]]).astype(np.int64)
    late = late[late <= at[1]]
    return _cut_in(bus, at, at[1] - late) if late.size else None


def _gain_change(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """What is slow in a redundant or derived value swings more or less than before; its noise stays as it is."""
    if (at := _coupled(bus, rng, seconds)) is None:
        return None
    channel, start, end = at
    if "process" in bus.truth and PROCESSES[bus.truth["process"][channel]] not in WANDERING:
        return None  # the swing of a tone is always the same: its own channel would show it
    here = bus.numbers(channel, start, end)
    width = min(max(3, round(SLOW_S * bus.rates[channel])), here.size) | 1
    ends = np.pad(here, width // 2, mode="edge")
    slow = np.convolve(ends, np.full(width, 1 / width), "valid")
    middle = np.linspace(slow[0], slow[-1], here.size)
    fade = np.minimum(1.0, 4 * np.minimum(np.arange(1, here.size + 1), np.arange(here.size, 0, -1)) / here.size)
    change = float(rng.uniform(*GAIN)) * (1 if rng.random() < 0.5 else -1)
    return bus.numbered(channel, start, here + change * fade * (slow - middle))


def _stuck_bit(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    channels = bus.of_type(3) or bus.of_type(0)
    at = bus.stretch(int(rng.choice(channels)), rng, seconds) if channels else None
    if at is None:
        return None
    channel, start, end = at
    row = bus.rows[channel]
    moving = int(np.bitwise_or.reduce(row[start:end] ^ row[start - 1]))
    bits = [b for b in range(16) if moving >> b & 1]
    if not bits:
        return None
    bit = np.uint16(1 << int(rng.choice(bits)))
    return [Patch(channel, start, row[start:end] | bit if row[start - 1] & bit else row[start:end] & ~bit)]


def _fields(bus: Bus, kinds: tuple[int, ...]) -> list[int]:
    known = bus.truth.get("field_kind", np.empty(0, np.int8))
    return [int(f) for f in np.flatnonzero(np.isin(known, kinds)) if bus.truth["field_channel"][f] in bus.rows]


def _counter_skip(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """A rolling counter leaps; it goes on from there, so only the leap is labelled. Seals are made to fit again."""
    if not (found := _fields(bus, (COUNTER,))):
        return None
    f = int(rng.choice(found))
    channel, start, width = (int(bus.truth[f"field_{name}"][f]) for name in ("channel", "start", "width"))
    at = bus.stretch(channel, rng, 0.0, 1)
    if at is None or any(b > at[1] for _, b in bus.taken.get(channel, ())):
        return None
    tail = bus.rows[channel][at[1] :].copy()
    own = np.uint16(((1 << width) - 1) << start)
    leap = int(rng.integers(1, 1 << width))
    counter = ((tail & own) >> start) + leap
    tail[:] = (tail & ~own) | ((counter << start) & own).astype(np.uint16)
    for g in _fields(bus, SEALS):
        if bus.truth["field_channel"][g] == channel:
            seal(
                tail,
                int(bus.truth["field_kind"][g]),
                int(bus.truth["field_start"][g]),
                int(bus.truth["field_width"][g]),
            )
    return [Patch(channel, at[1], tail, at[1] + 1)]


def _rollover(bus: Bus, rng: np.random.Generator) -> tuple[int, int, int] | None:
    """A random rollover of a pair in plain or swapped bytes: (pair, high half's channel, first new sample)."""
    pairs = bus.truth.get("overflow_pair", np.empty(0, np.int32))
    if not pairs.size:
        return None
    e = int(rng.integers(pairs.size))
    pair = int(pairs[e])
    if FORMATS[bus.truth["pair_format"][pair]] not in ("u32", "i32"):
        return None
    channel = int(bus.truth["pair_msb"][pair])
    row = bus.rows[channel]
    near = int(bus.truth["overflow_time_ns"][e] * 1e-9 * bus.rates[channel])
    piece = row[max(0, near - 2) : near + 4]
    moved = np.flatnonzero(piece[1:] != piece[:-1])
    return (pair, channel, max(0, near - 2) + int(moved[0]) + 1) if moved.size else None


def _wrong_carry(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """From a rollover on, the high half is one too high or too low."""
    if (found := _rollover(bus, rng)) is None:
        return None
    pair, channel, start = found
    end = min(start + max(2, int(seconds * bus.rates[channel])), bus.rows[channel].size)
    if start < 1 or not bus.free(channel, start, end):
        return None
    row = bus.rows[channel][start:end]
    swapped = ORDERS[bus.truth["pair_order"][pair]] in ("BADC", "DCBA")
    value = row.byteswap() if swapped else row.copy()
    value += np.uint16(1) if rng.random() < 0.5 else np.uint16(0xFFFF)
    return [Patch(channel, start, value.byteswap() if swapped else value)]


def _frozen_msb(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """The high half does not see a rollover until the stretch ends."""
    if (found := _rollover(bus, rng)) is None:
        return None
    _, channel, start = found
    end = min(start + max(2, int(seconds * bus.rates[channel])), bus.rows[channel].size)
    if start < 1 or not bus.free(channel, start, end):
        return None
    return [Patch(channel, start, np.full(end - start, bus.rows[channel][start - 1]))]


def _late_carry(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """The high half steps at another time than the low half rolls over: late or early, but before any other step.

    Only where steps are no rarity, that is about as near to each other as the stretch is long.
    """
    if (found := _rollover(bus, rng)) is None:
        return None
    _, channel, at = found
    row, length = bus.rows[channel], max(2, int(seconds * bus.rates[channel]))
    late = rng.random() < 0.5
    around = row[at : at + length + 2] if late else row[max(0, at - length - 2) : at][::-1]
    steps = np.flatnonzero(around != around[0])
    room = int(steps[0]) - 1 if steps.size else around.size - 2
    length = min(length, room)
    if length * int(np.count_nonzero(row[1:] != row[:-1])) < OFTEN * row.size:
        return None
    start, end = (at, at + length) if late else (at - length, at)
    if length < 2 or start < 1 or not bus.free(channel, start, end):
        return None
    return [Patch(channel, start, np.full(length, row[at - 1] if late else row[at]))]


def _two_halves(bus: Bus, rng: np.random.Generator, seconds: float) -> list[Stretch] | None:
    """One stretch on both halves of a pair that are read at one rate."""
    msb, lsb = bus.truth.get("pair_msb", np.empty(0, int)), bus.truth.get("pair_lsb", np.empty(0, int))
    same = [(int(h), int(x)) for h, x in zip(msb, lsb, strict=True) if bus.rates[int(h)] == bus.rates[int(x)]]
    if not same:
        return None
    high, low = same[int(rng.integers(len(same)))]
    at = bus.stretch(high, rng, seconds)
    if at is None or bus.rows[high].size != bus.rows[low].size or not bus.free(low, *at[1:]):
        return None
    return [at, (low, *at[1:])]


def _swapped_halves(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    if (two := _two_halves(bus, rng, seconds)) is None:
        return None
    (high, start, end), (low, _, _) = two
    a, b = bus.rows[high][start:end], bus.rows[low][start:end]
    return [Patch(high, start, b.copy()), Patch(low, start, a.copy())]


def _replay(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    """Earlier words are sent again: of one channel, or of both halves of a pair."""
    both = _two_halves(bus, rng, seconds) if rng.random() < 0.3 else None
    if both is None:
        channels = bus.of_type(0) + bus.of_type(3)
        at = bus.stretch(int(rng.choice(channels)), rng, seconds) if channels else None
        both = [at] if at else None
    if both is None or both[0][1] < 2:
        return None
    length = both[0][2] - both[0][1]
    earlier = int(rng.integers(0, max(1, both[0][1] - length)))
    return [Patch(channel, start, bus.rows[channel][earlier : earlier + length].copy()) for channel, start, _ in both]


def _bad_checksum(bus: Bus, rng: np.random.Generator, seconds: float) -> Patches:
    if not (found := _fields(bus, SEALS)):
        return None
    f = int(rng.choice(found))
    channel, start, width = (int(bus.truth[f"field_{name}"][f]) for name in ("channel", "start", "width"))
    at = bus.stretch(channel, rng, seconds)
    if at is None:
        return None
    wrong = rng.integers(1, 1 << width, at[2] - at[1]).astype(np.uint16)
    return [Patch(channel, at[1], bus.rows[channel][at[1] : at[2]] ^ (wrong << np.uint16(start)))]


KINDS: dict[str, Callable[[Bus, np.random.Generator, float], Patches]] = {
    "spike": _spike,
    "drift": _add(lambda n, rng: np.arange(1, n + 1) / n, 0.5, 2.0),
    "stuck": _stuck,
    "noise_burst": _add(lambda n, rng: rng.standard_normal(n), 0.3, 1.5),
    "level_shift": _add(lambda n, rng: np.ones(n), 0.5, 2.0),
    "frequency_change": _frequency_change,
    "pattern_change": _pattern_change,
    "dropout": _dropout,
    "broken_correlation": _broken_correlation,
    "stuck_bit": _stuck_bit,
    "counter_skip": _counter_skip,
    "wrong_carry": _wrong_carry,
    "swapped_halves": _swapped_halves,
    "frozen_msb": _frozen_msb,
    "replay": _replay,
    "bad_checksum": _bad_checksum,
    "twin_replay": _twin_replay,
    "lag": _lag,
    "gain_change": _gain_change,
    "late_carry": _late_carry,
}


COLUMNS = {
    "channel": np.int32, "start": np.int32, "end": np.int32, "kind": np.int8, "group": np.int32,
    "detectability": np.float64,
}  # fmt: skip


def inject(
    arrays: Arrays, spec: Anomalies, rng: np.random.Generator, *, count: int | None = None, in_place: bool = False
) -> Arrays:
    """Inject labelled anomalies into a recording; returns it with the `anomaly` table grown.

    The number is Poisson with mean `spec.per_recording`, or `count`. Works on any recording with
    `inputs/r<rate>/words`, such as one imported from a log; what it knows of pairs, fields and links decides which
    kinds apply. A kind that finds no place, or changes nothing, is drawn again. Raises InputError where there are no
    words, and where earlier anomalies lack a column of the table.
    """
    arrays = dict(arrays)
    wanted = (int(rng.poisson(spec.per_recording)) if spec.per_recording else 0) if count is None else count
    if not in_place and wanted:
        arrays |= {k: v.copy() for k, v in arrays.items() if k.startswith("inputs/") and k.endswith("/words")}
    old = {c: arrays.get(f"truth/anomaly_{c}", np.empty(0, dtype)) for c, dtype in COLUMNS.items()}
    for column, rows in old.items():
        if rows.size < old["channel"].size:
            raise InputError(f"recording with anomalies must have 'truth/anomaly_{column}' of each; it is absent")
    labels: list[tuple[int, int, int, int, int]] = []
    bus = Bus.of(arrays) if wanted else Bus({}, {}, {})
    if wanted:
        bus.strength = spec.strength
        for channel, a, b in zip(old["channel"], old["start"], old["end"], strict=True):
            bus.taken.setdefault(int(channel), []).append((int(a), int(b)))
        first = int(old["group"].max(initial=-1)) + 1
        for group in range(first, first + wanted):
            names, share = _kinds(spec, rng)
            for _ in range(TRIES):
                name = names[int(rng.choice(share.size, p=share))]
                found = _apply(bus, name, rng, float(rng.uniform(*spec.seconds)))
                if found:
                    labels += [(*at, ANOMALY_KINDS.index(name), group) for at in found]
                    break
    labels.sort(key=lambda row: (row[4], row[0]))
    seen = [detectability(bus.rows[c], bus.clean[c], a, b, bus.signed(c)) for c, a, b, _, _ in labels]
    table = np.array(labels, np.int64).reshape(-1, 5)
    new = dict(zip(COLUMNS, [*table.T, np.array(seen)], strict=True))
    for column, dtype in COLUMNS.items():
        arrays[f"truth/anomaly_{column}"] = np.concatenate([old[column], new[column].astype(dtype)])
    return arrays


def _kinds(spec: Anomalies, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """The kinds that an event may be of, with their shares."""
    names = sorted(spec.kinds)
    if spec.across is not None:
        across = bool(rng.random() < spec.across)
        names = [name for name in names if (name in ACROSS_KINDS) == across]
    weight = np.array([spec.kinds[name] for name in names])
    return names, weight / weight.sum()


def _apply(bus: Bus, name: str, rng: np.random.Generator, seconds: float) -> list[Stretch]:
    """Apply one anomaly and return its stretches; none where it finds no place or where it would not show."""
    made = [(p, *bus.held(p)) for p in KINDS[name](bus, rng, seconds) or []]
    if any(not _shows(bus, name, p.channel, p.start, words) for p, words, _ in made):
        return []
    found = []
    for p, words, end in made:
        old = bus.rows[p.channel][p.start : p.start + words.size]
        changed = np.flatnonzero(old != words) + p.start
        if p.end is not None:
            start, end = int(changed[0]), int(changed[0]) + 1
        else:
            start, end = p.start, max(end, int(changed[-1]) + 1)
        if name in ENDS_WITH_CHANGE:
            end = int(changed[-1]) + 1
        bus.change(p.channel, p.start, words)
        bus.taken.setdefault(p.channel, []).append((start, end))
        found.append((p.channel, start, end))
    return found


def _shows(bus: Bus, name: str, channel: int, start: int, words: np.ndarray) -> bool:
    """Whether new words differ from the old by more than the noise around them would by itself."""
    row = bus.rows[channel]
    old = row[start : start + words.size]
    if np.array_equal(old, words):
        return False
    if name not in OF_NUMBERS or bus.of_bits(channel):
        return True
    before, after = bus.as_numbers(channel, old), bus.as_numbers(channel, words)
    return bool(np.sqrt(np.mean((after - before) ** 2)) >= VISIBLE * bus.quiet(channel, start, start + words.size) + 1)
