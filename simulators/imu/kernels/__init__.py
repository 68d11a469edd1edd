"""The array kernels of the IMU simulator."""
