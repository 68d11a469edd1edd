"""Speed of augmentation: seven operations chained, beside plain numpy, plain torch, and the memory's pace.

    pytest benchmarks/test_augment_speed.py --benchmark-only

A batch of 1024 windows of 256 samples of an accelerometer and a gyro, float32, one thread for all: jitter, scaling,
rotation, time warp, magnitude warp, permutation, channel dropout. The plain chains are what one writes by hand,
vectorised over the batch: nothing keyed, linear interpolation, segments of equal length, a time warp that rescales
neither accelerometer nor gyro.
"""

from collections.abc import Callable

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from benchmarks.conftest import best
from simulators import augment as ours
from simulators import noise

SAMPLES, CHANNELS, TIME = 1024, 6, 256
LAYOUT = ours.Layout.of(("wrist", "acc", "gyro"), rate_hz=50)
WORDS = ours.Layout.words(CHANNELS, rate_hz=50)
CHAIN = (
    ours.Jitter(), ours.Scaling(), ours.Rotation(), ours.TimeWarp(), ours.MagnitudeWarp(), ours.Permutation(),
    ours.ChannelDropout(),
)  # fmt: skip
OTHERS = ours.Drift(), ours.Cutout(), ours.Mask(), ours.WindowReorder()
SD = np.repeat(np.array([0.05, 0.01], np.float32), 3)[:, None]
SEGMENTS = 4


def plain_numpy(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The seven by hand, float32."""
    b, c, t = x.shape
    x = x + SD * rng.standard_normal(x.shape, np.float32)
    x *= rng.uniform(0.9, 1.1, (b, c, 1)).astype(np.float32)
    q = rng.standard_normal((b, 4), np.float32)
    x = (turns(q / np.linalg.norm(q, axis=1, keepdims=True))[:, None] @ x.reshape(b, 2, 3, t)).reshape(b, c, t)
    knots = np.linspace(0, t - 1, 6)
    pace = np.stack([np.interp(np.arange(t), knots, row) for row in rng.uniform(0.8, 1.2, (b, 6))])
    place = np.cumsum(pace, axis=1)
    place = (place - place[:, :1]) * ((t - 1) / (place[:, -1:] - place[:, :1]))
    at = np.minimum(place.astype(np.int64), t - 2)
    rest = (place - at).astype(np.float32)[:, None]
    low, high = (np.take_along_axis(x, np.broadcast_to((at + i)[:, None], x.shape), 2) for i in range(2))
    x = low + (high - low) * rest
    curves = [np.interp(np.arange(t), knots, row) for row in 1 + 0.1 * rng.standard_normal((b * 2, 6))]
    x *= np.stack(curves).reshape(b, 2, 1, t).repeat(3, axis=2).reshape(b, c, t).astype(np.float32)
    order = rng.random((b, 1, SEGMENTS, 1)).argsort(axis=2)
    x = np.take_along_axis(x.reshape(b, c, SEGMENTS, -1), np.broadcast_to(order, (b, c, SEGMENTS, 1)), 2).reshape(
        b, c, t
    )
    x *= rng.random((b, c, 1)) > 0.1
    return x


def turns(q):  # type: ignore[no-untyped-def]  # of arrays or tensors
    """Rotation matrices of unit quaternions (samples, 4)."""
    a, b, c, d = q.T
    rows = [1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)]
    rows += [2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)]
    rows += [2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)]
    stack = np.stack if isinstance(q, np.ndarray) else __import__("torch").stack
    return stack(rows, 1).reshape(-1, 3, 3)


def plain_torch(x):  # type: ignore[no-untyped-def]
    """The seven by hand."""
    import torch
    from torch.nn.functional import interpolate, normalize

    b, c, t = x.shape
    x = torch.randn_like(x).mul_(torch.from_numpy(SD)).add_(x)
    x = x.mul_(torch.rand(b, c, 1) * 0.2 + 0.9)
    x = (turns(normalize(torch.randn(b, 4)))[:, None] @ x.view(b, 2, 3, t)).view(b, c, t)
    place = interpolate(0.8 + 0.4 * torch.rand(b, 1, 6), t, mode="linear", align_corners=True).cumsum(2)
    place = (place - place[..., :1]) * ((t - 1) / (place[..., -1:] - place[..., :1]))
    at = place.long().clamp_(max=t - 2)
    low, high = (x.gather(2, (at + i).expand(b, c, t)) for i in range(2))
    x = torch.lerp(low, high, place - at)
    curves = interpolate(1 + 0.1 * torch.randn(b, 2, 6), t, mode="linear", align_corners=True)
    x = (x.view(b, 2, 3, t) * curves[:, :, None]).view(b, c, SEGMENTS, t // SEGMENTS)
    order = torch.rand(b, 1, SEGMENTS, 1).argsort(2)
    x = x.gather(2, order.expand(b, c, SEGMENTS, t // SEGMENTS)).view(b, c, t)
    return x.mul_(torch.rand(b, c, 1) > 0.1)


def test_seven_operations(benchmark: Benchmark, tell: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, CHANNELS, TIME)).astype(np.float32)
    out, numbers, table = np.empty_like(x), np.arange(SAMPLES), noise.normal_table()
    sevenfold = np.empty((7, *x.shape), np.float32)
    words, flipped = x.view(np.uint16)[..., :TIME].copy(), np.empty(x.shape, np.uint16)
    key = np.uint32(1), np.uint32(2)

    def run(*operations: ours.Operation) -> Callable[[], object]:
        return lambda: ours.augment(x, LAYOUT, operations, seed=1, samples=numbers, out=out)

    chains: dict[str, Callable[[], object]] = {
        "seven chained": run(*CHAIN),
        "plain numpy": lambda: plain_numpy(x, rng),
        "normal samples alone": lambda: noise.normals(table, 0, x.size, *key, out.reshape(-1)),
        "the batch copied": lambda: np.copyto(out, x),
        "the batch copied seven times": lambda: np.copyto(sevenfold, x),
    }
    try:
        import torch

        from models import augment_torch
    except ImportError:
        pass
    else:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        tensor = torch.from_numpy(x)
        chains["plain torch"] = lambda: plain_torch(tensor)
        chains["seven chained, on torch"] = lambda: augment_torch.augment(
            tensor, LAYOUT, CHAIN, seed=1, samples=numbers
        )
    benchmark.pedantic(chains["seven chained"], rounds=5, warmup_rounds=1)
    singles = {f"{operation.name} alone": run(operation) for operation in (*CHAIN, *OTHERS)}
    singles["bit_flip alone, words"] = lambda: ours.augment(
        words, WORDS, (ours.BitFlip(share=0.01),), seed=1, samples=numbers, out=flipped
    )
    singles["what is drawn for the seven"] = lambda: ours.draw(LAYOUT, CHAIN, TIME, seed=1, samples=numbers)
    try:
        least = best(chains, rounds=15) | best(singles, rounds=15)
    finally:
        if "plain torch" in chains:
            torch.set_num_threads(threads)
    for what, seconds in least.items():
        tell(
            f"augmentation of {SAMPLES} windows of {CHANNELS} x {TIME}, float32, one core",
            what,
            ms=f"{seconds * 1e3:.2f}",
            M_channel_samples_per_s=f"{x.size / seconds / 1e6:.0f}",
            of_plain_torch=f"{seconds / least['plain torch']:.2f}" if "plain torch" in least else "",
            of_plain_numpy=f"{seconds / least['plain numpy']:.3f}",
            of_a_copy=f"{seconds / least['the batch copied']:.1f}",
        )
