"""Keyed augmentation of batches (samples, channels, time): float32 signals and uint16 words, for every domain.

A pipeline is a tuple of operations, a result a pure function of the sample, its number, the seed and the pipeline:

>>> import numpy as np
>>> layout = Layout.of(("wrist", "acc", "gyro"), rate_hz=50)
>>> x = np.ones((4, 6, 256), np.float32)
>>> y = augment(x, layout, (Rotation(), TimeWarp(), Jitter()), seed=1, samples=range(4))
>>> bool((augment(x[2:3], layout, (Rotation(), TimeWarp(), Jitter()), seed=1, samples=[2]) == y[2:3]).all())
True

Batch size, order and worker do not matter, nor do an operation's strength, or whether others are there, for what it
draws: its key is the hash of (seed, its name, which of that name it is) and of the sample's number, its draws are a
counter-based hash of that (`simulators.noise`: after Steele, Lea and Flood, and Wellons). For other draws in the next
epoch, give the samples other numbers. A sample stays in the processor's cache through all operations. The same on
torch tensors, on their device, is `models.augment_torch.augment`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np

from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError
from simulators.augmenting.kernels import apply, draws, warp
from simulators.augmenting.layout import Layout, Sensor
from simulators.augmenting.operation import LABEL_KINDS, PROPERTIES, Operation
from simulators.augmenting.operations import (
    OPERATIONS,
    BitFlip,
    ChannelDropout,
    Cutout,
    Drift,
    Jitter,
    MagnitudeWarp,
    Mask,
    Permutation,
    ResampleBack,
    Rotation,
    Scaling,
    TimeWarp,
    WindowReorder,
    pipeline,
)
from simulators.noise import normal_table
from simulators.rng import SEPARATOR

__all__ = [
    "LABEL_KINDS", "OPERATIONS", "PROPERTIES", "BitFlip", "ChannelDropout", "Cutout", "Drift", "Jitter", "Layout",
    "MagnitudeWarp", "Mask", "Operation", "Permutation", "ResampleBack", "Rotation", "Scaling", "Sensor", "TimeWarp",
    "WindowReorder", "augment", "draw", "pipeline", "time_warp",
]  # fmt: skip

GRAVITY_S = 1.0
"""Length of the moving mean, passed twice, that tells gravity from linear acceleration."""

Pipeline = tuple[Operation, ...]


def augment(
    x: np.ndarray,
    layout: Layout,
    operations: Pipeline,
    *,
    seed: int,
    samples: Sequence[int] | np.ndarray,
    kinds: Sequence[str] | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A batch after a pipeline: (samples, channels, time), float32, or uint16 where all channels are words.

    `samples` are the samples' own numbers, not negative. `kinds` (LABEL_KINDS) are those of their labels: an
    operation leaves alone what it would make wrong. `out` may be x. A nan goes where its sample goes, and spreads to
    the 4 samples on either side that a warp reads. Raises InputError for what does not fit.
    """
    check(x.shape, str(x.dtype), layout, operations)
    drawn = draw(layout, operations, x.shape[2], seed=seed, samples=samples, kinds=kinds)
    if drawn[0].shape[1] != len(x):
        raise InputError(f"samples must number each sample of the batch; there are {drawn[0].shape[1]} for {len(x)}")
    out = np.empty(x.shape, x.dtype) if out is None else out
    if out.shape != x.shape or out.dtype != x.dtype or not out.flags.c_contiguous:
        raise InputError(f"out must be as the batch, {x.shape} {x.dtype}, in one piece; it is {out.shape} {out.dtype}")
    if not operations or not (x.flags.c_contiguous and x.flags.writeable):  # other arrays need kernels of their own
        out[:] = x
        x = out
    steps = program(operations, layout, x.shape[2])
    for back, part in groupby(range(len(operations)), lambda i: operations[i].code == apply.RESAMPLE):
        which = list(part)
        if back:
            for i in which:
                out[:] = resampled(x, layout.rate_hz, rates_of(operations[i], drawn[1][:, steps.offsets[i] :]))
                x = out
        elif x.dtype == np.uint16:
            apply.run_words(x, out, *drawn, steps, which[0], which[-1] + 1)
        else:
            apply.run(x, out, *drawn, steps, which[0], which[-1] + 1, normal_table())
        x = out
    return out


