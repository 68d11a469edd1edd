"""From scores of candidate pairs to pairs: one Hungarian assignment with a threshold.

H. Kuhn, Naval Research Logistics Quarterly 2 (1955) 83, as in scipy; that a channel has one role is our own rule.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment


def assign(scores: np.ndarray, threshold: float, bonus: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows (high halves) and columns (low halves) of the pairs with the greatest total score above the threshold.

    scores: (n, n), row = high, column = low; `bonus`, small and not negative, decides between pairs of like scores and
    lifts none above the threshold. Each channel is in at most one pair, as high half or as low: where the
    assignment uses one as both, the weaker of its two pairs is dropped and the rest assigned anew.
    """
    gain = np.where(scores > threshold, scores - threshold + bonus, 0.0)
    np.fill_diagonal(gain, 0.0)
    while True:
        high, low = linear_sum_assignment(gain, maximize=True)
        told = gain[high, low] > 0
        high, low = high[told], low[told]
        as_low = dict(zip(low.tolist(), range(low.size), strict=True))
        clash = [(row, as_low[h]) for row, h in enumerate(high.tolist()) if h in as_low]
        if not clash:
            return high, low
        for a, b in clash:
            weaker = a if gain[high[a], low[a]] < gain[high[b], low[b]] else b
            gain[high[weaker], low[weaker]] = 0.0
