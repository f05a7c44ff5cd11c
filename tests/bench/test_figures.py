from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from bitknap.bench.figures.accuracy_against_size import (
    AccuracyCurve,
    Point,
    draw_accuracy,
    draw_labelled_accuracy,
)
from bitknap.bench.figures.bits_by_layer import draw_bits_by_layer
from bitknap.bench.figures.gap_by_solver import draw_gaps
from bitknap.bench.figures.layer_strip import Bar, draw_layer_strip, places
from bitknap.bench.figures.predicted_loss import MetricPrediction, draw_predicted_loss
from bitknap.bench.figures.sensitivities import draw_sensitivities
from bitknap.bench.figures.style import COLOURS, line_style, save
from bitknap.bench.report.base import Mark, Panel
from bitknap.bench.report.inline import inline, placed


def bits() -> Figure:
    return draw_bits_by_layer(
        {"fisher 3": ["2", "8", "4"], "loss 3": ["3"] * 3}, "abc", ("2", "3", "4", "8")
    )


def predicted(least: float = 1e-3) -> Figure:
    data = MetricPrediction(
        [2, 3], [0.1, least], [(2.5, 0.06)], [(2.5, 0.05)], [(2, 0.1, "2"), (3, 0.02, "3")]
    )
    return draw_predicted_loss({"fisher": data, "loss": data}, 87.0)


def accuracy() -> Figure:
    points = [Point(3, 0.9, 0.89, 0.91), Point(2, 0.1, 0.09, 0.11)]
    curves = [AccuracyCurve("fisher", points, 0), AccuracyCurve("greedy", points, 0, rival=True)]
    return draw_accuracy(curves, 0.94)


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))}


def test_every_cell_of_the_map_carries_its_bits() -> None:
    assert {"fisher 3", "loss 3", "a", "b", "c", "2", "8", "4", "3"} <= words(bits())


def test_axes_name_their_quantities_and_units() -> None:
    assert {
        "average bits per weight",
        "size of the codes, kB",
        "optimum at every size",
        "uniform",
    } <= words(predicted())
    assert {"test accuracy, %", "float 94.00 %", "fisher"} <= words(accuracy())
    bars = [Bar("4", 4, 100), Bar("2", 2, 900, sure=False), Bar("float", 32, 1)]
    assert {"4", "2", "float", "bits"} <= words(draw_layer_strip(bars))
    score = np.array([[1.0, 0.1], [0.0, np.nan]])
    drawn = draw_sensitivities(score, [0, None], [9, 90], ["a", "b"], ["2", "4"], "fisher")
    assert {"a", "b", "2", "4", "fisher", "predicted loss"} <= words(drawn)


def test_bars_are_as_wide_as_their_share_but_never_too_thin() -> None:
    left, width = places([Bar("2", 2, 100), Bar("2", 2, 300), Bar("2", 2, 0)])
    assert width.sum() == pytest.approx(1.0)
    assert width[1] == pytest.approx(3 * width[0])
    assert width[2] > 0.1
    assert left.tolist() == pytest.approx([0, width[0], width[0] + width[1]])


def test_lines_stand_out_from_the_page() -> None:
    for colour in COLOURS:
        parts = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05) >= 3.0


def test_series_differ_by_colour_and_in_greyscale() -> None:
    styles = [line_style(k) for k in range(49)]
    assert len({(style["marker"], style["linestyle"]) for style in styles}) == len(styles)
    assert len({style["color"] for style in styles[: len(COLOURS)]}) == len(COLOURS)


def test_negative_predictions_do_not_vanish_from_the_axis() -> None:
    assert predicted().axes[0].get_yscale() == "log"
    assert predicted(-1e-3).axes[0].get_yscale() == "symlog"


@pytest.mark.parametrize(
    "gaps", [[0.0], [0.01], [1e-9, 1e-12], [float("inf")], [1e308, 1e-320], [0.1, 0.2]], ids=str
)
def test_bug_gaps_of_one_size_or_beyond_all_sizes_were_not_drawn(gaps: list[float]) -> None:
    low, high = draw_gaps({"core": [0.0], "greedy": gaps}).axes[0].get_xlim()
    assert low < 0.0 < min(100 * max(gaps), 1e12) or max(gaps) == 0.0
    assert high > min(100 * max(gaps), 1e12)


@pytest.mark.parametrize("draw", [bits, predicted, accuracy])
def test_saved_files_are_the_same_bytes_every_time(draw: object, tmp_path: Path) -> None:
    assert callable(draw)
    for stem in ("at_2.5", "at_3.5"):
        save(draw(), tmp_path / stem)
    for suffix in ("png", "svg", "pdf"):
        one, two = ((tmp_path / f"{s}.{suffix}").read_bytes() for s in ("at_2.5", "at_3.5"))
        assert one == two
        assert len(one) > 3000


def test_inline_figures_do_not_share_ids() -> None:
    first, second = inline(Panel(accuracy()), "a", 'It\'s "so"'), inline(Panel(bits()), "b", "x")
    assert first.svg.startswith('<svg role="img" aria-label="It\'s \'so\'"')
    assert 'id="a-figure_1"' in first.svg
    assert 'id="b-figure_1"' in second.svg
    assert 'id="figure_1"' not in first.svg
    assert "<metadata>" not in first.svg
    assert first.marks == ""


def test_marks_lie_where_the_svg_draws_their_points() -> None:
    figure = accuracy()
    mark = Mark(2.0, 10.0, {"plan": "</script>"})
    drawing = inline(Panel(figure, [mark, mark]), "a", "x")
    found = json.loads(drawing.marks)
    assert "</script>" not in drawing.marks
    assert found["names"] == [["plan"]]
    x, y, names, values = found["marks"][0]
    assert (names, values) == (0, ["</script>"])
    uses = re.findall(r'<use xlink:href="[^"]*" x="([\d.]+)" y="([\d.]+)"', drawing.svg)
    assert (x, y) in {(round(float(a), 1), round(float(b), 1)) for a, b in uses}
    assert placed(Panel(figure, [mark, mark])) == drawing.marks


def test_names_stand_towards_the_middle_and_apart() -> None:
    uniform = AccuracyCurve("uniform", [Point(2, 0.9, 0.89, 0.91), Point(3, 0.94, 0.93, 0.95)], 1)
    for bits, sides in ((2.2, ["left", "left", "right"]), (3.0, ["right", "left", "left"])):
        best = AccuracyCurve("recommended", [Point(bits, 0.93, 0.92, 0.94)], 0)
        (axes,) = draw_labelled_accuracy([best, uniform], 0.94).axes
        assert [text.get_horizontalalignment() for text in axes.texts] == sides
