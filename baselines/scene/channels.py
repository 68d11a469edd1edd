"""What every scene method starts from: the channels of a recording, each with its words, clock and gaps."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

BIN_S = 0.1
"""Length of a time bin of anomaly and drift scores, s."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One word channel as a logger knows it."""

    id: int
    rate_hz: float
    words: np.ndarray
    """Words that came, shape (n,) uint16; where `valid` is false the word before is held."""
    times_ns: np.ndarray
    """Arrival of each word at the logger, shape (n,) int64; of a lost one, when it was due."""
    valid: np.ndarray | None
    """Which words came, shape (n,) bool; None where all did."""


def channels(inputs: Mapping[str, np.ndarray]) -> list[Channel]:
    """The channels of a recording by ascending id; those without a sample are among them."""
    found = []
    for group in groups(inputs):
        base = f"inputs/{group}"
        rate = float(group[1:])
        words, starts = inputs[f"{base}/words"], inputs[f"{base}/start_ns"]
        valid, arrival = inputs.get(f"{base}/valid"), inputs.get(f"{base}/arrival_ns")
        ticks = np.rint(np.arange(words.shape[1]) * (1e9 / rate)).astype(np.int64)
        for row, channel in enumerate(np.asarray(inputs[f"{base}/channel_id"]).tolist()):
            n = int(inputs[f"{base}/n_samples"][row])
            came = None if valid is None else valid[row, :n]
            found.append(
                Channel(
                    id=channel,
                    rate_hz=rate,
                    words=words[row, :n],
                    times_ns=arrival[row, :n] if arrival is not None else int(starts[row]) + ticks[:n],
                    valid=None if came is None or came.all() else came,
                )
            )
    return sorted(found, key=lambda channel: channel.id)


def groups(inputs: Mapping[str, np.ndarray]) -> list[str]:
    """The rate groups of a recording (`r2000`), fastest first."""
    found = [name.split("/")[1] for name in inputs if re.fullmatch(r"inputs/r[^/]+/words", name)]
    return sorted(found, key=lambda group: -float(group[1:]))


def duration_s(inputs: Mapping[str, np.ndarray]) -> float:
    """Length of a recording, s: of its longest channel."""
    return max(
        (float(np.max(inputs[f"inputs/{g}/n_samples"], initial=0)) / float(g[1:]) for g in groups(inputs)), default=0.0
    )


def bins(inputs: Mapping[str, np.ndarray]) -> int:
    """Time bins of a recording: its length over BIN_S, rounded up, with a grain of tolerance."""
    return int(np.ceil(duration_s(inputs) / BIN_S - 1e-6))
