"""Narrow ResNet-18 (0.70 M weights) on Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path

from ..datasets.fashion_mnist import load_fashion_mnist
from ..networks.resnet import ResNet18
from .base import Workload, fashion_classifier
from .recipe import Recipe

RECIPE = Recipe(network=ResNet18)


def build(data: Path | None = None) -> Workload:
    """Build the workload.

    Args:
        data: folder of the Fashion-MNIST files; by default they are looked for.

    Raises:
        DataError: the data set cannot be obtained, or the checkpoint is damaged.
    """
    return fashion_classifier(
        name="fashion-resnet18",
        title="ResNet-18 (16-32-64-128 channels) on Fashion-MNIST",
        recipe=RECIPE,
        checkpoint=Path(__file__).with_suffix(".safetensors"),
        data=load_fashion_mnist(data),
    )
