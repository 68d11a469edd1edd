"""Classical methods for bus scenes: one file a method."""
