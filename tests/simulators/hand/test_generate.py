"""Whole recordings of the hand: the same bits however they are made, one rotation, and sums that come out."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.access import windows
from scenarios.catalogue import available, load, override
from scenarios.digest import leaf
from scenarios.errors import InputError
from scenarios.export import export
from scenarios.schema import Arrays, check
from scenarios.spec import parse
from simulators.cli import main
from simulators.hand import SCHEMA, HandSpec, chain, simulate_arrays
from simulators.hand.spec import ALL_32, DESIGNS, OTHER_22, RECORDED_10, STATES, VERSION
from simulators.run import key_of
from simulators.sensor import STANDARD_GRAVITY

NAMES = sorted(available("hand"))


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVINGGROUND_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


MOVING = STATES.index("moving")


def spec_of(name: str, *settings: str) -> HandSpec:
    scenario, table = load("hand", name)
    return parse(HandSpec, scenario, override(table, settings))


def made(name: str, settings: Iterable[str] = (), split: str = "test", index: int = 0) -> tuple[HandSpec, Arrays]:
    spec = spec_of(name, *settings)
    arrays = simulate_arrays(spec, key_of("hand", name, spec, split, index))
    check(arrays, SCHEMA)
    return spec, arrays


def combo(state: np.ndarray) -> str:
    return "".join("epf"[code] for code in state)


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_makes_recordings_of_its_combos(name: str) -> None:
    for split in ("train", "test"):
        spec, arrays = made(name, split=split)
        told = {combo(state) for state in arrays["truth/hold_state"]}
        assert told <= set(spec.combos.of(split))
        state = arrays[f"truth/r{spec.rate_hz:g}/state"]
        for first, end, own in zip(*(arrays[f"truth/hold_{n}"] for n in ("start", "end", "state")), strict=True):
            assert (state[:, first:end] == own[:, None]).all()
        inside = sum(int(n) for n in arrays["truth/hold_end"] - arrays["truth/hold_start"])
        assert inside == (state[0] != MOVING).sum()


@given(st.integers(0, 10_000), st.sampled_from(["tiny", "earth_rotation"]))
def test_a_recording_is_a_function_of_its_key(index: int, name: str) -> None:
    settings = ("duration_s=3",)
    (_, one), (_, again), (_, other) = (made(name, settings, index=i) for i in (index, index, index + 1))
    variables = check(one, SCHEMA)
    assert leaf(one, variables) == leaf(again, variables) != leaf(other, variables)
    for key, array in one.items():
        np.testing.assert_array_equal(array, again[key], err_msg=key)


def test_splits_have_combos_of_their_own() -> None:
    combos = spec_of("recorded_10").combos
    assert len(combos.of("train")) == 10
    assert set(combos.of("train")) | set(combos.of("test")) == set(ALL_32)
    assert not set(combos.of("train")) & set(combos.of("test"))


IDEAL = ("device.noise_ut=0", "device.hard_iron_ut=0", "device.soft_iron=0")


@given(st.integers(0, 1000))
def test_a_reading_is_the_sum_of_magnets_and_earth(index: int) -> None:
    """A fluxgate, whose offset has an sd of 5 nT on each axis, adds next to nothing."""
    settings = (*IDEAL, "duration_s=4", "design.sensors.0.model=fluxgate", "design.magnets.diameter_mm=4")
    spec, arrays = made("recorded_10", settings, index=index)
    group = f"r{spec.rate_hz:g}"
    hard = arrays["truth/hard_iron"][0, :, None]
    true = arrays[f"truth/{group}/field"].sum((0, 1)) + arrays[f"truth/{group}/earth"] + hard
    told = arrays[f"inputs/{group}/counts"][6:9] * arrays[f"inputs/{group}/lsb"][6:9, None]
    free = ~arrays[f"inputs/{group}/clipped"][6:9].any(0)
    assert free.any()
    np.testing.assert_allclose(told[:, free], true[:, free], atol=0.03)
    np.testing.assert_allclose(np.linalg.norm(arrays[f"truth/{group}/earth"], axis=0), 50.2, atol=0.3)


@given(st.integers(0, 1000))
def test_one_rotation_turns_all(index: int) -> None:
    """Gravity and the Earth's field, as the device has them, are those of the world turned by the told rotation."""
    spec, arrays = made("earth_rotation", ("duration_s=8",), index=index)
    group = f"r{spec.rate_hz:g}"
    w, x, y, z = arrays[f"truth/{group}/rotation"].astype(float)
    up = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])  # third row of the rotation
    counts, lsb = (arrays[f"inputs/{group}/{name}"] for name in ("counts", "lsb"))
    force = counts[:3] * lsb[:3, None]
    design = np.vstack([up, np.ones(up.shape[1])])  # scale, misalignment and offset are the accelerometer's own
    fitted, *_ = np.linalg.lstsq(design.T, force.T, rcond=None)
    assert np.sqrt(((force.T - design.T @ fitted) ** 2).mean()) < 0.03
    np.testing.assert_allclose(fitted[:3], STANDARD_GRAVITY * np.eye(3), atol=0.6)
    earth = arrays[f"truth/{group}/earth"].astype(float)
    dip = (earth * up).sum(0)
    np.testing.assert_allclose(dip, dip[0], atol=1e-3)
    assert np.linalg.norm(earth[:, 0] - earth[:, -1]) > 1.0
    q = np.array([w, x, y, z])
    q = q * np.where(np.cumsum(np.concatenate([[0], (q[:, 1:] * q[:, :-1]).sum(0) < 0])) % 2, -1, 1)
    seconds = arrays[f"inputs/{group}/tick_ns"] * 1e-9
    slope = np.gradient(q, seconds, axis=1)
    a, b = q[0], q[1:]
    turn = 2 * (a * slope[1:] - slope[0] * b - np.cross(b, slope[1:], axis=0))  # conj(q) dq / dt
    gyro = counts[3:6] * lsb[3:6, None]
    inner = slice(2, -2)
    for told, true in zip(gyro[:, inner], turn[:, inner], strict=True):
        assert np.corrcoef(told, true)[0, 1] > 0.98
        assert np.polyfit(true, told, 1)[0] == pytest.approx(1, abs=0.1)


