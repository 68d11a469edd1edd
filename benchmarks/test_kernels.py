"""Speed of the scene simulator: kernels, whole scenes, sets on disk, commands; each beside what it could cost.

    pytest benchmarks --benchmark-only

Ratios count, since machines differ: to plain numpy doing the same work, to the memory's pace, to zarr-python alone.
"""

import copy
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from numba import njit
from pytest_benchmark.fixture import BenchmarkFixture as Benchmark

from benchmarks.conftest import best, scene
from scenarios.store import open_stage, write_block
from simulators import noise
from simulators.run import header_for, make_block
from simulators.scene import generate as making
from simulators.scene.kernels import bits, plain, words
from simulators.scene.plan import Plan

ROOT = Path(__file__).parent.parent
Tell = Callable[..., None]
NONE = np.empty(0, np.int64)
ALL = np.empty(0, bool)


def numpy_run(*arguments: Any) -> np.ndarray:
    """`generate._run` in plain numpy."""
    events = plain.run_jobs(*arguments[:6])
    return events[np.lexsort((events["sample"], events["pair"]))]


@pytest.fixture
def with_numpy(monkeypatch: pytest.MonkeyPatch) -> Callable:
    def call(function: Callable, *arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(making, "_run", numpy_run)
            return function(*arguments)

    return call


def timed(benchmark: Benchmark, functions: dict[str, Callable], main: str, rounds: int = 7) -> dict[str, float]:
    benchmark.pedantic(functions[main], rounds=3, warmup_rounds=1)
    return best(functions, rounds)


def per_second(samples: int, seconds: float) -> str:
    return f"{samples / seconds / 1e6:.0f}"


# ---- in memory


def test_overflow_heavy_in_memory(benchmark: Benchmark, tell: Tell, with_numpy: Callable) -> None:
    spec, key = scene("overflow_heavy")
    p = making.plan(spec, key)
    samples = int(p.counts.sum())
    knots, envelopes = making.knots_of(p)
    flat = np.ones(samples, np.uint16)
    spare: dict[str, Any] = {}
    spare_of_numpy: dict[str, Any] = {}
    kept: list = []  # what is held on to cannot be handed out again, so memory is fresh
    copied = np.ones_like(flat)
    least = timed(
        benchmark,
        {
            "whole scene, memory used again": lambda: making.simulate_arrays(spec, key, spare),
            "whole scene, fresh memory": lambda: kept.append(making.simulate_arrays(spec, key)),
            "kernels alone": lambda: making._run(p, knots, envelopes, NONE, ALL, flat),
            "whole scene, words by plain numpy": lambda: with_numpy(making.simulate_arrays, spec, key, spare_of_numpy),
            "words alone by plain numpy": lambda: plain.run_jobs(p, knots, envelopes, NONE, ALL, flat),
            "fill of fresh pages of the same bytes": lambda: kept.append(np.full(samples, 7, np.uint16)),
            "copy of the same bytes": lambda: np.copyto(copied, flat),
        },
        "whole scene, memory used again",
    )
    numpy_of = {
        "whole scene, memory used again": "whole scene, words by plain numpy",
        "kernels alone": "words alone by plain numpy",
    }
    for what, seconds in least.items():
        tell(
            "overflow_heavy in memory (60 s, 64 channels, one core)",
            what,
            M_channel_samples_per_s=per_second(samples, seconds),
            times_numpy=f"{least[numpy_of[what]] / seconds:.2f}" if what in numpy_of else "",
            of_a_fresh_fill=f"{least['fill of fresh pages of the same bytes'] / seconds:.3f}",
            of_a_copy=f"{least['copy of the same bytes'] / seconds:.3f}",
        )


PARTS = {
    "draws": "plan", "knots": "knots_of", "kernels": "_run", "torn reads": "_tear", "anomalies": "inject",
}  # fmt: skip


def test_where_the_time_of_overflow_heavy_goes(
    benchmark: Benchmark, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, key = scene("overflow_heavy")
    spare: dict = {}
    spent: dict[str, list[float]] = {name: [] for name in PARTS}

    def watched(part: str, function: Callable) -> Callable:
        def call(*arguments: Any, **more: Any) -> Any:
            began = perf_counter()
            try:
                return function(*arguments, **more)
            finally:
                spent[part].append(perf_counter() - began)

        return call

    for part, name in PARTS.items():
        monkeypatch.setattr(making, name, watched(part, getattr(making, name)))
    benchmark.pedantic(making.simulate_arrays, (spec, key, spare), rounds=15, warmup_rounds=2)
    total = benchmark.stats.stats.min
    least = {part: min(times) for part, times in spent.items()}
    least["truth and the rest"] = max(0.0, total - sum(least.values()))
    for part, seconds in least.items():
        share = f"{seconds / total:.0%}"
        tell("where the time of overflow_heavy goes", part, ms=f"{seconds * 1e3:.2f}", share=share)


def test_seed_100_scenes(benchmark: Benchmark, tell: Tell, with_numpy: Callable) -> None:
    spec, key = scene("seed_100")
    keys = [dataclasses.replace(key, index=i) for i in range(4)]
    spare: dict = {}

    def run() -> None:
        for k in keys:
            making.simulate_arrays(spec, k, spare)

    least = timed(benchmark, {"compiled": run, "numpy": lambda: with_numpy(run)}, "compiled", rounds=4)
    samples = sum(spec.samples(c) * c.channels for c in spec.clocks) * len(keys)
    tell(
        "seed_100 in memory (60 s, 100 channels, one core)",
        "whole scenes",
        scenes_per_s=f"{len(keys) / least['compiled']:.1f}",
        M_channel_samples_per_s=per_second(samples, least["compiled"]),
        times_numpy=f"{least['numpy'] / least['compiled']:.2f}",
    )


# ---- single kernels


@njit(cache=True)
def _hash_row(n, k0, k1, out):  # type: ignore[no-untyped-def]
    for i in range(n):
        out[i] = noise.hash32(np.uint32(i), k0, k1)


def _single(p: Plan, op: int, noisy: bool) -> Plan:
    """A plan with one job only: the first at the highest rate of that kind."""
    jobs = p.jobs[(p.jobs["op"] == op) & (p.jobs["n"] == p.counts.max())]
    if op == words.PLAIN:
        jobs = jobs[(jobs["noise"] > 0) & (p.drivers["amp1"][jobs["driver"]] == 0)]
    if op == words.HALVES:
        jobs = jobs[(p.drivers["noise"][jobs["driver"]] > 0) == noisy]
    if op == words.BITS:
        jobs = jobs[np.argsort(-jobs["fields"])]
    one = copy.copy(p)
    one.jobs = jobs[:1]
    return one


KERNELS: dict[str, tuple[int, bool, int] | None] = {
    "hash": None,
    "normal noise": None,
    "plain word, noisy": (words.PLAIN, True, 1),
    "both halves": (words.HALVES, False, 2),
    "both halves, noisy": (words.HALVES, True, 2),
    "packed word of many fields": (words.BITS, False, 1),
}


@pytest.mark.parametrize("what", KERNELS)
def test_single_kernel(benchmark: Benchmark, tell: Tell, what: str) -> None:
    k0, k1, table, n = np.uint32(1), np.uint32(2), noise.normal_table(), 120_000
    hashes, normals = np.empty(n, np.uint32), np.empty(n, np.float32)
    rows = 1
    if (kernel := KERNELS[what]) is None and what == "hash":
        functions = {
            "compiled": lambda: _hash_row(n, k0, k1, hashes),
            "numpy": lambda: plain.hash32(np.arange(n, dtype=np.uint32), k0, k1),
        }
    elif kernel is None:
        functions = {
            "compiled": lambda: noise.normals(table, 0, n, k0, k1, normals),
            "numpy": lambda: plain.normals(range(n), k0, k1),
        }
    else:
        op, noisy, rows = kernel
        p = _single(making.plan(*scene("overflow_heavy")), op, noisy)
        knots, envelopes = making.knots_of(p)
        flat, n = np.zeros(int(p.counts.sum()), np.uint16), int(p.jobs["n"][0])
        events = np.empty(1 << 16, words.EVENT)
        functions = {
            "compiled": lambda: words.run_jobs(
                p.jobs, p.drivers, p.fields, knots, envelopes, table, NONE, ALL, flat, events
            ),
            "numpy": lambda: plain.run_jobs(p, knots, envelopes, NONE, ALL, flat),
        }
        if op == words.BITS:
            kinds = p.fields["kind"][p.jobs["field"][0] :][: p.jobs["fields"][0]]
            sealed = np.isin(kinds, [bits.PARITY, bits.CRC, bits.CHECKSUM]).any()
            what += f" ({kinds.size}, {'sealed' if sealed else 'no seal'})"
    least = timed(benchmark, functions, "compiled", rounds=15)
    tell(
        "single kernels (120,000 samples)",
        what,
        ns_per_sample=f"{least['compiled'] / n / rows * 1e9:.2f}",
        numpy_ns=f"{least['numpy'] / n / rows * 1e9:.2f}",
        times_numpy=f"{least['numpy'] / least['compiled']:.1f}",
    )


# ---- to disk


def test_overflow_heavy_to_disk(benchmark: Benchmark, tell: Tell, tmp_path: Path) -> None:
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    spec, key = scene("overflow_heavy")
    made = [making.simulate_arrays(spec, dataclasses.replace(key, index=i)) for i in range(3)]
    header = header_for("scene", "overflow_heavy", spec, {"train": len(made)})
    stacked = {name: np.stack([a[name] for a in made]) for name in made[0] if name.endswith("/words")}
    samples = sum(a.size for a in stacked.values())
    turns = iter(range(10_000))

    with open_stage(tmp_path / "ours.zarr", header) as stage:
        layout = stage.layout
        assert layout.block("train") == len(made)

        def alone() -> None:
            group = zarr.open_group(tmp_path / f"peer-{next(turns)}.zarr", mode="w", zarr_format=3)
            for var in layout.sharded:
                codecs = [BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=2), Crc32cCodec()]
                array = group.create_array(
                    var.name,
                    shape=stacked[var.name].shape,
                    chunks=(1, *layout.chunk(var)),
                    shards=(len(made), *layout.padded(var)),
                    dtype=var.dtype,
                    compressors=codecs,
                    fill_value=0,
                )
                array[...] = stacked[var.name]

        least = timed(
            benchmark,
            {
                "made and stored: codec, checksums, digests": lambda: make_block(
                    str(stage.path), header, "overflow_heavy", "train", 0
                ),
                "stored: codec, checksums, digests": lambda: write_block(stage.path, header, "train", 0, made),
                "zarr-python alone, same codec and shards": alone,
            },
            "made and stored: codec, checksums, digests",
            rounds=4,
        )
    zarr_alone = least["zarr-python alone, same codec and shards"]
    for what, seconds in least.items():
        tell(
            "overflow_heavy to disk (blocks of 3 recordings, one core)",
            what,
            M_channel_samples_per_s=per_second(samples, seconds),
            MB_per_s=f"{samples * 2 / seconds / 1e6:.0f}",
            of_zarr_alone=f"{zarr_alone / seconds:.2f}",
        )


SET = """
import json, sys, time
from pathlib import Path
from scenarios.spec import load, parse
from simulators.run import generate, header_for
from simulators.scene import Spec
name, table = load("scene", "overflow_heavy")
spec = parse(Spec, name, table)
header = header_for("scene", name, spec, {"train": int(sys.argv[2])})
began = time.perf_counter()
outcome = generate(Path(sys.argv[1]), header)
seconds = time.perf_counter() - began
try:  # not ru_maxrss first: Linux hands it down from the process that started this one
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])
except (OSError, IndexError):
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"peak_mb": peak / 1024, "rate": outcome.samples / seconds / 1e6}))
"""


def test_memory_stays_flat_as_sets_grow(benchmark: Benchmark, tell: Tell, tmp_path: Path) -> None:
    def made(count: int) -> dict[str, float]:
        return json.loads(python("-c", SET, str(tmp_path / f"{count}.zarr"), str(count)))

    found = {4: made(4), 16: benchmark.pedantic(made, (16,), rounds=1)}
    for count, figures in found.items():
        tell(
            "sets of overflow_heavy, published (one process)",
            f"{count} recordings",
            M_channel_samples_per_s=f"{figures['rate']:.0f}",
            peak_memory_MB=f"{figures['peak_mb']:.0f}",
            times_that_of_4=f"{figures['peak_mb'] / found[4]['peak_mb']:.2f}",
        )


# ---- commands


def python(*arguments: str, **environment: str) -> str:
    """Run a Python process in the repository; its standard output."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def seconds_of(*arguments: str, rounds: int = 5, **environment: str) -> float:
    times = []
    for _ in range(rounds):
        began = perf_counter()
        python(*arguments, **environment)
        times.append(perf_counter() - began)
    return min(times)


COMMANDS = "commands (whole processes)"


@pytest.mark.parametrize("option", ["--list", "--help"])
def test_short_commands(benchmark: Benchmark, tell: Tell, option: str) -> None:
    command = ("-m", "simulators.scene", option)
    benchmark.pedantic(python, command, rounds=1)
    least = seconds_of(*command)
    bare = f"{seconds_of('-c', ''):.2f}"
    tell(COMMANDS, f"python -m simulators.scene {option}", seconds=f"{least:.2f}", bare_python=bare)


RUN = """
import json, sys
from simulators.cli import main
status = main("scene", ["--scenario", "tiny", "--out", sys.argv[1]])
open(sys.argv[2], "w").write(json.dumps([m for m in sys.modules if m != "__main__"]))
sys.exit(status)
"""
ONLY_IMPORTS = """
import importlib, json, sys
for name in json.load(open(sys.argv[1])):
    try:
        importlib.import_module(name)
    except Exception:
        pass
"""


def test_warm_tiny_run(benchmark: Benchmark, tell: Tell, tmp_path: Path) -> None:
    modules = tmp_path / "modules.json"
    turns = iter(range(100))

    def run() -> None:
        python("-c", RUN, str(tmp_path / str(next(turns))), str(modules))

    run()
    benchmark.pedantic(run, rounds=3)
    whole, imports = benchmark.stats.stats.min, seconds_of("-c", ONLY_IMPORTS, str(modules), rounds=3)
    tell(
        COMMANDS,
        "--scenario tiny, warm: 112 recordings",
        seconds=f"{whole:.2f}",
        imports_alone=f"{imports:.2f}",
        beyond_imports=f"{whole - imports:.2f}",
    )


def test_cold_first_scene(benchmark: Benchmark, tell: Tell, tmp_path: Path) -> None:
    command = ("-m", "simulators.scene", "--scenario", "tiny", "--recordings", "1/0/0", "--out", str(tmp_path / "a"))
    cache = str(tmp_path / "cache")
    benchmark.pedantic(python, command, {"NUMBA_CACHE_DIR": cache}, rounds=1)
    again = ("-m", "simulators.scene", "--scenario", "tiny", "--recordings", "1/0/0", "--out", str(tmp_path / "b"))
    tell(
        COMMANDS,
        "first scene, kernels not yet compiled",
        seconds=f"{benchmark.stats.stats.min:.1f}",
        cached_after=f"{seconds_of(*again, rounds=1, NUMBA_CACHE_DIR=cache):.1f}",
    )
