"""The report of identifiability: known ranks, exact symmetries, and the laws of information."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from scenarios.catalogue import load, override
from scenarios.errors import InputError
from scenarios.spec import parse
from simulators.hand import anatomy, chain, generate, inverse
from simulators.hand.identify import (
    CURL_SD,
    Geometry,
    Identifiability,
    _prior,
    _scatter,
    _symmetries,
    draw,
    identify,
    main,
    text,
)
from simulators.hand.spec import ALL_32, FINGERS, HandSpec
from simulators.run import key_of

FEW = 8
"""Drawn people where the priors matter not."""

strengths = st.tuples(*[st.floats(0.3, 1.3).flatmap(lambda x: st.sampled_from([x, -x]))] * 5)
volar = st.tuples(st.floats(-25, 25), st.floats(-30, 45), st.floats(-25, -14))
dorsal = st.tuples(st.floats(-25, 25), st.floats(-30, 45), st.floats(14, 25))
places = volar | dorsal


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small matrices: threads that wait for a busy core cost twenty times the work."""
    with threadpool_limits(limits=1):
        yield


def spec_of(*changes: str, name: str = "recorded_10") -> HandSpec:
    scenario, table = load("hand", name)
    return parse(HandSpec, scenario, override(table, changes))


def designed(
    polarity: tuple[float, ...], *at: tuple[float, ...], site: str = "nail", more: tuple[str, ...] = ()
) -> HandSpec:
    sensors = ", ".join(f"{{at_mm = {list(place)}}}" for place in at)
    return spec_of(
        f"design.magnets.polarity={list(polarity)}", f"design.sensors=[{sensors}]", f"design.magnets.site={site}", *more
    )


def reported(spec: HandSpec, draws: int = FEW) -> Identifiability:
    try:
        return identify(spec, draws=draws)
    except InputError as error:
        assume("tolerance" not in str(error) and "inside" not in str(error))  # a magnet comes too near
        raise


def modes(report: Identifiability) -> tuple[Geometry, Geometry]:
    return report.binary, report.continuous


def geometry(spec: HandSpec) -> tuple[np.ndarray, np.ndarray]:
    """The parameters of a design with five magnets, and the places of its sensors."""
    hand = anatomy.mean_hand(spec.people.hand_length_mm)
    worn = anatomy.mounts(hand, spec.design.magnets.site)
    exact = spec.design.model_copy(update={"magnets": spec.design.magnets.model_copy(update={"br_sd": 0.0})})
    magnets = generate.magnets_of(spec.model_copy(update={"design": exact}), key_of("hand", "x", spec, "x", 0))
    return inverse.geometry_of(hand, worn, magnets, len(spec.design.sensors)), np.array(
        [s.at_mm for s in spec.design.sensors]
    )


@settings(max_examples=10)
@given(strengths, places, st.sampled_from(["nail", "middle"]))
def test_one_sensor_tells_18_of_48_by_states_and_43_by_curls_but_for_one_scale_symmetry_a_magnet(
    polarity: tuple[float, ...], at: tuple[float, ...], site: str
) -> None:
    report = reported(designed(polarity, at, site=site))
    assert len(report.names) == 48
    assert [g.rank for g in modes(report)] == [18, 43]
    binary, continuous = modes(report)
    np.testing.assert_allclose(continuous.explained, np.ones(5), rtol=0, atol=1e-6)
    assert (binary.explained > 1 - 1e-6).sum() == 5
    assert np.isinf(binary.bound).all()
    assert np.isinf(continuous.bound[:45]).any()
    assert np.isfinite(continuous.bound[45:]).all()


