"""The panels as a reader meets them, in a headless browser without a network."""

import pytest
from selenium.webdriver.common.keys import Keys

from bench.records import keys
from bench.report.page.assemble import page_text
from bench.report.page.facts import About, facts
from bench.report.page.panels import parts
from bench.report.page.payload import payload
from bench.report.words import GridInfo
from tests.finished import IMAGE_CELLS

HOSTILE = "<script>alert(1)</script>"
VECTOR_CELLS = """
[[cells]]
embedder = "identity"
index = ["linear_scan", "toy_scan"]
[[cells]]
embedder = "identity"
hasher = "toy_signs"
bits = [12, 24]
index = "hamming_scan"
rerank = "float32"
candidates = 50
"""
RANKED = """
[[cells]]
hasher = ["toy_guesses", "toy_signs"]
bits = [8, 16]
[[cells]]
embedder = "toy_pixels"
"""


@pytest.fixture
def write():
    """Writes the page of a finished run, its gallery of so many queries. Returns the path."""

    def page(run, pictured=8):
        grid = run.pipeline.grid
        info = GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, (), grid.k)
        panels = parts(run.pipeline, run.results, run.stored.cells, pictured)
        about = {grid.dataset_name: About(facts(run.pipeline, run.results), (), panels)}
        path = run.root / "report.html"
        path.write_text(page_text(payload(info, run.stored.cells, about)), encoding="utf-8")
        return path

    return page


@pytest.fixture
def pictures(finish, image_tree):
    """A finished run over images, the first class of which has a hostile name."""
    run = finish(IMAGE_CELLS, dataset="image_folder", data_dir=image_tree())
    labels = run.pipeline.labels()
    classes = [HOSTILE, *labels.meta["classes"][1:]]
    run.pipeline.store.write("labels", run.pipeline.labels_key, {**labels.meta, "classes": classes}, labels.arrays)
    return run


def stored_neighbours(run, position):
    search = keys.search_key(run.pipeline, run.pipeline.grid.cells[position])
    return run.results.read("neighbours", search).arrays["neighbours"]


def focused(page):
    return page.evaluate("return document.activeElement.getAttribute('alt')")


@pytest.mark.long
def test_the_gallery_shows_the_stored_neighbours_and_frames_what_is_right(browser, pictures, write):
    page = browser.open(write(pictures))
    labels = pictures.pipeline.labels().arrays
    shown = page.evaluate(
        """
        return [...document.querySelectorAll('#gallery .query')].map((query) => ({
          row: Number(query.dataset.query),
          lines: [...query.querySelectorAll('.found')].map((line) => [...line.querySelectorAll('figure')]
            .map((tile) => [tile.dataset.item, tile.className, tile.dataset.mark])),
        }));
        """
    )
    assert shown and page.errors() == []
    for query in shown:
        assert len(query["lines"]) == 2
        for position, line in enumerate(query["lines"]):
            answer = stored_neighbours(pictures, position)[query["row"]]
            assert [int(item) for item, _, _ in line] == answer.tolist()
            right = labels["database"][answer] == labels["query"][query["row"]]
            assert [name for _, name, _ in line] == ["right" if one else "wrong" for one in right]
            assert [mark for _, _, mark in line] == ["✓" if one else "✗" for one in right]


def test_a_hostile_class_name_stays_text(browser, pictures, write):
    page = browser.open(write(pictures, 24), "gallery=random")
    scripts = page.evaluate("return document.scripts.length")
    captions = {text for name in ("differ", "worst", "best", "random") for text in captions_of(page, name)}
    assert HOSTILE in captions
    assert page.evaluate("return document.scripts.length") == scripts and page.errors() == []
    assert page.evaluate("return document.querySelectorAll('#gallery script').length") == 0


def captions_of(page, choice):
    page.go(f"gallery={choice}")
    return page.texts("#gallery figcaption")


@pytest.mark.long
def test_arrow_keys_move_from_picture_to_picture_and_from_line_to_line(browser, pictures, write):
    page = browser.open(write(pictures))
    tiles = page.evaluate("return [...document.querySelectorAll('#gallery .tile')].map((n) => n.alt)")
    page.evaluate("document.querySelector('#gallery .tile[tabindex=\"0\"]').focus()")
    assert focused(page) == tiles[0]
    for pressed, place in ((Keys.ARROW_RIGHT, 1), (Keys.ARROW_DOWN, 6), (Keys.END, 9), (Keys.ARROW_RIGHT, 10),
                        (Keys.ARROW_UP, 5), (Keys.HOME, 5), (Keys.ARROW_LEFT, 4)):  # fmt: skip
        page.press(pressed)
        assert focused(page) == tiles[place]
        assert page.text("#gallery .query:focus-within .says") == tiles[place]
    assert page.evaluate("return document.querySelectorAll('#gallery [tabindex=\"0\"]').length") == 1


