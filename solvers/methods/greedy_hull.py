"""The paper's greedy on the lower convex hulls: the steps of the linear relaxation."""

from .greedy import Greedy

SOLVER = Greedy(hull=True)
