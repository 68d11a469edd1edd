"""What every command line of ours does alike: one line and exit status 2 for bad input, a traceback only on request."""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from scenarios.errors import InputError

_USAGE: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def run(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status: 0, 2 for bad input and wrong usage, 130 when interrupted.

    `--debug` anywhere among the arguments lets every error through with its traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [a for a in given if a != "--debug"]
    try:
        status = typer.main.get_command(app)(args=given, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except (InputError, _USAGE) as error:
        if debug:
            raise
        text = error.format_message() if isinstance(error, _USAGE) else str(error)
        if text:
            print(f"error: {' '.join(text.split())}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status if isinstance(status, int) else 0


def check_target(option: str, file: Path) -> None:
    """Refuse a file that could not be written later, before long work. Raises InputError that names the option.

    Permissions alone do not tell: some file systems take no files from anyone, so one is tried that has no name.
    """
    if file.is_dir() or (file.exists() and not os.access(file, os.W_OK)):
        raise InputError(
            f"{option} must be a file that can be written; '{file}' {'is a folder' if file.is_dir() else 'can not'}"
        )
    try:
        with tempfile.TemporaryFile(dir=file.absolute().parent):
            pass
    except OSError as error:
        raise InputError(
            f"{option} must lie in a folder that is there and can be written; '{file.parent}' can not"
        ) from error


def progress_bar() -> tuple[Any, Callable[[str, int, int], None]]:
    """A rich progress bar on stderr (to be entered as a context manager) and the callback that moves it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    tasks: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done)

    return bar, report
