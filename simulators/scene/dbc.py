"""What a DBC says about the bits of a frame: layouts, signals, and the words and pieces that follow from them.

A *layout* is one way in which the payload of a message is cut into signals. A plain message has one; a multiplexed
one has one for each value of its selector (nested selectors: each path), so that within a layout a bit always means
the same. Bits are named (byte, bit) with bit 0 the least significant of its byte, in the order of the signal's own
bits from the least significant on; so the two byte orders of the format are alike from here on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from simulators.scene.logs import need, one_line
from simulators.scene.spec import FIELD_KINDS

CHECKSUM = re.compile(r"(?i)check_?sum|che?c?ksum|cksum|(^|[_\d])sum\d*$|^sm[0-9a-f]{3}$|\dsm$")
CRC = re.compile(r"(?i)(^|[_\d])crc\d*([_\d]|$)|crc\d*$")
COUNTER = re.compile(r"(?i)counter|(^|[_\d])cnt(r|[_\d]|$)|roll(ing)?_?c(ou)?nt|alive|(^|_)(msg|seq)_?(nr|num|no)$")
PARITY = re.compile(r"(?i)parity")
ENUM_BITS = 8
"""A signal with named values is an enum up to this width; above it the names are single values of a number."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Bits `shift` to `shift + width` of a signal, at bits `start` to `start + width` of a word (or of a byte)."""

    place: int
    start: int
    width: int
    shift: int


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One signal of a layout. `bits[k]` is the (byte, bit) of the payload that holds bit k of the raw value."""

    name: str
    bits: tuple[tuple[int, int], ...]
    signed: bool
    is_float: bool
    scale: float
    offset: float
    unit: str
    choices: dict[int, str]
    kind: int
    big_endian: bool

    @property
    def width(self) -> int:
        """Bits of the raw value."""
        return len(self.bits)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way in which the payload of a message is cut. It holds for frames whose selectors have these values."""

    message: str
    frame_id: int
    extended: bool
    length: int
    big_endian: bool
    signals: tuple[Signal, ...]
    selectors: tuple[tuple[Signal, int], ...] = ()

    @property
    def name(self) -> str:
        """The message, with the values of its selectors: `STATUS`, `STATUS[Page=2]`."""
        return self.message + "".join(f"[{signal.name}={value}]" for signal, value in self.selectors)


def load_dbc(path: Path) -> tuple[Layout, ...]:
    """The layouts of a DBC (or of any other format that cantools reads), in its order.

    Signals that overlap are taken as they stand. Raises InputError for a file that is absent or cannot be parsed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"DBC '{path}' must exist; there is no such file")
    try:
        database = need("cantools").database.load_file(path, strict=False)
        messages = [m for m in database.messages if not getattr(m, "is_container", False)]
        layouts = tuple(layout for message in messages for layout in _layouts(message))
    except InputError:
        raise
    except Exception as error:  # parsers of foreign files may raise anything; the user needs one line
        raise InputError(f"DBC '{path}' must be readable; {one_line(error)}") from error
    if not layouts:
        raise InputError(f"DBC '{path}' must describe messages with signals; it describes none")
    return layouts


def extract(data: np.ndarray, signal: Signal) -> np.ndarray:
    """Raw bits of a signal as uint64 (n,) from payloads uint8 (n, bytes); two's complement is not undone."""
    raw = np.zeros(len(data), np.uint64)
    for piece in _join(signal.bits):
        part = (data[:, piece.place] >> np.uint8(piece.start)) & np.uint8((1 << piece.width) - 1)
        raw |= part.astype(np.uint64) << np.uint64(piece.shift)
    return raw


def word_pieces(layout: Layout, signal: Signal) -> tuple[Piece, ...]:
    """Where the bits of a signal lie in the 16-bit words of its frame; a piece's place is the number of the word.

    Words take the byte order of the layout. A last byte without a partner is a word by itself, its upper half zero.
    """
    return _join(tuple(_in_word(layout, byte, bit) for byte, bit in signal.bits))


def word(layout: Layout, data: np.ndarray, number: int) -> np.ndarray:
    """Word `number` of payloads uint8 (n, bytes) as uint16 (n,), in the layout's byte order."""
    first = data[:, 2 * number].astype(np.uint16)
    if 2 * number + 1 >= layout.length:
        return first
    second = data[:, 2 * number + 1].astype(np.uint16)
    high, low = (first, second) if layout.big_endian else (second, first)
    return (high << np.uint16(8)) | low


