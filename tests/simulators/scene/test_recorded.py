"""Laws of imported recordings: decoded words equal cantools' values, and truth follows from the DBC."""

import gc
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from simulators.scene.dbc import field_kind, load_dbc
from simulators.scene.decode import channel_words, twos_complement
from simulators.scene.recorded import VIEWS, View, carries, decode, nominal_rate, raw_values, read_log, recordings, scan
from simulators.scene.spec import FIELD_KINDS, NODE_TYPES, SCHEMA, WORD_KINDS

cantools = pytest.importorskip("cantools", reason="bus recordings need the extra 'bus'")
can = pytest.importorskip("can", reason="bus recordings need the extra 'bus'")

DBC = """VERSION ""

NS_ :

BS_:

BU_: X

BO_ 257 LITTLE: 8 X
 SG_ FLAG : 0|1@1+ (1,0) [0|1] "" X
 SG_ SKEW : 1|21@1- (0.125,-64) [0|0] "m" X
 SG_ WIDE : 22|40@1+ (0.001,1577840400) [0|0] "s" X

BO_ 258 BIG: 8 X
 SG_ ANGLE : 3|12@0- (1.5,0) [0|0] "deg" X
 SG_ LONG : 23|32@0+ (1,-7) [0|0] "" X
 SG_ ODD : 53|13@0- (0.0573,3) [0|0] "" X
 SG_ MIXED : 54|1@1+ (1,0) [0|1] "" X

BO_ 259 ALIGNED: 7 X
 SG_ COUNT : 0|32@1- (1,0) [0|0] "" X
 SG_ REAL : 32|16@1- (0.5,0) [0|0] "" X
 SG_ CHECKSUM : 48|8@1+ (1,0) [0|255] "" X

BO_ 2147484672 PAGES: 8 X
 SG_ PAGE M : 0|4@1+ (1,0) [0|0] "" X
 SG_ COMMON : 4|4@1+ (1,0) [0|0] "" X
 SG_ A m0 : 8|16@1+ (1,0) [0|0] "" X
 SG_ B m1 : 8|7@1- (2,0) [0|0] "" X
 SG_ SHARED m1 : 16|33@1+ (0.1,0) [0|0] "" X

BO_ 261 FLOATS: 8 X
 SG_ SINGLE : 0|32@1- (1,0) [0|0] "" X
 SG_ HALFWAY : 39|16@0+ (1,0) [0|0] "" X

SIG_VALTYPE_ 261 SINGLE : 1;
VAL_ 258 MIXED 0 "off" 1 "on";
"""


def _database() -> "cantools.database.Database":
    return cantools.database.load_string(DBC, "dbc")


def _write(folder: Path, messages: list["can.Message"], suffix: str) -> tuple[Path, Path]:
    log, dbc = folder / f"drive{suffix}", folder / "bus.dbc"
    dbc.write_text(DBC)
    with can.Logger(log) as writer:
        for message in messages:
            writer(message)
    return log, dbc


def _message(frame_id: int, data: bytes, time_s: float, *, extended: bool = False, channel: int = 0) -> "can.Message":
    return can.Message(
        timestamp=time_s, arbitration_id=frame_id, is_extended_id=extended, data=data, channel=channel, is_rx=True
    )


def _expected(messages: list["can.Message"]) -> dict[str, list[float]]:
    database, found = _database(), {}
    for message in messages:
        owner = database.get_message_by_frame_id(message.arbitration_id | message.is_extended_id << 31)
        for name, value in owner.decode(bytes(message.data), decode_choices=False).items():
            found.setdefault(f"{owner.name}.{name}", []).append(value)
    return found


def _assert_decodes(arrays: Arrays, attrs: dict, expected: dict[str, list[float]]) -> None:
    check(arrays, SCHEMA)
    for name, values in expected.items():
        _, found = decode(arrays, attrs, name)
        np.testing.assert_array_equal(found, np.array(values, np.float64), err_msg=name)


