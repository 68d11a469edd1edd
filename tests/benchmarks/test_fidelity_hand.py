"""The hand beside published statistics: statistics of known readings, spreads, turns, and the report as a whole."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from benchmarks import fidelity
from benchmarks import fidelity_hand as f
from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.hand.magnets import Magnet
from simulators.hand.recorded import arrays_of

REAL = 1234.5678
"""A figure of the reference that no stored report may show."""


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Finite elements are solved once in this file, and nowhere else's results are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVINGGROUND_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _reference(folder: Path, **more: object) -> Path:
    combo = {"mean_ut": [REAL, -5.0, 7.0], "std_ut": [3.0, 4.0, 5.0], "mean_of_norm_ut": 1240.0, "segments": 2,
             "railed_share_of_draws": 0.25}  # fmt: skip
    other = {**combo, "mean_ut": [1.0, 40.0, -9.0]}
    path = folder / "stats.json"
    path.write_text(json.dumps({"session": "s", "axes": "a", "combos": {"eeeee": other, "eeeff": {**combo, **more}}}))
    return path


def _recording(field: np.ndarray, holds: list[tuple[int, int, str]]) -> Arrays:
    """Readings of whole counts (3, n) with labels."""
    my, negative_mx, mz = field
    names = ("mx", "my", "mz")
    samples = [
        {**dict.fromkeys(("ax", "ay", "az", "gx", "gy", "gz"), 0), **dict(zip(names, row, strict=True)), "t": 38 * i}
        for i, row in enumerate(zip((-negative_mx).tolist(), my.tolist(), mz.tolist(), strict=True))
    ]
    codes = str.maketrans("epf", "012")
    labels = [{"start_sample": a, "end_sample": b, "fingers": combo.translate(codes)} for a, b, combo in holds]
    return arrays_of({"samples": samples, "labels": labels}, Path("x"))


def test_groups_take_so_many_repeats_in_their_order() -> None:
    field = np.zeros((3, 60), np.int64)
    field[0] = np.repeat([1024, 2048, 512, 3072, 4096, 32_767], 10)
    arrays = _recording(
        field, [(0, 10, "eeeee"), (10, 20, "eeeff"), (20, 30, "eeeee"), (30, 40, "eeeee"), (50, 60, "eeeff")]
    )
    groups = f.groups_of(arrays, {"eeeee": 2, "eeeff": 1, "fffff": 1})
    assert {name: len(rows) for name, rows in groups.items()} == {"eeeee": 1, "eeeff": 2, "fffff": 0}
    np.testing.assert_allclose(groups["eeeee"][0], [75, 0, 0, 25, 0, 0, 75, 75, 0])  # of 100 and 50 uT
    np.testing.assert_allclose(groups["eeeff"][:, 0], [200, 32_767 / 10.24])
    assert groups["eeeff"][:, 8].tolist() == [0, 1]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_statistics_are_numpys(seed: int, n: int) -> None:
    field = np.random.default_rng(seed).normal(0, 100, (3, n))
    found = dict(zip(f.STATISTICS, f.statistics_of(field, np.arange(n) % 2 == 0), strict=True))
    assert found["mean y"] == pytest.approx(field[1].mean())
    assert found["sd z"] == pytest.approx(field[2].std())
    assert found["norm of mean"] <= found["mean of norm"] + 1e-9
    mean_square = found["mean of norm"] ** 2 + np.var(np.linalg.norm(field, axis=0))
    spread = sum(found[f"sd {axis}"] ** 2 for axis in "xyz")
    assert mean_square == pytest.approx(found["norm of mean"] ** 2 + spread)
    assert found["rail share"] == pytest.approx(((n + 1) // 2) / n)


@given(st.integers(0, 2**32))
def test_spread_within_knows_no_difference_between_sessions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sessions = [rng.normal(0, 1, (n, 2)) for n in (2, 5, 9)]
    moved = [groups + rng.normal(0, 100, (1, 2)) for groups in sessions]
    np.testing.assert_allclose(f.spread_within(moved), f.spread_within(sessions))
    np.testing.assert_allclose(f.spread_within(sessions[:1]), sessions[0].std(0, ddof=1))


@given(st.integers(0, 2**32), st.booleans())
def test_the_best_turn_undoes_a_turn_and_a_mirror_image(seed: int, mirrored: bool) -> None:
    rng = np.random.default_rng(seed)
    means = rng.normal(0, 100, (6, 3))
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix() @ np.diag([-1.0 if mirrored else 1.0, 1, 1])
    found = f.turn_of(means, means @ turn.T)
    np.testing.assert_allclose(found, turn, atol=1e-9)
    np.testing.assert_allclose(f.angles(means @ found.T, means @ turn.T), 0, atol=1e-4)
    names = [f"{i:05b}".replace("0", "e").replace("1", "f") for i in range(6)]
    there, back = f.structure(names, means), f.structure(names, means @ turn.T)
    for name, value in there.items():
        assert back[name] == pytest.approx(value)


def test_angles_are_degrees() -> None:
    a = np.array([[1.0, 0, 0], [1, 0, 0], [2, 2, 0]])
    b = np.array([[0.0, 3, 0], [-2, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(f.angles(a, b), [90, 180, 45])


def test_a_sum_over_fingers_leaves_no_additive_residual() -> None:
    rng = np.random.default_rng(3)
    names = [f"{i:05b}".replace("0", "e").replace("1", "f") for i in range(0, 32, 2)]
    own, base = rng.normal(0, 100, (5, 3)), rng.normal(0, 30, 3)
    means = np.array([base + sum(own[i] for i in range(5) if name[i] == "f") for name in names])
    assert f.structure(names, means)["additive residual"] < 1e-9
    means[3] += (0, 0, 50)
    assert 1 < f.structure(names, means)["additive residual"] < 50


def test_levels_come_nearer_step_by_step() -> None:
    found = f.ladder()
    assert found["missing"] is None
    assert list(found["by"]) == ["magpylib", "FEM, mu_r 1", "FEM, mu_r 1.05"]
    exact = {level: np.array(errors) for level, errors in found["by"]["magpylib"].items()}
    assert list(exact) == ["dipole", "multipole", "cylinder", "fem"]
    assert (exact["cylinder"] < 1e-10).all()
    assert (exact["fem"] < 1e-10).all()  # of a uniform body
    assert (exact["multipole"] < [1.1e-4, 5e-6, 5e-7, 3e-8, 1e-9, 1e-9]).all()
    # the leading term left out falls with the square of the distance
    np.testing.assert_allclose(exact["dipole"] * np.square(f.DISTANCES_MM), 9.1, rtol=0.07)
    assert max(found["by"]["FEM, mu_r 1"]["cylinder"]) < 2e-5
    assert max(found["by"]["FEM, mu_r 1.05"]["cylinder"]) < 2e-3
    assert max(found["by"]["FEM, mu_r 1.05"]["fem"]) < 2e-5  # the one level that knows uneven magnetisation
    assert all(0 < bound < 1e-3 for bound in found["fem_bound"].values())


def test_levels_keep_their_bounds() -> None:
    found = f.ladder()
    rounding = 1e-14 * (1 + np.array(f.DISTANCES_MM) ** 3 / 85)  # magpylib's own, of 85 mm3
    for oracle, by in found["by"].items():
        own = found["fem_bound"].get(oracle, rounding)
        for level, errors in by.items():
            bound = np.array(found["bounds"][oracle][level])
            assert (bound > 0).all()
            assert (np.array(errors) <= bound + own).all(), (oracle, level)
    assert max(found["bounds"]["FEM, mu_r 1.05"]["fem"]) < 1e-6


def test_without_a_solver_the_ladder_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simulators.hand.fem.reduce", None)
    found = f.ladder()
    assert list(found["by"]) == list(found["bounds"]) == ["magpylib"]
    assert "simulators.hand.fem.reduce" in found["missing"]


def test_without_a_reference_the_ladder_is_told_and_kept_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROVINGGROUND_DATA", raising=False)
    monkeypatch.setattr(fidelity, "DOCS", tmp_path)
    whole, own = tmp_path / "fidelity-hand.md", tmp_path / "own.md"
    whole.write_text("a whole report")
    result = CliRunner().invoke(fidelity.app, ["hand"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("not stored: statistics of a real recording missing")
    assert whole.read_text() == "a whole report"
    result = CliRunner().invoke(fidelity.app, ["hand", "--out", str(own)])
    assert result.exit_code == 0, result.output
    assert str(own) in result.output
    stored = own.read_text()
    for text in (result.output, stored):
        assert text.count(f.LEFT_OUT) == 1
        assert "FEM, mu_r 1.05" in text
    assert stored.count("## ") == 1
    report = fidelity.hand_report(None, 2)
    assert report["compared"] is report["variants"] is None
    assert "nan" not in json.dumps(report, allow_nan=False)


def test_without_a_clone_the_report_goes_into_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fidelity, "DOCS", tmp_path / "docs")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    arguments = ["hand", "--reference", str(_reference(tmp_path)), "--recordings", "2"]
    assert CliRunner().invoke(fidelity.app, arguments).exit_code == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["fidelity-hand.md"]


def test_nearness_is_that_of_held_magnets() -> None:
    position, direction = np.zeros((2, 5, 3, 4))
    position[:, 0] = 100
    position[1, 0] = [30, 40, 20, 1]  # the last reading is in no hold
    position[2, 0, 2] = 5  # this finger wears no magnet
    direction[:, 0], direction[1] = 1, np.array([[0.6], [0.8], [0]])
    strength = np.zeros((5, 1, 3, 4))
    strength[1, 0, 2] = [1, 2, 70, 900]
    found = f.nearness({
        "truth/r26/position": position, "truth/r26/direction": direction, "truth/r26/field": strength,
        "truth/moment": np.array([1, -1, 0, 1, 1.0]), "truth/sensor_at": np.zeros((1, 3)),
        "truth/hold_start": np.array([0, 2]), "truth/hold_end": np.array([2, 3]),
    })  # fmt: skip
    assert (found.nearest_mm, found.strongest_ut, found.typical_mm) == (20, 70, 27.5)
    assert found.nearest_off_deg == pytest.approx(np.degrees(np.arccos(0.6)))


def test_field_along_the_axis_is_a_discs() -> None:
    r, b = f.along_axis(Magnet(diameter_mm=6, height_mm=3, br_t=1.43, mu_r=1))
    expected = 0.715e6 * ((r + 1.5) / np.hypot(r + 1.5, 3) - (r - 1.5) / np.hypot(r - 1.5, 3))
    np.testing.assert_allclose(b, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], str]:
    """Console, JSON and Markdown of a small report."""
    folder = tmp_path_factory.mktemp("hand")
    reference = _reference(folder)
    told = ""
    for out in ("report.json", "report.md"):
        arguments = ["hand", "--reference", str(reference), "--recordings", "2", "--out", str(folder / out)]
        result = CliRunner().invoke(fidelity.app, arguments)
        assert result.exit_code == 0, result.output
        told = result.output
    strict = json.loads((folder / "report.json").read_text(), parse_constant=pytest.fail)
    return told, strict, (folder / "report.md").read_text()


def test_report_measures_differences_in_spreads(made: tuple[str, dict[str, Any], str]) -> None:
    _, report, _ = made
    combos = report["compared"]["combos"]
    assert list(combos) == ["eeeee", "eeeff"]
    for told in combos.values():
        for name in f.STATISTICS:
            gap = told["real"][name] - told["ours"][name]
            assert told["difference"][name] == pytest.approx(gap)
            for kind in f.SPREADS:
                spread, ratio = told["spread"][kind][name], told["ratio"][kind][name]
                assert ratio == pytest.approx(abs(gap) / spread) if spread else ratio is None
    assert combos["eeeff"]["own"]["mean x"] == pytest.approx(abs(combos["eeeff"]["difference"]["mean x"]) / 3)
    whole = report["compared"]["statistics"]["mean x"]
    gaps = [abs(told["difference"]["mean x"]) for told in combos.values()]
    assert whole["median_difference"] == pytest.approx(np.median(gaps))
    assert whole["beyond_repeats"] == 2
    assert report["compared"]["statistics"]["rail share"]["beyond_repeats"] == 2
    assert list(report["variants"]) == list(f.VARIANTS)
    still, as_is = (report["variants"][name]["spread_ratio"] for name in ("one posture a combo", "as it is"))
    assert still < as_is / 2


def test_reasons_tell_figures_of_the_simulated_sessions(made: tuple[str, dict[str, Any], str]) -> None:
    _, report, stored = made
    facts, spec = report["compared"]["facts"], f.spec_of()[1]
    near = [f.nearness(arrays) for arrays in f.simulated(2)]
    assert facts["nearest_mm"] == min(n.nearest_mm for n in near)
    assert facts["strongest_ut"] == max(n.strongest_ut for n in near)
    assert facts["hard_iron_ut"] == np.broadcast_to(spec.device.hard_iron_ut, 3).tolist()
    assert facts["rail_combos"] == 2
    assert facts["rail_ut"] == pytest.approx(32_767 / 10.24)
    assert 17 < facts["rail_mm"] < 19
    told = f.reasons(facts)
    assert list(told) == list(f.STATISTICS)
    assert f"ours come to {facts['nearest_mm']:.0f} mm" in told["rail share"]
    assert f"{facts['strongest_ut']:,.0f} uT at most" in told["rail share"]
    assert f"hard iron of sd {facts['hard_iron_ut'][0]:g}" in told["mean x"]
    assert "a real combo is 2 repeats" in told["sd x"]
    assert told["rail share"] in stored
    other = f.reasons({**facts, "repeat_mm": 0, "repeat_deg": 3, "hard_iron_ut": [7, 7, 7], "segments": [2, 5]})
    assert "3 deg of posture and hard iron of sd 7 uT" in other["mean z"]
    assert "2 to 5 repeats" in other["sd z"]


def test_only_the_console_shows_figures_of_the_reference(made: tuple[str, dict[str, Any], str]) -> None:
    console, report, stored = made
    assert "1.23e+03" in console
    assert report["compared"]["combos"]["eeeff"]["real"]["mean x"] == REAL
    assert stored.startswith(
        "# Fidelity of the hand simulator\n\n`python -m benchmarks.fidelity hand --recordings 2`\n"
    )
    for figure in ("1234", "1.23e+03", "1230"):
        assert figure not in stored
    assert "| combo | mean x |" in stored
    for private in (True, False):
        for heads, lines in f.tables(report, private=private).values():
            assert {len(line) for line in lines} == {len(heads)}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"mean_ut": [1.0, 2.0]}, "combo 'eeeff' of reference '"),
        ({"mean_ut": None}, "must have 3 numbers 'mean_ut'; it has None"),
        ({"std_ut": [1.0, 2.0, "3"]}, "must have 3 numbers 'std_ut'"),
        ({"segments": "two"}, "must have 1 numbers 'segments'"),
    ],
)
def test_a_reference_without_a_figure_is_an_error(more: dict[str, object], line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        f.reference_of(_reference(tmp_path, **more))
    assert line in str(error.value)


def test_bad_input_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVINGGROUND_DATA", raising=False)
    other, none, alien = (tmp_path / name for name in ("other.json", "none.json", "alien.json"))
    other.write_text("{}")
    none.write_text("no json")
    alien.write_text(json.dumps({"combos": {"eeeee": {}, "fist": {}}}))
    for arguments, text in (
        (["--reference", str(tmp_path / "gone.json")], "No such file"),
        (["--reference", str(other)], "must hold 'combos'"),
        (["--reference", str(none)], "must be a JSON file"),
        (["--reference", str(alien)], "combo 'eeeee' of reference"),
        (["--reference", str(other), "--out", "report.pdf"], ".json or .md"),
    ):
        result = CliRunner().invoke(fidelity.app, ["hand", *arguments])
        assert result.exit_code == 2
        assert result.output.startswith("error: ")
        assert text in result.output
        assert result.output.count("\n") == 1


def test_a_folder_that_is_named_and_holds_no_reference_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVINGGROUND_DATA", str(tmp_path))
    monkeypatch.setattr(fidelity, "DOCS", tmp_path)
    result = CliRunner().invoke(fidelity.app, ["hand"])
    assert result.exit_code == 2
    assert "combo_stats.json' must be a JSON file" in result.output
    assert not list(tmp_path.iterdir())
