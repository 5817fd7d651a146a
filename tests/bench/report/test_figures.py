import dataclasses
import warnings
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.figure
import matplotlib.image
import pandas as pd
import pytest

from bench.report.figures import _draw, finished, panels, save, write_figures
from bench.report.words import GridInfo, word

GRID = GridInfo("supp_table1", "Look-up", "candidates", "supp_table1", "quick", ())


def frame(candidates: tuple[int, ...] = (1000, 3000)) -> pd.DataFrame:
    common = {"dataset": "food101", "embedder": "triplet", "seed": 0, "queries": 25_250, "status": "ok"}
    scans = [{"index": "linear_scan", "dim": d, "precision_at_10": 0.8, "latency_ms_p50": 16.0} for d in (512, 1024)]
    tables = [
        {
            "index": "hash_tables",
            "dim": dim,
            "hasher": "exchnet",
            "bits": 32,
            "rerank": "float32",
            "key_bits": key_bits,
            "build_setting": f"L = {key_bits}",
            "candidates": n,
            "precision_at_10": 0.7 + n / 1e5,
            "latency_ms_p50": n / 1e4,
        }
        for dim in (512, 1024)
        for key_bits in (8, 16)
        for n in candidates
    ]
    return pd.DataFrame([common | row for row in scans + tables])


def drawing(name: str, cells: pd.DataFrame, grid: GridInfo = GRID):
    done = finished(cells, grid)
    return _draw(done, grid, panels(done, grid)[name])


def lines(name: str, cells: pd.DataFrame, grid: GridInfo = GRID) -> dict[str, tuple[list[float], list[float]]]:
    """The drawn lines of the first panel, by their label in the legend."""
    axes = drawing(name, cells, grid).axes[0]
    handles, labels = axes.get_legend_handles_labels()
    drawn = [handle[0] if hasattr(handle, "errorbar") or isinstance(handle, tuple) else handle for handle in handles]
    return {label: (list(line.get_xdata()), list(line.get_ydata())) for label, line in zip(labels, drawn, strict=True)}


def test_a_character_that_no_font_has_is_drawn_without_a_warning(tmp_path: Path):
    figure = matplotlib.figure.Figure()
    figure.suptitle("größe 日本")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, "png", tmp_path / "figure.png")
    assert matplotlib.image.imread(tmp_path / "figure.png").size


@pytest.mark.parametrize(
    ("value", "printed"), [("food101", "Food101"), ("<b>my_data $n_1$", "<b>my_data $n_1$")], ids=["ours", "a user's"]
)
def test_a_data_set_is_called_by_the_name_that_it_was_given(value, printed):
    assert word("dataset", value) == printed


@pytest.mark.long
def test_both_figures_are_written_as_readable_png_and_pdf(tmp_path: Path):
    paths = write_figures(frame(), GRID, tmp_path / "figures")
    assert [path.name for path in paths] == [
        f"precision_against_{axis}.{kind}" for axis in ("candidates", "time") for kind in ("png", "pdf")
    ]
    assert sorted((tmp_path / "figures").iterdir()) == sorted(paths)
    for path in paths:
        if path.suffix == ".png":
            pixels = matplotlib.image.imread(path)
            assert min(pixels.shape[:2]) > 400 and pixels[..., :3].std() > 0.01
        else:
            assert path.read_bytes().startswith(b"%PDF")


def test_precision_against_candidates_draws_ours_the_scan_and_the_published_values():
    drawn = lines("precision_against_candidates", frame())
    assert set(drawn) == {"Linear scan"} | {
        f"Hash tables (L = {bits}){end}" for bits in (8, 16) for end in ("", ", published")
    }
    assert drawn["Hash tables (L = 8)"] == (pytest.approx([1000, 3000]), pytest.approx([71, 73]))
    assert drawn["Hash tables (L = 8), published"][1] == pytest.approx([70.37, 77.23])
    assert set(drawn["Linear scan"][1]) == {80}


def test_precision_against_time_puts_published_totals_on_the_scale_of_one_query():
    drawn = lines("precision_against_time", frame())
    assert drawn["Hash tables (L = 16)"][0] == pytest.approx([0.1, 0.3])
    assert drawn["Hash tables (L = 16), published"][0] == pytest.approx([12.65 / 25.25, 40.54 / 25.25])
    assert drawn["Linear scan"] == (pytest.approx([16]), pytest.approx([80]))