@given(strengths, places, st.floats(0.8, 1.25))
def test_the_scale_symmetry_is_exact_at_one_sensor_and_its_tangent_is_ours(
    polarity: tuple[float, ...], at: tuple[float, ...], k: float
) -> None:
    theta, points = geometry(designed(polarity, at))
    curls = np.random.default_rng(0).random((5, 40))
    for finger in range(5):
        scaled, own = theta.copy(), theta[9 * finger : 9 * finger + 9]
        about = np.tile(points[0], 2)
        scaled[9 * finger : 9 * finger + 9] = np.concatenate([k**3 * own[:3], about + k * (own[3:] - about)])
        same = inverse.geometry_readings(theta, curls, points)
        np.testing.assert_allclose(
            inverse.geometry_readings(scaled, curls, points), same, rtol=0, atol=1e-9 * np.abs(same).max()
        )
        tangent = _symmetries(theta, points[0])[:, finger]
        step = 1e-5
        scaled[9 * finger : 9 * finger + 9] = np.concatenate(
            [(1 + step) ** 3 * own[:3], about + (1 + step) * (own[3:] - about)]
        )
        np.testing.assert_allclose((scaled - theta) / step, tangent, rtol=1e-4, atol=1e-9)


@settings(max_examples=10)
@given(strengths, places, st.booleans())
def test_null_vectors_are_a_basis_that_moves_no_reading(
    polarity: tuple[float, ...], at: tuple[float, ...], two: bool
) -> None:
    spec = designed(polarity, at, *[(0.0, -25.0, 20.0)] * two)
    report, (theta, points) = reported(spec), geometry(spec)
    scale, curls = inverse.scales_of(len(points)), (chain.curls_of(ALL_32), np.random.default_rng(1).random((5, 200)))
    for found, c in zip(modes(report), curls, strict=True):
        assert found.null.shape == (theta.size, theta.size - found.rank)
        rows = inverse.geometry_jacobian(theta, c, points).reshape(-1, theta.size) * scale
        moved = np.linalg.norm(rows @ found.null, axis=0)
        assert (moved < 1e-8 * np.linalg.norm(rows, ord=2)).all()
        if found.null.size:
            np.testing.assert_allclose(np.linalg.norm(found.null, axis=0), 1, rtol=1e-9)
            assert np.linalg.svd(found.null, compute_uv=False)[-1] > 1e-3


def test_null_vectors_of_states_lie_in_a_finger_or_in_that_and_the_offset() -> None:
    report = identify(spec_of(), draws=FEW)
    owner = np.array([name.split()[0] for name in report.names])
    has = [tuple(dict.fromkeys(owner[np.abs(v) > 1e-6])) for v in report.binary.null.T]
    wanted = [kind for finger in FINGERS for kind in [(finger,)] * 3 + [(finger, "offset")] * 3]
    assert has == wanted
    np.testing.assert_allclose(report.binary.explained, np.tile([1, 0, 0, 0, 0, 0], 5), rtol=0, atol=1e-9)


@settings(max_examples=10)
@given(strengths, places, places)
def test_a_sensor_more_tells_no_fewer_directions(
    polarity: tuple[float, ...], at: tuple[float, ...], other: tuple[float, ...]
) -> None:
    assume(np.linalg.norm(np.subtract(at, other)) > 5)
    one, two = reported(designed(polarity, at)), reported(designed(polarity, at, other))
    for before, after in zip(modes(one), modes(two), strict=True):
        assert after.rank >= before.rank + 3  # its own offset at least
        assert (after.null.shape[1], after.rank) == (51 - after.rank, 51 - after.null.shape[1])
    for before, after in zip(modes(one), modes(two), strict=True):
        assert (after.posterior[:45] <= before.posterior[:45] * (1 + 1e-6)).all()
    assert (two.curl_sd[0] <= one.curl_sd[0] * (1 + 1e-9)).all()
    assert (two.separation >= one.separation * (1 - 1e-6)).all()


