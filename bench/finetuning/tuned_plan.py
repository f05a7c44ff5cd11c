"""A plan fine-tuned into a folder: the network, and a record with the accuracies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch

from bitknap.problems import write_atomically
from bitknap.problems.documents import save_document
from bitknap.problems.storage import only_writer
from bitknap.sensitivity.quantization.choices import by_size, parse_label

from ..job.table_cache import QUANTIZER, traced
from ..records.environment import machine, versions
from ..tables.table import Table
from ..workloads.base import Workload
from .fine_tune import FineTuning, fine_tune, untrained
from .lsq import InputQuantizer

FORMAT = "bitknap.finetuning/1"


def tune_plan(
    workload: Workload,
    plan: Mapping[str, object],
    tuning: FineTuning,
    seed: int,
    out: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Fine-tune a plan and write ``network.safetensors`` and ``finetuning.json``.

    Returns:
        The record.

    Raises:
        DataError: the plan does not fit the network, or another run writes the folder.
    """
    allocation = {layer: str(label) for layer, label in plan.items()}
    weights = {layer: str(parse_label(label)[0]) for layer, label in allocation.items()}
    choices = [parse_label(label)[0] for label in sorted(set(weights.values()), key=by_size)]
    with only_writer(out):
        table = traced(workload, workload.calibration(64, seed), choices, seed).table()
        table.positions(weights)
        say("evaluating the float network")
        accuracy = {"float": workload.accuracy(workload.model)}
        say("evaluating the plan")
        start = untrained(workload, table.layers, allocation, tuning, seed)
        accuracy["before"] = workload.accuracy(start.finished())
        partial = out / "partial.pt"
        tuned = fine_tune(
            workload, table.layers, allocation, tuning, seed=seed, partial=partial, say=say
        )
        say("evaluating the fine-tuned network")
        accuracy["after"] = workload.accuracy(tuned.network)
        network = safetensors.torch.save(
            {name: value.clone().contiguous() for name, value in tuned.network.state_dict().items()}
        )
        content = {
            "workload": workload.name,
            "allocation": allocation,
            "tuning": asdict(tuning),
            "quantizer": QUANTIZER.describe(),
            "seed": seed,
            "losses": tuned.losses,
            "accuracy": {name: asdict(found) for name, found in accuracy.items()},
            "input_steps": {
                name: {"step": hook.quantizer.step.item(), "codes": hook.quantizer.codes}
                for name, module in tuned.network.named_modules()
                for hook in module._forward_pre_hooks.values()
                if isinstance(hook, InputQuantizer)
            },
            "provenance": dict(workload.provenance),
            "network_sha256": hashlib.sha256(network).hexdigest(),
            "seconds": round(tuned.seconds, 1),
            "machine": machine(),
            "versions": versions(),
        }
        write_atomically(out / "network.safetensors", network)
        record = save_document(out / "finetuning.json", FORMAT, content)
        partial.unlink(missing_ok=True)
        return record


def tuning_table(record: Mapping[str, Any]) -> Table:
    """Accuracy of the float network, and of the plan before and after."""
    rows = [
        [name, f"{100 * found['correct'] / found['total']:.2f}", f"{found['total']:,}"]
        for name, found in record["accuracy"].items()
    ]
    losses = ", ".join(f"{loss:.4f}" for loss in record["losses"])
    return Table(
        f"Fine-tuning {record['workload']}",
        ("network", "accuracy, %", "samples"),
        rows,
        notes=(f"Mean training loss by epoch: {losses}; {record['seconds']:g} s of training.",),
    )
