"""Narrow MobileNetV2 (0.39 M weights) on Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path

from ..datasets.fashion_mnist import load_fashion_mnist
from ..networks.mobilenetv2 import MobileNetV2
from .base import Workload, fashion_classifier
from .recipe import Recipe

RECIPE = Recipe(network=MobileNetV2, weight_decay=1e-4, autocast=False)


def build(data: Path | None = None) -> Workload:
    """Build the workload.

    Args:
        data: folder of the Fashion-MNIST files; by default they are looked for.

    Raises:
        DataError: the data set cannot be obtained, or the checkpoint is damaged.
    """
    return fashion_classifier(
        name="fashion-mobilenetv2",
        title="MobileNetV2 (16 to 104 channels) on Fashion-MNIST",
        recipe=RECIPE,
        checkpoint=Path(__file__).with_suffix(".safetensors"),
        data=load_fashion_mnist(data),
    )
