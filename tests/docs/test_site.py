"""The documentation as a site: it builds without a warning, and opens without a network."""

import importlib.util
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag

import pytest

from bench.quality.ranking import mean_average_precision
from tests.conftest import CHECKOUT

NEEDED = ("mkdocs", "material", "mkdocstrings_handlers.python")


def is_installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not all(map(is_installed, NEEDED)),
    reason="the site needs the extra [docs]: python -m pip install -e '.[docs]'",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Addresses(HTMLParser):
    """What a page loads (scripts, styles, images), what it links to, and the ids in it."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.linked, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids.add(values.get("id"))
        if tag == "a":
            self.linked.append(values.get("href"))
        elif "src" in values or (tag == "link" and values.get("rel") not in ("canonical", "prev", "next")):
            self.loaded.append(values.get("src") or values.get("href"))


@pytest.fixture(scope="module")
def pages(site):
    return {path: Addresses(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_the_net(site, pages):
    for path, page in pages.items():
        outside = [address for address in page.loaded if re.match(r"(\w+:)?//", address)]
        assert not outside, f"{path.relative_to(site)} loads {outside}"
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style


def test_whatever_is_loaded_or_linked_lies_in_the_site(site, pages):
    for path, page in pages.items():
        if path.name == "404.html":  # its addresses are absolute, for a web host
            continue
        for address in filter(None, page.loaded + page.linked):
            if re.match(r"\w+:", address):
                continue
            file, anchor = urldefrag(address)
            target = (path.parent / unquote(file.partition("?")[0])).resolve() if file else path
            assert target.is_file(), f"{path.relative_to(site)}: {address}"
            if anchor and target in pages and not anchor.startswith("__"):
                assert unquote(anchor) in pages[target].ids, f"{path.relative_to(site)}: {address}"


def test_the_contracts_and_metrics_stand_on_pages_made_from_docstrings(site):
    contracts = (site / "api/contracts.html").read_text(encoding="utf-8")
    metrics = (site / "api/metrics.html").read_text(encoding="utf-8")
    for name in ("Items", "Codes", "Corpus", "Context", "Dataset", "Embedder", "Hasher", "Index", "Reranker"):
        assert f'id="bench.interfaces.{name}"' in contracts, name
    assert 'id="bench.quality.ranking.mean_average_precision"' in metrics
    assert (mean_average_precision.__doc__ or "").split("\n")[0].split(":")[0] in metrics


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed (apt-get install chromium)")
def test_search_finds_pages_where_the_site_is_opened_from_disk_without_a_network(site, tmp_path):
    address = f"{(site / 'start.html').as_uri()}?q=interval"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    options += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000", "--dump-dom"]
    shown = subprocess.run(["chromium", *options, address], capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'md-search-result__meta">\s*(\d+) matching documents', shown.stdout)
    assert found is not None and int(found[1]) > 1


def test_scripts_and_templates_of_the_documentation_are_not_published(site):
    assert not (site / "make.py").exists()
    assert not (site / "results/template.html").exists()
