"""What would make the scores wrong is refused in one sentence."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.sensitivity import sensitivity_table

from .networks import sequences


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"training": "line"}, UnsupportedError, "module 'line' is in training mode"),
        ({"loss_fn": lambda out, batch: out.mean()}, UnsupportedError, "one loss per sample"),
        (
            {"loss_fn": lambda out, b: out.detach()[:, 0]},
            UnsupportedError,
            "0 for every choice of volume",
        ),
        ({"batches": []}, DataError, "no calibration batches"),
        ({"batches": None}, DataError, "list or loader of batches, got NoneType"),
        ({"batches": torch.zeros(2, 4)}, DataError, "batches is one batch"),
        ({"batches": (torch.zeros(2, 4), torch.zeros(2))}, DataError, "batches is one batch"),
        ({"batches": [(torch.zeros(4), 1)]}, DataError, "a single sample with its label"),
        (
            {"batches": TensorDataset(torch.zeros(2, 4), torch.tensor([0, 1]))},
            DataError,
            "a single sample with its label",
        ),
        ({"bits": (4, 2)}, DataError, "strictly increasing"),
        ({"bits": (1, 2)}, DataError, "from 2 to 16"),
        ({"metrics": ("magic",)}, UnsupportedError, "no metric is named 'magic'"),
        ({"nan": "mix"}, DataError, "loss of sample 0 of the first batch is nan"),
    ],
)
def test_refusals(change, error, words):
    model, batches = sequences()
    if "training" in change:
        model.get_submodule(change.pop("training")).train()
    if "nan" in change:
        model.get_submodule(change.pop("nan")).weight.data[0, 0] = float("nan")
    batches = change.pop("batches", batches)
    with pytest.raises(error, match=words):
        sensitivity_table(model, batches, **change)


class Faulty(nn.Module):
    """Two linear layers, and one fault."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        if self.fault == "buffer":
            self.calls += 1
        z = x.tanh()
        y = self.first(z)
        if self.fault == "dropout":
            y = F.dropout(y, 0.5)
        if self.fault == "batch":
            y = y - y.mean(dim=0)
        if self.fault == "time":
            y = self.first(torch.stack([z] * len(z))).sum(dim=0)
        if self.fault == "hidden":
            y = y + (self.first.weight.exp() @ z[:, :, None]).flatten(1)
        if self.fault == "in place":
            z.mul_(2)
        return self.last(y)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dropout", "two runs on the same batch"),
        ("buffer", "changes the buffer calls"),
        ("batch", r"depends on another one: sample \d"),
        ("time", r"depends on another one: sample \d"),
        ("in place", "in place after"),
        ("mixing loss", r"depends on another one: sample \d"),
    ],
)
def test_faulty_networks_are_refused(fault, words):
    torch.manual_seed(0)
    model = Faulty(fault).double().eval()
    batch = (torch.randn(6, 4, dtype=torch.float64), torch.randint(3, (6,)))

    def mixing(output, batch):
        losses = F.cross_entropy(output, batch[1], reduction="none")
        return losses / losses.max()

    loss = mixing if fault == "mixing loss" else None
    with pytest.raises(UnsupportedError, match=words):
        sensitivity_table(model, [batch], loss_fn=loss)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("form", ["dict", "list", "tensor"])
def test_batches_and_outputs_of_other_forms(form):
    torch.manual_seed(0)
    plain = Faulty(None).double().eval()
    x = torch.randn(6, 4, dtype=torch.float64)

    def classes(x):
        return (x[:, :2] > 0).sum(dim=1)

    y = classes(x)

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = plain

        def forward(self, x, labels=None):
            return {"logits": self.net(x)} if form == "dict" else (self.net(x), None)

    expected = sensitivity_table(plain, [(x, y)]).omega["fisher"]
    batch = {"dict": {"x": x, "labels": y}, "list": [x, y], "tensor": x}[form]

    def loss(output, batch):
        return F.cross_entropy(output[0], classes(batch), reduction="none")

    if form == "tensor":
        with pytest.raises(UnsupportedError, match="the batch holds no labels"):
            sensitivity_table(Wrapped().eval(), [batch])
    own = loss if form == "tensor" else None
    table = sensitivity_table(Wrapped().eval(), [batch], loss_fn=own)
    assert table.omega["fisher"] == pytest.approx(expected)
