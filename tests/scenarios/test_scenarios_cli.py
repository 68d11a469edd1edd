import os
import subprocess
import sys

import pytest
from toy_set import toy_header, write

from scenarios import catalogue
from scenarios.__main__ import app
from scenarios.cli import run
from scenarios.errors import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    base = tmp_path_factory.mktemp("sets")
    write(base, toy_header())
    return base


@pytest.fixture
def cli(root, monkeypatch, capsys, tmp_path):
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene" / "overflow_heavy.toml").write_text('purpose = "many carries"\n')
    monkeypatch.setattr(catalogue, "HOME", tmp_path)
    monkeypatch.setenv("PROVINGGROUND_SETS", str(root))

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(app, "scenarios", arguments)
        return status, *capsys.readouterr()

    return call


def test_commands_answer(cli, root, tmp_path):
    for arguments, text in (
        (["list"], "overflow_heavy  many carries"),
        (["list"], "toy/plain/1-1"),
        (["show", "overflow_heavy"], 'purpose = "many carries"'),
        (["show", "scene/overflow_heavy"], 'purpose = "many carries"'),
        (["show", "toy/plain"], "inputs/r200/words"),
        (["show", str(root / "toy/plain/1-1.zarr"), "--recording", "test/2"], "digest "),
        (["verify", "toy/plain"], "ok: "),
        (["verify", "toy/plain", "--files-only"], "ok: "),
        (["diff", "toy/plain", "toy/plain"], "same digest"),
        (["clean"], "nothing left behind"),
        (["--help"], "verify"),
    ):
        status, out, err = cli(*arguments)
        assert (status, err) == (0, ""), arguments
        assert text in out, arguments


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["shw"], "No such command 'shw'"),
        (["verify"], "Missing argument"),
        (["show", "overflow_havy"], "did you mean 'overflow_heavy'?"),
        (["verify", "toy/plane"], "did you mean 'toy/plain'?"),
        (["show", "toy/plain", "--recording", "test/9"], "must be 0 to 2; it is 9"),
        (["show", "toy/plain", "--recording", "nine"], "split/index"),
        (["show", "overflow_heavy", "--recording", "test/0"], "set 'overflow_heavy' not found"),
        (["show", "scene/overflow_heavy", "--recording", "test/0"], "none was made of that scenario"),
        (["export", "toy/plain", "--format", "csv", "--out", "x"], "format must be parquet, hdf5 or npz"),
        (["list", "--no-such-option"], "--no-such-option"),
    ],
)
def test_bad_input_is_one_line_and_status_2(cli, arguments, text):
    status, out, err = cli(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert text in err


def test_debug_lets_the_error_through(cli):
    with pytest.raises(InputError):
        cli("verify", "toy/plane", "--debug")


def test_leftovers_are_listed_then_removed(cli, root):
    stage = root / "toy" / "plain" / ".staging-9-9.zarr"
    stage.mkdir()
    assert "left behind: " in cli("clean")[1]
    assert stage.exists()
    assert "removed " in cli("clean", "--yes")[1]
    assert not stage.exists()


def test_the_module_runs_with_warnings_as_errors(root):
    command = [sys.executable, "-W", "error", "-m", "scenarios", "verify", "toy/plain", "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok: ")
