"""Laws of every score stream: stationary before the change, as the truth says after it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.catalogue import available
from scenarios.digest import leaf
from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from scenarios.spec import load, override, parse
from simulators.cli import main
from simulators.drift import SCHEMA, DriftSpec, simulate_arrays
from simulators.drift.generate import autoregression, innovations, marginal_sd
from simulators.drift.spec import KINDS, LAWS
from simulators.run import key_of

GOLDEN = {
    "streams": "aab5a59ec7e95969",
    "streams_shifted": "243b7011a5f928f7",
}


def spec_of(name: str, *settings: str) -> DriftSpec:
    return parse(DriftSpec, name, override(load("drift", name)[1], settings))


def make(spec: DriftSpec, index: int = 0) -> Arrays:
    arrays = simulate_arrays(spec, key_of("drift", "law", spec, "test", index))
    check(arrays, SCHEMA)
    return arrays


def scores(arrays: Arrays) -> np.ndarray:
    return arrays["inputs/r10/score"][0] * arrays["inputs/r10/lsb"][0]


def whitened(arrays: Arrays) -> np.ndarray:
    """Innovations over their sd, under the law before the change."""
    u = scores(arrays) - arrays["truth/level"]
    return (u[2:] - arrays["truth/phi1"] * u[1:-1] - arrays["truth/phi2"] * u[:-2]) / arrays["truth/innovation_sd"]


def cdf(law: str, shape: float):
    if law == "student":
        return stats.t(shape, scale=np.sqrt((shape - 2) / shape)).cdf
    return stats.gamma(shape, loc=-np.sqrt(shape), scale=1 / np.sqrt(shape)).cdf if law == "gamma" else stats.norm.cdf


@pytest.mark.parametrize("name", available("drift"))
@pytest.mark.parametrize("index", range(12))
def test_innovations_have_the_law_that_the_truth_tells_until_the_onset(name: str, index: int) -> None:
    arrays = make(spec_of(name), index)
    onset = int(arrays["truth/onset"])
    e = whitened(arrays)[: onset - 2 if onset >= 0 else None]
    law = LAWS[int(arrays["truth/law"])]
    assert stats.kstest(e, cdf(law, float(arrays["truth/law_shape"]))).pvalue > 1e-4
    assert abs(np.corrcoef(e[1:], e[:-1])[0, 1]) < 5 / np.sqrt(e.size)


@pytest.mark.parametrize("kind", KINDS)
def test_the_change_is_what_the_truth_tells(kind: str) -> None:
    spec = spec_of("streams", f"kinds.{kind}=1", *(f"kinds.{k}=0" for k in KINDS if k != kind), "phi=[[0.5]]")
    for index in range(8):
        arrays = make(spec, index)
        onset, end, size = (float(arrays[f"truth/{c}"]) for c in ("onset", "end", "size"))
        u = (scores(arrays) - arrays["truth/level"]) / arrays["truth/spread"]
        after = u[int(end) :]
        if kind == "none":
            assert (onset, end, size) == (-1, -1, 0)
            continue
        assert 600 <= onset < end
        if after.size < 400:
            continue
        error = 6 / np.sqrt(after.size)
        if kind == "scale":
            assert abs(after.mean()) < size * error
            assert 0.75 < after.std() / size < 1.3
        else:
            assert abs(after.mean() - size) < error
            assert (end - onset == 1) == (kind == "step")


def test_about_a_quarter_of_the_streams_do_not_change_and_onsets_are_uniform() -> None:
    spec = spec_of("streams", "duration_s=70", "calm_s=10")
    onsets = np.array([int(make(spec, i)["truth/onset"]) for i in range(600)])
    assert np.mean(onsets < 0) == pytest.approx(0.25, abs=0.06)
    assert stats.kstest((onsets[onsets >= 0] - 100) / 600, "uniform").pvalue > 1e-3


@given(a=st.floats(-0.97, 0.97), b=st.floats(-0.9, 0.9), seed=st.integers(0, 1000))
def test_an_autoregression_is_that_of_scipy_and_has_its_marginal_sd(a: float, b: float, seed: int) -> None:
    from scipy.signal import lfilter

    phi = (a * (1 - b), b)
    e = np.random.default_rng(seed).standard_normal(500)
    np.testing.assert_allclose(autoregression(e, phi), lfilter([1], [1, -phi[0], -phi[1]], e), rtol=1e-9, atol=1e-9)
    impulse = autoregression(np.eye(1, 4000)[0], phi)
    assert marginal_sd(phi) == pytest.approx(np.sqrt((impulse**2).sum()), rel=1e-6)


@pytest.mark.parametrize(("law", "shape"), [("normal", 0.0), ("student", 5.0), ("gamma", 0.5)])
def test_innovations_have_mean_0_and_variance_1(law: str, shape: float) -> None:
    e = innovations(law, shape, 200_000, np.random.default_rng(0))
    assert e.mean() == pytest.approx(0, abs=0.02)
    assert e.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", available("drift"))
def test_golden_digests(name: str) -> None:
    """A change here means that output changed: raise `simulators.drift.spec.VERSION` and store the new digest."""
    spec = spec_of(name)
    arrays = simulate_arrays(spec, key_of("drift", name, spec, "test", 0))
    assert leaf(arrays, check(arrays, SCHEMA)).hex()[:16] == GOLDEN[name]


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("phi=[[1.0]]", "phi must be one or two coefficients of a stationary process; one is [1.0]"),
        ("phi=[[0.5,0.6]]", "phi must be one or two coefficients of a stationary process"),
        ("student_df=[2,3]", "student_df must be above 2, where there is a variance; it is 2"),
        ("scale=[2,1]", "scale must be two positive numbers in ascending order; it is [2, 1]"),
        ("level=[2,1]", "level must be two numbers in ascending order"),
        ("spread=[1,1e6]", "level, and spread times size_sd and scale, must be at most 327.68"),
        ("duration_s=30", "duration_s must cover 8 samples and be above calm_s (60); it is 30"),
        ("rate_hz=10.1234567", "rate_hz must have at most six digits"),
        ("laws={normal=0}", "laws must have a weight above 0"),
        ("laws={cauchy=1}", "laws"),
    ],
)
def test_bad_scenarios_are_refused(setting: str, line: str) -> None:
    with pytest.raises(InputError, match=line.replace("[", r"\[").replace("(", r"\(").replace(")", r"\)")):
        spec_of("streams", setting)


def test_the_command_line_makes_draws_and_verifies_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "stream.png"
    arguments = ["--scenario", "streams", "--recordings", "2/0/1", "--out", str(tmp_path), "--preview", str(picture)]
    assert main("drift", arguments) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert main("drift", arguments[:-2]) == 0
    assert "already there, verified: " in capsys.readouterr().out
    from scenarios.access import find_set
    from scenarios.store import Reader

    spec = spec_of("streams")
    (path,) = (tmp_path / "drift" / "streams").glob("*.zarr")
    stored = Reader(find_set(path)).read("test", 0)
    for name, array in simulate_arrays(spec, key_of("drift", "streams", spec, "test", 0)).items():
        np.testing.assert_array_equal(stored[name], array)
