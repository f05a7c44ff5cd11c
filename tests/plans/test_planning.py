"""From a network to a plan in one call, and from a plan to a file and back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bitknap
from bitknap.plans import unpack
from bitknap.plans.planes import packed, packed_ternary, plane_bytes, unpacked, unpacked_ternary
from bitknap.problems import DataError
from bitknap.problems.errors import InfeasibleError
from bitknap.sensitivity import ActivationQuantizer, LayerPolicy, Quantizer


class Mixed(nn.Module):
    """Grouped, depthwise and transposed convolutions, batch norm, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.grouped = nn.Conv2d(8, 12, 3, groups=2)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2, groups=3)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x)).relu()
        x = self.grouped(self.depthwise(x).relu()).relu()
        out: Tensor = self.head(self.up(x).mean(dim=(2, 3)))
        return out


def network() -> nn.Module:
    torch.manual_seed(0)
    return Mixed().eval()


def data() -> list[Any]:
    g = torch.Generator().manual_seed(1)
    return [
        (torch.randn(6, 1, 8, 8, generator=g), torch.randint(5, (6,), generator=g))
        for _ in range(4)
    ]


@pytest.fixture(scope="module")
def made() -> tuple[nn.Module, bitknap.Plan]:
    model = network()
    return model, bitknap.plan(model, data(), bits=3.0, measure=6)


def test_a_plan_keeps_its_budget_and_says_what_it_is(made: Any) -> None:
    _, plan = made
    assert plan.average_bits <= 3.0
    assert plan.size_bits == sum(
        int(plan.table.costs["size_bits"][i]) for i in plan.table.positions(plan.choices)
    )
    text = repr(plan)
    assert text.startswith("Plan\n  budget     3 bits per weight\n")
    stored = plan.size_bits / plan.table.weights
    assert f"{plan.average_bits:.3f} per weight, {stored:.3f} with scales" in text
    assert f"{plan.size_bits / 8000:.3f} kB" in text
    assert len(text.splitlines()) <= 11
    assert "damage" in text
    assert "<table>" in plan._repr_html_()
    assert plan.measured is not None


def test_without_measuring_the_plan_is_the_proven_optimum() -> None:
    model = network()
    plan = bitknap.plan(model, data(), compression=8.0, metric="weight_mse", measure=0)
    table = bitknap.sensitivity_table(model, data(), metrics="weight_mse")
    instance = table.to_instance("weight_mse", table.capacity(4))
    assert plan.prediction.value == bitknap.solve(instance, "core").objective
    assert plan.solution.status is bitknap.Status.OPTIMAL
    assert "proven the least within the budget" in repr(plan)
    assert plan.measured is None


def test_several_budgets_share_one_table(tmp_path: Path) -> None:
    plans = bitknap.plan(network(), data(), bits=[2.5, 4], measure=0)
    assert plans[0].table is plans[1].table
    assert plans[0].average_bits <= 2.5 < plans[1].average_bits <= 4
    changed = plans[0].compare(plans[1])
    assert changed
    assert all(plans[0].choices[name] == pair[0] for name, pair in changed.items())
    plans[1].save(tmp_path / "plan.json")
    assert plans[0].compare(tmp_path / "plan.json") == changed


def test_sizes_and_other_limits() -> None:
    model = network()
    plan = bitknap.plan(model, data(), size="0.5 kB", measure=0)
    assert plan.size_bits <= 4000
    both = {"size_bits": 4500, "bops": 10**8}
    limited = bitknap.plan(model, data(), limits=both, measure=0)
    assert limited.size_bits <= 4500


