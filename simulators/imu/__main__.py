"""`python -m simulators.imu`."""

from simulators.cli import main

if __name__ == "__main__":
    raise SystemExit(main("imu"))
