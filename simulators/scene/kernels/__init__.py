"""The array kernels of the scene simulator."""
