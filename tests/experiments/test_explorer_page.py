"""The explorer in a real browser: it loads, follows its controls, plays, and exports itself."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")
pytest.importorskip("bokeh", reason="needs the extra 'explore'")

FOUND = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
CHROMIUM = next((path for path in FOUND if path), None)
SCRIPT = Path(__file__).with_name("offline_blindspots.py")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE = 120_000  # ms: a busy machine is slow to start a browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, and found none on the PATH"),
]


class Visitor:
    """A browser's tab, with all that it complained of and asked for."""

    def __init__(self, page: Any):
        self.page = page
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.on("request", lambda request: self.asked.add(request.url))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def visit(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_function("window.Bokeh?.documents[0]?.is_idle")

    def model(self, name: str, what: str) -> Any:
        """A property of the model of that name."""
        return self.page.evaluate(f"Bokeh.documents[0].get_model_by_name('{name}').{what}")

    def await_model(self, name: str, condition: str) -> None:
        self.page.wait_for_function(
            f"Bokeh.documents[0].get_model_by_name('{name}').{condition}", timeout=PATIENCE
        )

    def column(self, panel: str, name: str) -> list[float]:
        """What a panel draws."""
        return self.model(panel, f"data['{name}'].flatMap((each) => Array.from([each]).flat())")

    def picture(self, panel: str) -> np.ndarray:
        """The first image of a panel, flat."""
        return np.array(self.model(panel, "data.image[0].reduce((all, x) => [...all, x], [])"))

    def says(self) -> str:
        return str(self.page.get_by_text("Answer so far").locator("..").inner_text())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            args=list(QUIET),
            headless=True,
            viewport={"width": 1280, "height": 800},
            timeout=PATIENCE,
        )
        yield context
        context.close()


@pytest.fixture(scope="module")
def address(small_run: Path, shared_cache: Path) -> Iterator[str]:
    """Where the explorer of the small comparison answers, in a process of its own."""
    environment = {**os.environ, "BLINDSPOTS_CACHE": str(shared_cache), "COLUMNS": "300"}
    environment.pop("BLINDSPOTS_DATA", None)
    words = ["explore", str(small_run), "--network", "fc-blt", "--port", "0", "--no-browser"]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *words],
        stdout=subprocess.PIPE,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        text=True,
    ) as process:
        assert process.stdout
        line = next(line for line in process.stdout if "http://" in line)
        yield next(word for word in line.split() if word.startswith("http://"))
        process.terminate()


@pytest.fixture(scope="module")
def visitor(browser: Any, address: str) -> Visitor:
    visitor = Visitor(browser.new_page())
    visitor.visit(address)
    return visitor


def test_the_page_loads_and_asks_this_machine_alone(visitor: Visitor, address: str) -> None:
    assert visitor.complaints == []
    assert all(url.startswith((address, "data:", "blob:")) for url in visitor.asked)
    assert "at step 6 of 6" in visitor.says()
    assert "clean: " in visitor.says()


def test_the_epsilon_slider_shows_what_was_crafted_at_it(visitor: Visitor) -> None:
    handle = visitor.page.locator(".noUi-handle").first
    handle.press("Home")
    visitor.await_model("epsilon", "value === '0'")
    assert np.abs(visitor.picture("change")).max() == 0
    for epsilon in ("0.05", "0.2"):
        handle.press("ArrowRight")
        visitor.await_model("epsilon", f"value === '{epsilon}'")
        change = np.abs(visitor.picture("change")).max()
        assert change == pytest.approx(float(epsilon), abs=1e-6)
    assert visitor.complaints == []


def test_keys_step_through_time_and_play(visitor: Visitor) -> None:
    visitor.page.mouse.click(700, 10)  # away from the slider, which has uses for the arrows
    visitor.page.keyboard.press("ArrowLeft")
    visitor.await_model("time", "value === 5")
    assert "at step 5 of 6" in visitor.says()
    visitor.page.keyboard.press(" ")
    visitor.await_model("time", "value === 1")  # past the end, from the start
    visitor.page.keyboard.press(" ")
    assert visitor.model("play", "active") is False
    assert visitor.complaints == []


def test_a_cut_pathway_shows_what_the_network_does_without_it(
    visitor: Visitor, small_run: Path, here_on_digits: Callable
) -> None:
    from experiments.explorer.offer import choose, offered
    from experiments.explorer.scene import scene

    with here_on_digits():
        offer = offered(small_run, None)
        expected = scene(offer, choose(offer, network="fc-blt"))
    visitor.page.locator(".noUi-handle").first.press("End")
    visitor.await_model("epsilon", "value === '0.2'")
    for cut, row in ((), 0), (("top-down",), 2):
        for name in cut:
            visitor.page.get_by_role("button", name=name, exact=True).click()
            visitor.await_model(name, "active === false")
        found = visitor.column("decision", "perturbed")
        first = expected.wiring.first_answer
        np.testing.assert_allclose(
            found[first:], expected.running_margin[row, 2, first:], rtol=1e-4
        )
    assert visitor.complaints == []


def test_exports_itself_as_a_file_that_works_alone(
    visitor: Visitor, browser: Any, tmp_path: Path
) -> None:
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_text("Export as one file").click()
    path = tmp_path / "exported.html"
    waiting.value.save_as(path)
    alone = Visitor(browser.new_page())
    browser.set_offline(True)
    try:
        alone.visit(path.as_uri())
    finally:
        browser.set_offline(False)
    assert all(url.startswith((path.as_uri(), "data:", "blob:")) for url in alone.asked)
    assert alone.model("epsilon", "value") == "0.2"
    alone.page.keyboard.press("ArrowDown")
    alone.await_model("epsilon", "value === '0.05'")
    assert np.abs(alone.picture("change")).max() == pytest.approx(0.05, abs=1e-6)
    assert alone.complaints == []


def test_another_network_is_shown_when_it_is_chosen(visitor: Visitor) -> None:
    visitor.page.locator("select").first.select_option("fc-b")
    visitor.page.locator("b:text-is('fc-b')").wait_for()
    visitor.await_model("lateral", "disabled === true")
    assert visitor.complaints == []
