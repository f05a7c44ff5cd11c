"""The table's file, its budgets and its instances."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from bitknap.problems.errors import DataError
from bitknap.sensitivity import load_table, save_table, sensitivity_table

from .networks import sequences


@pytest.fixture(scope="module")
def table():
    model, batches = sequences()
    return sensitivity_table(
        model, batches, metrics=("fisher", "weight_mse", "loss"), provenance={"workload": "test"}
    )


def test_round_trip_and_equal_bytes(table, tmp_path):
    save_table(table, tmp_path / "a.npz")
    again = load_table(tmp_path / "a.npz")
    save_table(again, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert again.layers == table.layers
    assert again.provenance == table.provenance
    assert again.metric_cost == table.metric_cost
    for metric in table.metrics:
        assert np.array_equal(again.omega[metric], table.omega[metric])
    assert np.array_equal(again.scores["fisher"], table.scores["fisher"])
    assert "weight_mse" not in again.scores


def test_equal_runs_differ_in_times_only(table, tmp_path):
    model, batches = sequences()
    again = sensitivity_table(
        model, batches, metrics=("fisher", "weight_mse", "loss"), provenance={"workload": "test"}
    )
    save_table(table, tmp_path / "a.npz")
    save_table(dataclasses.replace(again, metric_cost=table.metric_cost), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_uniform_bits_exactly_fill_their_budget(table):
    sizes = table.costs["size_bits"]
    for place, bits in enumerate((2, 3, 4, 5, 6, 8)):
        used = sum(int(sizes[start + place]) for start in table.offsets[:-1])
        assert used == table.capacity(bits)
    assert table.capacity(2.5) == table.capacity(2) + table.weights // 2


def test_instance(table):
    instance = table.to_instance("fisher", table.capacity(3))
    assert instance.class_names == tuple(layer.name for layer in table.layers)
    assert instance.labels == table.labels
    assert instance.objective(np.full(len(table.layers), 1)) == pytest.approx(
        table.omega["fisher"][1::6].sum()
    )
    assert instance.is_feasible(np.full(len(table.layers), 1))
    assert table.to_instance("loss", 10**9, "bops").resources == ("bops",)


def test_standard_error(table):
    terms = table.scores["fisher"] ** 2 / 2
    expected = terms.std(axis=0, ddof=1) / np.sqrt(len(terms))
    assert table.standard_error("fisher") == pytest.approx(expected)
    assert table.terms("loss").mean(axis=0) == pytest.approx(table.omega["loss"])
    with pytest.raises(DataError, match="keeps no per-sample scores"):
        table.standard_error("weight_mse")


def test_unknown_names_and_bad_budgets(table):
    with pytest.raises(DataError, match="no metric 'x'; it has: fisher, weight_mse, loss"):
        table.to_instance("x", 1)
    with pytest.raises(DataError, match="no resource 'x'"):
        table.to_instance("fisher", 1, "x")
    with pytest.raises(DataError, match="average bits"):
        table.capacity(float("nan"))


def test_bad_files(table, tmp_path):
    path = tmp_path / "t.npz"
    with pytest.raises(DataError, match="no such file"):
        load_table(path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="not a sensitivity table"):
        load_table(path)
    np.savez(path, a=np.ones(3))
    with pytest.raises(DataError, match="not a sensitivity table"):
        load_table(path)
    save_table(table, path)
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, "bits": arrays["bits"][:-1]})
    with pytest.raises(DataError, match="bits must have shape"):
        load_table(path)
    arrays.pop("omega/loss")
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="incomplete or damaged"):
        load_table(path)


def test_non_finite_omega_is_refused(table):
    omega = {**table.omega, "loss": np.full(len(table.labels), np.nan)}
    with pytest.raises(DataError, match="loss is not finite for layer volume at 2 bits"):
        dataclasses.replace(table, omega=omega)


def test_tables_load_without_torch():
    code = "import sys, bitknap.sensitivity; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
