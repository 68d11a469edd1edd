"""From words and their field table back to raw and physical values, in a recording of either view."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays


def channel_words(arrays: Arrays) -> Iterator[tuple[int, int, np.ndarray]]:
    """(channel number, samples, words with their fill) of every channel of a recording, group by group."""
    for key, words in arrays.items():
        if key.startswith("inputs/") and key.endswith("/words"):
            group = key.removesuffix("/words")
            yield from zip(arrays[f"{group}/channel_id"], arrays[f"{group}/n_samples"], words, strict=True)


def raw_values(arrays: Arrays, attrs: dict[str, Any], signal: str) -> tuple[np.ndarray, np.ndarray]:
    """(arrival_ns int64, raw uint64 or int64) of a signal, from a recording's words and its field table alone.

    `signal` is `MESSAGE.SIGNAL`, or `SIGNAL` where only one message has it. Signals of multiplexed messages are put
    together in order of arrival. A signed raw value is int64. Raises InputError for a name that is not there.
    """
    parts = [_piece_together(arrays, number) for number in _numbers(attrs, signal)]
    order = np.argsort(np.concatenate([time for time, _ in parts]), kind="stable")
    return np.concatenate([time for time, _ in parts])[order], np.concatenate([raw for _, raw in parts])[order]


def decode(arrays: Arrays, attrs: dict[str, Any], signal: str) -> tuple[np.ndarray, np.ndarray]:
    """(arrival_ns int64, value float64) of a signal: what cantools decodes from the same frames, number for number.

    The value is raw * scale + offset in float64, as in cantools; cantools' whole numbers above 2^53 come out rounded.
    Names and errors as in `raw_values`.
    """
    time, raw = raw_values(arrays, attrs, signal)
    number = _numbers(attrs, signal)[0]
    text = attrs["signals"][number]
    row = int(np.flatnonzero(arrays["truth/field_signal"] == number)[0])
    value = raw.astype(np.float64)
    if text["float"]:
        bits = raw.astype(f"u{text['width'] // 8}")
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            value = bits.view(f"f{text['width'] // 8}").astype(np.float64)
    return time, value * arrays["truth/field_scale"][row] + arrays["truth/field_offset"][row]


def _piece_together(arrays: Arrays, number: int) -> tuple[np.ndarray, np.ndarray]:
    """(arrival_ns, raw) of signal `number` from its pieces."""
    time, raw, width = np.zeros(0, np.int64), np.zeros(0, np.uint64), 0
    rows = np.flatnonzero(arrays["truth/field_signal"] == number)
    for row in rows:
        start, bits, shift, channel = (
            int(arrays[f"truth/field_{column}"][row]) for column in ("start", "width", "shift", "channel")
        )
        group, place = next(
            (key.removesuffix("/channel_id"), int(hits[0]))
            for key, ids in arrays.items()
            if key.endswith("/channel_id") and len(hits := np.flatnonzero(ids == channel))
        )
        n = int(arrays[f"{group}/n_samples"][place])
        words = arrays[f"{group}/words"][place, :n].astype(np.uint64)
        part = ((words >> np.uint64(start)) & np.uint64((1 << bits) - 1)) << np.uint64(shift)
        time, raw = arrays[f"{group}/arrival_ns"][place, :n], (raw | part if len(raw) else part)
        width = max(width, shift + bits)
    return time, twos_complement(raw, width) if arrays["truth/field_signed"][rows[0]] else raw


def _numbers(attrs: dict[str, Any], signal: str) -> list[int]:
    """Numbers of the signals that a name means."""
    full = [i for i, text in enumerate(attrs["signals"]) if f"{text['message']}.{text['signal']}" == signal]
    found = full or [i for i, text in enumerate(attrs["signals"]) if text["signal"] == signal]
    messages = sorted({attrs["signals"][i]["message"] for i in found})
    if not found:
        raise InputError(f"signal '{signal}' must be one of the recording's; it is not")
    if len(messages) > 1:
        raise InputError(f"signal '{signal}' must name its message (MESSAGE.{signal}); it is in {', '.join(messages)}")
    return found


def twos_complement(bits: np.ndarray, width: int) -> np.ndarray:
    """uint64 of `width` bits as two's complement, int64."""
    spare = np.int64(64 - width)
    return (bits.view(np.int64) << spare) >> spare
