"""Laws of every bus scene: what the truth says is what the words show."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from strategies import scene_specs

from scenarios.schema import Arrays, check
from scenarios.spec import load, parse
from simulators.run import key_of
from simulators.scene import SCHEMA, SceneSpec, inject, simulate_arrays
from simulators.scene import generate as scene
from simulators.scene.anomalies import OF_NUMBERS
from simulators.scene.bus import Bus
from simulators.scene.kernels.bits import crc4
from simulators.scene.kernels.plain import latent_numbers
from simulators.scene.plan import plan
from simulators.scene.spec import ANOMALY_KINDS, FIELD_KINDS, FORMATS, LINK_KINDS, NODE_TYPES, Anomalies

TINY = parse(SceneSpec, "tiny", load("scene", "tiny")[1])
CLEAN = {"anomalies": Anomalies()}


def make(spec: SceneSpec, index: int = 0) -> Arrays:
    arrays = simulate_arrays(spec, key_of("scene", "law", spec, "test", index))
    check(arrays, SCHEMA)
    return arrays


def rows_of(arrays: Arrays, name: str = "inputs/{}/words") -> dict[int, np.ndarray]:
    """Rows of a variable by channel number."""
    found = {}
    for path, ids in arrays.items():
        if path.endswith("/channel_id"):
            group = path.split("/")[1]
            found |= (
                dict(zip(ids.tolist(), arrays[name.format(group)], strict=True)) if name.format(group) in arrays else {}
            )
    return found


def delivered(arrays: Arrays, channel: int, n: int) -> np.ndarray:
    """The read that each sample of a channel shows: its own, or the last one that came and was not stale."""
    valid = rows_of(arrays, "inputs/{}/valid").get(channel, np.ones(n, bool))
    held = rows_of(arrays, "truth/{}/held").get(channel, np.zeros(n, bool))
    return np.maximum.accumulate(np.where(valid & ~held, np.arange(n), 0))


def latents(spec: SceneSpec, arrays: Arrays) -> dict[int, np.ndarray]:
    """The exact latent number behind each sample of every half, as it was delivered."""
    key = key_of("scene", "law", spec, "test", 0)
    p = plan(spec, key)
    knots, envelopes = scene.knots_of(p)
    reads = scene.read_times(spec, key, p)
    halves = np.concatenate([arrays["truth/pair_msb"], arrays["truth/pair_lsb"]]).tolist()
    numbers = {c: latent_numbers(p, knots, envelopes, c, reads) for c in halves}
    return {c: x[delivered(arrays, c, x.size)] for c, x in numbers.items()}


def words_of_number(
    number: np.ndarray, fmt: str, modulus: int, order: int, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """High and low word of latent numbers, by arithmetic on Python-sized integers."""
    if fmt == "float32":
        bits = ((number & 0xFFFFFFFF).astype(np.uint32).view(np.int32).astype(np.float32) * np.float32(scale)).view(
            np.uint32
        )
        high, low = bits >> 16, bits & 0xFFFF
    else:
        number = number & 0xFFFFFFFF if modulus == 65536 else number
        number = number ^ number >> 1 if fmt == "gray" else number
        high, low = number // modulus, number % modulus
    high, low = (np.asarray(x & 0xFFFF).astype(np.uint16) for x in (high, low))
    return (high.byteswap(), low.byteswap()) if order >= 2 else (high, low)


def torn_samples(arrays: Arrays, pair: int, n: int) -> np.ndarray:
    torn = np.zeros(n, bool)
    for row in np.flatnonzero(arrays["truth/torn_pair"] == pair):
        torn[arrays["truth/torn_start"][row] : arrays["truth/torn_end"][row]] = True
    return torn


@given(spec=scene_specs())
def test_halves_give_back_the_latent_value_wherever_the_read_was_not_torn(spec: SceneSpec) -> None:
    spec = spec.model_copy(update=CLEAN)
    arrays = make(spec)
    rows, latent = rows_of(arrays), latents(spec, arrays)
    for pair, (msb, lsb) in enumerate(zip(arrays["truth/pair_msb"], arrays["truth/pair_lsb"], strict=True)):
        fmt, order = FORMATS[arrays["truth/pair_format"][pair]], int(arrays["truth/pair_order"][pair])
        modulus = int(arrays["truth/pair_modulus"][pair])
        scale = arrays["truth/pair_scale"][pair]
        high = words_of_number(latent[msb], fmt, modulus, order, scale)[0]
        low = words_of_number(latent[lsb], fmt, modulus, order, scale)[1]
        torn = torn_samples(arrays, pair, high.size)[delivered(arrays, msb, high.size)]
        np.testing.assert_array_equal(rows[msb][~torn], high[~torn])
        np.testing.assert_array_equal(rows[lsb], low)
        assert (msb < lsb) == (order in (0, 2))


@given(spec=scene_specs())
def test_every_carry_is_a_wrap_of_the_latent_value_and_none_is_missing(spec: SceneSpec) -> None:
    arrays = make(spec.model_copy(update=CLEAN))
    latent = latents(spec, arrays)
    for pair, lsb in enumerate(arrays["truth/pair_lsb"]):
        rows = np.flatnonzero(arrays["truth/overflow_pair"] == pair)
        if FORMATS[arrays["truth/pair_format"][pair]] == "float32":
            assert rows.size == 0
            continue
        quotient = latent[lsb] // int(arrays["truth/pair_modulus"][pair])
        steps = np.diff(quotient)
        at = np.flatnonzero(steps)
        np.testing.assert_array_equal(arrays["truth/overflow_sample"][rows], at + 1)
        np.testing.assert_array_equal(arrays["truth/overflow_wraps"][rows], steps[at])


@given(spec=scene_specs(losses=False))
def test_a_carrys_true_time_lies_between_the_two_reads_that_show_it(spec: SceneSpec) -> None:
    arrays = make(spec)
    period = {}
    for path, ids in arrays.items():
        if path.endswith("/channel_id"):
            period |= dict.fromkeys(ids.tolist(), 1e9 / float(path.split("/")[1][1:]))
    read = rows_of(arrays, "truth/{}/read_ns")
    refresh = spec.timing.refresh_s * 1e9
    for pair, sample, time in zip(*(arrays[f"truth/overflow_{c}"] for c in ("pair", "sample", "time_ns")), strict=True):
        lsb = int(arrays["truth/pair_lsb"][pair])
        if read:
            before, after = read[lsb][sample - 1], read[lsb][sample]
        else:
            before, after = arrays["truth/phase_ns"][lsb] + (np.array([sample - 1, sample]) * period[lsb])
        assert before - refresh <= time <= after + 1


@given(spec=scene_specs())
def test_fields_lie_side_by_side_and_the_mask_is_their_union(spec: SceneSpec) -> None:
    arrays = make(spec)
    for channel, node in enumerate(arrays["truth/node_type"]):
        fields = np.flatnonzero(arrays["truth/field_channel"] == channel)
        if NODE_TYPES[node] != "bits":
            assert fields.size == 0
            assert arrays["truth/mask"][channel] == 0xFFFF
            continue
        taken = mask = 0
        for f in fields:
            start, width = int(arrays["truth/field_start"][f]), int(arrays["truth/field_width"][f])
            own = ((1 << width) - 1) << start
            assert width >= 1
            assert start + width <= 16
            assert taken & own == 0
            taken |= own
            if FIELD_KINDS[arrays["truth/field_kind"][f]] not in ("constant", "reserved"):
                mask |= own
        assert arrays["truth/mask"][channel] == mask
        row = rows_of(arrays)[channel]
        moving = int(np.bitwise_or.reduce(row ^ row[0]))
        labelled = (arrays["truth/anomaly_channel"] == channel).any()
        assert moving & ~mask == 0 or labelled


def seal_by_hand(kind: str, word: int) -> int:
    if kind == "parity":
        return word.bit_count() & 1
    if kind == "crc":
        return crc4(word)
    return 15 - sum(word >> shift & 15 for shift in (0, 4, 8, 12)) % 16


@given(spec=scene_specs())
def test_seals_verify_unless_the_truth_says_that_they_are_broken(spec: SceneSpec) -> None:
    arrays = make(spec)
    rows = rows_of(arrays)
    seals = np.isin(arrays["truth/field_kind"], [FIELD_KINDS.index(k) for k in ("parity", "crc", "checksum")])
    for f, name in enumerate(FIELD_KINDS[k] for k in arrays["truth/field_kind"]):
        if name not in ("parity", "crc", "checksum"):
            continue
        channel, start, width = (int(arrays[f"truth/field_{c}"][f]) for c in ("channel", "start", "width"))
        own = ((1 << width) - 1) << start
        fits = np.array([seal_by_hand(name, w & ~own) == (w & own) >> start for w in rows[channel].tolist()])
        labels = np.flatnonzero(arrays["truth/anomaly_channel"] == channel)
        broken = np.zeros(fits.size, bool)
        for row in labels:
            span = slice(arrays["truth/anomaly_start"][row], arrays["truth/anomaly_end"][row])
            broken[span] = True
            alone = labels.size == 1 and (arrays["truth/field_channel"][seals] == channel).sum() == 1
            if alone and ANOMALY_KINDS[arrays["truth/anomaly_kind"][row]] == "bad_checksum":
                fresh = delivered(arrays, channel, fits.size) == np.arange(fits.size)
                assert not fits[span][fresh[span]].any()
        assert fits[~broken].all()


def change_in_noise(old: np.ndarray, new: np.ndarray, a: int, b: int, signed: bool) -> float:
    """Root mean square change over a label, in noise sd of the clean words (in counts, where that is less)."""
    x, y = (row.view(np.int16).astype(float) if signed else row.astype(float) for row in (old, new))
    noise = np.median(np.abs(np.diff(x[max(0, a - 100) : b + 100], 2))) / (0.6745 * 6**0.5)
    return float(np.sqrt(np.mean((y - x)[a:b] ** 2)) / max(noise, 1.0))


@given(spec=scene_specs(), count=st.integers(1, 6))
def test_anomalies_change_what_they_label_and_nothing_else(spec: SceneSpec, count: int) -> None:
    clean = make(spec.model_copy(update=CLEAN))
    before = {k: v.copy() for k, v in clean.items()}
    wrong = inject(clean, spec.anomalies, np.random.default_rng(spec.seed), count=count)
    for name, array in before.items():
        np.testing.assert_array_equal(clean[name], array, err_msg=f"{name} of the original")
    old, new = rows_of(clean), rows_of(wrong)
    labelled = {c: np.zeros(row.size, bool) for c, row in old.items()}
    for c, a, b, kind in zip(*(wrong[f"truth/anomaly_{n}"] for n in ("channel", "start", "end", "kind")), strict=True):
        assert 0 < a < b <= old[c].size
        assert (old[c][a:b] != new[c][a:b]).any()
        name = ANOMALY_KINDS[kind]
        if name in OF_NUMBERS and NODE_TYPES[wrong["truth/node_type"][c]] == "plain":
            assert change_in_noise(old[c], new[c], a, b, wrong["truth/word_kind"][c] == 1) >= 1
        labelled[c][a:b] = True
        if ANOMALY_KINDS[kind] == "counter_skip":  # the counter goes on from where it leapt to
            labelled[c][a:] = True
    for c, row in old.items():
        np.testing.assert_array_equal(row[~labelled[c]], new[c][~labelled[c]])


def test_anomalies_go_into_a_recording_of_ones_own() -> None:
    rng = np.random.default_rng(1)
    mine: Arrays = {
        "inputs/r100/words": (30000 + np.cumsum(rng.normal(0, 30, (3, 4000)), 1)).astype(np.uint16),
        "inputs/r100/channel_id": np.arange(3, dtype=np.int32),
        "inputs/r100/n_samples": np.full(3, 4000, np.int32),
    }
    wrong = inject(mine, Anomalies(kinds={"spike": 1, "stuck": 1, "level_shift": 1}), rng, count=5)
    assert np.unique(wrong["truth/anomaly_group"]).size == 5
    assert not np.array_equal(wrong["inputs/r100/words"], mine["inputs/r100/words"])


@pytest.mark.parametrize("kind", ANOMALY_KINDS)
def test_every_kind_of_anomaly_finds_a_place_in_a_rich_scene(kind: str) -> None:
    spec = TINY.model_copy(update={"duration_s": 20.0} | CLEAN)
    for index in range(5):  # not every scene has, say, a checksum
        wrong = inject(make(spec, index), Anomalies(kinds={kind: 1}), np.random.default_rng(0), count=3)
        if wrong["truth/anomaly_kind"].size:
            break
    assert set(wrong["truth/anomaly_kind"]) == {ANOMALY_KINDS.index(kind)}
    assert np.unique(wrong["truth/anomaly_group"]).size == 3


def test_positions_of_anomalies_are_uniform() -> None:
    """Wu and Keogh's run-to-failure bias: none here (Kolmogorov-Smirnov on 600 positions)."""
    arrays = make(TINY.model_copy(update={"duration_s": 20.0} | CLEAN))
    at = []
    bus = Bus.of(arrays)
    for seed in range(600):
        wrong = inject(
            arrays, Anomalies(kinds={"level_shift": 1}, seconds=(0.05, 0.1)), np.random.default_rng(seed), count=1
        )
        channel = int(wrong["truth/anomaly_channel"][0])
        at.append(wrong["truth/anomaly_start"][0] / bus.rows[channel].size)
    assert stats.kstest(at, "uniform").pvalue > 0.001


