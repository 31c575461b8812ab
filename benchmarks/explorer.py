"""How long the explorer's user waits: for the first picture, a slider's move, another image.

A headless Chromium visits `blindspots explore RUN` for the networks (default: all fully connected
ones of the run), and times in the page itself. Run it with
``python -m benchmarks.explorer RUN [NETWORK ...] [--browser PATH] [--moves N]``; it needs
blindspots[explore,browser] and a Chromium.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import cpu_count, getloadavg
from pathlib import Path
from statistics import median
from time import perf_counter

from playwright.sync_api import BrowserContext, Page, sync_playwright
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.explorer.offer import offered

PATIENCE = 240_000  # ms
PROMISED = {"first picture": 2000, "slider move": 300}  # ms
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
FRAMES = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"
"""The panels paint in the first frame; the second begins after that."""
FIRST = f"async () => {{ {FRAMES} return performance.now() }}"
MOVE = f"""async () => {{
  const slider = Bokeh.documents[0].get_model_by_name("epsilon");
  const there = slider.categories, began = performance.now();
  slider.value = there[(there.indexOf(slider.value) + 1) % there.length];
  {FRAMES}
  return performance.now() - began;
}}"""
OTHER = f"""async () => {{
  const model = (name) => Bokeh.documents[0].get_model_by_name(name);
  const image = model("image"), panel = model("shown");
  const drawn = new Promise((done) => panel.properties.data.change.connect(done));
  const began = performance.now();
  const there = image.options;
  image.value = there[(there.indexOf(image.value) + 1) % there.length];
  await drawn;
  {FRAMES}
  return performance.now() - began;
}}"""


@contextmanager
def served(run: Path, network: str) -> Iterator[tuple[str, float]]:
    """The explorer's address, and after how many ms it listened."""
    words = ["-m", "experiments.cli", "explore", str(run), "--network", network]
    words += ["--port", "0", "--no-browser"]
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-u", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    ) as process:
        assert process.stdout
        line = next(line for line in process.stdout if "http://" in line)
        listening = 1000 * (perf_counter() - began)
        yield next(word for word in line.split() if word.startswith("http://")), listening
        process.terminate()


def waits(page: Page, address: str, count: int) -> dict[str, float]:
    """Milliseconds until the first picture, and in the median for a move and another image."""
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_function("window.Bokeh?.documents[0]?.is_idle", polling="raf")
    first = page.evaluate(FIRST)
    repeated = {"slider move": MOVE, "another image": OTHER}
    return {"first picture": first} | {
        name: median(page.evaluate(script) for _ in range(count))
        for name, script in repeated.items()
    }


def measured(
    context: BrowserContext, run: Path, networks: list[str], count: int
) -> dict[str, dict[str, float]]:
    """What a user waits for, by network; each is visited in a tab of its own."""
    found = {}
    for network in networks:
        with served(run, network) as (address, listening):
            page = context.new_page()
            found[network] = {"command": listening, **waits(page, address, count)}
            page.close()
    return found


def table(found: dict[str, dict[str, float]]) -> Table:
    """The waits in milliseconds, those that are longer than promised in red."""
    drawn = Table(box=SIMPLE_HEAD, title="The explorer's waits, ms (median)")
    drawn.add_column("network")
    for name in next(iter(found.values())):
        drawn.add_column(name, justify="right")
    for network, row in found.items():
        cells = [
            f"[red]{ms:,.0f}[/]" if ms > PROMISED.get(name, float("inf")) else f"{ms:,.0f}"
            for name, ms in row.items()
        ]
        drawn.add_row(network, *cells)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--browser", default=shutil.which("chromium"))
    parser.add_argument("--moves", type=int, default=21)
    given = parser.parse_args()
    networks = given.networks or [
        name for name in offered(given.run, None).networks if not name.startswith("conv")
    ]
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as profile:
        context = driver.chromium.launch_persistent_context(
            profile,
            executable_path=given.browser,
            args=list(QUIET),
            headless=True,
            viewport={"width": 1280, "height": 800},
            timeout=PATIENCE,
        )
        found = measured(context, given.run, networks, given.moves)
        context.close()
    console = Console()
    console.print(table(found))
    load = getloadavg()[0]
    console.print(
        f"Promised: {PROMISED['first picture']} ms and {PROMISED['slider move']} ms. Python "
        f"{platform.python_version()}, {cpu_count()} cores, load {load:.1f}.",
        highlight=False,
    )


if __name__ == "__main__":
    main()