def check(shape: Sequence[int], dtype: str, layout: Layout, operations: Pipeline) -> None:
    """Raise InputError unless the operations serve such a batch."""
    if not isinstance(operations, tuple):
        raise InputError(f"a pipeline must be a tuple of operations; it is {operations!r:.60}")
    dtype = dtype.removeprefix("torch.")
    wanted = "uint16" if set(layout.kinds) == {"word"} else "float32"
    if len(shape) != 3 or shape[1] != layout.size or shape[2] < 2:
        raise InputError(f"a batch must be (samples, {layout.size} channels, 2 or more in time); it is {tuple(shape)}")
    if shape[1] * shape[2] >= 2**31:
        raise InputError(f"a sample must have below 2^31 numbers; it has {shape[1] * shape[2]}")
    if dtype != wanted or (wanted == "float32" and "word" in layout.kinds):
        raise InputError(f"a batch must be float32, or uint16 with every channel a word; it is {dtype}")
    for operation in operations:
        if not isinstance(operation, Operation):
            raise InputError(f"operation '{operation}' not found{did_you_mean(str(operation), OPERATIONS)}")
        if dtype not in operation.serves:
            raise InputError(f"{operation.name} must get {' or '.join(operation.serves)}; the batch is {dtype}")
        if dtype == "uint16" and getattr(operation, "fill", "") == "nan":
            raise InputError(f"fill of {operation.name} must not be nan for words; it is")


