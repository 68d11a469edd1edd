"""Compiled functions of augmentation: what is drawn for a sample, and what that does to it."""
