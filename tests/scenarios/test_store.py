import errno
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_set import TOY, assert_same, header_for, recording, simulate, toy_header, write

from scenarios import staging
from scenarios.card import render
from scenarios.errors import InputError
from scenarios.schema import check
from scenarios.store import (
    Reader,
    clean,
    leaf,
    litter,
    open_stage,
    publish,
    published,
    read_recording,
    todo,
    verify,
    write_block,
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write(tmp_path_factory.mktemp("sets"), toy_header())


def make_block(stage, split, block):
    header = stage.header
    return write_block(
        stage.path, header, split, block, (recording(split, i) for i in stage.layout.indices(split, block))
    )


def test_blocks_are_small_enough_here_to_have_several(toy):
    assert len(Reader(toy).layout.blocks()) == 3


def test_every_recording_comes_back_bit_for_bit_and_verify_agrees(toy):
    content = verify(toy)
    for split, count in (("train", 5), ("test", 3)):
        for index in range(count):
            made = recording(split, index)
            assert_same(read_recording(toy, split, index), made)
            assert content["splits"][split]["leaves"][index] == leaf(made, check(made, TOY)).hex()
    assert [i for i, _ in Reader(toy).iterate("test")] == [0, 1, 2]


@settings(max_examples=10, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=4),
    seconds=st.lists(st.sampled_from([0.1, 0.5, 1.0, 6.3]), min_size=4, max_size=4),
    rates=st.dictionaries(st.sampled_from([50, 200, 2000]), st.integers(2, 4), min_size=2, max_size=3),
    optional=st.booleans(),
    block_bytes=st.integers(1, 300_000),
    first=st.integers(0, 9),
)
def test_any_recordings_round_trip(tmp_path_factory, seeds, seconds, rates, optional, block_bytes, first):
    made = [simulate(s, t, optional, rates) for s, t in zip(seeds, seconds, strict=False)]
    header = header_for(*made, splits={"test": len(made)}, first={"test": first}, block_bytes=block_bytes)
    path = write(tmp_path_factory.mktemp("any"), header, lambda _, index: made[index - first])
    for index, arrays in enumerate(made):
        assert_same(read_recording(path, "test", first + index), arrays)
    verify(path)


def test_digest_depends_neither_on_blocks_nor_on_order(tmp_path, toy):
    one = write(tmp_path / "a", toy_header(block_bytes=1))
    header = toy_header(block_bytes=10**9)
    with open_stage(tmp_path / "b" / header.identity, header) as stage:
        for split, block in reversed(todo(stage)):
            make_block(stage, split, block)
        manifest = publish(stage)
    assert len(Reader(one).layout.blocks()) == 8
    assert manifest["digest"] == verify(one)["digest"] == verify(toy)["digest"]


def test_digest_feels_every_integer_and_no_float(toy):
    made = recording("test", 0)
    variables = check(made, TOY)
    before = leaf(made, variables)
    for var in variables:
        changed = dict(made)
        array = changed[var.name] = made[var.name].copy()
        if array.size:
            array[(0,) * array.ndim] = not array[(0,) * array.ndim] if array.dtype == bool else 7
            assert (leaf(changed, variables) == before) != var.exact or np.array_equal(array, made[var.name]), var.name