payloads = st.lists(
    st.tuples(
        st.sampled_from(["LITTLE", "BIG", "ALIGNED", "PAGES", "FLOATS"]), st.binary(min_size=8, max_size=8),
        st.integers(0, 1),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(drawn=payloads, suffix=st.sampled_from([".asc", ".log", ".blf"]))
def test_any_payload_decodes_as_cantools_does_in_both_views(drawn: list, suffix: str) -> None:
    database, messages = _database(), []
    for i, (name, data, page) in enumerate(drawn):
        owner = database.get_message_by_name(name)
        if name == "PAGES":
            data = bytes([data[0] & 0xF0 | page]) + data[1:]
        messages.append(
            _message(owner.frame_id, data[: owner.length], 100 + 0.01 * i, extended=owner.is_extended_frame)
        )
    with tempfile.TemporaryDirectory() as folder:
        log, dbc = _write(Path(folder), messages, suffix)
        for view in VIEWS:
            (arrays,), attrs = recordings([log], dbc, view)
            _assert_decodes(arrays, attrs, _expected(messages))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(-(2**20), 2**20 - 1), st.integers(0, 2**40 - 1)),
        min_size=1,
        max_size=9,
    )
)
def test_encoded_values_come_back(rows: list[tuple[int, int, int]]) -> None:
    owner = _database().get_message_by_name("LITTLE")
    fields = [dict(zip(("FLAG", "SKEW", "WIDE"), row, strict=True)) for row in rows]
    messages = [_message(257, owner.encode(f, scaling=False), 0.1 * i) for i, f in enumerate(fields)]
    with tempfile.TemporaryDirectory() as folder:
        log, dbc = _write(Path(folder), messages, ".log")
        for view in VIEWS:
            (arrays,), attrs = recordings([log], dbc, view)
            for name in fields[0]:
                assert raw_values(arrays, attrs, name)[1].tolist() == [f[name] for f in fields]