@given(spec=scene_specs())
def test_torn_reads_are_where_the_truth_says(spec: SceneSpec) -> None:
    assume(spec.pairs.torn_probability > 0)
    spec = spec.model_copy(update=CLEAN)
    whole = spec.model_copy(update={"pairs": spec.pairs.model_copy(update={"torn_probability": 0.0})})
    torn, clean = make(spec), make(whole)
    old, new = rows_of(clean), rows_of(torn)
    marked = {c: np.zeros(row.size, bool) for c, row in old.items()}
    for pair, a, b in zip(*(torn[f"truth/torn_{c}"] for c in ("pair", "start", "end")), strict=True):
        msb = int(torn["truth/pair_msb"][pair])
        assert 1 <= a < b <= a + 3
        assert (new[msb][a:b] == old[msb][a - 1]).all()
        marked[msb][a:b] = True
    marked = {c: m[delivered(torn, c, m.size)] | m for c, m in marked.items()}
    for c in marked:
        assert (old[c] != new[c]).any() == marked[c].any()
    for c, row in old.items():
        np.testing.assert_array_equal(row[~marked[c]], new[c][~marked[c]])


@given(spec=scene_specs(jitter=False))
def test_lost_and_stale_samples_hold_the_word_before(spec: SceneSpec) -> None:
    arrays = make(spec)
    for channel, row in rows_of(arrays).items():
        kept = delivered(arrays, channel, row.size) == np.arange(row.size)
        assert kept[0]
        gone = np.flatnonzero(~kept)
        np.testing.assert_array_equal(row[gone], row[gone - 1])


