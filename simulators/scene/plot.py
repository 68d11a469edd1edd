"""The preview picture of a scene: one look tells what it is."""

from pathlib import Path

import numpy as np

from scenarios.schema import Arrays
from simulators.scene.spec import ANOMALY_KINDS, NODE_TYPES

COLOURS = {"plain": "#4878a8", "msb": "#b5446e", "lsb": "#e0873a", "bits": "#5a9e6f"}
ANOMALY, TORN, DRIFT = "#d62728", "#7a3fa0", "#8c8c8c"
ROWS = 120
"""At most so many channels are drawn, an equal share of each rate; halves and anomalous ones come first."""
POINTS = 1500


def draw(arrays: Arrays, path: Path, title: str = "") -> None:
    """Draw a recording: words over time by rate, type colours, pair arcs, rollover ticks, anomaly and drift bands.

    Every channel is scaled to its own range; of long rows the extremes of each pixel are drawn, so no spike is lost.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Patch

    groups = sorted({n.split("/")[1] for n in arrays if n.startswith("inputs/")}, key=lambda g: -float(g[1:]))
    shown = {g: _chosen(arrays, g, ROWS // len(groups)) for g in groups}
    heights = [max(2, len(shown[g])) for g in groups]
    figure, axes = plt.subplots(
        len(groups), 2, figsize=(15, 1.8 + 0.24 * sum(heights)), squeeze=False, sharey="row",
        gridspec_kw={"height_ratios": heights, "width_ratios": [12, 1.6], "wspace": 0.01, "hspace": 0.12},
        layout="constrained",
    )  # fmt: skip
    place: dict[int, tuple[int, int]] = {}
    for g, group in enumerate(groups):
        for y, i in enumerate(shown[group]):
            place[int(arrays[f"inputs/{group}/channel_id"][i])] = (g, y)
        _rows(axes[g, 0], arrays, group, shown[group])
        axes[g, 0].set_ylabel(f"{float(group[1:]):g} Hz")
        axes[g, 1].axis("off")
    seconds = max(_seconds(arrays, g) for g in groups)
    for ax in axes[:, 0]:
        ax.set_xlim(0, seconds)
        ax.tick_params(labelbottom=ax is axes[-1, 0])
    axes[-1, 0].set_xlabel("time (s)")
    _events(axes, arrays, place)
    _arcs(axes, arrays, place)
    handles = [Patch(color=c, label=n) for n, c in COLOURS.items()]
    handles += [Patch(color=ANOMALY, alpha=0.3, label="anomaly"), Patch(color=DRIFT, alpha=0.3, label="drift episode")]
    handles += [Patch(color=TORN, alpha=0.4, label="torn read"), Patch(color="black", label="rollover")]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    pairs, visible = arrays["truth/pair_msb"].size, int(arrays["truth/pair_visible"].sum())
    left_out = sum(arrays[f"inputs/{g}/channel_id"].size - len(shown[g]) for g in groups)
    text = (
        f"{title}   {pairs} pairs, {visible} visible (F1 by carries at most {float(arrays['truth/pair_f1_bound']):.2f})"
    )
    figure.suptitle(text + (f", {left_out} channels not drawn" if left_out else ""), x=0.01, ha="left", fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _seconds(arrays: Arrays, group: str) -> float:
    if f"inputs/{group}/arrival_ns" in arrays:
        return float(arrays[f"inputs/{group}/arrival_ns"].max(initial=1)) * 1e-9
    return arrays[f"inputs/{group}/words"].shape[1] / float(group[1:])


def _chosen(arrays: Arrays, group: str, most: int) -> list[int]:
    """Rows of a group to draw: all, or the most telling, in channel order."""
    ids = arrays[f"inputs/{group}/channel_id"]
    telling = np.isin(arrays["truth/node_type"][ids], (1, 2)) + 2 * np.isin(ids, arrays["truth/anomaly_channel"])
    best = np.argsort(-telling.astype(int), kind="stable")[:most]
    return [int(i) for i in np.sort(best)]


def _times(arrays: Arrays, group: str, i: int) -> np.ndarray:
    n = int(arrays[f"inputs/{group}/n_samples"][i])
    if f"inputs/{group}/arrival_ns" in arrays:
        return arrays[f"inputs/{group}/arrival_ns"][i, :n] * 1e-9
    return arrays[f"inputs/{group}/start_ns"][i] * 1e-9 + np.arange(n) / float(group[1:])


def _rows(ax: object, arrays: Arrays, group: str, chosen: list[int]) -> None:
    kinds = arrays["truth/node_type"]
    signed = arrays["truth/word_kind"] == 1
    for y, i in enumerate(chosen):
        channel = int(arrays[f"inputs/{group}/channel_id"][i])
        t = _times(arrays, group, i)
        if not t.size:
            continue
        row = arrays[f"inputs/{group}/words"][i, : t.size]
        v = (row.view(np.int16) if signed[channel] else row).astype(float)
        t, v = _extremes(t, v)
        spread = v.max() - v.min()
        v = y + 0.42 - 0.84 * ((v - v.min()) / spread if spread else 0.5 * np.ones_like(v))
        ax.plot(t, v, lw=0.6, color=COLOURS[NODE_TYPES[kinds[channel]]])  # type: ignore[attr-defined]
    ax.set_yticks(range(len(chosen)))  # type: ignore[attr-defined]
    ax.set_yticklabels([str(arrays[f"inputs/{group}/channel_id"][i]) for i in chosen], fontsize=6)  # type: ignore[attr-defined]
    ax.set_ylim(len(chosen) - 0.5, -0.5)  # type: ignore[attr-defined]


def _extremes(t: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest value of each of POINTS pieces."""
    piece = v.size // POINTS
    if piece < 3:
        return t, v
    n = v.size // piece * piece
    cut = v[:n].reshape(-1, piece)
    return np.repeat(t[:n:piece], 2), np.stack([cut.min(1), cut.max(1)], 1).ravel()


