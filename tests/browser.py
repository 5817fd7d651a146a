"""A headless browser for the tests of pages: the system's Chromium with a new profile and no network."""

import shutil
import time
from base64 import b64decode
from contextlib import contextmanager
from pathlib import Path

import pytest

ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--force-device-scale-factor=1"),
]
NODE_MODULES = Path(__file__).parents[1] / "node_modules"
AXE = NODE_MODULES / "axe-core" / "axe.min.js"
SEVERE = ("serious", "critical")
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'] }).then(
  ({ violations }) => done(violations.map(({ id, impact, nodes }) => (
    { id, impact, where: nodes.map(({ html, any }) => [html, ...any.map(({ message }) => message)].join(' ')) }
  ))),
  (fault) => done([{ id: 'axe itself', impact: 'critical', where: [String(fault)] }]),
);
"""


class Browser:
    """Opens files. What it returns is the browser itself, as one page is open at a time."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, address="", width=1280, height=900, dark=False):
        """Open a file anew, at a state of its address, in a window of that size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get("about:blank")
        self.errors()
        self.driver.get(Path(path).absolute().as_uri() + (f"#{address}" if address else ""))
        # On a busy machine the driver has returned before the scripts of the page ran.
        assert self.until("return location.protocol === 'file:' && document.readyState === 'complete'")
        return self

    def errors(self):
        """What the console has said since this was asked last, warnings of the browser about itself aside."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def go(self, address):
        """Another state of the address of the page that is open."""
        self.driver.execute_script("location.hash = arguments[0]", address)
        self.driver.execute_async_script("setTimeout(arguments[0], 0)")

    def address(self):
        return self.driver.execute_script("return location.hash")

    def evaluate(self, script, *arguments):
        """What a script returns, as in ``return document.title``."""
        return self.driver.execute_script(script, *arguments)

    def until(self, script, seconds=60):
        """What a script returns as soon as it counts as true, or in the end: charts are drawn after a page is open."""
        deadline = time.monotonic() + seconds
        while not (found := self.evaluate(script)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def awaited(self, script):
        """What the promise that a script makes comes to, as text where it fails."""
        return self.driver.execute_async_script(
            f"({script}).then(arguments[0], (fault) => arguments[0](String(fault)))"
        )

    def text(self, css):
        """The text of an element, with spaces made single."""
        return " ".join(self.evaluate("return document.querySelector(arguments[0]).textContent", css).split())

    def texts(self, css):
        found = self.evaluate("return [...document.querySelectorAll(arguments[0])].map((n) => n.textContent)", css)
        return [" ".join(one.split()) for one in found]

    def is_shown(self, css):
        return self.evaluate("const n = document.querySelector(arguments[0]); return !!n && !!n.offsetParent", css)

    def click(self, css):
        """A click as a user makes it: on what stands there."""
        self.evaluate("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", css)
        self.driver.find_element("css selector", css).click()

    def press(self, keys):
        """Keys to whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(keys)

    def screenshot(self, path):
        """The whole page as a picture."""
        height = self.evaluate("return document.documentElement.scrollHeight")
        width = self.evaluate("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        Path(path).write_bytes(b64decode(shot["data"]))

    def axe(self):
        """The serious and critical faults that axe-core finds on the page."""
        if not AXE.is_file():
            pytest.skip("axe-core is not installed (npm install --no-save axe-core)")
        self.evaluate(AXE.read_text(encoding="utf-8"))
        return [fault for fault in self.driver.execute_async_script(RUN_AXE) if fault["impact"] in SEVERE]


@contextmanager
def started(profile):
    """A browser with a profile in that folder. Skips where there is no Chromium, or nothing that drives it."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium is not installed (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in [*ARGUMENTS, f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driven = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    driven.set_script_timeout(60)
    try:
        yield Browser(driven)
    finally:
        driven.quit()