@settings(max_examples=10)
@given(strengths, places, st.floats(0.1, 20.0))
def test_a_posterior_is_no_wider_than_prior_or_bound(
    polarity: tuple[float, ...], at: tuple[float, ...], noise: float
) -> None:
    report = reported(designed(polarity, at, more=(f"device.noise_ut={noise}",)), draws=60)
    for found in modes(report):
        assert (found.posterior <= report.prior * (1 + 1e-9)).all()
        assert (found.posterior <= found.bound * (1 + 1e-6)).all()
        assert (found.posterior[-3:] < report.prior[-3:] / 2).all()
    assert (report.curl_sd <= CURL_SD * (1 + 1e-9)).all()


def test_posteriors_are_the_inverse_of_information_and_prior() -> None:
    spec, draws = spec_of(), 100
    (theta, points), report = geometry(spec), identify(spec, draws=draws)
    factor = _prior(spec, key_of("hand", "identify", spec, "identify", 0), report.earth_ut, draws)
    rows = inverse.geometry_jacobian(theta, chain.curls_of(ALL_32), points).reshape(-1, 48) / report.noise_ut[0]
    information = report.readings / 32 * rows.T @ rows
    wanted = np.sqrt(np.diagonal(np.linalg.inv(information + np.linalg.inv(factor @ factor.T))))
    np.testing.assert_allclose(report.binary.posterior, wanted, rtol=1e-4)
    assert report.readings == round(120 * 26 / 4.5)  # each reading stands for 4 or 5 samples


@pytest.mark.parametrize("name", ["eeeee", "feefe", "fffff"])
def test_curls_are_told_as_differences_of_the_field_tell_them(name: str) -> None:
    spec = designed((1, 1, 1, -1, 1), (0, 45, -16), (0, -25, 20), more=("posture.enslaving=0",))
    hand, points = anatomy.mean_hand(), np.array([[0.0, 45.0, -16.0], [0.0, -25.0, 20.0]])
    exact = spec_of("design.magnets.br_sd=0")
    magnets = generate.magnets_of(exact, key_of("hand", "x", exact, "x", 0))
    curls, step = chain.curls_of([name]), 1e-3
    inward = np.where(curls > 0.5, -step, step)
    at = chain.bent(np.hstack([curls, curls + inward, curls + 2 * inward]))
    each = generate.fields_of(magnets, *chain.place(hand, anatomy.mounts(hand, "nail"), at), points, 1e-3)
    slopes = (each @ [-3, 4, -1]).transpose(0, 2, 1).reshape(6, 5) / (2 * inward[:, 0])
    report = identify(spec, draws=FEW)
    noise = np.diag(report.noise_ut**2)
    for case in range(2):
        if case:
            noise = noise + report.earth_ut**2 / 3 * np.tile(np.eye(3), (2, 2))
        covariance = np.linalg.inv(slopes.T @ np.linalg.inv(noise) @ slopes + np.eye(5) / CURL_SD**2)
        found = report.curl_sd[case, :, ALL_32.index(name)]
        np.testing.assert_allclose(found, np.sqrt(np.diagonal(covariance)), rtol=0.02)


def test_priors_are_what_drawn_hands_scatter() -> None:
    """Each part of the prior where nothing else scatters."""
    still = ("people.hand_length_sd_mm=0", "people.bone_sd=0", "posture.person_deg=0", "posture.session_deg=0")
    spec = spec_of(*still, "design.magnets.tilt_deg=0", "design.magnets.offset_mm=2", "design.magnets.br_sd=0.1")
    report, (theta, _) = identify(spec), geometry(spec)
    moment = np.linalg.norm(theta[:45].reshape(5, 9)[:, :3], axis=1)
    found = np.sqrt((report.prior[:45].reshape(5, 3, 3) ** 2).sum(2))
    np.testing.assert_allclose(found[:, 0], 0.1 * moment, rtol=0.1)  # clipped at 3 sd
    np.testing.assert_allclose(found[:, 1:], np.sqrt(3 * (2.0**2 + anatomy.BASE_SD_MM**2)), rtol=0.1)
    wanted = np.hypot(spec.device.hard_iron_sd_ut, report.earth_ut / np.sqrt(3))
    np.testing.assert_allclose(report.prior[45:], wanted, rtol=1e-12)
    two = designed((1,) * 5, (0.0, 45.0, -16.0), (0.0, -25.0, 20.0))
    factor = _prior(two, key_of("hand", "x", two, "x", 0), 30.0, FEW)[45:]
    shared = (factor @ factor.T)[:3, 3:]
    np.testing.assert_allclose(shared, 300.0 * np.eye(3), rtol=0, atol=1e-9)  # the Earth, not the iron


