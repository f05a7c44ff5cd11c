"""The extent of the paper's comparison: networks, rates, draws, fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..finetuning.fine_tune import FineTuning

BITS = (2, 3, 4, 5, 6, 8)
"""Candidate bits of every layer; the paper's are not known to us."""

RATES = ("7.49x", "10.66x", "12.24x")
"""Compression of float32 weights: the three rates of the paper that are known, from notes on it."""


@dataclass(frozen=True)
class Scale:
    """The extent of a study.

    Args:
        tuned: network -> those of its rates at which plans are fine-tuned as well.
        samples: metric -> calibration samples; ``fisher`` is one of them.
        seeds: of the calibration draws, the random plans and the fine-tuning.
        search: evaluations of the network that the evolutionary search may spend.
    """

    name: str
    rates: Mapping[str, tuple[str, ...]]
    tuned: Mapping[str, tuple[str, ...]]
    samples: Mapping[str, int]
    seeds: tuple[int, ...]
    tuning: FineTuning
    test: int | None = None
    search: int = 400

    @property
    def search_samples(self) -> int:
        """Calibration samples of the evolutionary search: those of the measured loss."""
        return self.samples.get("loss", self.samples["fisher"])


def _samples(single: int, measured: int, curvature: int) -> dict[str, int]:
    """Samples of each metric by what it costs."""
    return {
        **dict.fromkeys(("fisher", "first_order", "weight_mse", "output_fisher"), single),
        **dict.fromkeys(("loss", "kl"), measured),
        "hawq_v2": curvature,
    }


FULL = Scale(
    name="full",
    rates=dict.fromkeys(("fashion-resnet18", "fashion-mobilenetv2"), RATES),
    tuned=dict.fromkeys(("fashion-resnet18", "fashion-mobilenetv2"), RATES),
    samples=_samples(1024, 1024, 64),
    seeds=(0, 1, 2),
    tuning=FineTuning(epochs=1, batches=117),
    search=500,
)

FAST = Scale(
    name="fast",
    rates={"fashion-resnet18": RATES, "fashion-mobilenetv2": RATES[2:]},
    tuned={"fashion-resnet18": RATES[2:], "fashion-mobilenetv2": RATES[2:]},
    samples=_samples(1024, 256, 16),
    seeds=(0, 1, 2),
    tuning=FineTuning(epochs=1, batches=30),
    test=5000,
    search=100,
)


IMAGENET_RATES = {"resnet18": "10.66x", "resnet50": "12.24x", "mobilenetv2": "7.49x"}
"""Rate of each network in the rows of the paper's Table 1 that are known."""


def imagenet(network: str, fast: bool) -> Scale:
    """A study of one network on ImageNet, at the rate that is known of the paper's table."""
    rates = {network: (IMAGENET_RATES[network],)}
    return Scale(
        name=f"ImageNet, {'fast' if fast else 'full'}",
        rates=rates,
        tuned=rates,
        samples=_samples(1024, 256 if fast else 1024, 16 if fast else 128),
        seeds=(0, 1, 2),
        tuning=FineTuning(epochs=1, batches=500 if fast else None),
        test=5000 if fast else None,
        search=200 if fast else 1000,
    )