def test_bad_budgets_are_told_before_anything_is_scored() -> None:
    model, said = network(), []

    def note(what: str, done: int, total: int) -> None:
        said.append(what)

    with pytest.raises(InfeasibleError, match=r"limit is \d+\.\d+ kB \(2 bits"):
        bitknap.plan(model, data(), size="100 B", progress=note)
    assert set(said) <= {"tracing"}
    with pytest.raises(DataError, match="needs one budget"):
        bitknap.plan(model, data())
    with pytest.raises(DataError, match="got 2"):
        bitknap.plan(model, data(), bits=3, size="1 kB")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"bits": "3"}, "bits= takes numbers, .* got '3'"),
        ({"bits": np.array([3.0, 4.0])}, "bits= takes numbers, .* got ndarray"),
        ({"bits": []}, "bits= is an empty list"),
        ({"size": 1000}, "size= is a text with its unit, .* got 1000"),
        ({"compression": "8x"}, "compression= takes numbers, .* got '8x'"),
        ({"bits": 3, "measure": -1}, "0 or more; got -1"),
    ]
    for given, words in wrong:
        with pytest.raises(DataError, match=words):
            bitknap.plan(model, data(), **given)
    with pytest.raises(DataError, match="no resource 'watts'"):
        bitknap.plan(model, data(), limits={"watts": 3})


def test_batches_are_read_as_for_a_table() -> None:
    arrays = [(x.numpy(), y.numpy()) for x, y in data()]
    found, same = (bitknap.plan(network(), d, bits=3, measure=2) for d in (arrays, data()))
    assert found.document() == same.document()
    with pytest.raises(DataError, match="batches is one batch"):
        bitknap.plan(network(), data()[0], bits=3)


def test_a_policy_is_kept() -> None:
    policy = LayerPolicy(pin=(("head", "8"),), exclude=("first",))
    plan = bitknap.plan(network(), data(), bits=4, policy=policy, measure=0)
    assert plan.choices["head"] == "8"
    assert "first" not in plan.choices


def test_plans_read_back_and_apply_the_same(made: Any, tmp_path: Path) -> None:
    model, plan = made
    plan.save(tmp_path / "plan.json")
    again = bitknap.Plan.load(tmp_path / "plan.json")
    assert again.choices == plan.choices
    assert again.size_bits == plan.size_bits
    assert again.prediction == plan.prediction
    assert again.measured == plan.measured
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "plan.json").read_bytes()
    one = plan.apply(model).state_dict()
    other = again.apply(model, calibration=data()).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_plans_of_another_network_and_damaged_files_are_refused(made: Any, tmp_path: Path) -> None:
    _, plan = made
    torch.manual_seed(5)
    with pytest.raises(DataError, match="other weights"):
        plan.apply(Mixed().eval())
    path = tmp_path / "plan.json"
    plan.save(path)
    text = path.read_text()
    for broken in (text[:200], "{}", text.replace("bitknap.plan/1", "bitknap.plan/9")):
        path.write_text(broken)
        with pytest.raises(DataError, match=str(path)):
            bitknap.Plan.load(path)
    document = json.loads(text)
    document["layers"][0]["layer"]["shape"] = "wide"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="shape"):
        bitknap.Plan.load(path)


QUANTIZERS = [
    "symmetric",
    "symmetric,narrow",
    "affine",
    "symmetric,group=5",
    "affine,group=7,scale=minmax",
    "symmetric,tensor,scale=minmax",
]


@pytest.mark.parametrize("words", QUANTIZERS)
def test_a_packed_network_is_the_applied_one_bit_for_bit(words: str, tmp_path: Path) -> None:
    model, path = network(), tmp_path / "model.safetensors"
    quantizer = Quantizer.parse(words)
    plan = bitknap.plan(
        model, data(), bits=4, quantizer=quantizer, choices=(2, 3, 5, 7, 8), measure=0
    )
    plan.pack(model, path)
    loaded, applied = bitknap.load_packed(network(), path), plan.apply(model)
    for name, value in applied.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
        assert torch.equal(unpack(path)[name], value), name
    x = data()[0][0]
    with torch.no_grad():
        assert torch.equal(loaded(x), applied(x))


