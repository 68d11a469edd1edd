"""The command line: what it prints, what it refuses, and that it imports little for little questions."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.cli import main

REFUSED = [
    ("--scenario overflow_havy", "scenario 'overflow_havy' not found; did you mean 'overflow_heavy'?"),
    ("--scenario tiny --set clocks.0.rate_hz=0", "clocks.0.rate_hz must be greater than 0; it is 0"),
    ("--scenario tiny --set pairs.cout=3", "unknown key 'pairs.cout'; did you mean 'count'?"),
    ("--scenario tiny --set pairs.count=40", "pairs need two channels each; 82 halves, 30 channels"),
    ("--scenario tiny --set pairs.torn_probability=1.5", "must be less than or equal to 1; it is 1.5"),
    ("--scenario tiny --set bits.signal_bits=[3,17]", "bits.signal_bits must lie within 3 to 15; it is [3, 17]"),
    ("--scenario tiny --set timing.jitter=0.6", "timing.jitter must be less than or equal to 0.5; it is 0.6"),
    ("--scenario tiny --set plain.noise_counts=[5,1]", "noise_counts must be two positive numbers in ascending order"),
    ("--scenario tiny --set duration_s=0.01", "duration_s must cover 8 samples of every clock; it is 0.01"),
    ("--scenario tiny --set decoys.half_twins=40", "channels must suffice for what they carry; "),
    (
        "--scenario tiny --set clocks.0.rate_hz=123.45678",
        "rates of at most six digits, which name their groups; one is",
    ),
    ("--scenario anomaly_sparse --set duration_s=86400", "at most 2,147,483,648 channel samples"),
    ("--scenario tiny --only tset/7", "--only must be a split and an index such as test/7; it is 'tset/7'"),
    ("--scenario tiny --recordings 0/0/0", "must be three counts such as 64/16/32, not all 0; it is '0/0/0'"),
    ("--scenario tiny --preview picture.txt", "--preview must name a .png, .svg or .pdf file; it is 'picture.txt'"),
    ("--scenario tiny --workers 0", "--workers"),
    ("--scenari tiny", "--scenari"),
    ("--scenario tiny --only test/99999999999999999999", "--only must be a split and an index such as test/7"),
    ("--scenario tiny --set plain.noise_counts=[1,inf]", "must be a finite number"),
    ("--scenario tiny --set anomalies.kinds.spike=inf", "must be a finite number"),
    ("--scenario tiny --set plain.level_counts=[1e5,1e6]", "plain.level_counts must be at most 60,000; it is 1e+06"),
    ("--scenario tiny --set pairs.clock_per_s=[1,1e18]", "pairs must wrap at most 32,767 times a sample"),
    ("--scenario tiny --set duration_s=6000", "pairs must stay below 65,536 times their modulus"),
    ("--scenario tiny --set pairs.noise_counts=[1,9000]", "pairs.noise_counts must be at most 1/56 of the modulus"),
    ("tiny", "a word must belong to an option; 'tiny' is left over"),
    ("--preview picture.png", "--preview needs --scenario NAME, --recorded LOG or a set"),
    (
        "--scenario tiny --preview /proc/p.png",
        "--preview must lie in a folder that is there and can be written; '/proc'",
    ),
    ("--scenario tiny --preview no/picture.png", "--preview must lie in a folder that is there and can be written"),
    ("--recorded no.mf4 --dbc no.dbc --name ../../no", "--name must be of letters, digits, '.', '_' and '-'"),
    ("--set pairs.count=2", "they need --scenario NAME"),
    ("--scenario tiny leftover", "a word must belong to an option; 'leftover' is left over"),
    ("--recorded no.mf4 --dbc no.dbc --dry-run", "it does not go with --dry-run"),
    ("--scenario tiny --dbc no.dbc", "they need --recorded LOG"),
    ("--recorded no.mf4", "--recorded needs --dbc FILE"),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED, ids=[a for a, _ in REFUSED])
def test_bad_input_is_one_line_and_status_2_and_writes_nothing(
    arguments: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main("scene", [*arguments.split(), "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert line in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_prints_path_digest_size_and_rate_and_the_second_run_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--scenario", "tiny", "--recordings", "2/1/1", "--out", str(tmp_path)]
    assert main("scene", arguments) == 0
    first = capsys.readouterr().out
    assert "M channel-samples/s" in first
    path = Path(first.split()[0])
    digest = first.split()[2]
    assert (path / "manifest.json").is_file()
    assert main("scene", arguments) == 0
    again = capsys.readouterr().out
    assert again.startswith("already there, verified: ")
    assert digest in again


def test_only_gives_the_digest_that_the_recording_has_in_the_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scenarios.card import read_manifest

    assert main("scene", ["--scenario", "tiny", "--recordings", "0/0/8", "--out", str(tmp_path)]) == 0
    whole = read_manifest(Path(capsys.readouterr().out.split()[0]))
    assert main("scene", ["--scenario", "tiny", "--only", "test/7", "--out", str(tmp_path)]) == 0
    assert whole["splits"]["test"]["leaves"][7] in capsys.readouterr().out


def test_dry_run_says_sizes_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("scene", ["--scenario", "tiny", "--dry-run", "--out", str(tmp_path)]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_without_arguments_it_says_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("scene", []) == 0
    printed = capsys.readouterr().out
    assert "overflow_heavy" in printed
    assert "--scenario NAME" in printed


def test_the_picture_can_be_drawn_of_a_new_set_and_of_an_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = tmp_path / "new.png", tmp_path / "old.png"
    arguments = ["--scenario", "tiny", "--recordings", "1/0/0", "--out", str(tmp_path)]
    assert main("scene", [*arguments, "--preview", str(new)]) == 0
    path = capsys.readouterr().out.splitlines()[-1].split()[0]
    assert main("scene", ["--preview", str(old), path]) == 0
    assert new.read_bytes()[:8] == old.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    name = Path(path).relative_to(tmp_path).as_posix().removesuffix(".zarr")
    named = tmp_path / "named.png"
    assert main("scene", ["--preview", str(named), name, "--out", str(tmp_path)]) == 0
    assert named.read_bytes() == old.read_bytes()
    capsys.readouterr()
    for domain, word, line in (
        ("scene", "scene/tiny", f"error: set 'scene/tiny' must be named in full, .* there is {re.escape(name)}\n"),
        ("imu", name, "error: the set must be of the imu simulator; '.*' is of scene\n"),
    ):
        assert main(domain, ["--preview", str(named), word, "--out", str(tmp_path)]) == 2
        assert re.fullmatch(line, capsys.readouterr().err)


@pytest.mark.parametrize("flag", ["--list", "--help"])
def test_small_questions_import_neither_numba_nor_xarray(flag: str) -> None:
    code = (
        "import sys; from simulators.cli import main; status = main('scene', [sys.argv[1]]);"
        "assert status == 0; heavy = {'numba', 'xarray', 'zarr', 'scipy', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run(
        [sys.executable, "-c", code, flag], check=True, capture_output=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
