"""How honest alarm thresholds are: true false-alarm rate over the promised one, and what the interval covers.

    pytest benchmarks/test_evt.py --benchmark-only

Each fit sees 20,000 scores. 1 is perfect, above 1 are more false alarms than promised; the range is 10 to 90 % of the
runs. scipy's maximum likelihood and the plain quantile see the same scores, in fewer runs where they are slow.
"""

import importlib
import importlib.util
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark
from scipy import stats
from scipy.signal import lfilter

from baselines.evt import fit_tail

Tell = Callable[..., None]
RUNS, SLOW_RUNS, N = 300, 60, 20_000
ALPHAS = (1e-4, 1e-5)
TABLE = "alarm thresholds: true over promised false-alarm rate, median [10 %, 90 %]"


def autoregression(phi: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Gaussian, marginally standard normal."""
    return lambda rng, n: (lfilter([1], [1, -phi], rng.standard_normal(n + 500)) * np.sqrt(1 - phi**2))[500:]


LAWS: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], Any]] = {
    "normal": (lambda rng, n: rng.standard_normal(n), stats.norm()),
    "gamma(2)": (lambda rng, n: rng.gamma(2.0, size=n), stats.gamma(2)),
    "Student t(4)": (lambda rng, n: rng.standard_t(4, n), stats.t(4)),
    "AR(1) .80": (autoregression(0.8), stats.norm()),
    "AR(1) .95": (autoregression(0.95), stats.norm()),
}
HELD = ("normal", "AR(1) .95")
"""Where the median and the coverage must hold."""


def likelihood(scores: np.ndarray, alpha: float) -> float:
    """scipy's maximum likelihood above the 98 % quantile."""
    u = float(np.quantile(scores, 0.98))
    over = scores[scores > u] - u
    xi, _, sigma = stats.genpareto.fit(over, floc=0)
    return u + float(stats.genpareto(xi, scale=sigma).isf(alpha / (over.size / scores.size)))


def spot(scores: np.ndarray, alpha: float) -> float | None:
    """libspot's threshold, where it is installed."""
    if importlib.util.find_spec("libspot") is None:
        return None
    model = importlib.import_module("libspot").Spot(
        q=alpha, low=False, discard_anomalies=True, level=0.98, max_excess=400
    )
    model.fit(scores)
    return float(model.quantile(alpha))


def text(ratios: list[float]) -> str:
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("name", LAWS)
def test_true_over_promised(benchmark: Benchmark, tell: Tell, name: str, alpha: float) -> None:
    draw, law = LAWS[name]
    rng = np.random.default_rng(20251204)
    benchmark.pedantic(fit_tail, (draw(rng, N), alpha), rounds=10, warmup_rounds=1)
    ratios: dict[str, list[float]] = {"ours": [], "scipy": [], "libspot": [], "quantile": []}
    covered, spans = [], []
    spent: dict[str, list[float]] = {"ours": [], "scipy": []}
    truth = float(law.isf(alpha))
    for run in range(RUNS):
        scores = draw(rng, N)
        began = perf_counter()
        found = fit_tail(scores, alpha)
        spent["ours"].append(perf_counter() - began)
        ratios["ours"].append(float(law.sf(found.value)) / alpha)
        covered.append(found.low <= truth <= found.high)
        spans.append((found.high - found.low) / truth)
        ratios["quantile"].append(float(law.sf(np.quantile(scores, 1 - alpha))) / alpha)
        if run < SLOW_RUNS:
            began = perf_counter()
            ratios["scipy"].append(float(law.sf(likelihood(scores, alpha))) / alpha)
            spent["scipy"].append(perf_counter() - began)
            if (value := spot(scores, alpha)) is not None:
                ratios["libspot"].append(float(law.sf(value)) / alpha)
    tell(
        TABLE,
        f"{name}, {alpha:g}",
        ours=text(ratios["ours"]),
        interval_covers=f"{100 * np.mean(covered):.0f} % of 90",
        width=f"{100 * np.median(spans):.0f} %",
        scipy=text(ratios["scipy"]),
        **({"libspot": text(ratios["libspot"])} if ratios["libspot"] else {}),
        plain_quantile=text(ratios["quantile"]),
        ms=f"{np.median(spent['ours']) * 1e3:.1f}",
        scipy_ms=f"{np.median(spent['scipy']) * 1e3:.1f}",
    )
    if alpha == ALPHAS[0] and name in HELD:
        assert 0.7 <= np.median(ratios["ours"]) <= 1.5
        assert 0.85 <= np.mean(covered) <= 0.95
