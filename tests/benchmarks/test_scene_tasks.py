"""How answers to the scene tasks are checked and scored, on recordings small enough to count by hand."""

from typing import Any

import numpy as np
import pytest

from benchmarks import scene_tasks as tasks
from benchmarks.track import Task
from scenarios.errors import InputError
from simulators.scene.spec import FORMATS, LINK_KINDS, ORDERS

TWIN = LINK_KINDS.index("twin")
HALF_TWIN = LINK_KINDS.index("half_twin")


def scene(n: int = 6, samples: int = 100, rate: str = "r10") -> dict[str, np.ndarray]:
    return {
        f"inputs/{rate}/words": np.arange(n * samples, dtype=np.uint16).reshape(n, samples),
        f"inputs/{rate}/channel_id": np.arange(n, dtype=np.int32),
        f"inputs/{rate}/n_samples": np.full(n, samples, np.int32),
        f"inputs/{rate}/start_ns": np.zeros(n, np.int64),
        f"inputs/{rate}/lsb": np.ones(n),
    }


def truth_of(**tables: Any) -> dict[str, np.ndarray]:
    """Truth of a scene of six channels with two pairs, (0, 1) visible and (2, 3) not."""
    found = {
        "node_type": [1, 2, 1, 2, 0, 3], "mask": [0xFFFF] * 5 + [0x00FF],
        "pair_msb": [0, 2], "pair_lsb": [1, 3], "pair_order": [0, 0], "pair_format": [0, 1], "pair_visible": [1, 0],
        "pair_f1_bound": 2 / 3, "field_channel": [5, 5, 5], "field_start": [0, 4, 8], "field_width": [4, 4, 8],
        "overflow_pair": [0, 0], "overflow_sample": [10, 50], "overflow_wraps": [1, -1],
        "link_a": [], "link_b": [], "link_kind": [],
        "anomaly_channel": [4], "anomaly_start": [20], "anomaly_end": [25], "anomaly_group": [0],
        "drift_channel": [], "drift_start": [],
    } | tables  # fmt: skip
    return {f"truth/{k}": np.asarray(v, dtype=None if np.size(v) else np.int64) for k, v in found.items()}


def value(task: Task, name: str, *columns: dict[str, float]) -> float:
    metric = task.metric(name)
    sums = sum(np.array([c.get(column, 0.0) for column in metric.columns]) for c in columns)
    return float(metric.value(np.asarray(sums)))


def test_node_types() -> None:
    inputs, truth = scene(), truth_of()
    right = {"channel_id": np.arange(6)[::-1], "node_type": truth["truth/node_type"][::-1]}
    tasks.check_types(inputs, right)
    assert value(tasks.NODE_TYPE, "macro_f1", tasks.type_columns(inputs, truth, right, {})) == 1
    plain = {"channel_id": np.arange(6), "node_type": np.zeros(6, int)}
    columns = tasks.type_columns(inputs, truth, plain, {})
    assert value(tasks.NODE_TYPE, "macro_f1", columns) == pytest.approx(2 / 7 / 4)
    assert value(tasks.NODE_TYPE, "macro_f1_3way", columns) == pytest.approx(2 / 7 / 3)
    assert value(tasks.NODE_TYPE, "accuracy", columns) == pytest.approx(1 / 6)
    swapped = {"channel_id": np.arange(6), "node_type": np.array([2, 1, 2, 1, 0, 3])}
    assert value(tasks.NODE_TYPE, "macro_f1_3way", tasks.type_columns(inputs, truth, swapped, {})) == 1


