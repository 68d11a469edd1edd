import importlib.util

import numpy as np
import pytest
from toy_set import RATES, assert_same, recording, simulate, toy_header, write

import scenarios
from scenarios.access import arrays_of, cut, find_set, find_sets
from scenarios.compare import compare
from scenarios.errors import InputError
from scenarios.export import export


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    base = tmp_path_factory.mktemp("sets")
    for version in ("2", "10"):
        write(base, toy_header(simulator_version=version, first={"test": 7}))
    write(base, toy_header(simulator_version="11", suffix="+0123456789ab"))
    write(base, toy_header(scenario="recorded/log-words"))
    return base


@pytest.fixture(autouse=True)
def sets(root, monkeypatch):
    monkeypatch.setenv("PROVINGGROUND_SETS", str(root))


def test_sets_are_found_by_name_newest_version_first(root):
    assert list(find_sets()) == ["toy/plain/1-2", "toy/plain/1-10", "toy/plain/1-11+0123456789ab",
                                 "toy/recorded/log-words/1-1"]  # fmt: skip
    assert find_set("toy/plain") == find_set("toy/plain/1-10") == find_set(root / "toy/plain/1-10.zarr")
    assert find_set("toy/plain/1-11+0123456789ab").name == "1-11+0123456789ab.zarr"
    assert find_set("toy/recorded/log-words") == root / "toy/recorded/log-words/1-1.zarr"
    with pytest.raises(InputError, match=r"set 'toy/plane' not found in .*; did you mean 'toy/plain'\?"):
        find_set("toy/plane")
    with pytest.raises(InputError, match=r"must have a manifest\.json"):
        find_set(root / "toy")


def test_sets_with_settings_of_their_own_are_listed_where_no_other_is(tmp_path):
    with pytest.raises(InputError, match=r"set 'toy/plain' not found in .*; no set is there"):
        find_set("toy/plain", tmp_path)
    write(tmp_path, toy_header(suffix="+0123456789ab"))
    write(tmp_path, toy_header(suffix="+ba9876543210"))
    for name in ("toy/plain", "toy/plain/1-1"):
        with pytest.raises(InputError, match=r"there are toy/plain/1-1\+0123456789ab, toy/plain/1-1\+ba9876543210$"):
            find_set(name, tmp_path)
    with pytest.raises(InputError, match=f"set '{name}' must be named in full"):
        next(scenarios.recordings(name, "test", tmp_path))
    with pytest.raises(InputError, match=r"none was made of that scenario: python -m simulators.imu --scenario tiny$"):
        find_set("imu/tiny", tmp_path)


def test_open_set_is_a_lazy_tree_whose_selected_recording_is_the_recording():
    tree = scenarios.open_set("toy/plain", "test")
    assert tree["inputs/r200/words"].dtype == np.uint16
    assert tree["recording"].values.tolist() == [7, 8, 9]
    for index in (7, 8, 9):
        assert_same(dict(sorted(arrays_of(tree.sel(recording=index)).items())),
                    dict(sorted(recording("test", index).items())))  # fmt: skip
    with pytest.raises(InputError, match="must have one recording selected"):
        arrays_of(tree)
    with pytest.raises(InputError, match=r"split 'tests' not found .*; did you mean 'test'\?"):
        scenarios.open_set("toy/plain", "tests")


def test_recordings_are_those_that_were_simulated():
    for index, arrays in enumerate(scenarios.recordings("toy/plain", "train")):
        assert_same(arrays, recording("train", index))