@settings(max_examples=10)
@given(places, st.floats(0.2, 5.0), st.floats(1.1, 5.0))
def test_bounds_scale_with_the_noise(at: tuple[float, ...], noise: float, times: float) -> None:
    polarity = (1.0, 1.0, 1.0, -1.0, 1.0)
    one, two = (reported(designed(polarity, at, more=(f"device.noise_ut={n}",))) for n in (noise, times * noise))
    ratio = two.noise_ut[0] / one.noise_ut[0]
    assert 1.05 < ratio <= times
    for a, b in zip(modes(one), modes(two), strict=True):
        assert (np.isinf(a.bound) == np.isinf(b.bound)).all()
        told = np.isfinite(a.bound)
        np.testing.assert_allclose(b.bound[told] / a.bound[told], ratio, rtol=1e-6)
        np.testing.assert_allclose(b.values[: b.rank] * ratio, a.values[: a.rank], rtol=1e-6)


MORE = {
    "device.noise_ut": (0.2, 30.0),
    "posture.repeat_deg": (0.0, 15.0),
    "posture.hold_deg": (0.0, 5.0),
    "posture.repeat_mm": (0.0, 5.0),
    "earth": (0.0, 100.0),
}


@settings(max_examples=15)
@given(st.data(), st.sampled_from(sorted(MORE)), places, strengths)
def test_more_noise_of_any_kind_never_tells_more(
    data: st.DataObject, what: str, at: tuple[float, ...], polarity: tuple[float, ...]
) -> None:
    low, high = sorted(data.draw(st.tuples(*[st.floats(*MORE[what])] * 2)))

    def with_(value: float) -> Identifiability:
        change = f"earth.vector_ut=[0, {value}, {-value}]" if what == "earth" else f"{what}={value}"
        return reported(designed(polarity, at, more=(change,)))

    less, more = with_(low), with_(high)
    assert (more.separation <= less.separation * (1 + 1e-9)).all()
    assert (more.curl_sd >= less.curl_sd * (1 - 1e-9)).all()
    for report in (less, more):
        assert (np.diff(report.separation, axis=0) <= 1e-9 * report.separation[:-1]).all()
        assert (np.diff(report.curl_sd, axis=0) >= -1e-9).all()


@pytest.mark.parametrize(
    ("change", "case"),
    [
        ("device.noise_ut=9", 0),
        ("earth.vector_ut=[0, 100, 0]", 1),
        ("posture.repeat_deg=9", 2),
        ("posture.hold_mm=9", 2),
    ],
)
def test_each_kind_of_noise_counts_in_its_case_and_after(change: str, case: int) -> None:
    before, after = identify(spec_of(), draws=FEW), identify(spec_of(change), draws=FEW)
    off = ~np.eye(32, dtype=bool)
    for i in range(3):
        if i < case:
            np.testing.assert_array_equal(after.separation[i], before.separation[i])
        else:
            assert (after.separation[i][off] < before.separation[i][off]).all()


