"""`simulators.augment` on torch tensors, on their device: the same keys give the same result.

What is drawn for a sample is a small table, drawn by the same kernels and moved to the device; bulk noise and bit
positions come from the same counter hash, in int64 masked to 32 bits. Sums are taken in the kernels' order, so
results agree to a few units in the last place of float32. Gradients flow to the batch, except through resampling,
which runs on the processor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenarios.errors import InputError
from simulators import augment as ours
from simulators import noise
from simulators.augmenting.kernels import apply, warp
from simulators.augmenting.layout import Layout

MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class Step:
    """One operation of a pipeline for some samples."""

    operation: ours.Operation
    layout: Layout
    program: apply.Program
    i: int
    """the operation's row in the program"""
    q: Tensor
    """(samples, columns) float64: its parameters without column 0"""
    keys: Tensor
    """(samples, 2) int64"""

    @property
    def groups(self) -> np.ndarray:
        """Each channel's group."""
        return self.program.groups[self.i]

    @property
    def options(self) -> list[int]:
        """The numbers of the program for it."""
        return self.program.options[self.i].tolist()

    def by_group(self, *shape: int) -> Tensor:
        """The parameters as (samples, groups, *shape)."""
        return self.q.reshape(len(self.q), -1, *shape)

    def by_channel(self, values: Tensor) -> Tensor:
        """(samples, groups, ...) spread to (samples, channels, ...)."""
        return values[:, self.on(self.groups)]

    def on(self, array: np.ndarray) -> Tensor:
        """An array on the device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.q.device)

    def curves(self, basis: np.ndarray) -> Tensor:
        """The B-spline of each group, (samples, groups, time) float64."""
        knots, time = self.options[0], basis.shape[1]
        points, b = self.by_group(knots + 3), self.on(basis)
        a, b, c, d = (points[..., self.on(warp.intervals_of(knots, time) + k)] * b[k] for k in range(4))
        return ((a + b) + c) + d


def augment(
    x: Tensor,
    layout: Layout,
    operations: ours.Pipeline,
    *,
    seed: int,
    samples: Sequence[int] | np.ndarray,
    kinds: Sequence[str] | None = None,
) -> Tensor:
    """A batch (samples, channels, time) after a pipeline, as `simulators.augment.augment` has it."""
    ours.check(tuple(x.shape), str(x.dtype), layout, operations)
    keys, parameters = ours.draw(layout, operations, x.shape[2], seed=seed, samples=samples, kinds=kinds)
    if keys.shape[1] != len(x):
        raise InputError(f"samples must number each sample of the batch; there are {keys.shape[1]} for {len(x)}")
    program = ours.program(operations, layout, x.shape[2])
    y = x.to(torch.int32) if x.dtype == torch.uint16 else x.clone()
    for i, operation in enumerate(operations):
        own = parameters[:, program.offsets[i] : program.offsets[i + 1]]
        rows = np.flatnonzero(own[:, 0])
        q = torch.from_numpy(own[rows, 1:]).to(x.device)
        step = Step(operation, layout, program, i, q, torch.from_numpy(keys[i, rows].astype(np.int64)).to(x.device))
        if len(rows) == len(x):
            y = STEPS[operation.code](y, step)
        elif len(rows):
            y = y.index_copy(0, step.on(rows), STEPS[operation.code](y[step.on(rows)], step))
    return y.to(x.dtype)


def hash32(n: Tensor, k0: Tensor, k1: Tensor) -> Tensor:
    """`simulators.noise.hash32` in int64."""
    x = ((n * int(noise._GOLDEN)) & MASK) ^ k0
    x = ((x ^ (x >> 16)) * int(noise._M1)) & MASK
    x = ((x ^ (x >> 15)) * int(noise._M2)) & MASK
    x = ((x ^ (x >> 15)) + k1) & MASK
    x = ((x ^ (x >> 16)) * int(noise._M3)) & MASK
    return x ^ (x >> 13)


def normals(count: int, keys: Tensor) -> Tensor:
    """The first `count` standard normal samples of each key, (keys, count) float32: those of `simulators.noise`."""
    n = torch.arange((count + 1) // 2, device=keys.device)
    k0, k1 = keys[:, :1], keys[:, 1:]
    h = hash32(n, k0, k1)
    u = torch.stack([h & 0xFFFF, h >> 16], dim=-1).flatten(1)[:, :count]
    z = torch.from_numpy(noise.normal_table().copy()).to(keys.device)[u]
    row, at = torch.nonzero(u < 2 * noise.TAIL_BINS, as_tuple=True)
    bin_ = u[row, at]
    fine = hash32(at, keys[row, 0] ^ int(noise._TAIL), keys[row, 1] ^ int(noise._GOLDEN))
    low = bin_ < noise.TAIL_BINS
    p = (torch.where(low, bin_, 2 * noise.TAIL_BINS - 1 - bin_) + (fine + 0.5) / 2**32) / 65536
    tail = torch.special.ndtri(p.double())
    return z.index_put((row, at), torch.where(low, tail, -tail).float())


def jitter(y: Tensor, step: Step) -> Tensor:
    """Adds white noise."""
    z = normals(y[0].numel(), bulk(step.keys)).reshape(y.shape)
    return y + step.on(step.program.levels[step.i])[:, None] * z


def bulk(keys: Tensor) -> Tensor:
    """The keys of what is drawn sample by sample."""
    return keys ^ torch.tensor([int(apply.BULK), 0], device=keys.device)


def scale(y: Tensor, step: Step) -> Tensor:
    """Multiplies each channel by its group's factor."""
    return y * step.by_channel(step.q).float()[..., None]


