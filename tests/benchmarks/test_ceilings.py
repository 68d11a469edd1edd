"""Oracles: they reach what the truth allows, on every kind of scene, and are right about the law that they know."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from baselines.scene.channels import channels
from benchmarks import ceilings
from benchmarks.entries import entries_of
from benchmarks.evaluate import evaluate
from benchmarks.scene_tasks import (
    PAIRING,
    anomaly_bins,
    check_bins,
    check_events,
    check_masks,
    check_pairs,
    check_types,
    mask_columns,
    overflow_columns,
    pair_columns,
    stream_view,
)
from benchmarks.tracks import TRACKS, small
from scenarios.errors import InputError
from scenarios.schema import Arrays
from scenarios.spec import load, override, parse
from simulators.drift import DriftSpec
from simulators.drift import simulate_arrays as simulate_stream
from simulators.run import key_of
from simulators.scene import SceneSpec, simulate_arrays

KINDS = (
    "clean_sync", "phase_and_rate", "few_rollovers", "aliased", "byte_swapped", "gray_and_modulus", "twins",
    "torn_reads", "mixed_formats", "other_world_small",
)  # fmt: skip
BOUNDED = [f"scene/{task}{shift}" for task in ("node-type", "pairing", "bitmask") for shift in ("", "-shift")]
SLOW = ("word-boosting", "scene-boosting", "boosting", "cut-boosting", "information", "format-search")


def parts(arrays: Arrays, **more: Any) -> tuple[Arrays, dict[str, Any]]:
    """Inputs of a recording, and the context of an oracle."""
    truth = {name: a for name, a in arrays.items() if name.startswith("truth/")}
    return {name: a for name, a in arrays.items() if name.startswith("inputs/")}, {"truth": truth, **more}


def scene(name: str, *settings: str, index: int = 0) -> tuple[Arrays, dict[str, Any]]:
    spec = parse(SceneSpec, name, override(load("scene", name)[1], settings))
    key = key_of("scene", name, spec, "test", index)
    return parts(simulate_arrays(spec, key), spec=spec, key=key)


@pytest.mark.parametrize("name", KINDS)
def test_the_oracles_of_structure_reach_what_the_truth_allows(name: str) -> None:
    inputs, context = scene(name, "duration_s=20")
    truth = context["truth"]
    told = ceilings.PairingOracle().predict(inputs, context)
    check_pairs(inputs, told)
    counts = pair_columns(inputs, truth, told, {})
    v = float(truth["truth/visible_share"])
    assert (counts["vfp"], counts["vfn"], counts["fp"]) == (0, 0, 0)
    assert 2 * counts["tp"] / (2 * counts["tp"] + counts["fn"]) == pytest.approx(2 * v / (1 + v))

    told = ceilings.OverflowOracle().predict(inputs, context)
    check_events(inputs, told)
    counts = overflow_columns(inputs, truth, told, {})
    assert 2 * counts["tp"] / (2 * counts["tp"] + counts["fp"] + counts["fn"]) > (0.9 if "other" in name else 0.97)

    told = ceilings.TypeOracle().predict(inputs, context)
    check_types(inputs, told)
    wrong = told["channel_id"][told["node_type"] != truth["truth/node_type"][told["channel_id"]]]
    rows = {int(c): row for n, a in inputs.items() if n.endswith("/channel_id")
            for c, row in zip(a, inputs[n.replace("channel_id", "words")], strict=True)}  # fmt: skip
    assert all((rows[c] == rows[c][0]).all() for c in wrong.tolist())

    told = ceilings.MaskOracle().predict(inputs, context)
    check_masks(inputs, told)
    counts = mask_columns(inputs, truth, told, {})
    assert counts["fn"] == 0
    assert counts["fp"] <= 0.2 * counts["tp"]


@pytest.mark.parametrize("name", ["clean_sync", "carbus_like"])
def test_the_mask_oracle_treats_idle_bits_alike_and_is_right_about_most(name: str) -> None:
    inputs, context = scene(name, "duration_s=20")
    truth = context["truth"]
    told = ceilings.MaskOracle().predict(inputs, context)
    ids = told["channel_id"]
    moved = np.array([ceilings.moving(c) for c in channels(inputs)], np.uint16)
    mask = truth["truth/mask"][ids]
    np.testing.assert_array_equal(told["mask"] & moved, mask & moved)
    assert len(set((told["mask"] | moved).tolist()) - {0xFFFF}) == 0 or (told["mask"] & ~moved == 0).all()
    columns = mask_columns(inputs, truth, told, {})
    for idle in (np.uint16(0), np.uint16(0xFFFF)):
        other = mask_columns(inputs, truth, told | {"mask": moved | idle}, {})
        assert other["both"] / other["either"] <= columns["both"] / columns["either"]


@pytest.mark.parametrize("track", BOUNDED)
def test_no_entry_beats_a_bound_by_identifiability(track: str) -> None:
    of = small(TRACKS[track])
    main, found = of.task.main, {}
    for name in entries_of(of):
        if name not in SLOW and entries_of(of)[name].package == "provingground":
            result, _ = evaluate(of, name, 0)
            assert result.status == "ok", result.reason
            found[name] = result.scores[of.main_test][main]["value"]
    assert len(found) >= 6
    assert max(found.values()) <= found["oracle"] + 1e-9, found


def test_the_bound_on_all_pairs_is_what_the_oracle_reaches_over_any_scenes() -> None:
    sums = {name: np.zeros(len(PAIRING.metric(name).columns)) for name in ("f1_all", "cap_all")}
    for name in ("few_rollovers", "clean_sync", "other_world_small"):
        inputs, context = scene(name, "duration_s=12")
        told = pair_columns(inputs, context["truth"], ceilings.PairingOracle().predict(inputs, context), {})
        for metric, total in sums.items():
            total += [told[column] for column in PAIRING.metric(metric).columns]
    reached, bound = (float(PAIRING.metric(name).value(total)) for name, total in sums.items())
    assert reached == pytest.approx(bound, abs=1e-15)
    assert bound < 1


def test_ungray_undoes_the_gray_code_of_every_word() -> None:
    every = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(ceilings.ungray(every ^ every >> np.uint16(1)), every)


@pytest.mark.parametrize("name", ["anomaly_bench", "other_world_anomalies"])
def test_without_events_the_residuals_have_their_law(name: str) -> None:
    squares, n = [], []
    for index in range(4):
        inputs, context = scene(name, "anomalies.per_recording=0", "duration_s=20", index=index)
        for r in ceilings.residuals(inputs, context["truth"], context["spec"], context["key"]):
            assert not r.broken.any()
            noisy = r.square.any(1)
            squares.append(r.square[noisy].ravel())
            n.append(r.fresh[noisy].ravel())
    squared, fresh = np.concatenate(squares), np.concatenate(n)
    tail = stats.chi2.sf(squared[fresh > 0], fresh[fresh > 0])
    assert np.mean(tail < 0.01) == pytest.approx(0.01, abs=0.006)
    assert np.mean(tail < 1e-4) < 1e-3
    score = ceilings.AnomalyOracle().predict(inputs, context)["score"]
    assert score.max() < 16


@pytest.mark.parametrize("name", ["anomaly_bench", "other_world_anomalies"])
def test_the_anomaly_oracle_finds_nearly_every_event(name: str) -> None:
    hits, quiet = [], []
    for index in range(12):
        inputs, context = scene(name, "duration_s=30", "anomalies.per_recording=3", index=index)
        told = ceilings.AnomalyOracle().predict(inputs, context)
        check_bins(inputs, told)
        np.testing.assert_array_equal(told["channel_score"].max(0), told["score"])
        spans, groups = anomaly_bins(inputs, context["truth"])
        inside = np.zeros(told["score"].size, bool)
        for a, b in spans:
            inside[a:b] = True
        hits += [max(told["score"][a:b].max() for a, b in spans[groups == g]) > 16 for g in np.unique(groups)]
        quiet.append(told["score"][~inside])
    assert len(hits) > 20
    assert np.mean(hits) > 0.95
    assert np.mean(np.concatenate(quiet) > 16) < 0.002


@pytest.mark.parametrize("sd", [0.01, 0.1, 0.3, 0.7, 3.0])
def test_rounding_to_coarse_steps_has_its_mean_and_is_never_wider_than_told(sd: float) -> None:
    rng = np.random.default_rng(4)
    for fraction in (-0.5, -0.3, 0.0, 0.1, 0.48):
        off = np.floor(fraction + sd * rng.standard_normal(200_000) + 0.5) - fraction
        mean, spread = (float(a[0]) for a in ceilings.rounded(np.array([fraction]), sd))
        assert off.mean() == pytest.approx(mean, abs=0.01 * max(sd, 1))
        square = ((off - mean) / spread) ** 2
        assert square.mean() < 1.02
        assert square.var() < 2.1
        bins = square[:199_800].reshape(-1, 200).sum(1)
        assert ceilings.surprise(bins, np.full(bins.size, 200)).max() < 14


def test_repeated_words_score_where_noise_would_not_repeat_them() -> None:
    same, n, chance = np.array([[20.0, 2.0, 0.0]]), np.array([[20.0, 20.0, 0.0]]), np.array([0.1])
    found = ceilings.repetition(same, n, chance)[0]
    assert found[0] == pytest.approx(-20 * np.log(0.1), rel=1e-3)
    assert found[1] == found[2] == 0
    assert not ceilings.repetition(same, n, np.array([1.0])).any()


def test_surprise_is_the_chi_square_tail_and_stays_finite() -> None:
    for n in (5, 20, 200):
        for p in (0.5, 1e-3, 1e-6):
            found = ceilings.surprise(np.array([stats.chi2.isf(p, n)]), np.array([n]))[0]
            assert found == pytest.approx(-np.log(p), rel=0.05, abs=0.02)
    assert np.isfinite(ceilings.surprise(np.array([0.0, 1e12, 3.0]), np.array([5, 5, 0]))).all()


@pytest.mark.parametrize("name", ["slow_drift", "other_world_drift"])
def test_drift_in_recordings_is_found_after_its_onset_and_not_before(name: str) -> None:
    found = 0
    for index in range(6):
        inputs, context = scene(name, "drift.per_recording=1.5", "duration_s=60", index=index)
        score = ceilings.DriftRecordingsOracle().predict(inputs, context)["score"]
        check_bins(inputs, {"score": score})
        truth = context["truth"]
        rate = {int(c): float(g.split("/")[1][1:]) for g, a in inputs.items() if g.endswith("/channel_id") for c in a}
        rows = zip(truth["truth/drift_channel"], truth["truth/drift_start"], strict=True)
        onset = min((int(start / rate[int(c)] * 10) for c, start in rows), default=score.size)
        assert score[:onset].max(initial=0) < 20
        if onset + 150 < score.size:
            found += 1
            assert score[-1] > 100
    assert found


def streams(name: str, *settings: str, index: int = 0) -> tuple[Arrays, dict[str, Any]]:
    spec = parse(DriftSpec, name, override(load("drift", name)[1], settings))
    key = key_of("drift", name, spec, "test", index)
    inputs, context = parts(simulate_stream(spec, key), spec=spec, key=key)
    return dict(stream_view(inputs)), context


@pytest.mark.parametrize("name", ["streams", "streams_shifted"])
def test_the_drift_oracle_is_calm_before_the_change_and_sure_after_it(name: str) -> None:
    sure = []
    for index in range(12):
        inputs, context = streams(name, index=index)
        score = ceilings.DriftOracle().predict(inputs, context)["score"]
        assert score.shape == inputs["inputs/score"].shape
        assert np.isfinite(score).all()
        onset = int(context["truth"]["truth/onset"])
        assert score[: onset if onset >= 0 else None].max() < 16  # by Doob: e^16 samples in the mean
        if 0 <= onset < score.size - 600:
            sure.append(score[onset + 599] > 12)
    assert np.mean(sure) > 0.6


def test_the_drift_oracle_is_causal_and_its_likelihood_ratio_is_that_of_the_definition() -> None:
    inputs, context = streams("streams", "duration_s=61", "calm_s=10", "phi=[[0.9]]", "laws={normal=1}")
    oracle = ceilings.DriftOracle()
    whole = oracle.predict(inputs, context)["score"]
    half = oracle.predict(inputs | {"inputs/score": inputs["inputs/score"][:300]}, context)["score"]
    np.testing.assert_array_equal(whole[:300], half)

    e = np.random.default_rng(0).standard_normal(40)
    means = np.array([[1.0, 0.4, 0.1, 0.1]])
    one = np.array([1], np.int64)
    found = ceilings._shiryaev_roberts(e, 0, 0.0, 0.0, means, 2 * one, one, np.array([1.5]))
    for t in (0, 5, 39):
        total = 0.0
        for onset in range(t + 1):
            mean = means[0][np.minimum(np.arange(t + 1 - onset), 2)]
            part = e[onset : t + 1]
            total += np.exp((part * mean - mean**2 / 2).sum())
            total += np.exp((-((part / 1.5) ** 2) / 2 + part**2 / 2 - np.log(1.5)).sum())
        assert found[t] == pytest.approx(np.log(total / 2))


def test_an_oracle_that_is_told_nothing_says_so() -> None:
    inputs, _ = scene("tiny")
    with pytest.raises(InputError, match="an oracle must be given 'truth'; the context has nothing"):
        ceilings.TypeOracle().predict(inputs, {})


def test_every_ceiling_says_how_it_was_got() -> None:
    assert set(ceilings.HOW) == {
        "node-type", "pairing", "bitmask", "overflow", "anomaly", "drift", "drift-recordings",
    }  # fmt: skip
    assert all(text.endswith(".") for text in ceilings.HOW.values())