def draw(
    layout: Layout,
    operations: Pipeline,
    time: int,
    *,
    seed: int,
    samples: Sequence[int] | np.ndarray,
    kinds: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Keys (operations, samples, 2) uint32, and the operations' parameters side by side, (samples, columns) float64."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise InputError(f"seed must be a whole number; it is {seed!r}")
    numbers = np.asarray(samples)
    if numbers.ndim != 1 or (numbers.size and (numbers.dtype.kind not in "iu" or numbers.min() < 0)):
        raise InputError(f"samples must be whole numbers from 0 on, one a sample; they are {samples!r:.60}")
    steps = program(operations, layout, time)
    keys = np.empty((len(operations), numbers.size, 2), np.uint32)
    parameters = np.empty((numbers.size, steps.offsets[-1]))
    for i, (operation, key) in enumerate(zip(operations, operation_keys(operations, seed), strict=True)):
        draws.sample_keys(numbers.astype(np.uint64), *key, keys[i])
        own = np.empty((numbers.size, steps.offsets[i + 1] - steps.offsets[i]))
        draws.applied(operation.p, keys[i], own)
        operation.prepare(layout, time).draw(keys[i], own)
        if kinds is not None:
            own[spared(operation, kinds, numbers.size), 0] = 0
        parameters[:, steps.offsets[i] : steps.offsets[i + 1]] = own
    return keys, parameters


def spared(operation: Operation, kinds: Sequence[str], samples: int) -> np.ndarray:
    """Which samples have a label that the operation may make wrong, (samples,) bool."""
    if len(kinds) != samples:
        raise InputError(f"kinds must name the kind of each sample's label; there are {len(kinds)} for {samples}")
    for kind in set(kinds):
        if kind not in LABEL_KINDS:
            raise InputError(f"kind of label '{kind}' not found{did_you_mean(str(kind), LABEL_KINDS)}")
    return np.array([kind in operation.breaks for kind in kinds], bool)


def operation_keys(operations: Pipeline, seed: int) -> Iterator[tuple[np.uint32, np.uint32]]:
    """The 64-bit key of each operation."""
    seen: dict[str, int] = {}
    for operation in operations:
        which = seen[operation.name] = seen.get(operation.name, -1) + 1
        text = SEPARATOR.join(("augment", str(seed), operation.name, str(which)))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        yield np.uint32(int.from_bytes(digest[:4], "little")), np.uint32(int.from_bytes(digest[4:], "little"))


@lru_cache(maxsize=32)
def program(operations: Pipeline, layout: Layout, time: int) -> apply.Program:
    """A pipeline as arrays for the kernels."""
    made = [operation.prepare(layout, time) for operation in operations]
    n, size = len(made), layout.size
    splines = {m.knots: warp.splines(m.knots, time) for m in made if m.knots}
    basis, slopes = (np.zeros((n, 4, time)) for _ in range(2))
    for i, m in enumerate(made):
        if m.knots:
            basis[i], slopes[i] = splines[m.knots]
    powers = [{"acc": -1, "gyro": 1, "linear": 2}.get(kind, 0) for kind in layout.kinds]
    return apply.Program(
        codes=np.array([operation.code for operation in operations], np.int64),
        offsets=np.cumsum([0] + [1 + m.columns for m in made]),
        groups=np.array([np.zeros(size) if m.groups is None else m.groups for m in made], np.int64).reshape(n, size),
        levels=np.array([np.zeros(size) if m.levels is None else m.levels for m in made], np.float32).reshape(n, size),
        options=np.array([(m.knots or m.options[0], *m.options[1:]) for m in made], np.int64).reshape(n, 4),
        basis=basis,
        slopes=slopes,
        triads=layout.triads(),
        accelerometers=layout.accelerometers(),
        powers=np.array(powers, np.int64),
        half=max(1, round(GRAVITY_S * layout.rate_hz / 2)),
    )


def time_warp(x: np.ndarray, layout: Layout, places: np.ndarray) -> np.ndarray:
    """As TimeWarp, along given curves: sample t of the result is read at places[t], (time,) or (samples, time).

    Places count samples from the first, 0 to time - 1, and must rise; time runs as many times faster as they do.
    """
    check(x.shape, str(x.dtype), layout, (TimeWarp(),))
    curves = np.array(np.broadcast_to(places, (x.shape[0], x.shape[2])), np.float64)
    if not (np.diff(curves) > 0).all():
        raise InputError("places of a time warp must rise from sample to sample, or time folds; they do not")
    if curves.size and (curves.min() < 0 or curves.max() > x.shape[2] - 1):
        reach = f"{curves.min():g} to {curves.max():g}"
        raise InputError(f"places of a time warp must be 0 to {x.shape[2] - 1}; they are {reach}")
    out = np.ascontiguousarray(x).copy()
    if x.dtype == np.uint16:
        warp.hold_all(out, curves)
    else:
        warp.warp_all(out, curves, np.gradient(curves, axis=1, edge_order=2), program((), layout, x.shape[2]))
    return out


def rates_of(operation: Operation, parameters: np.ndarray) -> np.ndarray:
    """The rate that each sample is resampled to, 0 where it is left alone."""
    assert isinstance(operation, ResampleBack)
    which = np.minimum(parameters[:, 1].astype(int), len(operation.rates_hz) - 1)
    return np.where(parameters[:, 0] > 0, np.array(operation.rates_hz)[which], 0.0)


def resampled(x: np.ndarray, rate_hz: float, rates: np.ndarray) -> np.ndarray:
    """Each sample of the batch at its rate and back; one at a time, so that none depends on its company."""
    from simulators.resample import resample

    out = x.copy()
    for b in np.flatnonzero(rates):
        back = resample(resample(x[b], rate_hz, rates[b]), rates[b], rate_hz)
        n = min(back.shape[1], x.shape[2])
        out[b, :, :n], out[b, :, n:] = back[:, :n], back[:, n - 1 : n]
    return out
