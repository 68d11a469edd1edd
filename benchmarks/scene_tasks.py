"""The tasks of the scene and drift domains: what an answer must look like, and how it is scored.

Every function works on one recording. It returns additive columns, so that a score over any sample of recordings is a
function of sums (see `Metric`). `x` and `x_n` are a figure and whether there is one: what cannot be scored adds to
neither. An answer is checked once, before it is scored.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from baselines.evt import fit_tail
from baselines.scene.channels import BIN_S, bins, channels, groups
from benchmarks import metrics as m
from benchmarks import ranges
from benchmarks.track import Columns, Inputs, Metric, Prediction, Task, Truth
from scenarios.errors import InputError
from simulators.scene.spec import FORMATS, LINK_KINDS, NODE_TYPES, ORDERS

TOLERANCE = 2
"""Samples by which a predicted rollover may miss."""
BUFFER = 10
"""Longest tolerance of VUS, in bins: 1 s."""
ALPHA, RARE = 1e-3, 1e-4
"""Promised shares of normal bins above the threshold, and above the stricter one."""
MERGE = 10
"""Alarms closer than this many bins are one to an operator."""
HORIZON_S = 60.0
"""A change that is found later than this after its onset counts as missed."""
REFRACTORY_S = 10.0
"""After an alarm of drift none is raised for so long."""
FALSE_ALARMS_PER_HOUR = (0.5, 1.0, 5.0)
"""Promised rates at which drift detectors are compared; the middle one ranks."""
HARD = 0.95
"""Events whose detectability in their own channel is below this are visible only across channels."""
SWAPPED = np.array([order in ("BADC", "DCBA") for order in ORDERS])
HALVES = (NODE_TYPES.index("msb"), NODE_TYPES.index("lsb"))
BITS = NODE_TYPES.index("bits")
COPIES = (LINK_KINDS.index("twin"), LINK_KINDS.index("half_twin"))


# ---- checks


def _array(prediction: Prediction, name: str, kind: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """An array of an answer, of a kind ("i" integers, "f" finite numbers, "b" booleans) and a shape (None: any)."""
    if not isinstance(prediction, Mapping):
        raise InputError(f"an answer must be a mapping from names to arrays; it is {type(prediction).__name__}")
    if name not in prediction:
        raise InputError(f"an answer must have '{name}'; it has {', '.join(map(repr, prediction)) or 'nothing'}")
    found = np.asarray(prediction[name])
    if found.ndim != len(shape) or any(n is not None and n != have for n, have in zip(shape, found.shape, strict=True)):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        raise InputError(f"'{name}' must have shape ({wanted}); it has {found.shape}")
    if kind == "i" and found.dtype.kind not in "iu" and found.size:
        raise InputError(f"'{name}' must be integers; it is {found.dtype}")
    if kind == "b" and found.dtype.kind != "b":
        raise InputError(f"'{name}' must be true or false; it is {found.dtype}")
    if kind == "f" and found.dtype.kind not in "fiub":
        raise InputError(f"'{name}' must be numbers; it is {found.dtype}")
    if kind == "f" and not np.isfinite(found).all():
        raise InputError(f"'{name}' must be finite; {int((~np.isfinite(found)).sum())} of {found.size} are not")
    return found


def channel_ids(inputs: Inputs) -> np.ndarray:
    """All channel ids of a recording, ascending."""
    found = [np.asarray(inputs[f"inputs/{g}/channel_id"], np.int64) for g in groups(inputs)]
    return np.sort(np.concatenate([np.empty(0, np.int64), *found]))


def _every_channel(inputs: Inputs, prediction: Prediction) -> None:
    ids = channel_ids(inputs)
    told = _array(prediction, "channel_id", "i", (ids.size,))
    if not np.array_equal(np.sort(told), ids):
        raise InputError("'channel_id' must name each channel once; it does not")


def _known(inputs: Inputs, name: str, told: np.ndarray) -> None:
    if strange := set(told.tolist()) - set(channel_ids(inputs).tolist()):
        raise InputError(f"'{name}' must name channels of the recording; {min(strange)} is none")


def check_types(inputs: Inputs, prediction: Prediction) -> None:
    """`channel_id`, `node_type`: each channel once, a code into NODE_TYPES each."""
    _every_channel(inputs, prediction)
    told = _array(prediction, "node_type", "i", (len(prediction["channel_id"]),))
    if told.size and not 0 <= told.min() <= told.max() < len(NODE_TYPES):
        raise InputError(f"'node_type' must lie in 0 to {len(NODE_TYPES) - 1}; it reaches {told.min()} to {told.max()}")


def check_pairs(inputs: Inputs, prediction: Prediction) -> None:
    """`msb`, `lsb`, `order`, `format`: one row a pair, each channel in one pair at most."""
    msb = _array(prediction, "msb", "i", (None,))
    for name in ("lsb", "order", "format"):
        _array(prediction, name, "i", msb.shape)
    lsb = np.asarray(prediction["lsb"])
    _known(inputs, "msb", msb)
    _known(inputs, "lsb", lsb)
    both = np.concatenate([msb, lsb])
    if np.unique(both).size < both.size:
        raise InputError("'msb' and 'lsb' must name each channel once at most; one is named twice")
    for name, names in (("order", ORDERS), ("format", FORMATS)):
        told = np.asarray(prediction[name])
        if told.size and not 0 <= told.min() <= told.max() < len(names):
            raise InputError(f"'{name}' must lie in 0 to {len(names) - 1}; it reaches {told.min()} to {told.max()}")


def check_masks(inputs: Inputs, prediction: Prediction) -> None:
    """`channel_id`, `mask`, `cuts`: each channel once, 16 bits each."""
    _every_channel(inputs, prediction)
    for name in ("mask", "cuts"):
        told = _array(prediction, name, "i", (len(prediction["channel_id"]),))
        if told.size and not 0 <= told.min() <= told.max() <= 0xFFFF:
            raise InputError(f"'{name}' must have 16 bits; it reaches {told.min()} to {told.max()}")


def check_events(inputs: Inputs, prediction: Prediction) -> None:
    """`channel_id`, `sample`, `sign`: one row a rollover."""
    told = _array(prediction, "channel_id", "i", (None,))
    _known(inputs, "channel_id", told)
    _array(prediction, "sample", "i", told.shape)
    if not np.isin(_array(prediction, "sign", "i", told.shape), (-1, 1)).all():
        raise InputError("'sign' must be -1 or 1; another came")


def check_bins(inputs: Inputs, prediction: Prediction) -> None:
    """`score`: one finite number a bin. `channel_score`, if it is told: the same by row of `channel_id` and bin.

    `alarm`, if it is told: which bins are alarmed, in place of those whose score is above a threshold.
    """
    n = bins(inputs)
    _array(prediction, "score", "f", (n,))
    if "alarm" in prediction:
        _array(prediction, "alarm", "b", (n,))
    if "channel_score" in prediction:
        ids = _array(prediction, "channel_id", "i", (None,))
        _known(inputs, "channel_id", ids)
        if np.unique(ids).size < ids.size:
            raise InputError("'channel_id' must name each channel once at most; one is named twice")
        _array(prediction, "channel_score", "f", (ids.size, n))


def check_stream(inputs: Inputs, prediction: Prediction) -> None:
    """`score`: one finite number a sample."""
    _array(prediction, "score", "f", inputs["inputs/score"].shape)


# ---- structure


def _twin_class(truth: Truth) -> dict[int, int]:
    """Class of every half that is a copy of another, by channel: copies of one half are interchangeable."""
    node = truth["truth/node_type"]
    found: dict[int, int] = {}
    for a, b, kind in zip(truth["truth/link_a"], truth["truth/link_b"], truth["truth/link_kind"], strict=True):
        if kind in COPIES and node[a] in HALVES:
            found[int(b)] = found.setdefault(int(a), int(a))
    return found


def type_columns(inputs: Inputs, truth: Truth, prediction: Prediction, calibration: Mapping[str, Any]) -> Columns:
    """The confusion matrix, `c<true><predicted>`."""
    ids = np.asarray(prediction["channel_id"])
    confusion = m.confusion(truth["truth/node_type"][ids], np.asarray(prediction["node_type"]), len(NODE_TYPES))
    return {f"c{i}{j}": float(confusion[i, j]) for i in range(len(NODE_TYPES)) for j in range(len(NODE_TYPES))}


def pair_columns(inputs: Inputs, truth: Truth, prediction: Prediction, calibration: Mapping[str, Any]) -> Columns:
    """Counts of ordered pairs, of all and of visible ones; byte order and format of those found.

    Copies of a half are one class, so that twins cost a tolerant method nothing: any of the copies will do.
    """
    msb, lsb = truth["truth/pair_msb"], truth["truth/pair_lsb"]
    visible = truth["truth/pair_visible"].astype(bool)
    told_msb, told_lsb = (np.asarray(prediction[name]) for name in ("msb", "lsb"))
    found = m.pair_counts(msb, lsb, visible, told_msb, told_lsb, _twin_class(truth))
    mine, true = found.matched
    order, form = np.asarray(prediction["order"])[mine], np.asarray(prediction["format"])[mine]
    return {
        "tp": found.tp, "fp": found.fp, "fn": found.fn,
        "vtp": found.visible_tp, "vfp": found.visible_fp, "vfn": found.visible_fn,
        "v_told": found.visible_tp + found.visible_fp, "v_true": found.visible_tp + found.visible_fn,
        "order": float((SWAPPED[order] == SWAPPED[truth["truth/pair_order"][true]]).sum()), "order_n": mine.size,
        "format": float((form == truth["truth/pair_format"][true]).sum()), "format_n": mine.size,
        "true": found.tp + found.fn,
    }  # fmt: skip


def mask_columns(inputs: Inputs, truth: Truth, prediction: Prediction, calibration: Mapping[str, Any]) -> Columns:
    """Mask overlap and cuts of the bit words. A cut between two bits that stay as they are cannot be scored.

    Nor can such a bit of a mask; but without them any mask that has all others would be right, so all bits count.
    """
    node = truth["truth/node_type"]
    ids = np.asarray(prediction["channel_id"])
    ours = node[ids] == BITS
    ids = ids[ours]
    mask, cuts = (np.asarray(prediction[name])[ours].astype(np.uint16) for name in ("mask", "cuts"))
    true = truth["truth/mask"][ids]
    intersection, union = m.mask_iou(true, mask)
    words = {channel.id: channel.words for channel in channels(inputs)}
    moving = np.array([np.bitwise_or.reduce(w ^ w[:1], initial=0) for w in (words[i] for i in ids.tolist())], np.uint16)
    scorable = moving | (moving << np.uint16(1))
    tp, fp, fn = m.cut_counts(true_cuts(truth)[ids], cuts, scorable)
    return {"both": float(intersection), "either": float(union), "tp": tp, "fp": fp, "fn": fn}


def true_cuts(truth: Truth) -> np.ndarray:
    """Bit b of each channel's number is set where a field starts or ends at bit b (1 to 15), shape (channels,)."""
    found = np.zeros(truth["truth/node_type"].size, np.uint16)
    start, width = truth["truth/field_start"].astype(int), truth["truth/field_width"].astype(int)
    for edge in (start, start + width):
        inside = (edge > 0) & (edge < 16)
        np.bitwise_or.at(found, truth["truth/field_channel"][inside], (1 << edge[inside]).astype(np.uint16))
    return found