def pairs(*rows: tuple[int, int], order: str = "ABCD", form: str = "u32") -> dict[str, np.ndarray]:
    msb, lsb = np.array(rows, int).reshape(-1, 2).T
    return {"msb": msb, "lsb": lsb, "order": np.full(msb.size, ORDERS.index(order)),
            "format": np.full(msb.size, FORMATS.index(form))}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "links", "visible", "every"),
    [
        (pairs((0, 1), (2, 3)), [], 1.0, 1.0),
        (pairs((0, 1)), [], 1.0, 2 / 3),
        (pairs((1, 0)), [], 0.0, 0.0),
        (pairs((0, 1), (3, 2)), [], 1.0, 1 / 2),  # both ends lie in invisible pairs
        (pairs((0, 1), (2, 4)), [], 2 / 3, 1 / 2),  # one end does not
        (pairs(), [], 0.0, 0.0),
        (pairs((4, 1)), [(0, 4, HALF_TWIN)], 1.0, 2 / 3),
        (pairs((4, 1)), [], 0.0, 0.0),
    ],
)
def test_pairs(told: dict[str, np.ndarray], links: list[tuple[int, int, int]], visible: float, every: float) -> None:
    inputs = scene()
    node = [1, 2, 1, 2, 1 if links else 0, 3]
    a, b, kind = np.array(links, int).reshape(-1, 3).T
    truth = truth_of(node_type=node, link_a=a, link_b=b, link_kind=kind)
    tasks.check_pairs(inputs, told)
    columns = tasks.pair_columns(inputs, truth, told, {})
    assert value(tasks.PAIRING, "f1_visible", columns) == pytest.approx(visible)
    assert value(tasks.PAIRING, "f1_all", columns) == pytest.approx(every)
    assert value(tasks.PAIRING, "cap_all", columns) == pytest.approx(2 / 3)


def test_twins_count_as_one_class() -> None:
    truth = truth_of(
        node_type=[1, 2, 1, 2, 0, 0], pair_visible=[1, 1], link_a=[0, 1], link_b=[2, 3], link_kind=[TWIN, TWIN]
    )
    columns = tasks.pair_columns(scene(), truth, pairs((0, 3), (2, 1)), {})
    assert value(tasks.PAIRING, "f1_visible", columns) == 1
    columns = tasks.pair_columns(scene(), truth, pairs((0, 2), (3, 1)), {})
    assert value(tasks.PAIRING, "f1_visible", columns) == 0


def test_order_and_format_of_found_pairs() -> None:
    columns = tasks.pair_columns(scene(), truth_of(), pairs((0, 1), (2, 3), order="BADC", form="i32"), {})
    assert value(tasks.PAIRING, "byte_order", columns) == 0
    assert value(tasks.PAIRING, "format", columns) == 0.5
    assert np.isnan(value(tasks.PAIRING, "format", tasks.pair_columns(scene(), truth_of(), pairs((1, 0)), {})))


def test_masks_and_cuts() -> None:
    inputs, truth = scene(), truth_of()  # the words of channel 5 are 500 to 599: bits 0 to 9 but 8 move
    told = {"channel_id": np.arange(6), "mask": np.full(6, 0x0FFF), "cuts": np.full(6, 1 << 4 | 1 << 6 | 1 << 14)}
    tasks.check_masks(inputs, told)
    columns = tasks.mask_columns(inputs, truth, told, {})
    assert value(tasks.BITMASK, "mask_iou", columns) == pytest.approx(8 / 12)
    # cuts at 4 and 8 are true, 4 and 6 are told, 14 lies between bits that stay
    assert value(tasks.BITMASK, "boundary_f1", columns) == pytest.approx(1 / 2)
    assert tasks.true_cuts(truth)[5] == 1 << 4 | 1 << 8


def test_overflows() -> None:
    inputs, truth = scene(), truth_of()
    told = {"channel_id": np.array([1, 1, 1, 4]), "sample": np.array([12, 50, 90, 10]), "sign": np.array([1, 1, -1, 1])}
    tasks.check_events(inputs, told)
    columns = tasks.overflow_columns(inputs, truth, told, {})
    assert (columns["tp"], columns["fp"], columns["fn"]) == (1, 3, 1)
    copies = truth_of(link_a=[1], link_b=[4], link_kind=[HALF_TWIN])
    columns = tasks.overflow_columns(inputs, copies, told, {})
    assert (columns["tp"], columns["fp"], columns["fn"]) == (1, 2, 1)