def rotate(y: Tensor, step: Step) -> Tensor:
    """Turns vectors by their group's matrix."""
    m = step.by_group(9).float()
    out = list(y.unbind(1))
    for g, *channels in step.program.triads.tolist():
        u, v, w = (y[:, c] for c in channels)
        for i, c in enumerate(channels):
            a, b, d = (m[:, g, 3 * i + j, None] for j in range(3))
            out[c] = (a * u + b * v) + d * w
    return torch.stack(out, dim=1)


def modulate(y: Tensor, step: Step) -> Tensor:
    """Multiplies each channel by its group's curve."""
    return y * step.by_channel(step.curves(step.program.basis[step.i]).float())


def drift(y: Tensor, step: Step) -> Tensor:
    """Adds its group's curve times the channel's level."""
    levels = step.on(step.program.levels[step.i])[:, None]
    return y + levels * step.by_channel(step.curves(step.program.basis[step.i]).float())


def time_warp(y: Tensor, step: Step) -> Tensor:
    """Reads each group's channels at the places of its curve; what is not gravity grows with the pace."""
    program, last = step.program, y.shape[2] - 1
    curves, paces = step.curves(program.basis[step.i]), step.curves(program.slopes[step.i]).float()
    out = list(y.unbind(1))
    for group in range(curves.shape[1]):
        channels, pace = np.flatnonzero(step.groups == group).tolist(), paces[:, group]
        place = curves[:, group, None].clamp(0, last)
        if y.dtype == torch.int32:
            at = (place + 0.500001).long().expand(-1, len(channels), -1)
            for c, row in zip(channels, y[:, channels].gather(2, at).unbind(1), strict=True):
                out[c] = row
            continue
        at = place.long()
        rest = (place - at).float()
        for c, row in zip(channels, interpolated(y[:, channels], at, rest).unbind(1), strict=True):
            out[c] = row
            for _ in range(program.powers[c]):
                out[c] = out[c] * pace
        for *axes, gx, gy, gz in program.accelerometers[step.groups[program.accelerometers[:, 0]] == group].tolist():
            gravity = [out[gx], out[gy], out[gz]]
            if gx < 0:
                slow = low_pass(y[:, axes], program.half)
                low, high = (slow.gather(2, i.expand(-1, 3, -1)) for i in (at, (at + 1).clamp(max=last)))
                gravity = list((low + (high - low) * rest).float().unbind(1))
            for c, g in zip(axes, gravity, strict=True):
                out[c] = g + pace * pace * (out[c] - g)
    return torch.stack(out, dim=1)


def interpolated(y: Tensor, at: Tensor, rest: Tensor) -> Tensor:
    """The signal (samples, channels, time) at other places of time, each (samples, 1, time)."""
    padded = torch.nn.functional.pad(y, (warp.BEFORE, warp.TAPS - warp.BEFORE), mode="replicate")
    terms = []
    for k, (p0, p1, p2, p3, p4) in enumerate(warp.POLYNOMIALS.T.tolist()):
        weight = (((p4 * rest + p3) * rest + p2) * rest + p1) * rest + p0
        terms.append(padded.gather(2, (at + k).expand_as(y)) * weight)
    a, b, c, d, e, f, g, h = terms
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


