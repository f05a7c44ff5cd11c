"""Narrow ResNet-18 (0.70 M weights) on Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path

from ..networks.resnet import ResNet18
from .base import Workload, fashion_classifier
from .recipe import Recipe

RECIPE = Recipe(network=ResNet18)


def build(data: Path | None = None) -> Workload:
    """Build the workload; arguments and errors as for `fashion_classifier`."""
    title = "ResNet-18 (16-32-64-128 channels) on Fashion-MNIST"
    return fashion_classifier(title, RECIPE, __file__, data)
