"""The array kernels of the hand simulator."""
