"""`python -m simulators.hand`."""

from simulators.cli import main

if __name__ == "__main__":
    raise SystemExit(main("hand"))