@given(spec=scene_specs())
def test_arrivals_are_reads_plus_latency_and_ascend(spec: SceneSpec) -> None:
    arrays = make(spec)
    read, arrival = rows_of(arrays, "truth/{}/read_ns"), rows_of(arrays, "inputs/{}/arrival_ns")
    start = rows_of(arrays, "inputs/{}/start_ns")
    for channel, latency in enumerate(arrays["truth/latency_ns"]):
        if read:
            np.testing.assert_array_equal(arrival[channel], read[channel] + latency)
            assert (np.diff(arrival[channel]) > 0).all()
            assert start[channel] == arrival[channel][0]
        else:
            assert start[channel] == arrays["truth/phase_ns"][channel] + latency


@given(spec=scene_specs())
def test_visible_pairs_are_those_whose_high_half_changes(spec: SceneSpec) -> None:
    arrays = make(spec.model_copy(update=CLEAN))
    rows = rows_of(arrays)
    changes = [bool((rows[c] != rows[c][0]).any()) for c in arrays["truth/pair_msb"]]
    assert arrays["truth/pair_visible"].tolist() == changes
    assert arrays["truth/visible_share"] == (np.mean(changes) if changes else 0.0)
    carries = np.array(changes, bool) & (arrays["truth/pair_format"] != FORMATS.index("float32"))
    v = carries.mean() if changes else 0.0
    assert arrays["truth/pair_f1_bound"] == 2 * v / (1 + v)