@settings(max_examples=200)
@given(st.integers(17, 63), st.data())
def test_carries_are_the_wraps_of_the_value_unrolled(width: int, data: st.DataObject) -> None:
    half = 2 ** (width - 1)
    steps = data.draw(st.lists(st.integers(max(-half, -(2**40)), min(half - 1, 2**40)), min_size=1, max_size=30))
    value = np.cumsum(np.array([data.draw(st.integers(0, half)), *steps], object))
    raw = np.array([v % 2**width for v in value], np.uint64)
    samples, wraps = carries(raw, width)
    upper = [v // 65536 for v in value]
    expected = [(i, upper[i] - upper[i - 1]) for i in range(1, len(value)) if upper[i] != upper[i - 1]]
    # A step round the whole range can leave the upper part as it was: no bit above the low word shows it.
    expected = [(i, w) for i, w in expected if raw[i] >> np.uint64(16) != raw[i - 1] >> np.uint64(16)]
    assert list(zip(samples.tolist(), wraps.tolist(), strict=True)) == expected


def test_truth_of_words_and_signals(tmp_path: Path) -> None:
    values = [65530, 65540, 3, -2, -70000, 2**31 - 1, -(2**31)]
    frames = [
        _message(259, v.to_bytes(4, "little", signed=True) + bytes((1, 2, 3)), 0.02 * i) for i, v in enumerate(values)
    ]
    log, dbc = _write(tmp_path, frames, ".log")
    for view in VIEWS:
        (arrays,), attrs = recordings([log], dbc, view)
        names = [channel["name"] for channel in attrs["channels"]]
        kinds = {
            n: (NODE_TYPES[t], WORD_KINDS[k])
            for n, t, k in zip(names, arrays["truth/node_type"], arrays["truth/word_kind"], strict=True)
        }
        low, high, real, check_ = (
            ("ALIGNED/word0", "ALIGNED/word1", "ALIGNED/word2", "ALIGNED/word3")
            if view == "words"
            else ("ALIGNED.COUNT/part0", "ALIGNED.COUNT/part1", "ALIGNED.REAL", "ALIGNED.CHECKSUM")
        )
        assert kinds == {
            low: ("lsb", "half"),
            high: ("msb", "half"),
            real: ("plain", "i16"),
            check_: ("bits", "narrow"),
        }
        assert names[arrays["truth/pair_lsb"][0]] == low
        assert names[arrays["truth/pair_msb"][0]] == high
        assert arrays["truth/overflow_sample"].tolist() == [1, 2, 3, 4, 5, 6]
        assert arrays["truth/overflow_wraps"].tolist() == [1, -1, -1, -1, -32767, 1]
        assert arrays["truth/overflow_time_ns"].tolist() == [i * 20_000_000 for i in range(1, 7)]
        assert arrays["truth/visible_share"] == 1.0
        field = int(np.flatnonzero(arrays["truth/field_channel"] == names.index(check_))[0])
        assert FIELD_KINDS[arrays["truth/field_kind"][field]] == "checksum"
        assert sorted(arrays["truth/mask"].tolist()) == [0xFF, 0xFFFF, 0xFFFF, 0xFFFF]


def test_multiplexed_pages_have_channels_and_samples_of_their_own(tmp_path: Path) -> None:
    frames = [_message(1024, bytes([i % 2, 1, 2, 3, 4, 5, 6, 7]), 0.1 * i, extended=True) for i in range(9)]
    log, dbc = _write(tmp_path, [*frames, _message(1024, bytes([7] * 8), 1, extended=True)], ".log")
    for view in VIEWS:
        (arrays,), attrs = recordings([log], dbc, view)
        lengths = {attrs["channels"][i]["name"]: int(n) for i, n, _ in channel_words(arrays)}
        assert {n for name, n in lengths.items() if "PAGE=0" in name} == {5}
        assert {n for name, n in lengths.items() if "PAGE=1" in name} == {4}
        assert attrs["logs"][0]["frames_unfit"] == 1
        time, page = raw_values(arrays, attrs, "PAGES.PAGE")
        assert page.tolist() == [i % 2 for i in range(9)]
        assert (np.diff(time) > 0).all()


def test_a_set_has_the_same_channels_in_every_log(tmp_path: Path) -> None:
    one = [_message(257, bytes(8), 0.01 * i) for i in range(20)] + [_message(258, bytes(8), 0.1, channel=3)]
    two = [_message(259, bytes(7), 0.1 * i) for i in range(20)] + [_message(1, bytes(8), 0.5)]
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    first, dbc = _write(tmp_path / "a", one, ".log")
    second, _ = _write(tmp_path / "b", two, ".log")
    source = scan([first, second], dbc, "words", name="x")
    a, b = source.recording(0), source.recording(1)
    assert a.keys() == b.keys()
    assert source.bus == 0
    assert {key for key in a if key.endswith("words")} == {"inputs/r100/words", "inputs/r10/words"}
    assert a["inputs/r10/n_samples"].tolist() == [0] * 4
    assert b["inputs/r100/words"].shape == (4, 0)
    assert [log["frames_unknown"] for log in source.attrs["logs"]] == [0, 1]
    for key in ("inputs/r100/channel_id", "truth/node_type", "truth/field_channel", "truth/pair_lsb"):
        np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.parametrize(
    ("period_s", "jitter_s", "rate"), [(0.0117, 0.0005, 83.3), (0.01, 0.004, 100), (1.004, 0.0, 1), (7.0, 0.0, 0.143)]
)
def test_nominal_rate_of_regular_frames(period_s: float, jitter_s: float, rate: float) -> None:
    times = np.arange(50) * period_s + np.random.default_rng(0).uniform(0, jitter_s, 50)
    assert nominal_rate([np.rint(times * 1e9).astype(np.int64)]) == rate


def test_nominal_rate_of_frames_on_request_is_their_mean() -> None:
    assert nominal_rate([np.array([0, 9e9, 9.1e9, 50e9], np.int64)]) == 0.06
    assert nominal_rate([np.array([5], np.int64)]) == 1.0


def test_field_kinds() -> None:
    names = {
        "CHECKSUM": "checksum",
        "VSC07SUM": "checksum",
        "CRC8": "crc",
        "MsgCounter": "counter",
        "RollAccuracy": "signal",
    }
    assert {name: FIELD_KINDS[field_kind(name, 8, {})] for name in names} == names
    assert FIELD_KINDS[field_kind("GEAR", 4, {0: "P"})] == "enum"
    assert FIELD_KINDS[field_kind("LEVEL", 12, {4095: "absent"})] == "signal"


def test_comma_payloads_keep_trailing_zeros(tmp_path: Path) -> None:
    data = np.array([b"\x01\x02", b"\0" * 8], "S8")
    for part, column in {"t": [2.0, 1.0], "address": [257, 257], "src": [0, 0]}.items():
        np.save(tmp_path / f"raw_can_{part}.npy", column)
    np.save(tmp_path / "raw_can_data.npy", data)
    frames = read_log(tmp_path)
    assert frames.data.tolist() == [[0] * 8, [1, 2, 0, 0, 0, 0, 0, 0]]
    assert frames.time_ns.tolist() == [0, 1_000_000_000]
    np.testing.assert_array_equal(read_log(tmp_path / "raw_can_t.npy").data, frames.data)


def test_bad_input_is_told_in_one_line(tmp_path: Path) -> None:
    good, dbc = _write(tmp_path, [_message(257, bytes(8), 0.0)], ".log")
    texts = {}
    for name, content in {
        "empty.log": "",
        "bad.mf4": "MDF",
        "bad.dbc": "BO_ 1",
        "odd.xyz": "",
        "bad.log": "(x",
    }.items():
        texts[name] = tmp_path / name
        texts[name].write_text(content)
    unknown = tmp_path / "unknown.log"
    unknown.write_text("(1.000000) can0 7FF#00\n")
    cases = [
        ([texts["empty.log"]], dbc, "must hold CAN data frames"),
        ([texts["bad.mf4"]], dbc, "must be readable"),
        ([texts["bad.log"]], dbc, "must be readable"),
        ([texts["odd.xyz"]], dbc, "it is '.xyz'"),
        ([tmp_path / "none.mf4"], dbc, "must exist"),
        ([unknown], dbc, "must hold frames that DBC 'bus.dbc' knows"),
        ([good], texts["bad.dbc"], "DBC .* must be readable"),
        ([good], tmp_path / "none.dbc", "must exist"),
        ([], dbc, "at least one log"),
    ]
    for logs, file, text in cases:
        with pytest.raises(InputError, match=text) as caught:
            scan(logs, file, "words")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="view must be"):
        scan([good], dbc, "bits")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="on bus 5"):
        scan([good], dbc, "words", bus=5)
    arrays, attrs = recordings([good], dbc, "words")
    with pytest.raises(InputError, match="'NOPE' must be one"):
        decode(arrays[0], attrs, "NOPE")