@pytest.mark.long
def test_methods_and_queries_are_chosen_and_the_address_keeps_them(browser, pictures, write):
    path = write(pictures)
    page = browser.open(path)
    page.click("#gallery-methods-0")
    assert page.evaluate("return document.querySelectorAll('#gallery .query:first-child .found').length") == 1
    page.click("label:has(#gallery-choice-best)")
    address, shown = page.address().removeprefix("#"), page.texts("#gallery figcaption")
    page.open(path, address)
    assert page.texts("#gallery figcaption") == shown
    assert page.evaluate("return document.querySelector('#gallery-choice-best').checked")
    assert page.evaluate("return document.querySelectorAll('#gallery .query:first-child .found').length") == 1


@pytest.mark.long
def test_a_picture_is_loaded_when_it_comes_near_the_screen(browser, pictures, write):
    page = browser.open(write(pictures, 24), height=600)
    images = "[...document.querySelectorAll('#gallery img')]"
    assert page.evaluate(f"return {images}.filter((n) => n.src).length") == 0
    page.evaluate("document.getElementById('gallery').scrollIntoView()")
    page.driver.execute_async_script("setTimeout(arguments[0], 500)")
    first = f"return {images}[0].complete && {images}[0].naturalWidth"
    assert page.evaluate(first) == 20


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 400])
def test_a_picture_keeps_its_square_before_it_is_loaded(browser, pictures, write, width):
    page = browser.open(write(pictures, 24), width=width, height=600)
    sizes = "return [...document.querySelectorAll('#gallery img')].map((n) => [n.src, n.clientWidth, n.clientHeight])"
    unloaded = [size for source, *size in page.evaluate(sizes) if not source]
    assert len(unloaded) > 20 and all(abs(across - tall) <= 1 for across, tall in unloaded)


@pytest.mark.long
def test_an_image_that_cannot_be_read_is_a_grey_tile_that_says_so(browser, pictures, write, monkeypatch):
    from datasets.files import FileImages

    def fail(self, position):
        raise OSError("damaged")

    monkeypatch.setattr(FileImages, "__getitem__", fail)
    page = browser.open(write(pictures))
    assert page.evaluate("return document.querySelectorAll('#gallery img').length") == 0
    assert set(page.texts("#gallery .grey")) == {"can’t be read"}
    assert "picture can’t be read" in page.evaluate("return document.querySelector('#gallery .tile').ariaLabel")
    assert page.errors() == []


@pytest.mark.long
def test_data_of_vectors_have_no_gallery_and_no_heading_for_it(browser, finish, vectors_dir, write):
    page = browser.open(write(finish(VECTOR_CELLS, data_dir=vectors_dir)))
    assert page.is_shown("#ecdf-section") and page.is_shown("#difficulty-section") and page.is_shown("#codes-section")
    assert not page.is_shown("#gallery-section") and not page.is_shown("#rankings-section")
    assert page.errors() == []


@pytest.mark.long
def test_the_times_of_the_selected_methods_stand_beside_their_distribution(browser, finish, vectors_dir, write):
    run = finish(VECTOR_CELLS, data_dir=vectors_dir)
    page = browser.open(write(run))
    method = page.evaluate("return DATA.sets[0].methods.find((one) => one.index === 'linear_scan').id")
    page.evaluate("change({ selected: [arguments[0]] })", method)
    row = page.texts("#ecdf-table tbody tr > *")
    assert len(row) == 5
    recorded = run.cells[run.cells["index"] == "linear_scan"].iloc[0]
    for text, column in zip(row[1:4], ("latency_ms_p50", "latency_ms_p95", "latency_ms_p99"), strict=True):
        assert float(text) == pytest.approx(recorded[column], rel=6e-3)
    assert page.evaluate("return document.querySelectorAll('#ecdf .trace').length") == 1
    assert page.texts("#difficulty-table tbody td")[:2] == ["1.000", "1.000"]
    assert page.text("#ecdf-note").endswith("Each that reaches the chosen level is at its setting in the slice.")
    page.go("quality=recall_at_10&level=1")
    assert page.texts("#short button") and len(page.texts("#ecdf-table tbody tr")) > 1
    assert page.text("#ecdf-note").endswith("Each that misses it is at its setting with the best quality.")