@pytest.mark.parametrize("data", [{"dataset": "birds"}, {"queries": 1_944}, {"database_items": 4_089}])
@pytest.mark.parametrize("name", ["precision_against_candidates", "precision_against_time"])
def test_a_published_curve_beside_other_data_is_named_as_the_paper_s(name, data):
    drawn = lines(name, frame().assign(**data))
    assert drawn["Hash tables (L = 8), paper, Food101"][1] == pytest.approx([70.37, 77.23])
    assert not any("published" in label for label in drawn)


@pytest.mark.parametrize("dims", [(512,), (512, 1024)])
def test_the_legend_has_room_also_where_curves_are_named_as_the_paper_s(dims):
    cells = frame().assign(dataset="birds")
    figure = drawing("precision_against_time", cells[cells["dim"].isin(dims)])
    figure.canvas.draw()
    [legend] = figure.legends
    box, page = legend.get_window_extent(), figure.bbox
    assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0


def test_axes_are_labelled_with_units_and_one_series_keeps_its_colour_in_every_panel():
    cells = frame()
    missing = (cells["dim"] == 512) & (cells["key_bits"] == 8)
    figure = drawing("precision_against_time", cells[~missing])
    assert [axes.get_title() for axes in figure.axes] == ["512-d features", "1024-d features"]
    assert figure.axes[0].get_ylabel() == "P@10, %"
    assert "ms" in figure.axes[0].get_xlabel() and figure.axes[0].get_xscale() == "log"
    colours = [
        {line.get_color() for line in axes.lines if line.get_label() == "Hash tables (L = 16), published"}
        for axes in figure.axes
    ]
    assert colours[0] == colours[1] and len(colours[0]) == 1


@pytest.mark.long
def test_failed_cells_and_figures_without_points_are_left_out(tmp_path: Path):
    cells = frame(candidates=(3000,))
    assert [path.stem for path in write_figures(cells, GRID, tmp_path)] == ["precision_against_time"] * 2
    assert write_figures(cells.assign(status="error"), GRID, tmp_path) == []
    assert not list(tmp_path.iterdir()), "a figure of the earlier cells stands beside the report of the later ones"
    assert write_figures(frame().drop(columns="precision_at_10"), GRID, tmp_path) == []
    failed = frame()
    failed.loc[failed["candidates"] == 3000, "status"] = "timeout"
    assert [path.stem for path in write_figures(failed, GRID, tmp_path)] == ["precision_against_time"] * 2


PARETO = GridInfo("ann", "Fast", "pareto", None, "quick", ())


def sweep() -> pd.DataFrame:
    """An index swept by what is set for a query, out of order in quality, and exact search."""
    common = {"dataset": "d", "embedder": "e", "dim": 8, "seed": 0, "status": "ok", "precision_at_10": 0.5}
    points = [(8, 0.6, 0.1), (32, 0.9, 1.0), (16, 0.7, 2.0)]
    rows = [
        {"index": "my_index", "build_setting": f"m = {m}", "query_setting": f"ef = {ef}", "recall_at_10": recall}
        | {"latency_ms_p50": ms * m, "throughput_qps": 4e3 / ms / m}
        for m in (1, 3)
        for ef, recall, ms in points
    ]
    rows.append({"index": "linear_scan", "recall_at_10": 1.0, "latency_ms_p50": 50.0, "throughput_qps": 100.0})
    return pd.DataFrame([common | row for row in rows])


def test_times_of_little_more_than_a_decade_have_several_labels():
    cells = frame().assign(latency_ms_p50=lambda cells: 0.0165 * (0.08 / 0.0165) ** (cells["latency_ms_p50"] / 16))
    cells.loc[cells["index"] == "linear_scan", "latency_ms_p50"] = 0.19
    figure = drawing("precision_against_time", cells)
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert high > 10 * low
    shown = [text for at, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= at <= high]
    assert len([text for text in shown if text.get_text()]) >= 3


