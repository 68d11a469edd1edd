"""`python -m simulators.drift`."""

from simulators.cli import main

if __name__ == "__main__":
    raise SystemExit(main("drift"))
