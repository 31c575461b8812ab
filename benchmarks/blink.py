"""Trials per second before streams, beside one trial at a time, in one run on the same work.

An untaught fc-blt with attention behind it, both readings; pictures are made beforehand. Without
noise inside, both ways must remember the same digits before they are timed. Run it with
``make bench``, or ``python -m benchmarks.blink [--trials N] [--few N]``.
"""

import argparse
import platform
import time
from collections.abc import Callable
from importlib.metadata import version

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor

from networks import wiring_named
from networks.attention import Attention
from networks.viewing import viewing
from sim import Network
from sim.attention import Stream, pools_of, see

DT_MS, STEPS, ITEMS = 10.0, 10, 20
GOAL = 200.0  # trials per second of the rate reading on two cores
QUIET = {"noise": 0.0, "encoding_spread": 0.0, "consolidation_spread": 0.0, "order_ms": 0.0}

Look = Callable[[Tensor], Tensor]
"""From items (n, items, 1, 28, 28) to when each digit was remembered (n, 10), ms."""


def batched(network: Network, attention: Attention, spiking: bool) -> Look:
    """All trials at once."""

    def look(items: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        stream = Stream(items, STEPS)
        with torch.no_grad():
            pools = pools_of(attention, DT_MS, generator, spiking=spiking)
            seen = see(network, stream, attention, "category", generator, dt_ms=DT_MS, pools=pools)
        return seen.ignited_ms

    return look


def one_by_one(look: Look) -> Look:
    """The same for each trial in turn."""
    return lambda items: torch.cat([look(each[None]) for each in items])


def rate(look: Look, items: Tensor, repeats: int) -> float:
    """Trials per CPU second; the best of ``repeats``, after one that does not count."""
    look(items[:1])
    best = 0.0
    for _ in range(repeats):
        began = time.process_time()
        look(items)
        best = max(best, len(items) / (time.process_time() - began))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--few", type=int, default=10, help="trials for one at a time")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    items = torch.rand(asked.trials, ITEMS, 1, 28, 28, generator=generator)
    table = Table("reading", "way", "trials per CPU s", "times", box=SIMPLE_HEAD)
    for name, spiking in (("fc-blt", False), ("fc-blt-spiking", True)):
        network = Network.initial(viewing(wiring_named(name), DT_MS), 0)
        quiet = batched(network, Attention(threshold=0.1, **QUIET), False)
        few = items[: asked.few]
        assert torch.equal(quiet(few), one_by_one(quiet)(few)), "the two ways differ"
        look = batched(network, Attention(), spiking)
        slow = rate(one_by_one(look), few, asked.repeats)
        fast = rate(look, items, asked.repeats)
        kind = "spiking" if spiking else "rate"
        table.add_row(kind, f"{asked.trials} at once", f"{fast:.0f}", f"{fast / slow:.0f}")
        table.add_row(kind, "one by one", f"{slow:.1f}", "1")
    table.caption = (
        f"{ITEMS} items of {STEPS} steps; one thread, {platform.machine()}, torch "
        f"{version('torch')}; goal: {GOAL:.0f} a second on two cores for rates"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