def test_sensors_are_the_seeds_items_and_truth_comes_on_request():
    arrays = recording("test", 7)
    items = list(scenarios.sensors(arrays))
    assert [item["id"] for item in items] == list(range(6))
    assert [item.keys() for item in items] == [{"id", "raw_rate", "raw_array", "meta", "time_start"}] * 6
    assert all(item["meta"].keys() == {"valid"} for item in items)
    for item in items:
        base = f"inputs/r{item['raw_rate']:g}"
        row = arrays[f"{base}/channel_id"].tolist().index(item["id"])
        count = arrays[f"{base}/n_samples"][row]
        np.testing.assert_array_equal(item["raw_array"], arrays[f"{base}/words"][row, :count])
        assert item["time_start"] == pytest.approx(arrays[f"{base}/start_ns"][row] * 1e-9)
    told = [item["meta"] for item in scenarios.sensors(arrays, truth=True)]
    assert [m["type"] for m in told] == ["2word", "2word", "complex_bits", "1word", "1word", "1word"]
    assert told[0]["role"] == "msb"
    assert told[0]["pair"] == 1
    assert told[1]["pair"] == 0
    assert (told[1]["order"], told[1]["format"]) == ("CDAB", "float32")
    assert told[2]["bit_start"] == [0, 5]
    tree = scenarios.open_set("toy/plain", "test").sel(recording=7)
    for one, two in zip(scenarios.sensors(tree, truth=True), scenarios.sensors(arrays, truth=True), strict=True):
        np.testing.assert_array_equal(one.pop("raw_array"), two.pop("raw_array"))
        np.testing.assert_array_equal(one["meta"].pop("valid"), two["meta"].pop("valid"))
        assert one == two


def test_sensors_with_counts_tell_what_they_measure_and_what_is_done_meanwhile():
    rng = np.random.default_rng(0)
    arrays = {
        "inputs/r50/counts": rng.integers(-9, 9, (3, 20)).astype(np.int32),
        "inputs/r50/channel_id": np.array([2, 0, 1], np.int32),
        "inputs/r50/n_samples": np.array([20, 20, 15], np.int32),
        "inputs/r50/start_ns": np.full(3, 5 * 10**8),
        "inputs/r50/lsb": np.array([0.5, 0.25, 2.0]),
        "inputs/r50/quantity": np.array([0, 1, 1], np.int8),
        "inputs/r50/axis": np.array([2, 0, 1], np.int8),
        "inputs/r50/placement": np.array([5, 6, 6], np.int8),
        "inputs/r50/side": np.array([1, 2, 2], np.int8),
        "inputs/r50/valid": rng.random((3, 20)) > 0.1,
        "inputs/r50/tick_ns": np.arange(20) * 20_000_000,
        "truth/r50/activity": np.arange(20, dtype=np.int16),
    }
    items = list(scenarios.sensors(arrays, truth=True))
    assert [item["id"] for item in items] == [0, 1, 2]
    assert {(item["raw_rate"], item["time_start"]) for item in items} == {(50.0, 0.5)}
    np.testing.assert_array_equal(items[1]["raw_array"], arrays["inputs/r50/counts"][2, :15])
    meta = items[1]["meta"]
    assert [meta[key] for key in ("lsb", "quantity", "axis", "placement", "side")] == [2.0, 1, 1, 6, 2]
    for key, name in (("tick_ns", "inputs/r50/tick_ns"), ("activity", "truth/r50/activity")):
        np.testing.assert_array_equal(meta[key], arrays[name][:15])
    assert "activity" not in next(scenarios.sensors(arrays))["meta"]
    with pytest.raises(InputError, match="sensors must have words or counts"):
        next(scenarios.sensors({"inputs/r1/score": np.zeros((1, 3))}))


def test_windows_tile_a_recording_and_carry_the_labels_that_overlap():
    found = [w for w in scenarios.windows("toy/plain", "train", 0.5) if w.index == 2]
    whole = recording("train", 2)
    assert [w.start_s for w in found] == [0, 0.5, 1.0, 1.5]
    for rate in RATES:
        name = f"inputs/r{rate}/words"
        np.testing.assert_array_equal(np.concatenate([w.arrays[name] for w in found], axis=1), whole[name])
        counts = sum(w.arrays[f"inputs/r{rate}/n_samples"] for w in found)
        np.testing.assert_array_equal(counts, whole[f"inputs/r{rate}/n_samples"])
    assert sum(len(w.arrays["truth/overflow_sample"]) for w in found) == len(whole["truth/overflow_sample"])
    with pytest.raises(InputError, match="must be above 0"):
        next(scenarios.windows("toy/plain", "train", 0))


