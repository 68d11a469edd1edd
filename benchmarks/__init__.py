"""Tracks, scores and speed: what is measured about every simulator, baseline and model."""
