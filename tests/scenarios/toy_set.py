"""A toy simulator for the tests of the store: every kind of variable, recordings of unequal length."""

from pathlib import Path
from typing import Any

import numpy as np

from scenarios.schema import Arrays, Schema, Var, check
from scenarios.store import Header, open_stage, publish, shapes_of, todo, write_block

U = "1"
TOY = Schema(
    variables=(
        Var(name="inputs/r{rate}/words", dims=("channel", "time"), dtype="uint16", units=U, meaning="words"),
        Var(name="inputs/r{rate}/channel_id", dims=("channel",), dtype="int32", units=U, meaning="number"),
        Var(name="inputs/r{rate}/n_samples", dims=("channel",), dtype="int32", units=U, meaning="samples"),
        Var(name="inputs/r{rate}/start_ns", dims=("channel",), dtype="int64", units="ns", meaning="first arrival"),
        Var(name="inputs/r{rate}/lsb", dims=("channel",), dtype="float64", units="s", meaning="one count"),
        Var(name="inputs/r{rate}/valid", dims=("channel", "time"), dtype="bool", units=U, meaning="came",
            optional=True),
        Var(name="truth/r{rate}/read_ns", dims=("channel", "time"), dtype="int64", units="ns", meaning="read",
            optional=True),
        Var(name="truth/node_type", dims=("channel",), dtype="int8", units=U, meaning="type",
            flag_meanings=("plain", "msb", "lsb", "bits")),
        Var(name="truth/score", dims=(), dtype="float64", units=U, meaning="bound"),
        Var(name="truth/pair_msb", dims=("pair",), dtype="int32", units=U, meaning="msb"),
        Var(name="truth/pair_lsb", dims=("pair",), dtype="int32", units=U, meaning="lsb"),
        Var(name="truth/pair_order", dims=("pair",), dtype="int8", units=U, meaning="order"),
        Var(name="truth/pair_format", dims=("pair",), dtype="int8", units=U, meaning="format"),
        Var(name="truth/field_channel", dims=("field",), dtype="int32", units=U, meaning="channel"),
        Var(name="truth/field_start", dims=("field",), dtype="int8", units=U, meaning="bit"),
        Var(name="truth/overflow_pair", dims=("overflow",), dtype="int32", units=U, meaning="pair"),
        Var(name="truth/overflow_sample", dims=("overflow",), dtype="int32", units=U, meaning="sample"),
        Var(name="truth/anomaly_channel", dims=("anomaly",), dtype="int32", units=U, meaning="channel"),
        Var(name="truth/anomaly_start", dims=("anomaly",), dtype="int32", units=U, meaning="start"),
        Var(name="truth/anomaly_end", dims=("anomaly",), dtype="int32", units=U, meaning="end"),
        Var(name="truth/anomaly_size", dims=("anomaly",), dtype="float64", units=U, meaning="size"),
    )
)  # fmt: skip
RATES = {200: 4, 50: 2}  # Hz: channels


def simulate(seed: int, seconds: float = 2.0, optional: bool = True, rates: dict[int, int] | None = None) -> Arrays:
    """A recording that depends only on its arguments. 0 and 1 are a pair, 2 has fields."""
    rng, rates = np.random.default_rng(seed), rates or RATES
    order = rng.permutation(sum(rates.values())).astype(np.int32)
    found: Arrays = {}
    rate_of = {}
    for rate, channels in rates.items():
        time, ids = int(seconds * rate), order[:channels]
        order = order[channels:]
        rate_of |= dict.fromkeys(ids.tolist(), rate)
        base, count = f"inputs/r{rate}", rng.integers(time // 2, time + 1, channels).astype(np.int32)
        words = rng.integers(1000, 1100, (channels, time)).astype(np.uint16)
        words[np.arange(time) >= count[:, None]] = 0
        found |= {
            f"{base}/words": words,
            f"{base}/channel_id": ids,
            f"{base}/n_samples": count,
            f"{base}/start_ns": rng.integers(0, 10**9, channels),
            f"{base}/lsb": rng.random(channels),
        }
        if optional:
            found[f"{base}/valid"] = rng.random((channels, time)) < 0.9
            found[f"truth/r{rate}/read_ns"] = np.cumsum(rng.integers(0, 10**7, (channels, time)), axis=1)
    n = sum(rates.values())
    node = np.zeros(n, np.int8)
    node[:3] = 1, 2, 3
    pairs, events, anomalies = 1, int(rng.integers(0, 5)), int(rng.integers(0, 4))
    who = rng.integers(0, n, anomalies).astype(np.int32)
    start = np.array([rng.integers(0, max(1, seconds * rate_of[int(c)] - 3)) for c in who], np.int32)
    return found | {
        "truth/node_type": node,
        "truth/score": np.asarray(rng.random()),
        "truth/pair_msb": np.zeros(pairs, np.int32),
        "truth/pair_lsb": np.ones(pairs, np.int32),
        "truth/pair_order": np.ones(pairs, np.int8),
        "truth/pair_format": np.full(pairs, 2, np.int8),
        "truth/field_channel": np.full(2, 2, np.int32),
        "truth/field_start": np.array([0, 5], np.int8),
        "truth/overflow_pair": np.zeros(events, np.int32),
        "truth/overflow_sample": np.sort(rng.integers(0, seconds * rate_of[1], events)).astype(np.int32),
        "truth/anomaly_channel": who,
        "truth/anomaly_start": start,
        "truth/anomaly_end": start + 3,
        "truth/anomaly_size": rng.random(anomalies),
    }


def recording(split: str, index: int) -> Arrays:
    """The toy scenario's recording: lengths differ by index."""
    return simulate(1000 * len(split) + index, seconds=1.0 + 0.5 * (index % 3))


def header_for(*examples: Arrays, **changes: Any) -> Header:
    """A header for recordings no larger than the examples."""
    variables = check(examples[0], TOY)
    fields: dict[str, Any] = {
        "simulator": "toy",
        "scenario": "plain",
        "scenario_version": 1,
        "simulator_version": "1",
        "spec": '{"purpose":"a toy","seed":0,"version":1}',
        "variables": variables,
        "shapes": shapes_of(variables, *examples),
        "splits": {"train": 5, "test": 3},
        "attrs": {"signal_names": ["speed", "Drehzahl °"]},
        "command": "python toy.py",
    }
    return Header(**fields | changes)


def toy_header(**changes: Any) -> Header:
    """The header of the toy scenario; by default three recordings a block."""
    return header_for(*(recording("test", i) for i in range(3)), **{"block_bytes": 3 * 20_000} | changes)


def write(root: Path, header: Header, make: Any = recording) -> Path:
    """Write a whole set and return its path."""
    target = root / header.identity
    with open_stage(target, header) as stage:
        for split, block in todo(stage):
            indices = stage.layout.indices(split, block)
            write_block(stage.path, header, split, block, (make(split, i) for i in indices))
        publish(stage)
    return target


def assert_same(one: Arrays, two: Arrays) -> None:
    """Hold two recordings equal bit for bit."""
    assert one.keys() == two.keys()
    for name, array in one.items():
        assert array.dtype == two[name].dtype, name
        assert array.shape == two[name].shape, name
        assert array.tobytes() == two[name].tobytes(), name