def test_a_finger_without_a_magnet_has_no_field() -> None:
    spec, arrays = made("tiny", ("design.magnets.polarity=[0, 1, 1, -1, 1]",))
    field = arrays[f"truth/r{spec.rate_hz:g}/field"]
    assert not field[0].any()
    assert field[1].any()
    assert arrays["truth/moment"][0] == 0
    assert arrays["truth/moment"][3] < 0


def test_people_share_hands_as_declared() -> None:
    bones = [made("new_users", ("duration_s=2",), index=i)[1]["truth/bone"] for i in (0, 3, 4)]
    np.testing.assert_array_equal(bones[0], bones[1])
    assert (bones[0] != bones[2]).any()
    one, other = (made("recorded_10", ("duration_s=2",), split=s)[1] for s in ("train", "test"))
    np.testing.assert_array_equal(one["truth/bone"], other["truth/bone"])


def test_a_cloud_has_every_combo_as_often() -> None:
    _, arrays = made("static_cloud")
    names, counts = np.unique([combo(state) for state in arrays["truth/hold_state"]], return_counts=True)
    assert sorted(names) == sorted(ALL_32)
    assert set(counts) == {200}


def test_a_sensor_at_its_rail_says_so() -> None:
    spec, arrays = made("tiny", ("design.magnets.diameter_mm=14", "design.magnets.height_mm=8"))
    counts, clipped = (arrays[f"inputs/r{spec.rate_hz:g}/{name}"][6:9] for name in ("counts", "clipped"))
    assert clipped.any()
    assert (np.abs(counts[clipped]) >= 32_767).all()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (("design.sensors.0.at_mm=[-7.0, 67.5, -62]", "design.magnets.diameter_mm=90"), "magnet"),
        (("design.sensors.0.model=compass",), "design.sensors.model must be one of MMC5603NJ, AK09916, fluxgate"),
        (("earth.year=1999",), "year of a place must be"),
        (("combos.test=[\"eeex\"]",), "a combo must be five letters"),
        (("design.magnets.polarity=[0,0,0,0,0]",), "polarity must leave a magnet"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(
    settings: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [part for setting in settings for part in ("--set", setting)]
    assert main("hand", ["--scenario", "tiny", "--out", str(tmp_path), "--recordings", "1/1/1", *options]) == 2
    told = capsys.readouterr().err.strip()
    assert line in told
    assert "\n" not in told
    assert not list(tmp_path.rglob("*.json"))


def test_a_set_is_the_same_whoever_makes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digests = []
    for workers in ("1", "2"):
        out = tmp_path / workers
        arguments = ["--scenario", "tiny", "--out", str(out), "--recordings", "3/1/2", "--workers", workers]
        assert main("hand", arguments) == 0
        digests.append(next(word for word in capsys.readouterr().out.split() if len(word) == 64))
    assert digests[0] == digests[1]
    assert main("hand", [str(next(out.rglob("*.zarr"))), "--preview", str(tmp_path / "hand.png")]) == 0
    assert (tmp_path / "hand.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("ring.inner_mm=30", "inner_mm must be below outer_mm"),
        ("design=array_5", "a design by name must be one of palm_single, weak_magnets, two_sensors, array_4; it is"),
        ("design.preset=palm", "a design by name must be one of"),
        ("design.magnets.diameter_mm=-6", "design.magnets.diameter_mm must be greater than 0; it is -6"),
        ("combos.train=recorded_11", "combos.train"),
        ("iron=[{outer_mm=30, height_mm=1}]", "at_mm must be given"),
        ("ring.inner_mm=20.9", "inner_mm must be below outer_mm (21.0) by 0.4 mm; it is 20.9"),
        ("motion.seconds=1e-9", "motion.seconds must be greater than or equal to 0.05"),
        ("motion.degrees=400", "motion.degrees must be less than or equal to 90; it is 400"),
        ("hold_s=[1e-9,1e-9]", "hold_s must be 0.02 s or longer"),
        ("people.hand_length_mm=1000", "people.hand_length_mm must be less than or equal to 240; it is 1000"),
        ("design.magnets.polarity=[50,1,1,1,1]", "br_t times the largest polarity must be at most 2 T; it is 71.5"),
    ],
)  # fmt: skip
def test_wrong_scenarios_are_errors(setting: str, line: str) -> None:
    with pytest.raises(InputError) as error:
        spec_of("worn_ring", setting)
    assert line in str(error.value)


def test_a_design_by_name_is_the_table_that_it_stands_for() -> None:
    named = spec_of("tiny", "design=array_4").design
    assert named == DESIGNS["array_4"] == spec_of("array_4").design
    assert len(named.sensors) == 4
    changed = spec_of("array_4_shifted").design
    assert changed.sensors == named.sensors
    assert changed.magnets == named.magnets.model_copy(update={"br_sd": 0.06, "offset_mm": 1.5, "tilt_deg": 8.0})
    assert spec_of("tiny", "design=two_sensors", "design=palm_single").design == DESIGNS["palm_single"]


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_every_design_has_a_shifted_world_with_the_same_question(name: str) -> None:
    one, other = spec_of(name), spec_of(f"{name}_shifted")
    assert one.combos == other.combos
    assert set(one.combos.of("train")) == set(RECORDED_10)
    assert set(one.combos.of("test")) == set(OTHER_22) == set(ALL_32) - set(RECORDED_10)
    assert one.design.sensors == other.design.sensors
    assert (one.posture, one.people, one.device, one.iron) != (other.posture, other.people, other.device, other.iron)
    bones = [made(name, ("duration_s=2",), split)[1]["truth/bone"] for split in ("train", "test")]
    assert (bones[0] != bones[1]).any()


@given(st.integers(0, 1000))
def test_a_ring_adds_what_its_magnets_and_the_earth_make_it_and_the_rest_stays(index: int) -> None:
    settings = ("duration_s=2", *IDEAL, "design.sensors=[{model='AK09916'}]")
    spec, ringed = made("worn_ring", settings, index=index)
    plain = simulate_arrays(spec.model_copy(update={"ring": None}), key_of("hand", "worn_ring", spec, "test", index))
    group = f"r{spec.rate_hz:g}"
    for name in (f"truth/{group}/{n}" for n in ("field", "earth", "position", "angle")):
        np.testing.assert_array_equal(ringed[name], plain[name])
    apart = (ringed[f"inputs/{group}/counts"] - plain[f"inputs/{group}/counts"])[6:9]
    own = ringed[f"truth/{group}/iron"][0] / ringed[f"inputs/{group}/lsb"][6:9, None]
    free = ~(ringed[f"inputs/{group}/clipped"] | plain[f"inputs/{group}/clipped"])[6:9]
    assert np.abs(own).max() > 0.5  # of a count
    np.testing.assert_allclose(apart[free], own[free], atol=1.01)
    assert f"truth/{group}/iron" not in plain


@pytest.mark.parametrize("index", [132, 445, 465])
def test_a_magnet_that_comes_to_a_ring_touches_it_and_no_more(index: int) -> None:
    """In these recordings, with wider postures, the thumb's magnet would lie in the ring's steel or near it."""
    from simulators.hand import generate, iron

    settings = ("posture.enslaving=0.25", "posture.session_deg=2", "posture.repeat_deg=5", "posture.hold_deg=0.5")
    spec, arrays = made("worn_ring", settings, index=index)
    group, key = f"r{spec.rate_hz:g}", key_of("hand", "worn_ring", spec, "test", index)
    angles = np.clip(arrays[f"truth/{group}/angle"].astype(float), chain.LOW[..., None], chain.HIGH[..., None])
    ((answer, centre, axis),) = generate.iron_of(spec, generate.person_of(spec, key).hand, angles)
    gaps = [iron.gap_of(answer, centre, axis, place)[0] for place in arrays[f"truth/{group}/position"].astype(float)]
    nearest = np.linalg.norm(gaps, axis=1).min()
    assert nearest > answer.apart.nearest - 1e-3  # float32


def test_places_are_pushed_straight_out_and_no_farther_than_flesh_yields() -> None:
    from simulators.hand.generate import YIELD_MM, push_out

    away = np.array([[3.0, 0, 12, 0], [4.0, 0.5, 0, 0], [0.0, 0, 0, 0]])
    place = away + 7
    push_out(place, away, 10.0)
    np.testing.assert_allclose(place[:, 0] - 7, [6, 8, 0])  # twice as far
    np.testing.assert_allclose(place[:, 1] - 7, [0, 10, 0])
    np.testing.assert_array_equal(place[:, 2:], away[:, 2:] + 7)  # far enough; and nowhere to go
    deep = np.array([[1.0], [0], [0]])
    push_out(deep, deep.copy(), 2 + YIELD_MM)
    assert deep[0, 0] == 1


def test_a_ring_breaks_what_magnets_alone_add_up_to() -> None:
    """Fields of combos of one hand, held still: B = b + the sum of each flexed finger's share, without a ring."""
    exact = ("posture.session_deg=0", "posture.repeat_deg=0", "posture.hold_deg=0", "kind=cloud", "samples_per_combo=1")
    apart = []
    for ring in (True, False):
        spec = spec_of("worn_ring", *exact)
        spec = spec if ring else spec.model_copy(update={"ring": None})
        arrays = simulate_arrays(spec, key_of("hand", "worn_ring", spec, "test", 0))
        total = arrays["truth/r26/field"].sum((0, 1))
        total = total + (arrays["truth/r26/iron"][0] if ring else 0)
        design = np.vstack([arrays["truth/r26/state"] == 2, np.ones(total.shape[1])]).T
        found, *_ = np.linalg.lstsq(design, total.T, rcond=None)
        apart.append(np.sqrt(((total.T - design @ found) ** 2).sum(1).mean()))
    assert apart[1] < 1e-3
    assert apart[0] > 1.0  # uT, twice the sensor's noise


def test_an_overload_says_that_the_offset_moved() -> None:
    spec, arrays = made("tiny", ("design.magnets.diameter_mm=14", "design.magnets.height_mm=8"))
    group = f"r{spec.rate_hz:g}"
    over = np.linalg.norm(
        arrays[f"truth/{group}/field"].sum((0, 1)) + arrays[f"truth/{group}/earth"], axis=0
    ) > 3200  # fmt: skip
    shifted = arrays[f"truth/{group}/shifted"]
    assert over.any()
    assert not shifted[:6].any()
    first = int(np.flatnonzero(over)[0])
    assert not shifted[6:, : max(0, first - 5)].any()
    assert shifted[6:, first + 5 :].all()


def test_a_private_split_has_people_of_its_own() -> None:
    from simulators.hand.generate import person_of

    spec = spec_of("new_users")
    splits = ("train", "validation", "test", "private")
    people = {s: [person_of(spec, key_of("hand", "new_users", spec, s, i)).number for i in range(12)] for s in splits}
    assert len({n for numbers in people.values() for n in numbers}) == 4 * 3


def test_defaults_are_those_of_the_anatomy() -> None:
    from simulators.hand import anatomy
    from simulators.hand.spec import People

    own = People()
    assert (own.hand_length_mm, own.hand_length_sd_mm) == (anatomy.HAND_LENGTH_MM, anatomy.HAND_LENGTH_SD_MM)
    assert own.bone_sd == anatomy.BONE_SD


def test_golden_digests() -> None:
    """A change here means that output changed: raise `simulators.hand.spec.VERSION` and store the new digests."""
    golden = json.loads((Path(__file__).parent / "golden.json").read_text())
    found = {}
    for name in NAMES:
        _, arrays = made(name)
        found[name] = leaf(arrays, check(arrays, SCHEMA)).hex()[:16]
    assert {"version": VERSION, "leaves": found} == golden


def test_npz_holds_the_readings_of_combos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The arrays of the seed's generator: 32 combos of 200 readings, codes by combo."""
    arguments = ["--scenario", "static_cloud", "--out", str(tmp_path), "--recordings", "1/0/1"]
    assert main("hand", arguments) == 0
    (path,) = tmp_path.rglob("*.zarr")
    out = tmp_path / "cloud.npz"
    export(path, "npz", out)
    with np.load(out) as stored:
        found = {name: stored[name] for name in stored.files}
    assert found["fields"].shape == (2 * 6400, 3)
    assert found["states"].shape == (2 * 6400, 5)
    names = np.array(["".join("ef"[s] for s in state) for state in found["states"]])
    assert [ALL_32[code] for code in found["codes"]] == names.tolist()
    assert set(np.unique(found["codes"], return_counts=True)[1]) == {400}
    _, arrays = made("static_cloud")
    own = found["split"] == list(found["splits"]).index("test")
    np.testing.assert_allclose(
        found["fields"][own].T, arrays["inputs/r26/counts"][6:] * arrays["inputs/r26/lsb"][6:, None], rtol=1e-6
    )


def test_windows_of_a_hand_hold_their_holds(tmp_path: Path) -> None:
    assert main("hand", ["--scenario", "tiny", "--out", str(tmp_path), "--recordings", "1/0/0"]) == 0
    (path,) = tmp_path.rglob("*.zarr")
    _, whole = made("tiny", split="train")
    found = list(windows(path, "train", 2.0, 1.0))
    assert len(found) == 9
    for window in found:
        first = round(window.start_s * 26)
        arrays = window.arrays
        np.testing.assert_array_equal(arrays["inputs/r26/counts"], whole["inputs/r26/counts"][:, first : first + 52])
        np.testing.assert_array_equal(arrays["inputs/r26/tick_ns"], whole["inputs/r26/tick_ns"][first : first + 52])
        state = arrays["truth/r26/state"]
        told = np.zeros(52, bool)
        for start, end, own in zip(*(arrays[f"truth/hold_{n}"] for n in ("start", "end", "state")), strict=True):
            assert 0 <= start < end <= 52
            assert (state[:, start:end] == own[:, None]).all()
            told[start:end] = True
        np.testing.assert_array_equal(told, state[0] != MOVING)