@pytest.mark.parametrize("seed", range(5))
def test_a_cut_keeps_exactly_the_anomalies_that_touch_it(seed):
    whole = simulate(seed)
    rate = {int(c): r for r in RATES for c in whole[f"inputs/r{r}/channel_id"]}
    piece = cut(whole, 0.6, 0.7)
    expected = []
    for channel, start, end in zip(*(whole[f"truth/anomaly_{k}"] for k in ("channel", "start", "end")), strict=True):
        low, size = round(0.6 * rate[int(channel)]), round(0.7 * rate[int(channel)])
        if start < low + size and end > low:
            expected.append((channel, max(0, start - low), min(size, end - low)))
    got = list(zip(*(piece[f"truth/anomaly_{k}"] for k in ("channel", "start", "end")), strict=True))
    assert got == expected
    assert len(piece["truth/anomaly_size"]) == len(expected)
    np.testing.assert_array_equal(piece["truth/pair_msb"], whole["truth/pair_msb"])


def test_diff_says_what_differs(tmp_path):
    one = write(tmp_path / "a", toy_header())
    assert compare(one, one) == []
    two = write(tmp_path / "b", toy_header(simulator_version="2", spec='{"purpose":"a toy","seed":1,"version":1}'))
    assert compare(one, two) == ["simulator VERSION: 1 | 2", "spec seed: 0 | 1"]

    def other(split, index):
        arrays = recording(split, index)
        if (split, index) == ("test", 1):
            arrays["inputs/r200/words"][2, 5] ^= 1
        return arrays

    three = write(tmp_path / "c", toy_header(), other)
    word = int(recording("test", 1)["inputs/r200/words"][2, 5])
    line = f"recording test/1: 'inputs/r200/words', channel 2, time 5: {word} | {word ^ 1}"
    assert compare(one, three) == [line]


def test_parquet_holds_the_same_values(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export(find_set("toy/plain"), "parquet", tmp_path / "out")
    table = parquet.read_table(tmp_path / "out/test/inputs/r200.parquet").to_pydict()
    made = recording("test", 8)
    rows = [i for i, r in enumerate(table["recording"]) if r == 8]
    np.testing.assert_array_equal([table["words"][i] for i in rows], made["inputs/r200/words"])
    np.testing.assert_array_equal([table["lsb"][i] for i in rows], made["inputs/r200/lsb"])
    events = parquet.read_table(tmp_path / "out/test/truth/overflow.parquet").to_pydict()
    got = [s for s, r in zip(events["overflow_sample"], events["recording"], strict=True) if r == 8]
    assert got == made["truth/overflow_sample"].tolist()
    with pytest.raises(InputError, match="path that is not there yet"):
        export(find_set("toy/plain"), "parquet", tmp_path / "out")
    with pytest.raises(InputError, match="format must be parquet, hdf5 or npz; it is 'csv'"):
        export(find_set("toy/plain"), "csv", tmp_path / "csv")


@pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="h5py (extra: export) is not installed")
def test_hdf5_holds_the_same_values(tmp_path):
    import xarray

    export(find_set("toy/plain"), "hdf5", tmp_path / "out.h5")
    with xarray.open_datatree(tmp_path / "out.h5", engine="h5netcdf", mask_and_scale=False) as tree:
        words = recording("test", 8)["inputs/r200/words"]
        got = tree["test/inputs/r200/words"].values[1, :, : words.shape[1]]
    np.testing.assert_array_equal(got, words)


def test_npz_is_for_hands(tmp_path):
    with pytest.raises(InputError, match=r"export to npz must be of a hand set; .* has no states of fingers"):
        export(find_set("toy/plain"), "npz", tmp_path / "toy.npz")
    assert not list(tmp_path.iterdir())


def test_export_without_its_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'provingground\[export\]'"):
        export(find_set("toy/plain"), "parquet", tmp_path / "out")
