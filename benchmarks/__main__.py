"""``python -m benchmarks``: beside peers; with ``scaling``: curves; ``profile``: where time goes.

All peers are optional, see docs/benchmarks.md; without them their rows say so.
"""

import argparse
import sys
import warnings
from pathlib import Path
from time import perf_counter

import torch

from benchmarks import all_cores, crowds, field
from benchmarks.populations import populations
from benchmarks.precisions import precisions
from benchmarks.profiles import profiles
from benchmarks.rows import write
from experiments.data.dataset import load_data


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("peers", "scaling", "profile"), default="peers")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--network", default="fc-blt-spiking", help="dense, spiking")
    parser.add_argument("--run", type=Path, help="a finished run whose network is attacked")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--quick", action="store_true", help="a smoke test, not a measurement")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore")
    if given.what == "scaling":
        from benchmarks.scaling import measure

        print(*measure(given.out, quick=given.quick), sep="\n")
        return
    device = device_of(given.device)
    full = field.ON_GPU if device == "cuda" else field.FULL
    size = field.QUICK if given.quick else full
    victim = field.victim_of(given.network, size, given.run, device)
    if given.what == "profile":
        print(*profiles(given.network, victim, size), sep="\n\n")
        return
    works = {
        "training step": lambda: field.training(given.network, size, device),
        "individuals": lambda: populations(given.network, size, device),
        "attacks of individuals": lambda: crowds.attacks(given.network, size, device),
        "scores of individuals": lambda: crowds.scores(given.network, size, device),
        "precisions": lambda: precisions(victim, load_data(), size),
        "attack": lambda: field.attack(victim, size),
    }
    if device == "cpu":
        works["training on all cores"] = lambda: all_cores.training(given.network, size)
        works["attack on all cores"] = lambda: all_cores.attack(victim, size)
        works["Brian2"] = lambda: field.brian2(size)
    sections = []
    for name, work in works.items():
        began = perf_counter()
        sections.append(work())
        print(f"{name}: {perf_counter() - began:.0f} s", file=sys.stderr)
        text = write(sections, given.out)  # each time, or what comes late could lose what there is
    print(text)


def device_of(named: str) -> str:
    """The device of that name; "auto" stands for a GPU where there is one."""
    if named == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if named == "cuda" and not torch.cuda.is_available():
        raise SystemExit("No CUDA device is available to PyTorch; leave out --device.")
    return named


if __name__ == "__main__":
    main()