def test_ternary_float_and_activations_are_packed(tmp_path: Path) -> None:
    model, path = network(), tmp_path / "model.safetensors"
    table = bitknap.sensitivity_table(
        model,
        data(),
        bits=("ternary", 4, "float"),
        activations=ActivationQuantizer((4, 8)),
    )
    names = [layer.name for layer in table.layers]
    labels = ["wternarya4", "w4a8", "wfloata8", "wternarya8", "w4a4", "w4a8"]
    plan = bitknap.Plan(dict(zip(names, labels, strict=False)), table)
    plan.pack(model, path, calibration=data())
    loaded, applied = bitknap.load_packed(network(), path), plan.apply(model, calibration=data())
    x = data()[0][0]
    with torch.no_grad():
        assert torch.equal(loaded(x), applied(x))
        assert not torch.equal(loaded(x), model(x))


def test_the_file_is_as_small_as_predicted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
                          nn.Linear(512, 10)).eval()  # fmt: skip
    batches = [(torch.randn(16, 64), torch.randint(10, (16,))) for _ in range(2)]
    plan = bitknap.plan(model, batches, bits=3, measure=0)
    size = plan.pack(model, tmp_path / "model.safetensors")
    rest = 4 * sum(p.numel() for p in model.parameters() if p.dim() == 1)
    assert size == (tmp_path / "model.safetensors").stat().st_size
    assert abs(size - plan.predicted_bytes - rest) <= 0.01 * size + 2000


def test_damaged_packed_files_are_refused(made: Any, tmp_path: Path) -> None:
    model, plan = made
    path = tmp_path / "model.safetensors"
    plan.pack(model, path)
    content = path.read_bytes()
    for broken in (content[:100], content[:-50], b"", content[:400] + b"x" * 50 + content[450:]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="no packed network"):
            bitknap.load_packed(model, path)
    path.write_bytes(content)
    with pytest.raises(DataError, match="load it into the architecture"):
        bitknap.load_packed(nn.Linear(2, 2), path)


def test_the_network_comes_before_its_packed_file(made: Any) -> None:
    mixed_up: Any = "packed.safetensors"
    with pytest.raises(DataError, match="takes the network first and then the file, got str"):
        bitknap.load_packed(mixed_up, made[0])


def test_weights_off_their_grid_are_not_packed(made: Any, tmp_path: Path) -> None:
    from bitknap.plans.packed import pack

    model, plan = made
    network = plan.apply(model)
    with torch.no_grad():
        network.head.weight.add_(0.01)
    with pytest.raises(DataError, match=r"head\.weight is not on the grid"):
        pack(model, network, plan.table, plan.choices, plan.document(), tmp_path / "x.safetensors")


@pytest.mark.parametrize("bits", range(1, 17))
def test_planes_hold_every_code(bits: int) -> None:
    rng = np.random.default_rng(bits)
    for count in (1, 7, 64, 333):
        codes = rng.integers(0, 1 << bits, count)
        planes = packed(codes, bits)
        assert [len(plane) for plane in planes] == plane_bytes(bits, count)
        assert sum(map(len, planes)) <= math.ceil(bits * count / 8) + 3
        assert np.array_equal(unpacked(planes, bits, count), codes)


def test_ternary_codes_are_five_to_a_byte() -> None:
    codes = np.random.default_rng(0).integers(0, 3, 1001)
    (data_,) = packed_ternary(codes)
    assert len(data_) == 201
    assert np.array_equal(unpacked_ternary(data_, 1001), codes)


def test_the_documented_reader_needs_numpy_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batches = network(), data()
    plain = nn.Sequential(model.first, model.norm, nn.Flatten(), nn.Linear(512, 5)).eval()
    plan = bitknap.plan(plain, batches, bits=4, choices=(2, 3, 5, 7), measure=0)
    monkeypatch.chdir(tmp_path)
    plan.pack(plain, "model.safetensors")
    text = (Path(__file__).parents[2] / "docs" / "plans.md").read_text(encoding="utf-8")
    reader = text.split("```python\n")[2].split("```")[0]
    names: dict[str, Any] = {}
    exec(reader, names)
    state = plan.apply(plain).state_dict()
    assert set(names["weights"]) == {"0.weight", "3.weight"}
    for name, value in names["weights"].items():
        assert np.array_equal(value, state[name].numpy()), name
