"""The page's panels of rankings and codes as files."""

import numpy as np
import pytest

from bench.report import panel_figures
from bench.report.panel_figures import MOST_AXES, NAMES, write_panel_figures


def parts(sets=2):
    """Panels as the page has them: two hashers of two lengths, and sets of codes."""
    lengths, hashers = (16, 32), ("ITQ", "LSH_$x$")
    points = {name: [{"bits": bits, "key": f"{name}{bits}", "map": 0.5} for bits in lengths] for name in hashers}
    curves = {
        point["key"]: {"numbers": [1, 10, 100], "precision": [0.9, 0.5, 0.01 * at], "recall": [0.0, 0.4, 1.0]}
        for at, point in enumerate(point for found in points.values() for point in found)
    }
    series = [{"name": name, "paper": None, "points": found} for name, found in points.items()]
    shares = np.full(17, 1 / 17).tolist()
    codes = {
        str(at): {
            "name": f"ITQ, {at}",
            "bits": 16,
            "ones": [0.5] * 16,
            "distances": {"within": [1.0], "between": shares},
        }
        for at in range(sets)
    }
    rankings = {"sections": [{"name": "birds", "series": series}], "curves": curves, "missing": []}
    return {"rankings": rankings, "codes": {"sets": codes, "same": {}, "missing": []}}


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figures that are written for panels, by name."""

    def draw(panels):
        found = {}
        monkeypatch.setattr(
            panel_figures, "save", lambda figure, kind, path: found.update({path.name: figure}) or path.touch()
        )
        paths = write_panel_figures(panels, "grid: birds", tmp_path)
        figures = dict(zip((path.name for path in paths), found.values(), strict=True))
        return {path.stem: figures[path.name] for path in paths}

    return draw


def lines(axes):
    return {line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.get_lines()}


def test_curves_stand_a_frame_for_each_length_with_a_line_for_each_hasher(drawn):
    panels = parts()
    figure = drawn(panels)["precision_against_recall"]
    assert [axes.get_title() for axes in figure.axes] == ["birds,\n16 bits", "birds,\n32 bits"]
    own = [value for _, value in sorted(lines(figure.axes[1]).items())]
    curves = panels["rankings"]["curves"]
    assert own == [(curves[key]["recall"], curves[key]["precision"]) for key in ("ITQ32", "LSH_$x$32")]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ITQ", "LSH_$x$"]
    assert drawn(panels)["precision_at_n"].axes[0].get_xscale() == "log"


def test_bars_are_the_share_of_each_bit_and_no_distance_is_cut_off(drawn):
    figures = drawn(parts())
    bars = figures["bit_balance"].axes[0].patches
    assert [bar.get_height() for bar in bars] == [0.5] * 16 and figures["bit_balance"].axes[0].get_ylim() == (0, 1)
    for axes in figures["hamming_distances"].axes:
        assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] >= 1.0


def test_of_many_sets_the_first_are_drawn_and_the_title_says_how_many_are_not(drawn):
    figure = drawn(parts(MOST_AXES + 3))["bit_balance"]
    assert len(figure.axes) == MOST_AXES and figure.get_suptitle() == "grid: birds; 3 more are on the page"


def test_figures_are_written_as_png_and_pdf_and_those_with_nothing_to_show_are_removed(tmp_path):
    paths = write_panel_figures(parts(1), "grid: birds", tmp_path)
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in NAMES for kind in ("png", "pdf")}
    assert all(path.stat().st_size > 1000 for path in paths)
    assert write_panel_figures({}, "grid: birds", tmp_path) == [] and not list(tmp_path.iterdir())