@pytest.mark.parametrize("module", ["can", "cantools"])
def test_a_missing_extra_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    log, dbc = _write(tmp_path, [_message(257, bytes(8), 0.0)], ".log")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'provingground\[bus\]'"):
        scan([log], dbc, "words")


def test_twos_complement() -> None:
    assert twos_complement(np.array([0, 7, 8, 15], np.uint64), 4).tolist() == [0, 7, -8, -1]
    assert twos_complement(np.array([2**64 - 1], np.uint64), 64).tolist() == [-1]


# Real logs -----------------------------------------------------------------------------------------------------------


def _data() -> Path:
    root = os.environ.get("PROVINGGROUND_DATA")
    if not root or not (Path(root) / "scene").is_dir():
        pytest.skip("PROVINGGROUND_DATA names no folder with scene/ (real bus logs)")
    return Path(root) / "scene"


def _css() -> tuple[list[Path], Path]:
    pytest.importorskip("asammdf", reason="MF4 logs need the extra 'bus'")
    folder = _data() / "css_canmod_gps"
    return sorted(folder.glob("*.MF4")), folder / "canmod-gps.dbc"


def _rav4() -> tuple[Path, Path]:
    folder = _data() / "comma2k19_rav4"
    return folder, folder / "toyota_new_mc_pt_generated.dbc"


def _cantools_values(log: Path, dbc: Path, bus: int) -> tuple[int, dict[str, list[float]]]:
    frames = read_log(log)
    owners = {m.frame_id: m for m in cantools.database.load_file(dbc, strict=False).messages}
    found: dict[str, list[float]] = {}
    count = 0
    for i in np.flatnonzero(frames.bus == bus):
        if owner := owners.get(int(frames.address[i])):
            count += 1
            payload = bytes(frames.data[i, : frames.length[i]])
            for name, value in owner.decode(payload, decode_choices=False).items():
                found.setdefault(f"{owner.name}.{name}", []).append(value)
    return count, found