def test_one_recording_with_a_flood_of_false_events_is_one_recording() -> None:
    inputs, truth = scene(samples=20_000), truth_of()
    right = {"channel_id": np.array([1, 1]), "sample": np.array([10, 50]), "sign": np.array([1, -1])}
    n = 20_000
    flood = {"channel_id": np.full(n, 4), "sample": np.arange(n), "sign": np.ones(n, int)}
    columns = [tasks.overflow_columns(inputs, truth, told, {}) for told in (right, right, flood)]
    assert value(tasks.OVERFLOW, "event_f1", *columns) == pytest.approx(2 / 3)
    assert value(tasks.OVERFLOW, "event_f1_pooled", *columns) < 1e-3
    # without a true event there is no F1; what is told is false all the same
    none = truth_of(overflow_pair=[], overflow_sample=[], overflow_wraps=[])
    empty = tasks.overflow_columns(inputs, none, flood, {})
    assert np.isnan(value(tasks.OVERFLOW, "event_f1", empty))
    assert value(tasks.OVERFLOW, "precision", empty) == 0
    assert value(tasks.OVERFLOW, "event_f1", columns[0], empty) == 1
    assert value(tasks.OVERFLOW, "precision", columns[0], empty) < 1e-3


def test_anomalies() -> None:
    inputs, truth = scene(samples=300), truth_of()
    labels = np.zeros(300, bool)
    labels[20:25] = True
    for name in ("vus_pr", "vus_roc", "auroc", "aupr", "frame_f1", "event_iou", "affiliation_recall", "range_f"):
        columns = tasks.anomaly_columns(inputs, truth, {"score": labels.astype(float)}, {"threshold": 0.5, "rare": 0.5})
        assert value(tasks.ANOMALY, name, columns) >= (0.9 if name.startswith("vus") else 1)
    score = np.zeros(300)
    score[[22, 100, 105, 200]] = 1.0
    columns = tasks.anomaly_columns(inputs, truth, {"score": score}, {"threshold": 0.5, "rare": 0.5})
    assert value(tasks.ANOMALY, "precision", columns) == 1 / 4
    assert value(tasks.ANOMALY, "recall", columns) == 1 / 5
    assert value(tasks.ANOMALY, "alarms_per_hour", columns) == pytest.approx(2 / (30 / 3600))
    assert value(tasks.ANOMALY, "alarms_per_day", columns) == pytest.approx(48 / (30 / 3600))
    assert value(tasks.ANOMALY, "true_by_promised", columns) == pytest.approx(3 / 295 / tasks.ALPHA)


def test_alarms_that_are_told_stand_in_place_of_the_threshold() -> None:
    inputs, truth = scene(samples=300), truth_of()
    told = {"score": np.zeros(300), "alarm": np.ones(300, bool)}
    tasks.check_bins(inputs, told)
    columns = tasks.anomaly_columns(inputs, truth, told, {"threshold": 0.5, "rare": 0.5})
    assert value(tasks.ANOMALY, "recall", columns) == value(tasks.ANOMALY, "recall_rare", columns) == 1
    assert value(tasks.ANOMALY, "frame_f1", columns) == pytest.approx(2 * 5 / (300 + 5))
    assert value(tasks.ANOMALY, "true_by_promised", columns) == pytest.approx(1 / tasks.ALPHA)
    still = tasks.anomaly_columns(inputs, truth, {"score": np.zeros(300)}, {"threshold": 0.5, "rare": 0.5})
    assert value(tasks.ANOMALY, "vus_pr", columns) == value(tasks.ANOMALY, "vus_pr", still)


def test_thresholds_of_anomalies_have_intervals_or_say_that_the_largest_stands_in() -> None:
    rng = np.random.default_rng(0)
    found = tasks.calibrate_anomaly([({}, {}, {"score": rng.exponential(size=20_000)})])
    for name in ("threshold", "rare"):
        tail = found["tails"][name]
        assert tail["low"] < found[name] < tail["high"]
        assert 0 < tail["theta"] <= 1
        assert not tail["fallback"]
    alike = tasks.calibrate_anomaly([({}, {}, {"score": np.full(100, 7.0)})])
    assert alike["threshold"] == alike["rare"] == 7
    assert alike["tails"]["rare"] == {"low": None, "high": None, "theta": None, "fallback": True}
    none = tasks.calibrate_anomaly([])
    assert none["threshold"] == none["rare"] == np.inf  # nothing is known, and there is no alarm
    assert none["tails"]["rare"]["fallback"]