def test_xarray_opens_the_tree_without_our_code_and_without_warnings(toy, tmp_path):
    program = f"""
import sys, xarray, numpy
tree = xarray.open_datatree({str(toy)!r})
assert not any(m.split('.')[0] in ('scenarios', 'simulators') for m in sys.modules)
inputs = tree['test/inputs/r200']
assert inputs['words'].dtype == 'uint16' and inputs['words'].dims == ('recording', 'channel', 'time')
assert inputs['valid'].dtype == bool and inputs['start_ns'].dtype == 'int64' and inputs['lsb'].dtype == 'float64'
assert inputs['time'].attrs['units'] == 's' and float(inputs['time'][1]) == 1 / 200
assert tree['test/truth/node_type'].attrs['flag_meanings'] == 'plain msb lsb bits'
assert tree['test/truth/node_type'].attrs['flag_values'] == [0, 1, 2, 3]
assert tree['test/truth'].attrs['signal_names'] == ['speed', 'Drehzahl °']
assert tree['test/truth/pair_row_offset'].values.tolist() == [0, 1, 2, 3]
assert all('units' in v.attrs and 'long_name' in v.attrs for n in tree.subtree for v in n.variables.values())
flat = xarray.open_zarr({str(toy)!r}, group='test/inputs/r200', chunks=None)
numpy.testing.assert_array_equal(flat['words'], inputs['words'])
print(inputs['words'].values[2].astype('u8').sum())
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == recording("test", 2)["inputs/r200/words"].astype(np.uint64).sum()


def kinds_of_files(path: Path) -> list[str]:
    names = [p.relative_to(path).as_posix() for p in sorted(path.rglob("*")) if p.is_file()]
    return [
        "manifest.json", "README.md", "croissant.json", "zarr.json", "test/truth/zarr.json",
        "train/inputs/r200/words/zarr.json", "train/inputs/r200/words/c/1/0/0", "test/truth/r50/read_ns/c/0/0/0",
        "test/truth/overflow_row_offset/c/0", "train/inputs/r50/lsb/c/0/0",
        next(n for n in names if n.startswith("train/truth/anomaly_start/c")),
    ]  # fmt: skip


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 4
    path.write_bytes(data[: len(data) // 2] if how == "cut" else data)
    if how == "remove":
        path.unlink()


@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
@pytest.mark.parametrize("number", range(11))
def test_verify_names_the_damaged_file(toy, tmp_path, how, number):
    copy = shutil.copytree(toy, tmp_path / toy.name)
    name = kinds_of_files(copy)[number]
    damage(copy / name, how)
    with pytest.raises(InputError) as caught:
        verify(copy)
    assert Path(name).name in str(caught.value)
    if name != "manifest.json":
        assert str(copy / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_verify_refuses_what_the_manifest_does_not_name(toy, tmp_path):
    copy = shutil.copytree(toy, tmp_path / toy.name)
    (copy / "test" / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt"):
        verify(copy)


def test_verify_holds_decoded_recordings_against_their_leaves(toy, tmp_path):
    """Files may be as the manifest says and yet hold other data than the digest says."""
    copy = shutil.copytree(toy, tmp_path / toy.name)
    content = json.loads((copy / "manifest.json").read_text())
    content["splits"]["test"]["leaves"][1] = "0" * 64
    (copy / "manifest.json").write_bytes(render(content))
    with pytest.raises(InputError, match="recording test/1 of"):
        verify(copy)
    assert verify(copy, decode=False)["digest"] == content["digest"]


def test_a_set_of_another_store_format_is_refused(toy, tmp_path):
    copy = shutil.copytree(toy, tmp_path / toy.name)
    content = json.loads((copy / "manifest.json").read_text()) | {"format": 99}
    (copy / "manifest.json").write_bytes(render(content))
    with pytest.raises(InputError, match="must have store format 1; it has 99"):
        read_recording(copy, "test", 0)


def test_a_damaged_shard_is_one_line_on_reading(toy, tmp_path):
    copy = shutil.copytree(toy, tmp_path / toy.name)
    damage(copy / "test/inputs/r200/words/c/0/0/0", "flip")
    with pytest.raises(InputError, match=r"array 'test/inputs/r200/words' of .* must be whole"):
        list(Reader(copy).iterate("test"))


def test_a_stopped_run_goes_on_from_its_receipts(tmp_path, toy):
    header = toy_header()
    target = tmp_path / header.identity
    with open_stage(target, header) as stage:
        blocks = todo(stage)
        for split, block in blocks[:2]:
            make_block(stage, split, block)
        with pytest.raises(InputError, match="must have every block"):
            publish(stage)
    assert published(target) is None
    with open_stage(target, header) as stage:
        assert todo(stage) == blocks[2:]
        (stage.path / "small" / f"{blocks[0][0]}-{blocks[0][1]}.npz").write_bytes(b"half")
        shard = next((stage.path / "set").rglob("c/1/0/0"))
        damage(shard, "flip")
        assert todo(stage) == blocks
        for split, block in blocks:
            make_block(stage, split, block)
        (stage.path / "set" / "test" / "stranger").write_text("from a publication that was stopped")
        assert publish(stage)["digest"] == verify(toy)["digest"]
    verify(target)
    assert litter(tmp_path) == []
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_a_stage_of_another_header_is_discarded(tmp_path):
    header = toy_header()
    target = tmp_path / header.identity
    with open_stage(target, header) as stage:
        make_block(stage, "test", 0)
    with open_stage(target, replace(header, spec='{"seed":1}')) as stage:
        assert todo(stage) == stage.layout.blocks()


def test_receipts_make_a_block_the_same_bytes_again(tmp_path):
    header = toy_header()
    with open_stage(tmp_path / header.identity, header) as stage:
        assert make_block(stage, "train", 1) == make_block(stage, "train", 1)


def test_a_run_killed_at_any_moment_leaves_no_broken_set_and_the_next_completes_it(tmp_path, toy):
    header = toy_header(block_bytes=1)
    target = tmp_path / header.identity
    program = f"""
