"""Where the time of a training step and of an attack goes, by operation, on one thread."""

from collections.abc import Callable, Iterator

from torch.profiler import ProfilerActivity, profile

from benchmarks.field import EPSILONS, Size, Victim, drawn
from benchmarks.peers.attacks import Ours, Sweep
from benchmarks.training_step import lively, step_of
from networks import wiring_named

REPEATS, ROWS = 20, 8


def profiles(name: str, victim: Victim, size: Size) -> Iterator[str]:
    """A table of PyTorch's profiler for each of the two."""
    step = step_of(lively(wiring_named(name)), *drawn(size.batch, "cpu"))
    sweep = Sweep(victim.images, victim.labels, EPSILONS, size.steps)
    count = len(victim.images)
    yield profiled(f"{REPEATS} training steps of {name}", step, REPEATS)
    yield profiled(
        f"PGD-{size.steps} at {len(EPSILONS)} budgets, {count} images of {victim.data}",
        lambda: Ours()(victim.network, sweep), 1,
    )  # fmt: skip


def profiled(title: str, work: Callable[[], object], repeats: int) -> str:
    """The operations that take longest, without what they call, after once that does not count."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(repeats):
            work()
    table = seen.key_averages().table(
        sort_by="self_cpu_time_total", row_limit=ROWS, max_name_column_width=28
    )
    return f"{title}\n{table}"
