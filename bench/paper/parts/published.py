"""What others published on ImageNet, kept apart from our own figures."""

from __future__ import annotations

from ...report.base import Content, Section
from ...tables.table import Table
from ..study import Study

PAPER = "Chen et al., ICCV 2021, arXiv:2110.06554"

ROWS = (
    ("MPQCO", "ResNet-18", "10.66x", "-0.26"),
    ("MPQCO", "ResNet-50", "12.24x", "-0.85"),
    ("MPQCO", "MobileNetV2", "7.49x", "-0.05"),
)

CLAIMS = (
    ("ResNet-50, assignment on one RTX 2080 Ti", "under 2 minutes"),
    ("against AutoQ's search", "over 1000 times faster"),
    ("against HAWQ-V2", "15 times faster"),
)


def build(_study: Study) -> Content:
    """The three rows of Table 1 and the times that are known, from notes on the paper."""
    return Content(
        texts=[
            "These figures were not measured here, and not on the networks of the other tables. "
            "They are known from notes that quote the paper (secondary), not from the paper "
            "itself; its quantizer, candidate bits, treatment of first and last layer, activation "
            "bits and fine-tuning recipe are not known to us.",
        ],
        tables={
            "published_accuracy": Table(
                "Published on ImageNet: Top-1 against float, points",
                ("method", "network", "rate", "Top-1", "source", "kind"),
                [[*row, PAPER, "secondary"] for row in ROWS],
                text_columns=2,
            ),
            "published_cost": Table(
                "Published search cost of MPQCO",
                ("what", "claim", "source", "kind"),
                [[*row, PAPER, "secondary"] for row in CLAIMS],
                text_columns=4,
            ),
        },
    )


SECTION = Section("Published figures", 15, "nothing", build)