import sys, time
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from pathlib import Path
from toy_set import recording, toy_header, write
def slowly(split, index):
    time.sleep(0.05)
    return recording(split, index)
print("ready", flush=True)
write(Path({str(tmp_path)!r}), toy_header(block_bytes=1), slowly)
"""
    for delay in (0.02, 0.2, 0.38, 0.45, 0.55):
        run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        time.sleep(delay)
        run.kill()
        run.communicate()
        if target.exists():
            verify(target)
    assert write(tmp_path, header) == target
    assert verify(target)["digest"] == verify(toy)["digest"]
    clean(tmp_path)
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_blocks_can_be_made_in_other_processes():
    header = toy_header()
    function, same = pickle.loads(pickle.dumps((write_block, header)))
    assert function is write_block
    assert same == header
    assert same.digest == header.digest


def test_a_split_may_be_empty(tmp_path):
    path = write(tmp_path, toy_header(splits={"train": 0, "test": 1}))
    verify(path)
    assert list(Reader(path).iterate("train")) == []
    assert xarray.open_datatree(path)["test/truth/score"].size == 1


def test_two_writers_one_wins(tmp_path):
    header = toy_header()
    target = tmp_path / header.identity
    program = f"""
import sys, time
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from pathlib import Path
from toy_set import toy_header
from scenarios.store import open_stage
stage = open_stage(Path({str(target)!r}), toy_header())
print("held", flush=True)
time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"is being written by another process \(pid {other.pid}\)"):
            open_stage(target, header)
        assert litter(tmp_path) == []
    finally:
        other.kill()
        other.communicate()
    assert len(litter(tmp_path)) == 2
    with open_stage(target, header), pytest.raises(InputError, match=f"pid {os.getpid()}"):
        open_stage(target, header)
    assert len(clean(tmp_path)) == 2
    assert litter(tmp_path) == []


def test_a_published_set_is_not_written_again(tmp_path, toy):
    header = toy_header()
    path = write(tmp_path, header)
    manifest = (path / "manifest.json").read_bytes()
    assert write(tmp_path, header) == path
    assert (path / "manifest.json").read_bytes() == manifest
    assert published(path, header) == json.loads(manifest)
    with pytest.raises(InputError, match="exists with digest"):
        write(tmp_path, header, lambda split, index: recording(split, index + 3))
    with pytest.raises(InputError, match="must be of this scenario and version"):
        published(path, replace(header, spec='{"seed":1}'))
    verify(path)


