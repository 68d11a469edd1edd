"""The preview picture of an IMU recording: the moving body with its devices, the streams, a spectrogram."""

from pathlib import Path
from typing import Any

import numpy as np

from scenarios.schema import Arrays
from simulators.imu.body import PARENTS, SEGMENTS
from simulators.imu.labels import LABELS, PLACEMENTS
from simulators.imu.spec import AXES, QUANTITIES, UNITS

SITES = ("#d1495b", "#2e6f95", "#66a182", "#edae49", "#8d5a97", "#444444")
"""Colours of devices, in turn."""
BANDS = ("#f4ead5", "#dcebf5", "#e3f1e0", "#f7dfe0", "#e8e0f0", "#eeeeee")
MOST_UNITS = 3
POSES_APART = 0.45
"""m between the figures of the strip."""
DRAWN = ("accelerometer", "gyroscope", "magnetometer")


def draw(arrays: Arrays, path: Path, title: str = "") -> None:
    """Draw a recording: poses where a simulator told them, streams of its first devices, spectrogram of the first."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    group = next(name.split("/")[1] for name in arrays if name.endswith("/counts"))
    rows = _rows(arrays, group)
    posed = "truth/pose_sample" in arrays and arrays["truth/pose_sample"].size > 0
    heights = [3.0] * posed + [1.5] * len(rows) + [1.7]
    figure = plt.figure(figsize=(12, sum(heights) + 0.8), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    ticks = arrays[f"inputs/{group}/tick_ns"] * 1e-9
    if posed:
        _poses(figure.add_subplot(grid[0]), arrays, group, ticks)
    shared = None
    colours = _colours(arrays)
    for number, (unit, kind) in enumerate(rows):
        axis = figure.add_subplot(grid[posed + number], sharex=shared)
        shared = shared or axis
        _stream(axis, arrays, group, unit, kind, ticks)
        _label_bands(axis, arrays, ticks, colours, named=number == 0)
    _spectrogram(figure.add_subplot(grid[-1], sharex=shared), arrays, group, ticks)
    figure.suptitle(title)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _rows(arrays: Arrays, group: str) -> list[tuple[int, int]]:
    """(device, quantity) of each row of streams."""
    units, kinds = arrays[f"inputs/{group}/sensor"], arrays[f"inputs/{group}/quantity"]
    found = dict.fromkeys(zip(units.tolist(), kinds.tolist(), strict=True))
    return [(u, k) for u, k in found if QUANTITIES[k] in DRAWN and u in np.unique(units)[:MOST_UNITS]]


def _colours(arrays: Arrays) -> dict[int, str]:
    codes = dict.fromkeys(arrays["truth/bout_activity"].tolist())
    return {code: BANDS[i % len(BANDS)] for i, code in enumerate(codes)}


def values_of(arrays: Arrays, group: str, unit: int, kind: int) -> np.ndarray:
    """(axes, n) readings of a device in their unit, NaN where none arrived; of two like sensors the first."""
    at = (arrays[f"inputs/{group}/sensor"] == unit) & (arrays[f"inputs/{group}/quantity"] == kind)
    rows = np.flatnonzero(at)[:3]
    values = arrays[f"inputs/{group}/counts"][rows] * arrays[f"inputs/{group}/lsb"][rows, None]
    return np.where(arrays[f"inputs/{group}/valid"][rows], values, np.nan)


def _stream(axis: Any, arrays: Arrays, group: str, unit: int, kind: int, ticks: np.ndarray) -> None:
    at = int(np.flatnonzero(arrays[f"inputs/{group}/sensor"] == unit)[0])
    place = PLACEMENTS[int(arrays[f"inputs/{group}/placement"][at])]
    for i, value in enumerate(values_of(arrays, group, unit, kind)):
        axis.plot(ticks, value, lw=0.7, color=f"C{i}", label=AXES[i])
    axis.set_ylabel(f"{place}\n{QUANTITIES[kind]}\n{UNITS[kind]}", fontsize=8)
    axis.yaxis.label.set_color(SITES[unit % len(SITES)])
    axis.margins(x=0)
    if unit == 0 and kind == 0:
        axis.legend(loc="upper right", ncols=3, fontsize=7)


def _label_bands(axis: Any, arrays: Arrays, ticks: np.ndarray, colours: dict[int, str], *, named: bool) -> None:
    last = ticks.size - 1
    for first, end, code in zip(
        arrays["truth/bout_start"], arrays["truth/bout_end"], arrays["truth/bout_activity"], strict=True
    ):
        a, b = ticks[first], ticks[min(end, last)]
        axis.axvspan(a, b, color=colours[int(code)], lw=0, zorder=0)
        if named:
            level = (b - a) > 0.09 * ticks[-1]
            axis.text((a + b) / 2, 1.02, LABELS[code].replace("_", " "), transform=axis.get_xaxis_transform(),
                      ha="center", va="bottom", fontsize=7, rotation=0 if level else 30)  # fmt: skip


def _spectrogram(axis: Any, arrays: Arrays, group: str, ticks: np.ndarray) -> None:
    """Power of the norm of the first device's accelerometer."""
    from scipy.signal import spectrogram

    unit = int(arrays[f"inputs/{group}/sensor"][0])
    norm = np.sqrt((values_of(arrays, group, unit, 0) ** 2).sum(0))
    if not norm.size:
        axis.set_axis_off()
        return
    whole = np.where(np.isnan(norm), np.nanmean(norm), norm)
    rate = (ticks.size - 1) / max(1e-9, ticks[-1] - ticks[0])
    size = int(min(whole.size, max(16, 2.56 * rate)))
    f, t, power = spectrogram(whole - whole.mean(), rate, nperseg=size, noverlap=size * 3 // 4)
    axis.pcolormesh(t + ticks[0], f, 10 * np.log10(power + 1e-4), shading="nearest", cmap="magma")
    axis.set_ylim(0, min(20, rate / 2))
    axis.set_ylabel("|a| of the first device\nHz", fontsize=8)
    axis.set_xlabel("s")


def _poses(axis: Any, arrays: Arrays, group: str, ticks: np.ndarray) -> None:
    """A strip of the body at a few moments, seen from its right and a little from the front, devices as dots."""
    joints, ends, sites = (arrays[f"truth/pose_{name}"].astype(float) for name in ("joint", "end", "site"))
    moments = arrays["truth/pose_sample"]
    codes = arrays[f"truth/{group}/activity"][moments]
    right = SEGMENTS.index("thigh_r")
    names: list[tuple[float, str]] = []
    edge = 0.0
    for k in range(moments.size):
        across = joints[k, SEGMENTS.index("thigh_l")] - joints[k, right]
        ahead = np.array([across[1], -across[0], 0.0])
        ahead /= max(1e-9, float(np.hypot(*ahead[:2])))
        side = np.array([-ahead[1], ahead[0], 0.0])
        view = 0.9 * ahead - 0.35 * side
        across_picture = np.concatenate([joints[k], ends[k]]) @ view
        x0 = edge - float(across_picture.min())
        middle = x0 + 0.5 * float(across_picture.min() + across_picture.max())
        edge += float(np.ptp(across_picture)) + POSES_APART

        def flat(points: np.ndarray, view: np.ndarray = view, x0: float = x0) -> tuple[np.ndarray, np.ndarray]:
            return points @ view + x0, points[..., 2]

        for s, name in enumerate(SEGMENTS):
            colour = "#c46" if name.endswith("_r") else "#58a" if name.endswith("_l") else "#333"
            axis.plot(*flat(np.stack([joints[k, s], ends[k, s]])), color=colour, lw=2.2, solid_capstyle="round")
            if PARENTS[s] >= 0:
                near = ends[k, PARENTS[s]] if name in ("thorax", "head") else joints[k, s]
                axis.plot(*flat(np.stack([near, joints[k, s]])), color="#999", lw=1)
        for a, b in (("thigh_r", "thigh_l"), ("upper_arm_r", "upper_arm_l")):
            axis.plot(*flat(joints[k, [SEGMENTS.index(a), SEGMENTS.index(b)]]), color="#333", lw=1.6)
        for unit, place in enumerate(sites[k]):
            axis.plot(*flat(place), "o", color=SITES[unit % len(SITES)], ms=6, mec="white", zorder=5)
        names.append((middle, LABELS[codes[k]].replace("_", " ")))
        axis.text(middle, -0.12, f"{ticks[moments[k]]:.2f} s", ha="center", va="top", fontsize=7, color="#666")
    for text in dict.fromkeys(n for _, n in names):
        at = [x for x, n in names if n == text]
        axis.text(float(np.mean(at)), -0.33, text, ha="center", va="top", fontsize=9)
    floor = float(min(0.0, ends[..., 2].min()))
    axis.axhline(floor, color="#bbb", lw=1, zorder=0)
    axis.set_xlim(-POSES_APART, edge)
    axis.set_ylim(floor - 0.5, floor + 2.1)
    axis.set_aspect("equal", adjustable="box")
    axis.set_axis_off()
