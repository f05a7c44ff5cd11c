"""Ablation of the paper's greedy: classes step down in random order."""

from .greedy import Greedy

SOLVER = Greedy(order="random")