def field_kind(name: str, width: int, choices: dict[int, str], selector: bool = False) -> int:
    """The code of a field's kind: what its name says, else what its width and its named values say.

    >>> [FIELD_KINDS[field_kind(*x, {})] for x in (("CHECKSUM", 8), ("COUNTER", 4), ("DOOR", 1), ("SPEED", 16))]
    ['checksum', 'counter', 'flag', 'signal']
    """
    named = (("crc", CRC), ("checksum", CHECKSUM), ("counter", COUNTER), ("parity", PARITY))
    if width > 1:
        for kind, pattern in named:
            if pattern.search(name):
                return FIELD_KINDS.index(kind)
    elif PARITY.search(name):
        return FIELD_KINDS.index("parity")
    if width == 1:
        return FIELD_KINDS.index("flag")
    enum = selector or (bool(choices) and width <= ENUM_BITS)
    return FIELD_KINDS.index("enum" if enum else "signal")


def _in_word(layout: Layout, byte: int, bit: int) -> tuple[int, int]:
    """The (word, bit) of a payload's (byte, bit)."""
    alone = byte == layout.length - 1 and byte % 2 == 0
    upper = not alone and (byte % 2 == 0) == layout.big_endian
    return byte // 2, bit + 8 * upper


def _join(bits: tuple[tuple[int, int], ...]) -> tuple[Piece, ...]:
    """Runs of neighbouring bits of one place, from the (place, bit) of a signal's bits."""
    cuts = [0, *(k + 1 for k, (a, b) in enumerate(pairwise(bits)) if b != (a[0], a[1] + 1)), len(bits)]
    return tuple(
        Piece(place=bits[low][0], start=bits[low][1], width=high - low, shift=low) for low, high in pairwise(cuts)
    )


def _layouts(message: Any) -> Iterator[Layout]:
    """The layouts of a message of cantools; none for a message without signals."""
    signals = {signal.name: _signal(signal) for signal in message.signals}
    if not signals:
        return
    # Byte order shows only in signals that cross a byte; where none does, all of them vote. A tie is little-endian.
    crossing = [s for s in signals.values() if len({byte for byte, _ in s.bits}) > 1] or list(signals.values())
    big_endian = 2 * sum(s.big_endian for s in crossing) > len(crossing)
    length = max(message.length, 1 + max(byte for s in signals.values() for byte, _ in s.bits))
    for names, selectors in _paths(message.signal_tree):
        chosen = tuple(signals[name] for name in names)
        yield Layout(
            message=message.name,
            frame_id=message.frame_id,
            extended=bool(message.is_extended_frame),
            length=length,
            big_endian=big_endian,
            signals=chosen,
            selectors=tuple((signals[name], value) for name, value in selectors),
        )


def _paths(tree: list[Any]) -> Iterator[tuple[list[str], list[tuple[str, int]]]]:
    """The (signals, selector values) of each way through a signal tree of cantools."""
    names = [node for node in tree if isinstance(node, str)]
    choices: list[list[tuple[list[str], list[tuple[str, int]]]]] = []
    for node in tree:
        if not isinstance(node, str):
            ((selector, branches),) = node.items()
            choices.append(
                [
                    ([selector, *below], [(selector, value), *more])
                    for value, branch in branches.items()
                    for below, more in _paths(branch)
                ]
            )
    for picks in product(*choices):
        yield names + [n for pick in picks for n in pick[0]], [s for pick in picks for s in pick[1]]


def _signal(signal: Any) -> Signal:
    """A signal of cantools; DBC numbers bits by 8 * byte + bit and starts big-endian ones at their highest bit."""
    big_endian = signal.byte_order == "big_endian"
    places = [signal.start]
    for _ in range(signal.length - 1):
        here = places[-1]
        places.append(here + 1 if not big_endian else here - 1 if here % 8 else here + 15)
    choices = {int(key): str(value) for key, value in (signal.choices or {}).items()}
    return Signal(
        name=signal.name,
        bits=tuple(divmod(place, 8) for place in (reversed(places) if big_endian else places)),
        signed=bool(signal.is_signed),
        is_float=bool(signal.is_float),
        scale=float(signal.scale),
        offset=float(signal.offset),
        unit=signal.unit or "",
        choices=choices,
        kind=field_kind(signal.name, signal.length, choices, bool(signal.is_multiplexer)),
        big_endian=big_endian,
    )