def overflow_columns(inputs: Inputs, truth: Truth, prediction: Prediction, calibration: Mapping[str, Any]) -> Columns:
    """Rollovers found, by channel, sign and sample. What is told of a copy of a half is neither right nor wrong.

    Events of a recording have no upper bound: one channel that is wrongly taken for a low half may tell one a sample,
    more than all recordings together have. So each recording that has events has an F1 of its own. Where there are
    none, F1 has no value; false events there cost precision.
    """
    told = np.asarray(prediction["channel_id"])
    sample, sign = np.asarray(prediction["sample"]), np.asarray(prediction["sign"])
    channel = truth["truth/pair_lsb"][truth["truth/overflow_pair"]]
    true_sample, true_sign = truth["truth/overflow_sample"], np.sign(truth["truth/overflow_wraps"])
    copies = truth["truth/link_b"][truth["truth/link_kind"] == LINK_KINDS.index("half_twin")]
    counts = np.zeros(3)
    for c in np.setdiff1d(np.union1d(channel, told), copies).tolist():
        here, mine = np.flatnonzero(channel == c), np.flatnonzero(told == c)
        counts += m.event_counts(true_sample[here], true_sign[here], sample[mine], sign[mine], TOLERANCE)
    tp, fp, fn = counts.tolist()
    some = tp + fn > 0
    return {
        "tp": tp, "fp": fp, "fn": fn, "told": tp + fp, "true": tp + fn,
        "f1": float(m.f1(tp, fp, fn)) if some else 0.0, "f1_n": float(some),
    }  # fmt: skip


