"""Recordings of labels, scores and alarms on which range scores are compared: each a function of its seed."""

import zlib

import numpy as np

KINDS = ("plain", "edges", "ties", "binary", "constant", "points", "crowded", "half", "good")
BUFFERS = (0, 1, 2, 5, 20)


def case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """(labels (n,) bool, scores (n,) float64, alarms (n,) bool, buffer)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    kind = KINDS[seed % len(KINDS)]
    n = int(rng.integers(30, 200) if seed % 2 else rng.integers(300, 1200))
    count = {"crowded": n // 8, "points": 5, "half": 2}.get(kind, int(rng.integers(1, 6)))
    longest = {"points": 1, "crowded": 4, "half": n // 2}.get(kind, max(n // 20, 2))
    labels = np.zeros(n, bool)
    for start in rng.integers(0, n, count):
        labels[start : start + int(rng.integers(1, longest + 1))] = True
    if kind == "edges":
        labels[:3] = labels[-2:] = True
    if labels.all():
        labels[n // 2] = False
    noise = rng.random(n)
    scores = noise + {"good": 0.9, "constant": 0.0}.get(kind, 0.4) * labels
    if kind == "ties":
        scores = np.floor(scores * 5)
    if kind == "binary":
        scores = (scores > 0.95).astype(float)
    if kind == "constant":
        scores = np.full(n, 0.25)
    alarms = np.convolve(noise + 0.5 * labels, np.ones(3) / 3, "same") > (1.1 if kind == "points" else 0.8)
    return labels, scores, alarms, BUFFERS[seed // len(KINDS) % len(BUFFERS)]


def checksum(seed: int) -> int:
    """CRC-32 of a case, to tell apart a changed case and a changed score."""
    labels, scores, alarms, buffer = case(seed)
    return zlib.crc32(labels.tobytes() + scores.tobytes() + alarms.tobytes() + bytes([buffer]))