@settings(max_examples=10)
@given(st.integers(0, 4), places, strengths)
def test_a_finger_without_magnet_is_not_told(finger: int, at: tuple[float, ...], polarity: tuple[float, ...]) -> None:
    bare = tuple(0.0 if f == finger else p for f, p in enumerate(polarity))
    report = reported(designed(bare, at, more=("posture.enslaving=0",)))
    np.testing.assert_allclose(report.curl_sd[:, finger], CURL_SD, rtol=1e-12)
    assert (np.delete(report.curl_sd[0], finger, 0).min(1) < 0.9 * CURL_SD).all()
    assert not [name for name in report.names if name.startswith(FINGERS[finger])]
    assert [g.rank for g in modes(report)] == [15, 35]
    for apart in report.separation:
        alone = [
            apart[i, ALL_32.index(name[:finger] + "f" + name[finger + 1 :])]
            for i, name in enumerate(ALL_32)
            if name[finger] == "e"
        ]
        assert max(alone) == 0.0
        assert np.sort(apart[np.triu_indices(32, 1)])[16] > 0.0
    words = text(report)
    assert f"{FINGERS[finger]} extended, {FINGERS[finger]} flexed" in words
    assert "GEOMETRY of 4 dipoles" in words


def test_separation_by_sensor_noise_is_the_fields_distance_over_the_noise() -> None:
    spec = spec_of("device.noise_ut=2")
    hand = anatomy.mean_hand(spec.people.hand_length_mm)
    angles = chain.bent(chain.enslave(chain.curls_of(ALL_32), spec.posture.enslaving))
    place = chain.place(hand, anatomy.mounts(hand, "nail"), angles)
    exact = spec_of("design.magnets.br_sd=0")
    magnets = generate.magnets_of(exact, key_of("hand", "x", exact, "x", 0))
    found = generate.fields_of(magnets, *place, np.array([[0.0, 45.0, -16.0]]), 1e-6)[0].sum(0).T
    wanted = np.linalg.norm(found[:, None] - found, axis=2) / np.hypot(2.0, 1 / 10.24 / np.sqrt(12))
    report = identify(spec, draws=FEW)
    np.testing.assert_allclose(report.separation[0], wanted, rtol=1e-2, atol=1)
    assert not report.clipped.any()
    assert identify(spec_of("design.magnets.br_t=2", "design.magnets.diameter_mm=10"), draws=FEW).clipped.any()


def test_two_sensors_see_past_a_uniform_field_by_their_difference() -> None:
    spec = designed((1, 1, 1, -1, 1), (0, 45, -16), (0, -25, 20), more=("earth.vector_ut=[0, 1e5, 0]",))
    hand, points = anatomy.mean_hand(spec.people.hand_length_mm), np.array([[0.0, 45.0, -16.0], [0.0, -25.0, 20.0]])
    angles = chain.bent(chain.enslave(chain.curls_of(ALL_32), spec.posture.enslaving))
    exact = spec_of("design.magnets.br_sd=0")
    magnets = generate.magnets_of(exact, key_of("hand", "x", exact, "x", 0))
    each = generate.fields_of(magnets, *chain.place(hand, anatomy.mounts(hand, "nail"), angles), points, 1e-6).sum(1)
    differ = (each[0] - each[1]).T
    report = identify(spec, draws=FEW)
    wanted = np.linalg.norm(differ[:, None] - differ, axis=2) / (np.sqrt(2) * report.noise_ut[0])
    np.testing.assert_allclose(report.separation[1], wanted, rtol=1e-2, atol=1)


