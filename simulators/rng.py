"""Named random streams: a recording's draws depend on its key and the effect's name, and on nothing else."""

import hashlib
from dataclasses import dataclass

import numpy as np

SEPARATOR = "\x1f"
"""Joins the names of a key; no name may hold it."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """Which recording: two recordings differ in at least one of these."""

    simulator: str
    scenario: str
    scenario_version: int
    seed: int
    split: str
    index: int

    def __post_init__(self) -> None:
        """Refuse names that could make two keys one."""
        if any(SEPARATOR in str(name) for name in self.names()):
            raise ValueError(f"no name of a key may hold the separator {SEPARATOR!r}; the key is {self}")

    def names(self) -> tuple[str | int, ...]:
        """The key's parts, in the order in which they are hashed."""
        return self.simulator, self.scenario, self.scenario_version, self.seed, self.split, self.index


def stream(key: Key, effect: str) -> np.random.Generator:
    """The generator of one effect in one recording: Philox4x64 keyed by the blake2b digest of the names.

    A new effect gets a new name and shifts no other stream. A stream costs as much as hundreds of draws: take one for
    an effect, and bulk noise from `simulators.noise`. Source: Salmon et al., "Parallel random numbers: as easy as
    1, 2, 3", SC 2011.
    """
    text = SEPARATOR.join(str(name) for name in (*key.names(), effect))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
