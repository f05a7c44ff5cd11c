"""Training recipe: hyper-parameters, learning-rate schedule, augmentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..datasets.fashion_mnist import ImageSet, normalise


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum on smoothed cross-entropy.

    Args:
        batch: images per step; what is left over at the end of an epoch is not used.
        learning_rate: peak of the schedule, see `learning_rate`.
        weight_decay: L2 penalty on convolution and linear weights, not on biases or batch norms.
        label_smoothing: probability mass spread over all classes.
        shift: largest random shift of an image, in pixels, in each direction.
        flip: mirror half of the images.
        autocast: run convolutions in bfloat16; weights and updates stay in float32.
    """

    network: Callable[[], nn.Module]
    epochs: int = 14
    batch: int = 128
    learning_rate: float = 0.15
    warm_up: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.05
    shift: int = 1
    flip: bool = True
    autocast: bool = True

    def describe(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return fields | {"network": getattr(self.network, "__name__", repr(self.network))}


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Learning rate of a step: linear up to the peak, then linear down to almost 0.

    Args:
        step: 0 to steps - 1.
    """
    peak = recipe.warm_up * steps
    done = step + 0.5
    part = done / peak if done < peak else (steps - done) / (steps - peak)
    return recipe.learning_rate * part


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Shift every image at random by up to ``recipe.shift`` pixels and mirror half of them.

    Args:
        images: ``(N, 1, H, W)`` uint8; what is shifted in is black.

    Returns:
        ``(N, 1, H, W)`` uint8.
    """
    count, _, height, width = images.shape
    shift = recipe.shift
    padded = F.pad(images[:, 0], (shift, shift, shift, shift))
    top, left = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=generator)
    rows = top + torch.arange(height)
    columns = torch.arange(width).repeat(count, 1)
    if recipe.flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    columns = left + columns
    index = torch.arange(count)
    return padded[index[:, None, None], rows[:, :, None], columns[:, None, :]].unsqueeze(1)


@dataclass(frozen=True, eq=False)
class Epoch:
    """The batches of one pass over a training set, shuffled and augmented.

    Args:
        seed: of order and augmentation; equal seeds give equal batches.
    """

    images: ImageSet
    recipe: Recipe
    seed: int

    def __len__(self) -> int:
        return len(self.images) // self.recipe.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches ``(x, y)``: x ``(batch, 1, 28, 28)`` float32, normalised; y int64."""
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(self.images), generator=generator)
        for part in torch.split(order, self.recipe.batch)[: len(self)]:
            batch = self.images.take(part)
            x = normalise(augment(batch.images, self.recipe, generator))
            yield x.to(memory_format=torch.channels_last), batch.labels