def test_css_epoch_rolls_over_as_often_as_its_high_part_changes() -> None:
    logs, dbc = _css()
    found, visible = [], []
    source = scan(logs, dbc, "signals")
    epoch = next(i for i, p in enumerate(source.pairs) if source.signals[p.signal][1].name == "Epoch")
    for i in range(len(logs)):
        arrays = source.recording(i)
        check(arrays, SCHEMA)
        events = arrays["truth/overflow_pair"] == epoch
        _, raw = raw_values(arrays, source.attrs, "Epoch")
        assert (arrays["truth/overflow_wraps"][events] == 1).all()
        np.testing.assert_array_equal(
            np.flatnonzero(np.diff(raw >> np.uint64(16))) + 1, arrays["truth/overflow_sample"][events]
        )
        found.append(int(events.sum()))
        visible.append(int(arrays["truth/pair_visible"].sum()))
    assert source.attrs["name"] == "css_canmod_gps"
    assert found == [5, 10, 9, 9, 9]
    assert visible == [1, 3, 3, 3, 2]


@pytest.mark.parametrize("view", VIEWS)
def test_css_logs_decode_as_cantools_does_on_every_frame(view: View) -> None:
    logs, dbc = _css()
    source = scan(logs, dbc, view)
    used = []
    for index, log in enumerate(logs):
        count, expected = _cantools_values(log, dbc, source.bus)
        assert count == source.attrs["logs"][index]["frames_used"]
        used.append(count)
        _assert_decodes(source.recording(index), source.attrs, expected)
    assert used == [39_724, 65_343, 65_340, 65_338, 65_385]


@pytest.mark.parametrize("view", VIEWS)
def test_rav4_decodes_as_cantools_does_and_as_comma_did(view: View) -> None:
    log, dbc = _rav4()
    (arrays,), attrs = recordings([log], dbc, view)
    count, expected = _cantools_values(log, dbc, attrs["bus"])
    assert (attrs["bus"], attrs["name"]) == (0, "comma2k19_rav4")
    assert count == attrs["logs"][0]["frames_used"] == 38_983
    _assert_decodes(arrays, attrs, expected)
    time, angle = decode(arrays, attrs, "STEER_ANGLE_SENSOR.STEER_ANGLE")
    _, fraction = decode(arrays, attrs, "STEER_FRACTION")
    first = float(np.load(log / "raw_can_t.npy").min())
    theirs = np.load(log / "gt_steering_angle_t.npy")
    rows = np.searchsorted(time / 1e9 + first, theirs - 1e-6)
    np.testing.assert_array_equal((angle + fraction)[rows], np.load(log / "gt_steering_angle_value.npy"))


def test_an_unfinalised_mf4_reads_like_the_finalised_one(tmp_path: Path) -> None:
    logs, _ = _css()
    content = bytearray(logs[0].read_bytes())
    content[0:8] = b"UnFinMF "
    content[60:64] = bytes((1, 0, 0, 0))  # "the cycle counters of the channel groups need an update"
    place = content.find(b"##CG")
    place += 24 + 8 * int.from_bytes(content[place + 16 : place + 24], "little") + 8
    assert int.from_bytes(content[place : place + 8], "little") == 45_096
    content[place : place + 8] = bytes(8)
    copy = tmp_path / "open.MF4"
    copy.write_bytes(content)
    np.testing.assert_array_equal(read_log(copy).data, read_log(logs[0]).data)


@pytest.mark.parametrize("kept", [3000, 1_000_000])
def test_a_truncated_mf4_is_told_in_one_line_and_nothing_else(
    tmp_path: Path, kept: int, capfd: pytest.CaptureFixture[str]
) -> None:
    logs, _ = _css()
    copy = tmp_path / "cut.MF4"
    copy.write_bytes(logs[1].read_bytes()[:kept])
    with pytest.raises(InputError, match="must be readable") as caught:
        read_log(copy)
    del caught
    gc.collect()
    assert capfd.readouterr() == ("", "")


def test_every_layout_of_the_toyota_dbc_has_words() -> None:
    _, dbc = _rav4()
    assert all(layout.signals and layout.length >= 1 for layout in load_dbc(dbc))
