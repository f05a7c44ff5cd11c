"""output_fisher where a layer is not a module of its own: attention, separate and tied weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitknap.sensitivity import Quantizer, sensitivity_table

BITS = (2, 4)
HEADS, WIDTH, CLASSES = 2, 6, 5


class TiedAttention(nn.Module):
    """Attention over embedded tokens, packed or with queries, keys and values of other inputs."""

    def __init__(self, same: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(CLASSES, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.same = same

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        others = (x, x, x) if self.same else (x, 2 * x, x - 1)
        mixed = self.attention(*others, need_weights=False)[0]
        return F.linear(mixed.mean(dim=1), self.embed.weight)


def outputs_by_hand(
    model: TiedAttention, tokens: Tensor
) -> tuple[Tensor, list[tuple[str, Tensor, Tensor]]]:
    """The logits, and (weight's name, input, output) of every product with a weight."""
    table = model.embed.weight
    attention = model.attention
    x = table[tokens]
    uses = [("embed", tokens, x)]
    others = (x, x, x) if model.same else (x, 2 * x, x - 1)
    projected = []
    for part, other in enumerate(others):
        rows = slice(part * WIDTH, (part + 1) * WIDTH)
        z = other @ attention.in_proj_weight[rows].T + attention.in_proj_bias[rows]
        uses.append((f"in{part}", other.detach(), z))
        heads = z.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)
        projected.append(heads)
    query, key, value = projected
    weights = (query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5).softmax(dim=-1)
    mixed = (weights @ value).transpose(1, 2).flatten(2)
    out = mixed @ attention.out_proj.weight.T + attention.out_proj.bias
    uses.append(("out", mixed.detach(), out))
    mean = out.mean(dim=1)
    logits = mean @ table.T
    return logits, [*uses, ("head", mean.detach(), logits)]


@pytest.mark.parametrize("same", [True, False])
def test_output_fisher_of_attention_and_a_tied_embedding(same: bool) -> None:
    torch.manual_seed(1)
    model = TiedAttention(same).double().eval()
    nn.init.normal_(model.attention.in_proj_bias)
    batches = [(torch.randint(CLASSES, (n, 4)), torch.randint(CLASSES, (n,))) for n in (3, 2)]
    table = sensitivity_table(model, batches, metrics=("output_fisher",), bits=BITS)
    quantizer = Quantizer()
    weights = {layer.name: model.get_parameter(layer.parameter).detach() for layer in table.layers}
    assert list(weights) == ["embed", "attention.in_proj_weight", "attention.out_proj"]
    for place, (name, weight) in enumerate(weights.items()):
        for item, bits in enumerate(BITS):
            change = quantizer(weight, bits, dim=table.layers[place].channel_dim) - weight
            by_use = {
                "embed": {"embed": change, "head": change},
                "attention.out_proj": {"out": change},
            }.get(name, {f"in{i}": part for i, part in enumerate(change.chunk(3))})
            expected = 0.0
            for tokens, y in batches:
                logits, uses = outputs_by_hand(model, tokens)
                assert torch.allclose(logits, model(tokens), rtol=1e-10)
                loss = F.cross_entropy(logits, y, reduction="sum")
                grads = torch.autograd.grad(loss, [output for _, _, output in uses])
                for (use, inputs, _), grad in zip(uses, grads, strict=True):
                    if use in by_use:
                        own = by_use[use]
                        moved = own[inputs] if use == "embed" else inputs @ own.T
                        expected += float((grad * moved).square().sum())
            index = place * len(BITS) + item
            assert table.omega["output_fisher"][index] == pytest.approx(expected, rel=1e-9)
            assert expected > 0