@pytest.mark.long
def test_a_pareto_grid_draws_all_settings_and_joins_the_best_of_each_and_the_front_as_steps(tmp_path: Path):
    drawn = lines("recall_against_time", sweep(), PARETO)
    assert set(drawn) == {"Linear scan", "my index (m = 1)", "my index (m = 3)", "Front: nothing as fast is better"}
    assert drawn["my index (m = 3)"] == (pytest.approx([0.3, 3, 6]), pytest.approx([60, 90, 70]))
    assert drawn["Front: nothing as fast is better"] == (pytest.approx([0.1, 1, 50]), pytest.approx([60, 90, 100]))
    batch = lines("recall_against_batch_time", sweep(), PARETO)
    assert batch["my index (m = 1)"][0] == pytest.approx([0.025, 0.25, 0.5])
    assert batch["Linear scan"][0] == pytest.approx([10])
    figure = drawing("precision_against_time", sweep(), PARETO)
    assert figure.axes[0].get_ylabel() == "P@10, %" and figure.axes[0].get_xscale() == "log"
    assert any(line.get_drawstyle() == "steps-post" for line in figure.axes[0].lines)
    axes = drawing("recall_against_time", sweep(), PARETO).axes[0]
    joined = [line.get_xydata().tolist() for line in axes.lines if line.get_linestyle() == "-"]
    assert any(line == [pytest.approx([0.3, 60]), pytest.approx([3, 90])] for line in joined), (
        "the setting that another beats is a point off the line"
    )


def test_times_within_a_decade_have_a_few_plain_ticks_and_nothing_is_called_published_that_is_not_there():
    cells = frame().assign(latency_ms_p50=lambda cells: 1.3 + cells["latency_ms_p50"] / 100)
    own = dataclasses.replace(GRID, reference=None)
    figure = drawing("precision_against_time", cells, own)
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    ticks = [label.get_text() for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    minor = [label.get_text() for label in axes.get_xticklabels(minor=True)]
    low, high = axes.get_xlim()
    assert high >= 10 * low or not len(axes.xaxis.get_minorticklocs())  # each tick has its label
    assert 2 <= len(ticks) <= 6 and all(float(one) for one in ticks) and not any(minor)
    assert "published" not in axes.get_xlabel()
    assert "published" in drawing("precision_against_time", frame()).axes[0].get_xlabel()


@pytest.mark.long
def test_a_pareto_grid_has_a_figure_of_each_quality_against_each_time(tmp_path: Path):
    names = [path.name for path in write_figures(sweep(), PARETO, tmp_path) if path.suffix == ".png"]
    assert names == [f"{q}_against_{t}.png" for q in ("recall", "precision") for t in ("time", "batch_time")]
    without = sweep().drop(columns="precision_at_10")
    assert {path.stem for path in write_figures(without, PARETO, tmp_path)} == {
        "recall_against_time",
        "recall_against_batch_time",
    }


CODES = GridInfo("paper_table2", "Codes", "codes", "paper_table2", "quick", ())


def rankings(lengths: tuple[int, ...] = (12, 24)) -> pd.DataFrame:
    rows = [
        {
            "hasher": hasher,
            "bits": bits,
            "model": "last",
            "database_codes": codes,
            "seed": seed,
            "map": bits / 100 + seed,
        }
        for hasher, codes in (("itq", "encoded"), ("exchnet", "learned"))
        for bits in lengths
        for seed in (0, 0.01)
    ]
    rows.append({"embedder": "triplet", "dim": 512, "seed": 0, "map": 0.5})
    return pd.DataFrame(rows).assign(dataset="cub200", protocol="seen", status="ok", k=10)


@pytest.mark.long
def test_map_against_bits_has_a_line_a_hasher_with_its_spread_and_the_published_values(tmp_path: Path):
    paths = write_figures(rankings(), CODES, tmp_path)
    assert [path.name for path in paths] == ["map_against_bits.png", "map_against_bits.pdf"]
    drawn = lines("map_against_bits", rankings(), CODES)
    assert drawn["ITQ"] == ([12, 24], pytest.approx([12.5, 24.5]))
    assert drawn["ITQ, published"] == ([12, 24], pytest.approx([6.80, 9.42]))
    figure = drawing("map_against_bits", rankings(), CODES)
    assert [axes.get_title() for axes in figure.axes] == [
        f"cub200,\n{codes} database codes" for codes in ("encoded", "learned")
    ]
    assert figure.axes[0].get_ylabel() == "mAP, %" and figure.axes[0].collections


def test_one_length_is_no_line(tmp_path: Path):
    assert write_figures(rankings(lengths=(12,)), CODES, tmp_path) == []