@settings(max_examples=10)
@given(places, st.integers(0, 4), st.sampled_from([(0.3, 0.0), (0.0, 0.1), (0.3, 0.05)]))
def test_scatter_is_the_covariance_of_drawn_repeats(
    at: tuple[float, ...], finger: int, sds: tuple[float, float]
) -> None:
    deg, mm = sds
    more = (f"posture.repeat_deg={deg}", f"posture.repeat_mm={mm}", "posture.hold_deg=0", "posture.hold_mm=0")
    polarity = tuple(float(f == finger) for f in range(5))
    spec = designed(polarity, at, (0.0, -25.0, 20.0), more=(*more, "design.magnets.br_sd=0"))
    hand, points = anatomy.mean_hand(), np.array([at, (0.0, -25.0, 20.0)])
    worn, magnets = anatomy.mounts(hand, "nail"), generate.magnets_of(spec, key_of("hand", "x", spec, "x", 0))
    curls, n, rng = np.tile([0.3, 0.6], (5, 1)), 20_000, np.random.default_rng(5)
    found = _scatter(spec, hand, worn, magnets, points, curls)
    for i in range(2):
        drawn = chain.bent(np.repeat(curls[:, i : i + 1], n, 1), deviations=chain.draw_deviations(rng, deg, n))
        positions, axes = chain.place(hand, worn, drawn)
        positions += mm * rng.standard_normal(positions.shape)
        wanted = np.cov(generate.fields_of(magnets, positions, axes, points, 1e-3).sum(1).reshape(6, n))
        sd = np.sqrt(np.diagonal(wanted))
        np.testing.assert_allclose(found[i] / np.outer(sd, sd), wanted / np.outer(sd, sd), rtol=0, atol=0.06)


def test_the_text_says_rank_nulls_blind_fingers_and_the_nearest_combos() -> None:
    report = identify(spec_of(), draws=FEW)
    words = text(report)
    assert "binary states, 32 combos: rank 18 of 48" in words
    assert "continuous curls, any of five: rank 43 of 48" in words
    for finger in FINGERS:
        assert sum(line.startswith(f"  1 of {finger:<15} 1.000000") for line in words.splitlines()) == 2
    np.testing.assert_allclose(report.separation, report.separation.swapaxes(1, 2), rtol=1e-9)
    apart = report.separation[2] + np.diag(np.full(32, np.inf))
    a, b = np.unravel_index(apart.argmin(), apart.shape)
    assert f"{ALL_32[a]} and {ALL_32[b]}, {apart.min():.3g} sd apart" in words
    assert "ring" not in report.title
    assert "the ring is left out" in text(identify(spec_of("ring.finger=index"), draws=FEW))


@pytest.mark.parametrize("suffix", ["png", "PDF"])
def test_the_command_line_prints_the_report_and_draws_it(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.hand.identify.identify.__kwdefaults__", {"draws": FEW})
    picture = tmp_path / f"report.{suffix}"
    changes = ["--set", "design.sensors=[{at_mm=[0,45,-16]},{at_mm=[0,-25,20]}]"]
    assert main(["--scenario", "recorded_10", *changes, "--picture", str(picture)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "rank 36 of 51" in printed.out
    assert "rank 51 of 51" in printed.out
    assert printed.out.endswith(f"picture: {picture}\n")
    begins = {"png": b"\x89PNG", "PDF": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [picture]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--scenario recorded_11", "scenario 'recorded_11' not found; did you mean 'recorded_10'?"),
        ("--scenario recorded_10 --set design.sensor=3", "unknown key 'design.sensor'; did you mean 'sensors'?"),
        (
            "--scenario recorded_10 --set people.hand_length_mm=20",
            "people.hand_length_mm must be greater than or equal to 140; it is 20",
        ),
        ("--scenario recorded_10 --set design.sensors.0.model=X", "design.sensors.model must be one of"),
        ("--scenario recorded_10 --set design.sensors.0.at_mm=[22,156,8]", "tolerance"),
        (
            "--scenario recorded_10 --picture report.txt",
            "a picture must be a .png, .svg, .pdf file; it is 'report.txt'",
        ),
        ("--scenario recorded_10 --picture no/report.png", "a picture must lie in a folder that is there"),
        ("", "--scenario"),
        ("--scenario recorded_10 more", "more"),
    ],
)
def test_bad_input_is_one_line_and_status_2_and_writes_nothing(
    arguments: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert line in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match=r"a picture must be writable; '.*folder\.png' is not"):
        draw(identify(spec_of(), draws=FEW), tmp_path / "folder.png")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from simulators.hand.identify import main; assert main(['--help']) == 0;"
        "sys.exit(bool({'numba', 'scipy', 'matplotlib', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--scenario" in done.stdout
