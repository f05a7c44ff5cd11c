"""Ablation of the paper's greedy: the largest loss per bit saved goes first."""

from .greedy import Greedy

SOLVER = Greedy(order="largest")