def test_a_full_disk_is_one_line_and_leaves_the_stage(tmp_path, monkeypatch):
    header = toy_header()

    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with open_stage(tmp_path / header.identity, header) as stage:
        make_block(stage, "train", 0)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", lambda self, *_, **__: Full(self, "w"))
            with pytest.raises(InputError, match=r"disk must have room .* it is full"):
                make_block(stage, "train", 1)
        assert ("train", 0) not in todo(stage)
        assert ("train", 1) in todo(stage)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder that can be written"):
        open_stage(tmp_path / "file" / "x" / "1-1", toy_header())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a.pop("truth/score"), "'truth/score' is absent"),
        (lambda a: a.update({"truth/new": np.zeros(3)}), "'truth/new' is not in the set"),
        (lambda a: a.update({"truth/score": np.float32(1)}), "'truth/score' must be float64"),
        (lambda a: a.update({"truth/pair_lsb": np.zeros(9, "i4")}), "must have 1 along 'pair'; it has 9"),
        (lambda a: a.update({"truth/node_type": np.zeros(9, "i1")}), "must have 6 along 'channel'; it has 9"),
    ],
)
def test_a_recording_that_does_not_fit_is_named(tmp_path, change, text):
    def make(split, index):
        arrays = recording(split, index)
        if index == 1:
            change(arrays)
        return arrays

    with pytest.raises(InputError, match="recording train/1") as caught:
        write(tmp_path, toy_header(), make)
    assert text in str(caught.value)


def test_memory_does_not_grow_with_the_number_of_recordings(tmp_path):
    example = simulate(0, 5.0)

    def peak(count: int) -> int:
        header = header_for(example, splits={"train": count}, block_bytes=1)
        tracemalloc.start()
        write(tmp_path / str(count), header, lambda _, i: simulate(0, 5.0))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    write(tmp_path / "warm", header_for(example, splits={"train": 1}), lambda _, i: simulate(0, 5.0))
    few, many = peak(4), peak(32)
    assert many < few + 32 * 20_000  # receipts and manifest lines, not the 60 kB of a recording


def test_reading_reports_what_is_not_there(toy):
    with pytest.raises(InputError, match="recording of 'test' must be 0 to 2; it is 3"):
        read_recording(toy, "test", 3)
    with pytest.raises(InputError, match="split must be one of train, test; it is 'tset'"):
        read_recording(toy, "tset", 0)
    with pytest.raises(InputError, match=r"must have a manifest\.json"):
        read_recording(toy.parent, "test", 0)


def test_sync_flushes_files_and_folders(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("x")
    seen = []
    monkeypatch.setattr(staging, "sync_one", lambda path: seen.append(path.name))
    staging.sync(tmp_path)
    assert seen[0] == "c"
    assert sorted(seen[1:]) == sorted(["a", "b", tmp_path.name])


def test_cards_say_what_the_set_is(toy):
    text = (toy / "README.md").read_text()
    assert "python toy.py" in text
    assert verify(toy, decode=False)["digest"] in text
    assert json.loads((toy / "croissant.json").read_text())["@type"] == "sc:Dataset"
    manifest = verify(toy, decode=False)
    assert {"packages", "cpu_features", "commit", "licence", "spec_digest"} <= manifest.keys()
    assert manifest["identity"] == "toy/plain/1-1"
    assert "has the attribute `flag_meanings`" in text
    assert "\n\n\n" not in text


def test_the_card_of_imported_recordings_says_from_what_and_names_its_texts(tmp_path):
    logs = [{"name": f"log{i}.csv"} for i in range(10)]
    header = toy_header(spec=json.dumps({"name": "mine", "logs": logs}), attrs={"channel_text": ["a"]}, card="")
    path = write(tmp_path, header)
    text = (path / "README.md").read_text()
    line = (
        "Real recordings, imported from log0.csv, log1.csv, log2.csv, log3.csv, log4.csv, log5.csv, log6.csv, log7.csv"
    )
    assert text.splitlines()[2] == f"{line} and 2 more."
    assert json.loads((path / "croissant.json").read_text())["description"].startswith(line)
    assert "- Texts: `channel_text`, attributes of each split's `truth` group." in text
    assert "\n\n\n" not in text