# ---- anomalies


def anomaly_bins(inputs: Inputs, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """(bins of each labelled stretch (k, 2): first, one after the last; its group, shape (k,))."""
    rate = {int(c): float(g[1:]) for g in groups(inputs) for c in inputs[f"inputs/{g}/channel_id"]}
    own = np.array([rate[int(c)] for c in truth["truth/anomaly_channel"]])
    first = np.floor(truth["truth/anomaly_start"] / own / BIN_S + 1e-6).astype(int)
    last = np.ceil(truth["truth/anomaly_end"] / own / BIN_S - 1e-6).astype(int)
    spans = np.stack([first, np.maximum(last, first + 1)], 1).reshape(-1, 2)
    return np.minimum(spans, bins(inputs)), truth["truth/anomaly_group"]


def calibrate_anomaly(answers: Iterable[tuple[Inputs, Truth, Prediction]]) -> dict[str, Any]:
    """The thresholds that promise ALPHA and RARE on the scores of the validation recordings.

    An alarm is a score above them: scores that are all alike raise none, however high they are, and without a score
    there is none. `tails` holds of each its 90 % interval and the extremal index, or that the fit was refused.
    """
    scores = np.concatenate([np.empty(0), *(np.asarray(prediction["score"], float) for _, _, prediction in answers)])
    found: dict[str, Any] = {"tails": {}}
    for name, alpha in (("threshold", ALPHA), ("rare", RARE)):
        try:
            tail = fit_tail(scores, alpha)
        except InputError:  # scores without a tail: nothing is above the largest
            found[name] = float(scores.max()) if scores.size else np.inf
            found["tails"][name] = {"low": None, "high": None, "theta": None, "fallback": True}
        else:
            found[name] = float(tail.value)
            found["tails"][name] = {"low": tail.low, "high": tail.high, "theta": tail.theta, "fallback": False}
    return found


def anomaly_columns(inputs: Inputs, truth: Truth, prediction: Prediction, calibration: Mapping[str, Any]) -> Columns:
    """Ranking scores where there is an event, alarms at the threshold everywhere."""
    score = np.asarray(prediction["score"], float)
    spans, group = anomaly_bins(inputs, truth)
    labels = np.zeros(score.size, bool)
    for first, end in spans:
        labels[first:end] = True
    own = prediction.get("alarm")
    alarm, rare = (score > calibration[name] if own is None else np.asarray(own) for name in ("threshold", "rare"))
    segments = m.segments_of(alarm)
    found: dict[str, float] = {"bins": float((~labels).sum()), "hours": score.size * BIN_S / 3600}
    for name, over in (("", alarm), ("_rare", rare)):
        runs = m.segments_of(over & ~labels)
        found[f"above{name}"] = float((over & ~labels).sum())
        found[f"alarms{name}"] = float(runs.shape[0] and 1 + (runs[1:, 0] - runs[:-1, 1] >= MERGE).sum())
    found["tp_rare"] = float((labels & rare).sum())
    tp, fp, fn = m.frame_counts(labels, alarm)
    found |= {"tp": float(tp), "fp": float(fp), "fn": float(fn), "told": float(tp + fp), "true": float(tp + fn)}
    if labels.any() and not labels.all():
        pr, roc = ranges.vus(labels, score, BUFFER)
        figures = {
            "vus_pr": pr,
            "vus_roc": roc,
            "auroc": m.auroc(labels, score),
            "aupr": m.average_precision(labels, score),
            "iou": m.event_iou(m.segments_of(labels), segments),
        }
        figures["aff_p"], figures["aff_r"] = ranges.affiliation(labels, alarm)
        *_, figures["range_f"] = ranges.range_scores(labels, alarm)
        for name, value in figures.items():
            found |= {name: 0.0 if np.isnan(value) else float(value), f"{name}_n": float(not np.isnan(value))}
    if "channel_score" in prediction:
        found |= _blame(spans, group, truth["truth/anomaly_channel"], prediction)
    if "truth/anomaly_detectability" in truth:
        alone = truth["truth/anomaly_detectability"]
        for g in np.unique(group):
            rows = np.flatnonzero(group == g)
            name = "across" if alone[rows].max() < HARD else "single"
            hit = float(any(alarm[a:b].any() for a, b in spans[rows]))
            found[name] = found.get(name, 0.0) + hit
            found[f"{name}_n"] = found.get(f"{name}_n", 0.0) + 1
    return found


def _blame(spans: np.ndarray, group: np.ndarray, channel: np.ndarray, prediction: Prediction) -> dict[str, float]:
    """Events whose channel scores highest in the event's bins; of channels that tie, the share that are the event's."""
    ids, scores = np.asarray(prediction["channel_id"]), np.asarray(prediction["channel_score"], float)
    hits, events = 0.0, np.unique(group)
    for g in events:
        rows = np.flatnonzero(group == g)
        inside = np.concatenate([np.arange(*span) for span in spans[rows]])
        peak = scores[:, inside].max(1, initial=-np.inf)
        top = ids[peak == peak.max(initial=-np.inf)]
        hits += float(np.isin(top, channel[rows]).mean()) if top.size else 0.0
    return {"channel_hit": hits, "channel_hit_n": float(events.size)}


# ---- drift


def drift_onset(inputs: Inputs, truth: Truth) -> float:
    """When the first change begins, s; -1 where there is none."""
    if "truth/onset" in truth:
        onset = int(np.min(truth["truth/onset"]))
        return onset / float(inputs["inputs/rate_hz"]) if onset >= 0 else -1.0
    rate = {int(c): float(g[1:]) for g in groups(inputs) for c in inputs[f"inputs/{g}/channel_id"]}
    starts = [s / rate[int(c)] for c, s in zip(truth["truth/drift_channel"], truth["truth/drift_start"], strict=True)]
    return min(starts, default=-1.0)


def _step_s(inputs: Inputs) -> float:
    return 1 / float(inputs["inputs/rate_hz"]) if "inputs/rate_hz" in inputs else BIN_S


def calibrate_drift(answers: Iterable[tuple[Inputs, Truth, Prediction]]) -> dict[str, float]:
    """For each promised rate the least threshold that keeps it on the changeless stretches of the validation."""
    stretches, hours = [], 0.0
    step = BIN_S
    for inputs, truth, prediction in answers:
        step = _step_s(inputs)
        onset = drift_onset(inputs, truth)
        score = np.asarray(prediction["score"], float)
        score = score if onset < 0 else score[: int(onset / step)]
        stretches.append(score)
        hours += score.size * step / 3600
    every = np.concatenate([np.empty(0), *stretches])
    if not every.size:
        return {f"threshold_{rate:g}": np.inf for rate in FALSE_ALARMS_PER_HOUR}
    levels = np.unique(np.concatenate([np.quantile(every, 1 - np.geomspace(1, 1e-6, 300)), [every.max()]]))
    wait = round(REFRACTORY_S / step)
    raised = np.array([sum(_alarms(s, level, wait).size for s in stretches) for level in levels])
    return {
        f"threshold_{rate:g}": float(levels[np.flatnonzero(raised <= rate * hours)[0]])
        for rate in FALSE_ALARMS_PER_HOUR
    }


def _alarms(score: np.ndarray, threshold: float, wait: int) -> np.ndarray:
    """Steps at which an alarm is raised: above the threshold, and none for `wait` steps before."""
    above = np.flatnonzero(score > threshold)
    found: list[int] = []
    at = 0
    while at < above.size:
        found.append(int(above[at]))
        at = int(np.searchsorted(above, above[at] + wait))
    return np.array(found, np.int64)


def drift_columns(inputs: Inputs, truth: Truth, prediction: Prediction, calibration: Mapping[str, Any]) -> Columns:
    """Delay and false alarms at each promised rate."""
    score, step, onset = np.asarray(prediction["score"], float), _step_s(inputs), drift_onset(inputs, truth)
    changeless = score.size * step if onset < 0 else onset
    found: dict[str, float] = {"hours": changeless / 3600}
    for rate in FALSE_ALARMS_PER_HOUR:
        # what a bin or a sample tells is known when it is over
        at = (_alarms(score, calibration[f"threshold_{rate:g}"], round(REFRACTORY_S / step)) + 1) * step
        before = at if onset < 0 else at[at <= onset + 1e-9]
        found[f"alarms_{rate:g}"] = float(before.size)
        if onset < 0 or onset + HORIZON_S > score.size * step:
            continue
        after = at[(at > onset + 1e-9) & (at < onset + HORIZON_S)]
        delay = float(after[0] - onset) if after.size else HORIZON_S
        found |= {f"prompt_{rate:g}": 1 - delay / HORIZON_S, f"prompt_{rate:g}_n": 1.0}
        found |= {f"found_{rate:g}": float(bool(after.size))}
        if after.size:
            found |= {f"delay_{rate:g}": delay, f"delay_{rate:g}_n": 1.0}
    return found


def stream_view(inputs: Inputs) -> Inputs:
    """A stored score stream as entries see it: `inputs/score` (T,) and `inputs/rate_hz`."""
    (name,) = [n for n in inputs if n.endswith("/score")]
    base = name.rpartition("/")[0]
    n = int(np.asarray(inputs[f"{base}/n_samples"])[0])
    lsb = float(np.asarray(inputs[f"{base}/lsb"])[0])
    return {"inputs/score": inputs[name][0, :n] * lsb, "inputs/rate_hz": np.array(float(base.split("/r")[-1]))}


# ---- tasks


def _ratio(name: str, meaning: str, top: str, bottom: str, factor: float = 1.0, **more: Any) -> Metric:
    def value(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(sums[..., 1] > 0, factor * sums[..., 0] / sums[..., 1], np.nan)

    return Metric(name=name, meaning=meaning, columns=(top, bottom), value=value, **more)


def _mean(name: str, meaning: str, column: str, **more: Any) -> Metric:
    return _ratio(name, meaning, column, f"{column}_n", **more)


def _precision(name: str, meaning: str) -> Metric:
    """Precision; not to be scored where the truth has nothing to find."""

    def value(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((sums[..., 1] > 0) & (sums[..., 2] > 0), sums[..., 0] / sums[..., 1], np.nan)

    return Metric(name=name, meaning=meaning, columns=("tp", "told", "true"), value=value)


def _f1(name: str, meaning: str, tp: str, fp: str, fn: str) -> Metric:
    """F1 of sums: for what a recording has so many of at most, such as pairs, cuts and bins."""
    return Metric(name=name, meaning=meaning, columns=(tp, fp, fn), value=_f1_of)


def _f1_of(sums: np.ndarray) -> np.ndarray:
    """F1; not to be scored where the truth has nothing to find."""
    tp, fp, fn = sums[..., 0], sums[..., 1], sums[..., 2]
    return np.where(tp + fn > 0, m.f1(tp, fp, fn), np.nan)


def _cap(sums: np.ndarray) -> np.ndarray:
    """The F1 of V of N pairs, and no other: 2V / (V + N)."""
    visible, every = sums[..., 0], sums[..., 1]
    return np.where(every > 0, m.f1(visible, 0.0, every - visible), np.nan)


BUS = "channels of 16-bit words at their rates, with ids, clocks and gaps as a logger knows them"
CONFUSION = tuple(f"c{i}{j}" for i in range(4) for j in range(4))


def _macro_4(sums: np.ndarray) -> np.ndarray:
    return m.macro_f1(sums.reshape(*sums.shape[:-1], 4, 4))


def _macro_3(sums: np.ndarray) -> np.ndarray:
    return m.macro_f1(m.merge(sums.reshape(*sums.shape[:-1], 4, 4), (0, 1, 1, 2)))


def _accuracy(sums: np.ndarray) -> np.ndarray:
    total = sums.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, sums[..., [0, 5, 10, 15]].sum(-1) / total, np.nan)


NODE_TYPE = Task(
    name="node-type",
    question="What is each word: a plain value, the high or the low half of a 32-bit value, or packed bits?",
    inputs=BUS,
    target="one type a channel",
    check=check_types,
    columns=type_columns,
    metrics=(
        Metric(name="macro_f1", meaning="mean F1 of plain, msb, lsb, bits", columns=CONFUSION, value=_macro_4),
        Metric(
            name="macro_f1_3way", meaning="mean F1 of 1word, 2word, complex_bits", columns=CONFUSION, value=_macro_3
        ),
        Metric(name="accuracy", meaning="share of channels that are right", columns=CONFUSION, value=_accuracy),
    ),
    main="macro_f1",
)
PAIRING = Task(
    name="pairing",
    question="Which two channels are the high and the low half of one value, and how is it coded?",
    inputs=BUS,
    target="pairs of channels (high half, low half), each with its byte order and format",
    check=check_pairs,
    columns=pair_columns,
    metrics=(
        _f1("f1_visible", "F1 of ordered pairs whose high half changes", "vtp", "vfp", "vfn"),
        _f1("f1_all", "F1 of all ordered pairs", "tp", "fp", "fn"),
        _ratio("precision_visible", "precision on visible pairs", "vtp", "v_told"),
        _ratio("recall_visible", "recall on visible pairs", "vtp", "v_true"),
        _mean("byte_order", "share of found pairs whose bytes are rightly swapped or not", "order"),
        _mean("format", "share of found pairs whose format is right", "format"),
        Metric(
            name="cap_all",
            meaning="2V/(V+N) for V visible of N pairs: the bound on f1_all",
            columns=("v_true", "true"),
            value=_cap,
        ),
    ),
    main="f1_visible",
)
BITMASK = Task(
    name="bitmask",
    question="Which bits of a packed word carry anything, and where does one field end and the next begin?",
    inputs=BUS,
    target="a mask of 16 bits and the cuts between fields, a channel; scored on packed words only",
    check=check_masks,
    columns=mask_columns,
    metrics=(
        _f1("boundary_f1", "F1 of field boundaries, those between idle bits left out", "tp", "fp", "fn"),
        _ratio("mask_iou", "bits in both masks by bits in either, over all bit words. Of bits that stay as they are "
               "none can tell, so it scores a prior on them, and the oracle is no bound", "both", "either"),
    ),
    main="boundary_f1",
)  # fmt: skip
OVERFLOW = Task(
    name="overflow",
    question="When does a low half roll over, and which way? No role is told.",
    inputs=BUS,
    target="rollovers: channel, sample, sign",
    check=check_events,
    columns=overflow_columns,
    metrics=(
        _mean("event_f1", f"F1 of rollovers by channel and sign, within {TOLERANCE} samples; mean over recordings "
              "that have any", "f1"),
        _f1("event_f1_pooled", "the same of all rollovers together", "tp", "fp", "fn"),
        _ratio("precision", "precision of all rollovers together, those of recordings without any among them", "tp",
               "told"),
        _ratio("recall", "recall of all rollovers together", "tp", "true"),
    ),
    main="event_f1",
)  # fmt: skip
ANOMALY = Task(
    name="anomaly",
    question="When does anything go wrong? One score a recording and 100 ms.",
    inputs=BUS,
    target=f"a score a bin of {1000 * BIN_S:g} ms, higher where it is odder; one a channel and bin too, if it has any",
    check=check_bins,
    columns=anomaly_columns,
    calibrate=calibrate_anomaly,
    metrics=(
        _mean("vus_pr", f"volume under the precision-recall surface, tolerance 0 to {BUFFER} bins", "vus_pr"),
        _mean("vus_roc", "volume under the ROC surface", "vus_roc"),
        _mean("auroc", "area under the ROC curve", "auroc"),
        _mean("aupr", "average precision", "aupr"),
        _precision("precision", "share of alarmed bins that are anomalous"),
        _ratio("recall", "share of anomalous bins that are alarmed", "tp", "true"),
        _f1("frame_f1", "F1 of bins at the threshold", "tp", "fp", "fn"),
        _mean("affiliation_precision", "affiliation precision at the threshold", "aff_p"),
        _mean("affiliation_recall", "affiliation recall at the threshold", "aff_r"),
        _mean("range_f", "range-based F1 at the threshold", "range_f"),
        _mean("event_iou", "mean best overlap of an event with an alarm", "iou"),
        _mean("found_single", f"share of events found that their own channel shows (>= {HARD})", "single"),
        _mean("found_across", "share of events found that only channels together show", "across"),
        _mean("channel_hit", "share of events in whose bins one of their own channels scores highest, where channels "
              "are scored", "channel_hit"),
        _ratio("alarms_per_hour", f"false alarms an hour, those within {MERGE} bins as one", "alarms", "hours",
               higher_is_better=False, best=0.0),
        _ratio("alarms_per_day", "false alarms a day", "alarms", "hours", 24.0, higher_is_better=False, best=0.0),
        _ratio("true_by_promised", f"share of normal bins above the threshold, by the promised {ALPHA:g}", "above",
               "bins", 1 / ALPHA, best=None, honest=1.0),
        _ratio("recall_rare", f"recall of bins at the threshold that promises {RARE:g}", "tp_rare", "true"),
        _ratio("alarms_per_day_rare", f"false alarms a day at the threshold that promises {RARE:g}", "alarms_rare",
               "hours", 24.0, higher_is_better=False, best=0.0),
        _ratio("true_by_promised_rare", f"share of normal bins above that threshold, by the promised {RARE:g}",
               "above_rare", "bins", 1 / RARE, best=None, honest=1.0),
    ),
    main="vus_pr",
)  # fmt: skip


def _kept(rate: float) -> Metric:
    """Promptness that pays for alarms beyond twice the promised rate: else a threshold that does not hold would win."""

    def value(sums: np.ndarray) -> np.ndarray:
        prompt, changes, alarms, hours = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.where(hours > 0, alarms / hours / (2 * rate), 1.0)
            return np.where(changes > 0, prompt / changes / np.maximum(excess, 1.0), np.nan)

    return Metric(
        name=f"kept_promptness_{rate:g}",
        meaning=f"promptness_{rate:g}, divided by how far false alarms exceed twice the {rate:g} promised",
        columns=(f"prompt_{rate:g}", f"prompt_{rate:g}_n", f"alarms_{rate:g}", "hours"),
        value=value,
    )


_DRIFT = tuple(
    metric
    for rate in sorted(FALSE_ALARMS_PER_HOUR, key=lambda r: r != 1)
    for metric in (
        _kept(rate),
        _mean(f"promptness_{rate:g}", f"1 - delay/{HORIZON_S:g} s at {rate:g} false alarms an hour; 0 if missed",
              f"prompt_{rate:g}"),
        _ratio(f"found_{rate:g}", f"share of changes found within {HORIZON_S:g} s", f"found_{rate:g}",
               f"prompt_{rate:g}_n"),
        _mean(f"delay_s_{rate:g}", "mean delay of the changes found, s", f"delay_{rate:g}", higher_is_better=False,
              best=0.0),
        _ratio(f"alarms_per_hour_{rate:g}", f"false alarms an hour in the test, {rate:g} promised", f"alarms_{rate:g}",
               "hours", higher_is_better=False, best=None),
    )
)  # fmt: skip
DRIFT = Task(
    name="drift",
    question="When has the law of a score stream changed for good?",
    inputs="one stream of scores and its rate",
    target="a running statistic a sample, made from nothing later",
    check=check_stream,
    columns=drift_columns,
    calibrate=calibrate_drift,
    view=stream_view,
    metrics=_DRIFT,
    main="kept_promptness_1",
)
DRIFT_RECORDINGS = Task(
    name="drift-recordings",
    question="When does a value on the bus begin to drift?",
    inputs=BUS,
    target=f"a running statistic a bin of {1000 * BIN_S:g} ms, made from nothing later",
    check=check_bins,
    columns=drift_columns,
    calibrate=calibrate_drift,
    metrics=_DRIFT,
    main="kept_promptness_1",
)
