"""The preview picture of a score stream."""

from pathlib import Path

import numpy as np

from scenarios.schema import Arrays
from simulators.drift.spec import KINDS, LAWS


def draw(arrays: Arrays, path: Path, title: str = "") -> None:
    """Draw a stream over time, with its change."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    base = next(name.rpartition("/")[0] for name in arrays if name.endswith("/score"))
    rate = float(base.rpartition("/r")[2])
    score = arrays[f"{base}/score"][0] * arrays[f"{base}/lsb"][0]
    figure, axis = plt.subplots(figsize=(12, 3), layout="constrained")
    axis.plot(np.arange(score.size) / rate, score, lw=0.6, color="#4878a8")
    onset, kind = int(arrays["truth/onset"]), KINDS[int(arrays["truth/kind"])]
    law = f"{LAWS[int(arrays['truth/law'])]}, phi {float(arrays['truth/phi1']):g} {float(arrays['truth/phi2']):g}"
    if onset >= 0:
        axis.axvspan(onset / rate, int(arrays["truth/end"]) / rate, color="#d62728", alpha=0.3)
        axis.axvline(onset / rate, color="#d62728", label=f"{kind} {float(arrays['truth/size']):+.2f}")
        axis.legend(loc="upper left")
    axis.set(xlabel="s", ylabel="score", title=f"{title}  {law}")
    axis.margins(x=0)
    figure.savefig(path, dpi=80)
    plt.close(figure)