def test_a_recording_without_an_event_cannot_be_ranked() -> None:
    truth = truth_of(anomaly_channel=[], anomaly_start=[], anomaly_end=[], anomaly_group=[])
    columns = tasks.anomaly_columns(scene(), truth, {"score": np.ones(100)}, {"threshold": 0.5, "rare": 0.5})
    assert np.isnan(value(tasks.ANOMALY, "vus_pr", columns))
    assert np.isnan(value(tasks.ANOMALY, "precision", columns))
    assert value(tasks.ANOMALY, "alarms_per_hour", columns) == pytest.approx(360)


def test_events_are_told_apart_by_their_own_channel() -> None:
    truth = truth_of(
        anomaly_channel=[0, 1, 2], anomaly_start=[10, 40, 60], anomaly_end=[12, 42, 62], anomaly_group=[0, 1, 1],
        anomaly_detectability=[0.5, 0.2, 0.99],
    )  # fmt: skip
    score = np.zeros(100)
    score[10] = 1
    columns = tasks.anomaly_columns(scene(), truth, {"score": score}, {"threshold": 0.5, "rare": 0.5})
    assert value(tasks.ANOMALY, "found_across", columns) == 1
    assert value(tasks.ANOMALY, "found_single", columns) == 0


def test_the_channel_of_an_event_is_the_one_that_scores_highest_in_its_bins() -> None:
    truth = truth_of(
        anomaly_channel=[0, 1, 2, 4], anomaly_start=[10, 40, 41, 60], anomaly_end=[12, 42, 44, 62],
        anomaly_group=[0, 1, 1, 2],
    )  # fmt: skip
    scores, calibration = np.zeros((6, 100)), {"threshold": 0.5, "rare": 0.5}
    scores[0, 11], scores[3, 11], scores[5, 20] = 2.0, 1.0, 9.0  # right; what is outside of the event does not matter
    scores[2, 43] = 1.0  # either channel will do
    scores[3, 60] = scores[4, 61] = 1.0  # a tie
    told = {"score": scores.max(0), "channel_id": np.arange(6), "channel_score": scores}
    tasks.check_bins(scene(), told)
    columns = tasks.anomaly_columns(scene(), truth, told, calibration)
    assert value(tasks.ANOMALY, "channel_hit", columns) == pytest.approx(2.5 / 3)
    order = np.array([3, 5, 0, 4, 1, 2])
    other = told | {"channel_id": order, "channel_score": scores[order]}
    assert tasks.anomaly_columns(scene(), truth, other, calibration) == columns
    constant = told | {"channel_score": np.zeros((6, 100))}
    columns = tasks.anomaly_columns(scene(), truth, constant, calibration)
    assert value(tasks.ANOMALY, "channel_hit", columns) == pytest.approx((1 + 2 + 1) / 6 / 3)
    some = told | {"channel_id": np.array([5]), "channel_score": scores[5:]}
    assert value(tasks.ANOMALY, "channel_hit", tasks.anomaly_columns(scene(), truth, some, calibration)) == 0
    columns = tasks.anomaly_columns(scene(), truth, {"score": scores.max(0)}, calibration)
    assert np.isnan(value(tasks.ANOMALY, "channel_hit", columns))


def stream(n: int = 3000) -> dict[str, np.ndarray]:
    return {"inputs/score": np.zeros(n), "inputs/rate_hz": np.array(10.0)}


