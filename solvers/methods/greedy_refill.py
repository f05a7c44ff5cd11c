"""The paper's greedy, then upwards again past items that no longer fit."""

from .greedy import Greedy

SOLVER = Greedy(hull=True, refill=True)
