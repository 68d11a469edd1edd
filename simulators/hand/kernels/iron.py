"""What iron answers to a field: a matrix for many poses, and turns into a body's frame and back.

Poses are innermost, sums in one order: a pose has the same bits in any company. Nothing is checked here.
"""

from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit


@njit(cache=True, error_model="numpy")
def answer(matrix, given, out):
    """out (rows, poses) = matrix (rows, columns) @ given (columns, poses)."""
    for i in range(matrix.shape[0]):
        row = out[i]
        row[:] = 0.0
        for j in range(matrix.shape[1]):
            share, column = matrix[i, j], given[j]
            for k in range(row.size):
                row[k] += share * column[k]


@njit(cache=True, error_model="numpy")
def turn_in(frame, vectors, out):
    """Vectors (items, 3, poses) in the axes that are the rows of frame (3, 3, poses)."""
    for n in range(vectors.shape[0]):
        for i in range(3):
            fx, fy, fz = frame[i, 0], frame[i, 1], frame[i, 2]
            x, y, z, row = vectors[n, 0], vectors[n, 1], vectors[n, 2], out[n, i]
            for k in range(row.size):
                row[k] = fx[k] * x[k] + fy[k] * y[k] + fz[k] * z[k]


@njit(cache=True, error_model="numpy")
def turn_out(frame, vectors, out):
    """The inverse of `turn_in`."""
    for n in range(vectors.shape[0]):
        for i in range(3):
            fx, fy, fz = frame[0, i], frame[1, i], frame[2, i]
            x, y, z, row = vectors[n, 0], vectors[n, 1], vectors[n, 2], out[n, i]
            for k in range(row.size):
                row[k] = fx[k] * x[k] + fy[k] * y[k] + fz[k] * z[k]
