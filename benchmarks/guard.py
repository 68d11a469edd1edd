"""What keeps an entry from the answers by accident or by a simple trick: files of sets, and sets made in memory.

Entries run in the process that scores them, so this stops what an entry may reach by a path or by our own functions; a
package that means to break out of Python's own objects can, and its source is public.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn

from scenarios.errors import InputError

EVENTS = frozenset({"open", "os.listdir", "os.scandir"})


class PeekError(InputError):
    """An entry reached for what it must not see."""


class _Guard:
    """An audit hook (they cannot be taken off) that stands guard only while an entry is at work."""

    def __init__(self) -> None:
        self.on = False
        self.installed = False
        self.told = ""

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse files of sets."""
        if self.on and event in EVENTS and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.fsdecode(arguments[0])
            if ".zarr/" in path:
                self.refuse(f"an entry must not open files of sets; it opened '{path}'")

    def refuse(self, why: str) -> NoReturn:
        """Raises PeekError, and remembers why: an entry that swallows it fails all the same."""
        self.told = self.told or why
        raise PeekError(why)

    @contextmanager
    def set(self, on: bool) -> Iterator[None]:
        """Guard, or do not, and leave it as it was."""
        if not self.installed:
            sys.addaudithook(self.hook)
            self.installed = True
        before, self.on = self.on, on
        try:
            yield
        finally:
            self.on = before
            told = self.told
            if not before:
                self.told = ""
        if told and not before:
            raise PeekError(told)


_GUARD = _Guard()


def entry_at_work() -> AbstractContextManager[None]:
    """While this lasts, files of sets and recordings made in memory are refused."""
    return _GUARD.set(on=True)


def runner_at_work() -> AbstractContextManager[None]:
    """While this lasts, nothing is refused: what an entry asked the runner for, such as its next recording."""
    return _GUARD.set(on=False)


def refuse(what: str) -> None:
    """Raises PeekError where an entry is at work."""
    if _GUARD.on:
        _GUARD.refuse(f"an entry must not ask for {what}")
