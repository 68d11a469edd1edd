"""The runner: one recording has one set of bits, whoever makes it; stopped runs go on; the bits are known."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.digest import leaf
from scenarios.errors import InputError
from scenarios.layout import Header
from scenarios.schema import check
from scenarios.spec import load, parse
from scenarios.store import litter, open_stage, publish, read_recording, todo, verify
from simulators.run import channel_samples, generate, header_for, key_of, make_block, run_blocks
from simulators.scene import SCHEMA, SceneSpec, simulate, simulate_arrays

SMALL = {"train": 3, "validation": 1, "test": 9}
TINY = parse(SceneSpec, "tiny", load("scene", "tiny")[1])


def header(**more: object):
    return header_for("scene", "tiny", TINY, SMALL, changed=True, **more)


def leaf_of(spec: SceneSpec, split: str, index: int) -> str:
    arrays = simulate_arrays(spec, key_of("scene", "tiny", spec, split, index))
    return leaf(arrays, check(arrays, SCHEMA)).hex()


def test_one_process_two_processes_any_block_and_alone_give_the_same_bits(tmp_path: Path) -> None:
    one = generate(tmp_path / "one.zarr", header())
    many = replace(header(), block_bytes=40_000)  # several blocks a split
    two = generate(tmp_path / "two.zarr", many, workers=2)
    assert (
        two.samples
        == one.samples
        == sum(SMALL.values()) * channel_samples(simulate_arrays(TINY, key_of("scene", "tiny", TINY, "test", 0)))
    )
    assert two.manifest["splits"]["test"]["block"] < one.manifest["splits"]["test"]["block"]
    assert two.manifest["digest"] == one.manifest["digest"]
    alone = generate(tmp_path / "alone.zarr", header_for("scene", "tiny", TINY, {"test": 1}, {"test": 7}, changed=True))
    assert alone.manifest["splits"]["test"]["leaves"] == [one.manifest["splits"]["test"]["leaves"][7]]
    assert leaf_of(TINY, "test", 7) == one.manifest["splits"]["test"]["leaves"][7]
    for path in (tmp_path / "one.zarr", tmp_path / "two.zarr", tmp_path / "alone.zarr"):
        verify(path)


def test_a_stored_recording_is_the_simulated_one_bit_for_bit(tmp_path: Path) -> None:
    generate(tmp_path / "a.zarr", header())
    stored = read_recording(tmp_path / "a.zarr", "test", 4)
    made = simulate_arrays(TINY, key_of("scene", "tiny", TINY, "test", 4))
    assert stored.keys() == made.keys()
    for name, array in made.items():
        np.testing.assert_array_equal(stored[name], array, err_msg=name, strict=True)


def test_a_second_run_verifies_and_makes_nothing(tmp_path: Path) -> None:
    first = generate(tmp_path / "a.zarr", header())
    again = generate(tmp_path / "a.zarr", header())
    assert (first.existed, again.existed, again.samples) == (False, True, 0)
    assert again.manifest["digest"] == first.manifest["digest"]


def test_another_set_in_the_way_is_refused_and_left_alone(tmp_path: Path) -> None:
    generate(tmp_path / "a.zarr", header())
    other = header_for("scene", "tiny", TINY.model_copy(update={"seed": 5}), SMALL, changed=True)
    with pytest.raises(InputError, match=r"must be of this scenario and version; it has header \w+ .*, this one is"):
        generate(tmp_path / "a.zarr", other)
    verify(tmp_path / "a.zarr")


@given(index=st.integers(0, 10**6), seed=st.integers(0, 2**40))
def test_buffers_left_over_from_another_scene_change_nothing(index: int, seed: int) -> None:
    spec = TINY.model_copy(update={"seed": seed})
    spare: dict[str, np.ndarray] = {}
    simulate_arrays(spec, key_of("scene", "tiny", spec, "train", index + 1), spare)
    reused = simulate_arrays(spec, key_of("scene", "tiny", spec, "train", index), spare)
    fresh = simulate_arrays(spec, key_of("scene", "tiny", spec, "train", index))
    for name, array in fresh.items():
        np.testing.assert_array_equal(reused[name], array, err_msg=name)


@given(index=st.integers(0, 10**6))
def test_another_seed_split_or_index_gives_another_digest(index: int) -> None:
    own = leaf_of(TINY, "test", index)
    assert own != leaf_of(TINY.model_copy(update={"seed": TINY.seed + 1}), "test", index)
    assert own != leaf_of(TINY, "train", index)
    assert own != leaf_of(TINY, "test", index + 1)


def test_golden_digests_of_tiny() -> None:
    """A change here means that output changed: raise `simulators.scene.spec.VERSION` and store the new digests."""
    file = Path(__file__).parent / "scene" / "golden_tiny.json"
    golden = json.loads(file.read_text())
    found = {f"{split}/{i}": leaf_of(TINY, split, i) for split in ("train", "validation", "test") for i in range(7)}
    from simulators.scene import VERSION

    assert {"version": VERSION, "leaves": found} == golden


def test_the_tree_in_memory_names_dimensions_and_units() -> None:
    tree = simulate(TINY, key_of("scene", "tiny", TINY, "train", 0))
    words = tree["inputs/r200/words"]
    assert words.dims == ("channel", "time")
    assert words.dtype == np.uint16
    assert float(words.time[200]) == 1.0
    assert tree["truth/node_type"].attrs["flag_meanings"] == "plain msb lsb bits"


def dies_once(stage: str, header: Header, scenario: str, split: str, block: int) -> int:
    """A task whose worker is killed the first time that any runs."""
    mark = Path(stage) / "died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return make_block(stage, header, scenario, split, block)


def dies(stage: str, header: Header, scenario: str, split: str, block: int) -> int:
    """A task whose worker is always killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_the_blocks_of_a_dead_worker_are_made_again_once(tmp_path: Path) -> None:
    several = replace(header(), block_bytes=40_000)
    with open_stage(tmp_path / "a.zarr", several) as stage:
        run_blocks(stage.path, several, todo(stage), 2, task=dies_once)
        assert (stage.path / "died").exists()
        assert todo(stage) == []
        manifest = publish(stage)
    assert manifest["digest"] == generate(tmp_path / "b.zarr", header()).manifest["digest"]
    line = r"one died twice with \d+ of \d+ blocks left"
    with open_stage(tmp_path / "c.zarr", several) as stage, pytest.raises(InputError, match=line):
        run_blocks(stage.path, several, stage.layout.blocks(), 2, task=dies)


@pytest.mark.parametrize("pause", [0.0, 0.15, 0.4, 0.8])
def test_kill_at_any_moment_leaves_nothing_published_and_the_rerun_completes(tmp_path: Path, pause: float) -> None:
    """`kill -9` at a random moment after staging began; a published set always verifies."""
    command = [
        sys.executable,
        "-m",
        "simulators.scene",
        "--scenario",
        "tiny",
        "--recordings",
        "40/1/1",
        "--out",
        str(tmp_path),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("stage.json")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(pause)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    published = [p.parent for p in tmp_path.rglob("manifest.json") if ".staging-" not in str(p)]
    for path in published:
        verify(path)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "digest" in again.stdout
    (path,) = [p.parent for p in tmp_path.rglob("manifest.json")]
    verify(path)
    assert litter(tmp_path) == []
