"""Simulators: from a scenario to recordings with exact truth."""