def test_drift() -> None:
    inputs = stream()
    score = np.zeros(3000)
    score[[100, 150, 1030]] = 1  # 5 s apart: one alarm; then 3 s after the onset, known when the sample is over
    calibration = {f"threshold_{rate:g}": 0.5 for rate in tasks.FALSE_ALARMS_PER_HOUR}
    columns = tasks.drift_columns(inputs, {"truth/onset": np.array([1000])}, {"score": score}, calibration)
    assert value(tasks.DRIFT, "promptness_1", columns) == pytest.approx(1 - 3.1 / 60)
    assert value(tasks.DRIFT, "delay_s_1", columns) == pytest.approx(3.1)
    assert value(tasks.DRIFT, "found_1", columns) == 1
    assert value(tasks.DRIFT, "alarms_per_hour_1", columns) == pytest.approx(1 / (100 / 3600))
    missed = tasks.drift_columns(inputs, {"truth/onset": np.array([1100])}, {"score": score}, calibration)
    assert value(tasks.DRIFT, "promptness_1", missed) == 0
    assert np.isnan(value(tasks.DRIFT, "delay_s_1", missed))
    none = tasks.drift_columns(inputs, {"truth/onset": np.array([-1])}, {"score": score}, calibration)
    assert np.isnan(value(tasks.DRIFT, "promptness_1", none))
    quiet = columns | {"alarms_1": 0.0}
    assert value(tasks.DRIFT, "kept_promptness_1", quiet) == pytest.approx(1 - 3.1 / 60)
    # one alarm in 100 s is 18 times twice the promised one an hour
    assert value(tasks.DRIFT, "kept_promptness_1", columns) == pytest.approx((1 - 3.1 / 60) / 18)
    assert value(tasks.DRIFT, "promptness_1", missed, columns) == pytest.approx((1 - 3.1 / 60) / 2)


def test_thresholds_of_drift_keep_their_promise_on_what_they_saw() -> None:
    rng = np.random.default_rng(0)
    answers = [
        (stream(36000), {"truth/onset": np.array([-1])}, {"score": rng.standard_normal(36000)}) for _ in range(8)
    ]
    found = tasks.calibrate_drift(answers)
    for rate in tasks.FALSE_ALARMS_PER_HOUR:
        columns = [tasks.drift_columns(i, t, p, found) for i, t, p in answers]
        told = value(tasks.DRIFT, f"alarms_per_hour_{rate:g}", *columns)
        assert 0.5 * rate <= told <= rate
    assert found["threshold_0.5"] > found["threshold_1"] > found["threshold_5"]


@pytest.mark.parametrize(
    ("check", "told", "line"),
    [
        (tasks.check_types, {"channel_id": np.arange(6)}, "an answer must have 'node_type'; it has 'channel_id'"),
        (tasks.check_types, {"channel_id": np.zeros(6, int), "node_type": np.zeros(6, int)}, "each channel once"),
        (tasks.check_types, {"channel_id": np.arange(6), "node_type": np.full(6, 4)}, "must lie in 0 to 3"),
        (tasks.check_types, None, "an answer must be a mapping"),
        (tasks.check_pairs, pairs((0, 1), (0, 2)), "each channel once at most"),
        (tasks.check_pairs, pairs((0, 9)), "'lsb' must name channels of the recording; 9 is none"),
        (tasks.check_masks, {"channel_id": np.arange(6), "mask": np.full(6, 1 << 16), "cuts": np.zeros(6, int)},
         "'mask' must have 16 bits"),
        (tasks.check_events, {"channel_id": np.array([1]), "sample": np.array([1]), "sign": np.array([0])}, "-1 or 1"),
        (tasks.check_events, {"channel_id": np.array([1]), "sample": np.array([1, 2]), "sign": np.array([1])},
         "'sample' must have shape (1); it has (2,)"),
        (tasks.check_bins, {"score": np.full(100, np.inf)}, "'score' must be finite; 100 of 100 are not"),
        (tasks.check_bins, {"score": np.zeros(100), "channel_id": np.ones(2, int), "channel_score": np.zeros((2, 100))},
         "'channel_id' must name each channel once at most; one is named twice"),
        (tasks.check_bins, {"score": np.zeros(100), "alarm": np.zeros(100)}, "'alarm' must be true or false; it is f"),
        (tasks.check_bins, {"score": np.zeros(99)}, "'score' must have shape (100); it has (99,)"),
        (tasks.check_bins, {"score": np.full(100, "a")}, "'score' must be numbers"),
    ],
)  # fmt: skip
def test_a_wrong_answer_gets_a_line(check: Any, told: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        check(scene(), told)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