@given(spec=scene_specs(losses=False))
def test_a_rollover_counter_steps_at_its_pairs_rollovers(spec: SceneSpec) -> None:
    arrays = make(spec.model_copy(update=CLEAN))
    rows = rows_of(arrays)
    for a, b, kind in zip(*(arrays[f"truth/link_{c}"] for c in ("a", "b", "kind")), strict=True):
        if LINK_KINDS[kind] != "rollover_counter":
            continue
        pair = int(np.flatnonzero(arrays["truth/pair_lsb"] == a)[0])
        events = int((arrays["truth/overflow_pair"] == pair).sum())
        steps = np.diff(rows[b].astype(np.int64)) % 65536
        assert steps.sum() <= events
        late = arrays["truth/overflow_time_ns"][arrays["truth/overflow_pair"] == pair]
        if not events:
            assert not steps.any()
        elif late.max() < 0.9e9 * spec.duration_s and late.min() > 0.1e9:
            assert steps.sum() == events


@given(index=st.integers(0, 1000))
def test_visible_and_hidden_pairs_are_as_the_scenario_orders(index: int) -> None:
    for share in (0.0, 1.0):
        pairs = TINY.pairs.model_copy(
            update={"visible_probability": share, "formats": {"u32": 1, "i32": 1}, "torn_probability": 0.0}
        )
        clean = TINY.timing.model_copy(update={"missing_probability": 0.0, "held_probability": 0.0})
        arrays = make(TINY.model_copy(update={"pairs": pairs, "timing": clean, "duration_s": 8.0} | CLEAN), index)
        assert arrays["truth/visible_share"] == share


