"""The assignment problem, solved exactly (Kuhn 1955; shortest augmenting paths, Jonker & Volgenant 1987)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def best_assignment(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column of each row, `(R,)`, all different, with the least total cost; `cost` is `(R, C)` with `R <= C`.

    Rows join one by one along the cheapest augmenting path; takes O(R^2 C), vectorised over columns.
    """
    n, m = cost.shape
    row_price, column_price = np.zeros(n), np.zeros(m)
    owner = np.full(m, -1, dtype=np.int64)
    for new in range(n):
        distance, before = np.full(m, np.inf), np.full(m, -1, dtype=np.int64)
        done = np.zeros(m, dtype=bool)
        row, column, length = new, -1, 0.0
        while True:
            reduced = cost[row] - row_price[row] - column_price + length
            closer = ~done & (reduced < distance)
            distance[closer], before[closer] = reduced[closer], column
            column = int(np.where(done, np.inf, distance).argmin())
            length = float(distance[column])
            done[column] = True
            if owner[column] < 0:
                break
            row = int(owner[column])
        row_price[new] += length
        taken = done & (owner >= 0)
        row_price[owner[taken]] += length - distance[taken]
        column_price[done] += distance[done] - length
        while column >= 0:
            previous = int(before[column])
            owner[column] = owner[previous] if previous >= 0 else new
            column = previous
    columns = np.empty(n, dtype=np.int64)
    columns[owner[owner >= 0]] = np.nonzero(owner >= 0)[0]
    return columns