def low_pass(x: Tensor, half: int) -> Tensor:
    """Two passes of a centred moving mean, float64; nan is held over."""
    time = x.shape[2]
    t = torch.arange(time, device=x.device)
    low, high = (t - half).clamp(min=0), (t + half + 1).clamp(max=time)
    x = blank(x, x.isnan(), apply.HOLD).double()
    for _ in range(2):
        sums = torch.nn.functional.pad(x.cumsum(2), (1, 0))
        x = (sums[..., high] - sums[..., low]) / (high - low)
    return x


def reorder(y: Tensor, step: Step) -> Tensor:
    """Puts the segments of each channel in its group's order."""
    parts = step.by_group(step.options[0]).long()
    starts, counts = parts[..., 1::2], parts[..., 2::2]
    there = torch.arange(starts.shape[2], device=y.device) < parts[..., :1]
    ends = (counts * there).cumsum(2)
    t = torch.arange(y.shape[2], device=y.device).expand(*ends.shape[:2], -1).contiguous()
    which = torch.searchsorted(ends, t, right=True)
    source = starts.gather(2, which) + t - (ends - counts).gather(2, which)
    return y.gather(2, step.by_channel(source))


def gaps(y: Tensor, step: Step) -> Tensor:
    """Fills each channel's interval."""
    t, bounds = torch.arange(y.shape[2], device=y.device), step.by_group(2)
    return blank(y, step.by_channel((t >= bounds[..., :1]) & (t < bounds[..., 1:])), step.options[1])


def patches(y: Tensor, step: Step) -> Tensor:
    """Fills each channel's chosen patches."""
    span, fill, time = *step.options[:2], y.shape[2]
    chosen = step.by_group(-(-time // span)) > 0
    at = torch.arange(time, device=y.device) // span
    return blank(y, step.by_channel(chosen[..., at]), fill)


def blank(y: Tensor, gone: Tensor, fill: int) -> Tensor:
    """Fills gaps with zero, with the sample before (at the start: behind), or with nan."""
    if fill != apply.HOLD:
        return torch.where(gone, torch.nan if fill == apply.NAN else 0, y).to(y.dtype)
    t = torch.arange(y.shape[2], device=y.device)
    before = torch.where(gone, -1, t).cummax(2).values
    first = (~gone).int().argmax(2, keepdim=True)
    held = y.gather(2, torch.where(before < 0, first, before))
    return torch.where(gone & gone.all(2, keepdim=True), 0, held).to(y.dtype)


def flip(y: Tensor, step: Step) -> Tensor:
    """Flips bits at places that a random order has first."""
    count, size, lowest, bits = step.options
    keys, total = bulk(step.keys), y[0].numel() * bits
    x = shuffle_step(torch.arange(count, device=y.device).expand(len(y), -1), keys, size)
    while (x >= total).any():
        x = torch.where(x >= total, shuffle_step(x, keys, size), x)
    flips = torch.zeros(len(y), y[0].numel(), dtype=torch.int32, device=y.device)
    flips = flips.scatter_add(1, x // bits, torch.ones_like(x, dtype=torch.int32) << (lowest + x % bits).int())
    return y ^ flips.reshape(y.shape)


def shuffle_step(x: Tensor, keys: Tensor, size: int) -> Tensor:
    """One walk of `shuffled` among the kernels."""
    mask, s, k0, k1 = (1 << size) - 1, (size + 1) // 2, keys[:, :1], keys[:, 1:]
    x = ((x ^ k0) * apply.M1) & mask
    x = ((x ^ (x >> s)) * apply.M2 + k1) & mask
    x = ((x ^ (x >> s)) * apply.M3) & mask
    x = ((x ^ (x >> s)) * apply.M1 + (k0 >> 16)) & mask
    return x ^ (x >> s)


def resample_back(y: Tensor, step: Step) -> Tensor:
    """To each sample's rate and back, on the processor."""
    applied = np.pad(step.q.cpu().numpy(), ((0, 0), (1, 0)), constant_values=1)
    rates = ours.rates_of(step.operation, applied)
    return torch.from_numpy(ours.resampled(y.detach().cpu().numpy(), step.layout.rate_hz, rates)).to(y.device)


STEPS: dict[int, Callable[[Tensor, Step], Tensor]] = {
    apply.JITTER: jitter,
    apply.SCALE: scale,
    apply.ROTATE: rotate,
    apply.WARP: time_warp,
    apply.MODULATE: modulate,
    apply.DRIFT: drift,
    apply.SEGMENTS: reorder,
    apply.INTERVALS: gaps,
    apply.PATCHES: patches,
    apply.FLIP: flip,
    apply.RESAMPLE: resample_back,
}
"""What does each of the kernels' operations."""