@pytest.mark.parametrize("process", ["clock", "counter"])
@pytest.mark.parametrize("per_s", [0.7, 3.0, 25.0, 40.0, 1234.5, 1e6])
def test_clocks_and_counters_keep_their_pace_and_never_step_back(process: str, per_s: float) -> None:
    table = load("scene", "clean_sync")[1] | {
        "duration_s": 20.0,
        "bits": {},
        "clocks": [{"rate_hz": 200, "channels": 40}],
    }
    speeds = {"counter_per_s": [per_s, per_s], "clock_per_s": [per_s, per_s]}
    table["pairs"] = {
        "count": 20,
        "processes": {process: 1},
        "orders": {"ABCD": 1},
        "visible_probability": 0.5,
    } | speeds
    spec = parse(SceneSpec, "clocks", table)
    for number in latents(spec, make(spec)).values():
        steps = np.diff(number)
        assert (steps >= 0).all()
        travelled = number[-1] - number[0]
        if process == "clock" and per_s < 2000:  # a fast hidden clock is slowed down to stay within its page
            assert abs(travelled - per_s * 19.995) <= 2
        assert travelled > 0 or per_s < 1


def test_twins_of_a_value_mean_the_same_quantity() -> None:
    for index in range(20):
        arrays = make(TINY, index)
        for a, b, kind in zip(*(arrays[f"truth/link_{c}"] for c in ("a", "b", "kind")), strict=True):
            if LINK_KINDS[kind] == "twin":
                assert arrays["truth/scale"][a] == arrays["truth/scale"][b]
                assert arrays["truth/offset"][a] == arrays["truth/offset"][b]


def test_no_scene_runs_out_of_noise_keys() -> None:
    table = load("scene", "tiny")[1]
    table["clocks"] = [{"rate_hz": 50, "channels": 100}]
    table |= {"pairs": {}, "plain": {}, "decoys": {}, "anomalies": {}, "drift": {}}
    table["bits"] = {"packed": 100, "fields": {"flag": 1}, "seals": {"none": 1}, "used": 1.0}
    assert make(parse(SceneSpec, "flags", table))["truth/field_kind"].size == 1600


def test_nothing_in_the_layout_gives_the_truth_away() -> None:
    """Channels are permuted: roles do not depend on the channel number, and partners lie no nearer than by chance."""
    spec = TINY.model_copy(update={"pairs": TINY.pairs.model_copy(update={"cross_rate_probability": 0.0})})
    group = spec.clocks[0].channels
    msb_at, gaps = np.zeros(group), []
    for index in range(400):
        truth = plan(spec, key_of("scene", "law", spec, "test", index)).truth
        for msb, lsb in zip(truth["pair_msb"], truth["pair_lsb"], strict=True):
            if msb < group and lsb < group:
                msb_at[msb] += 1
                msb_at[lsb] += 1
                gaps.append(abs(int(msb) - int(lsb)))
    assert stats.chisquare(msb_at).pvalue > 0.001
    expected = np.array([2 * (group - d) / (group * (group - 1)) for d in range(1, group)]) * len(gaps)
    assert stats.chisquare(np.bincount(gaps, minlength=group)[1:], expected).pvalue > 0.001


def test_word_orders_are_no_hint_at_positions() -> None:
    """Over many scenes the high half comes first as often as not."""
    first = []
    for index in range(300):
        truth = plan(TINY, key_of("scene", "law", TINY, "test", index)).truth
        first += (truth["pair_msb"] < truth["pair_lsb"]).tolist()
    assert stats.binomtest(sum(first), len(first)).pvalue > 0.001
