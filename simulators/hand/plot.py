"""The preview picture of a hand: bones, magnets, sensor and field lines in space, and the streams under it."""

from pathlib import Path
from typing import Any

import numpy as np

from scenarios.schema import Arrays
from simulators.hand.kernels.fields import UNIT
from simulators.hand.spec import AXES, FINGERS, QUANTITIES, STATES

COLOURS = ("#d1495b", "#edae49", "#66a182", "#2e6f95", "#8d5a97")
"""Of the fingers, thumb to little."""
LETTERS = "epf-?"
UNITS = ("m/s2", "rad/s", "uT")
STEP_MM, STEPS = 2.0, 120


def draw(arrays: Arrays, path: Path, title: str = "") -> None:
    """Draw a recording: the hand at the middle of its most flexed hold, where a simulator told it, and all streams."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    group = next(name.split("/")[1] for name in arrays if name.endswith("/counts"))
    known = f"truth/{group}/position" in arrays
    kinds = [k for k in range(3) if (arrays[f"inputs/{group}/quantity"] == k).any()]
    figure = plt.figure(figsize=(12, 5.5 * known + 2.0 * len(kinds) + 0.8), layout="constrained")
    grid = figure.add_gridspec(known + len(kinds) + 1, 1, height_ratios=[5.5] * known + [2.0] * len(kinds) + [0.8])
    if known:
        at = _moment(arrays)
        _hand(figure.add_subplot(grid[0], projection="3d"), arrays, group, at)
    ticks = arrays[f"inputs/{group}/tick_ns"] * 1e-9
    shared = None
    for row, kind in enumerate(kinds):
        axis = figure.add_subplot(grid[known + row], sharex=shared)
        shared = shared or axis
        for channel in np.flatnonzero(arrays[f"inputs/{group}/quantity"] == kind):
            value = arrays[f"inputs/{group}/counts"][channel] * arrays[f"inputs/{group}/lsb"][channel]
            which, sensor = int(arrays[f"inputs/{group}/axis"][channel]), int(arrays[f"inputs/{group}/sensor"][channel])
            axis.plot(ticks, value, lw=0.7, color=f"C{which}", alpha=1 / (1 + max(0, sensor)),
                      label=AXES[which] if sensor <= 0 else None)  # fmt: skip
        axis.set_ylabel(f"{QUANTITIES[kind]}\n{UNITS[kind]}")
        axis.margins(x=0)
        if kind == kinds[0]:
            axis.legend(loc="center right", ncols=3, fontsize=7, title="axes of the hand", title_fontsize=7)
    _states(figure.add_subplot(grid[-1], sharex=shared), ticks, arrays[f"truth/{group}/state"])
    figure.suptitle(title)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _moment(arrays: Arrays) -> int:
    """The reading in the middle of the hold with the most flexed fingers."""
    if not arrays["truth/hold_start"].size:
        return 0
    hold = int((arrays["truth/hold_state"] == STATES.index("flexed")).sum(1).argmax())
    return int(arrays["truth/hold_start"][hold] + arrays["truth/hold_end"][hold]) // 2


def _hand(axis: Any, arrays: Arrays, group: str, at: int) -> None:
    """Bones, magnets with their directions, field lines and sensors, at one reading."""
    from simulators.hand.anatomy import Hand, mean_hand
    from simulators.hand.chain import HIGH, LOW, joint_places

    mean = mean_hand(float(arrays["truth/hand_length"]))
    hand = Hand(
        length_mm=mean.length_mm,
        breadth_mm=mean.breadth_mm,
        bones=arrays["truth/bone"],
        tips=np.zeros(5),
        bases=arrays["truth/base"],
        frames=mean.frames,
    )
    angles = np.clip(arrays[f"truth/{group}/angle"][..., at : at + 1].astype(float), LOW[..., None], HIGH[..., None])
    joints = joint_places(hand, angles)[..., 0]
    place, direction = (arrays[f"truth/{group}/{name}"][..., at].astype(float) for name in ("position", "direction"))
    moment = arrays["truth/moment"]
    for finger, colour in enumerate(COLOURS):
        bones = np.vstack([np.zeros(3), joints[finger]])
        axis.plot(*bones.T, "-o", color=colour, ms=4, lw=3, label=FINGERS[finger])
        if moment[finger]:
            arrow = 12 * np.sign(moment[finger]) * direction[finger]
            axis.quiver(*(place[finger] - arrow / 2), *arrow, color="k", lw=1.5)
            for line in _lines(place, direction, moment, finger):
                axis.plot(*line.T, color=colour, lw=0.5, alpha=0.6)
    for sensor in arrays["truth/sensor_at"]:
        axis.scatter(*sensor, marker="s", s=60, color="#222222")
    state = arrays[f"truth/{group}/state"][:, at]
    axis.set(xlabel="x, to the thumb, mm", ylabel="y, distal, mm", zlabel="z, dorsal, mm", xlim=(-70, 70),
             ylim=(-10, 150), zlim=(-80, 40))  # fmt: skip
    axis.set_box_aspect((140, 160, 120), zoom=1.5)
    axis.view_init(elev=12, azim=-35)
    axis.legend(loc="center left", bbox_to_anchor=(1.2, 0.5), fontsize=8)
    axis.set_title(f"{''.join(LETTERS[code] for code in state)}: magnets (arrows), sensor (square), field lines")


def _lines(place: np.ndarray, direction: np.ndarray, moment: np.ndarray, finger: int) -> list[np.ndarray]:
    """Field lines from around one magnet, of all magnets as dipoles, as far as the box goes."""
    side = np.cross(direction[finger], [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(direction[finger], side)
    turns = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    start = place[finger] + 5 * (
        direction[finger] + 0.7 * (np.cos(turns)[:, None] * side + np.sin(turns)[:, None] * other)
    )
    sign = 1.0 if moment[finger] > 0 else -1.0
    points = [start]
    for _ in range(STEPS):
        middle = points[-1] + sign * STEP_MM / 2 * _unit(points[-1], place, direction, moment)
        points.append(points[-1] + sign * STEP_MM * _unit(middle, place, direction, moment))
    return [line[_inside(line, place)] for line in np.moveaxis(np.array(points), 0, 1)]


def _inside(line: np.ndarray, place: np.ndarray) -> slice:
    """The part of a line until it leaves the box or comes to a magnet again."""
    near = np.linalg.norm(line[:, None] - place, axis=2).min(1) < 4.0
    out = (np.abs(line - [0, 90, -15]) > [80, 100, 75]).any(1)
    stop = np.flatnonzero((near | out) & (np.arange(len(line)) > 3))
    return slice(0, int(stop[0]) if stop.size else len(line))


def _unit(at: np.ndarray, place: np.ndarray, direction: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Direction of the field of dipoles at points (points, 3)."""
    apart = at[:, None] - place
    r = np.linalg.norm(apart, axis=2, keepdims=True)
    along = (apart * direction).sum(2, keepdims=True)
    field = (UNIT * moment[:, None] * (3 * along * apart / r**5 - direction / r**3)).sum(1)
    found: np.ndarray = field / np.linalg.norm(field, axis=1, keepdims=True)
    return found


def _states(axis: Any, ticks: np.ndarray, state: np.ndarray) -> None:
    """One row a finger: flexed dark, partial half, moving hatched out."""
    from matplotlib.colors import ListedColormap

    colours = ListedColormap(["#f2f2f2", "#9ecae1", "#2166ac", "#ffffff", "#fddbc7"])
    axis.pcolormesh(ticks, np.arange(5), state, cmap=colours, vmin=0, vmax=4, shading="nearest")
    axis.set(yticks=range(5), yticklabels=("T", "I", "M", "R", "L"), xlabel="s", ylabel="finger")
    axis.invert_yaxis()