@pytest.mark.long
def test_axes_of_shares_end_at_one(browser, finish, vectors_dir, write):
    page = browser.open(write(finish(VECTOR_CELLS, data_dir=vectors_dir)), "scale=even")
    page.evaluate("change({ selected: [DATA.sets[0].methods.find((one) => one.index === 'linear_scan').id] })")
    assert page.evaluate("return byId('difficulty').layout.yaxis.range") == pytest.approx([0.95, 1])
    assert page.evaluate("return trainingLayout([0.9, 1]).yaxis.range") == [0, 1]
    series = "[{ map: 0.98, spread: 0.04, published: 0.9 }, { map: 1, spread: 0 }]"
    assert page.evaluate(f"return mapLayout(['8'], mapEnds({{ points: {series} }})).yaxis.range")[1] == 1
    assert page.evaluate("return mapTop(0.98, 0.04)") == 1
    for ends in ([0.99, 1.004], [0.3, 1.05]):
        ticks = page.evaluate("return qualityTicks({ inside: [], y: arguments[0] }).tickvals", ends)
        assert len(ticks) > 3 and max(ticks) == 1


@pytest.mark.long
def test_the_name_of_a_set_of_codes_shows_it(browser, finish, vectors_dir, write):
    page = browser.open(write(finish(VECTOR_CELLS, data_dir=vectors_dir)))
    assert page.texts("#codes-table [aria-pressed=true]") == ["toy signs, 12 bits"]
    assert page.evaluate("return document.querySelectorAll('#ones .point').length") == 12
    page.click("#codes-table [aria-pressed=false]")
    assert page.texts("#codes-table [aria-pressed=true]") == ["toy signs, 24 bits"]
    assert page.evaluate("return document.querySelectorAll('#ones .point').length") == 24
    assert page.errors() == []


@pytest.mark.long
def test_rankings_show_map_by_length_with_published_values_and_curves_of_a_length(browser, finish, write):
    run = finish(RANKED, dataset="toy_clusters", layout="codes", top="k = 5\nseeds = [0, 1]")
    cells = run.stored.cells
    own = (cells["hasher"].eq("toy_signs") & cells["bits"].eq(8)).fillna(False)
    cells.loc[own, "reference_map"], cells.loc[own, "reference_compares"] = 0.5, True
    page = browser.open(write(run))
    mean = cells.loc[own, "map"].mean()
    row = next(text for text in page.texts("#map-table tbody tr") if text.startswith("toy signs"))
    assert f"(0.500, {mean - 0.5:+.3f})".replace("-", "−") in row
    marks = (
        "return [...document.querySelectorAll(`#${arguments[0]} th .dot path`)].map((path) => path.getAttribute('d'))"
    )
    assert page.evaluate(marks, "map-table") == page.evaluate(marks, "curves-table")
    symbols = "return document.getElementById('map').data.map(({ marker }) => marker && OUTLINES[marker.symbol])"
    assert set(page.evaluate(marks, "map-table")) <= set(page.evaluate(symbols))
    assert page.texts("#curves-length label") == ["8 bits", "16 bits"]
    assert "Codes of 16 bits" in page.text("#curves-note")
    page.click("label:has(#curves-length-8)")
    assert "Codes of 8 bits" in page.text("#curves-note") and "length=8" in page.address()
    for chart in ("map", "precision-recall", "precision-at"):
        assert page.evaluate("return document.querySelectorAll(`#${arguments[0]} .trace`).length", chart) >= 2
    assert not page.is_shown("#ecdf-section") and page.errors() == []


@pytest.mark.long
@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 400)])
def test_the_panels_are_accessible_and_never_wider_than_the_screen(browser, pictures, write, dark, width):
    page = browser.open(write(pictures), dark=dark, width=width)
    assert page.evaluate("return document.documentElement.scrollWidth") <= width
    assert page.axe() == []


@pytest.mark.long
def test_map_over_the_training_is_drawn_for_the_protocol_that_is_chosen(browser, finish, write):
    cells = '[[cells]]\nhasher = "toy_guesses"\nbits = [6, 8]\nprotocol = ["seen_seen", "unseen"]\nmodel = "oracle"\n'
    run = finish(cells, dataset="toy_clusters", layout="models", top="k = 5\nunseen_share = 0.35")
    page = browser.open(write(run))
    own = run.stored.cells[run.stored.cells["bits"].eq(8)].set_index("protocol")
    assert page.texts("#training-length label") == ["6 bits", "8 bits"]
    for protocol in ("seen_seen", "unseen"):
        page.click(f"label:has(#protocol-{protocol})")
        (row,) = page.texts("#training-table tbody tr")
        peak, step = own.loc[protocol, ["map_peak", "map_peak_step"]]
        assert row.startswith(f"toy guesses{int(1000 * peak + 1e-6) / 1000:.3f}{int(step)}")
        assert page.evaluate("return document.querySelectorAll('#training .trace').length") == 2
    page.click("label:has(#training-length-6)")
    assert "Codes of 6 bits, unseen classes" in page.text("#training-note") and "trained=6" in page.address()
    assert page.axe() == [] and page.errors() == []