def _events(axes: np.ndarray, arrays: Arrays, place: dict[int, tuple[int, int]]) -> None:
    """Rollover ticks on both halves; bands of anomalies, drift and torn reads."""
    lsb = arrays["truth/pair_lsb"][arrays["truth/overflow_pair"]]
    msb = arrays["truth/pair_msb"][arrays["truth/overflow_pair"]]
    seconds = arrays["truth/overflow_time_ns"] * 1e-9
    for channel in np.unique(np.concatenate([lsb, msb])):
        if channel in place:
            g, y = place[int(channel)]
            at = np.unique(np.round(seconds[(lsb == channel) | (msb == channel)], 2))
            if at.size <= 400:
                axes[g, 0].vlines(at, y + 0.3, y + 0.5, color="black", lw=0.6)
    torn = {"torn_channel": arrays["truth/pair_msb"][arrays["truth/torn_pair"]]}
    bands = (
        ("anomaly", ANOMALY, arrays["truth/anomaly_channel"]),
        ("drift", DRIFT, arrays["truth/drift_channel"]),
        ("torn", TORN, torn["torn_channel"]),
    )
    groups = sorted({n.split("/")[1] for n in arrays if n.startswith("inputs/")}, key=lambda g: -float(g[1:]))
    for name, colour, channels in bands:
        for row, channel in enumerate(channels.tolist()):
            if channel not in place:
                continue
            g, y = place[channel]
            i = int(np.flatnonzero(arrays[f"inputs/{groups[g]}/channel_id"] == channel)[0])
            t = _times(arrays, groups[g], i)
            a, b = t[arrays[f"truth/{name}_start"][row]], t[min(arrays[f"truth/{name}_end"][row], t.size - 1)]
            wide = max(b, a + 0.002 * (t[-1] - t[0]))
            axes[g, 0].fill_betweenx([y - 0.48, y + 0.48], a, wide, color=colour, alpha=0.3, lw=0)
            if name == "anomaly":
                label = ANOMALY_KINDS[arrays["truth/anomaly_kind"][row]].replace("_", " ")
                axes[g, 0].text(a, y - 0.3, label, fontsize=6, color=ANOMALY, va="bottom")


def _arcs(axes: np.ndarray, arrays: Arrays, place: dict[int, tuple[int, int]]) -> None:
    """An arc at the right from the high to the low half; across rates, both ends carry the pair's number."""
    for pair, (high, low) in enumerate(
        zip(arrays["truth/pair_msb"].tolist(), arrays["truth/pair_lsb"].tolist(), strict=True)
    ):
        if high not in place or low not in place:
            continue
        (g, y), (h, z) = place[high], place[low]
        style = "-" if arrays["truth/pair_visible"][pair] else ":"
        if g == h:
            turn = np.linspace(0, np.pi, 30)
            width = 0.12 + 0.8 * abs(z - y) / max(2, len(place))
            axes[g, 1].plot(
                width * np.sin(turn), (y + z) / 2 + (y - z) / 2 * np.cos(turn), style, lw=0.9, color="#444444"
            )
        else:
            for k, at, name in ((g, y, "msb"), (h, z, "lsb")):
                axes[k, 1].text(0.02, at, f"{name} of pair {pair}", fontsize=6, va="center", color=COLOURS[name])
        axes[g, 1].set_xlim(0, 1)
        axes[h, 1].set_xlim(0, 1)
