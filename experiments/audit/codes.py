"""The check of the input's code: the attack sees what the network sees."""

import torch

from experiments.audit.finding import Finding, not_applicable
from experiments.audit.grade import overturning, spread_over
from experiments.audit.subject import Subject
from experiments.verdict.wording import percent
from networks import Wiring
from networks.code import Code, Constant, Latency, Poisson
from networks.derive import coded
from sim import Network

CODES: tuple[Code, ...] = (Constant(), Poisson(), Latency())


def codes(subject: Subject) -> Finding:
    """16. Inputs made through other codes of the input fool nothing that the claim leaves.

    The same weights behind constant, Poisson and latency coded inputs: an attack through the
    network's own code may be misled by it (Mukhoty et al. 2024: 87 % through Poisson spikes,
    0.2 % through a constant current). What is left under each code is told beside it.
    """
    model, wiring = subject.model, subject.wiring
    if wiring is None or not isinstance(model, Network) or wiring.is_feedforward:
        return not_applicable("codes", "The model takes the image in one pass, in no code.")
    rows = spread_over(subject.survivors, subject.allowance.images)
    fooled = torch.zeros(len(rows), dtype=torch.bool)
    left = {}
    for code in CODES:
        if code.model == wiring.stimulated.code.model:
            continue
        other = behind(code, wiring, model, subject)
        made = subject.attacked(rows, model=other, keep_going=True, what=f"{code.model} code")
        fooled |= ~subject.withstood(made, rows)
        with torch.no_grad():
            still = other(made).argmax(1) == subject.labels[rows]
        left[code.model] = float(still.float().mean()) if len(rows) else 0.0
    note = "Of them withstood behind these codes: " + ", ".join(
        f"{name} {percent(share)}" for name, share in left.items()
    )
    means = f"Inputs made through a {' or '.join(left)} code"
    return overturning("codes", subject, rows, fooled, means, note=f"{note}.")


def behind(code: Code, wiring: Wiring, model: Network, subject: Subject) -> Network:
    """The same weights with another code of the input."""
    chance = subject.chance(f"{code.model} draws")
    values = {name: value.detach() for name, value in model.values.items()}
    return Network(coded(wiring, code), values, chance).to(subject.images.device)
