"""Auto-PGD beside AutoAttack's own and Foolbox's projected gradient, on the bundled digits."""

import contextlib
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from experiments.attacks.apgd import apgd_l1, apgd_l2, apgd_linf

APGD: dict[str, Any] = {"linf": apgd_linf, "l2": apgd_l2, "l1": apgd_l1}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def predicted(model: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return model(inputs).argmax(1)


class Recurrent(nn.Module):
    """Four steps of a rate network that is shown the image all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(784, 64), nn.Linear(64, 10)
        self.lateral = nn.Linear(64, 64, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        drive = self.into(inputs.flatten(1))
        rate = torch.relu(drive)
        for _ in range(4):
            rate = torch.relu(drive + self.lateral(rate))
        return self.out(rate)


def trained(net: nn.Module, inputs: Tensor, labels: Tensor) -> nn.Module:
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(12):
        for rows in torch.randperm(len(inputs), generator=seeded()).split(50):
            loss = nn.functional.cross_entropy(net(inputs[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net


def withstands_reference(
    model: nn.Module,
    clean: Tensor,
    labels: Tensor,
    attack: str,
    norm: str,
    radius: float,
    seed: int,
) -> Tensor:
    """What withstands the reference implementation, bool (N,), one run of 100 steps."""
    from pyautoattack import AutoAttack

    whole = AutoAttack(
        model, attacks=[attack], device="cpu", eps=radius, norm=norm, seed=seed, version="custom"
    )
    whole.apgd.n_restarts = whole.apgd_targeted.n_restarts = 1
    whole.apgd.use_largereps = whole.apgd_targeted.use_largereps = norm == "L1"
    with contextlib.redirect_stdout(io.StringIO()):
        out = whole.run_standard_evaluation(clean, labels)[0]
    return predicted(model, out) == labels


def withstands_foolbox(
    model: nn.Module, clean: Tensor, labels: Tensor, norm: str, radius: float
) -> Tensor:
    """What withstands Foolbox's projected gradient of 100 steps, bool (N,)."""
    import foolbox

    kinds = {
        "linf": foolbox.attacks.LinfProjectedGradientDescentAttack,
        "l2": foolbox.attacks.L2ProjectedGradientDescentAttack,
        "l1": foolbox.attacks.SparseL1DescentAttack,
    }
    wrapped = foolbox.PyTorchModel(model.eval(), bounds=(0, 1), device="cpu")
    *_, fooled = kinds[norm](steps=100)(wrapped, clean, labels, epsilons=radius)
    return ~fooled


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["mlp", "recurrent"])
@pytest.mark.parametrize(
    ("norm", "epsilon", "unit"), [("linf", 0.05, 1), ("l2", 0.05, 28), ("l1", 0.012, 784)]
)
def test_robust_accuracy_is_that_of_the_reference_or_below(
    kind: str, norm: str, epsilon: float, unit: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within half a point of the others' worst case at equal budgets, or below.

    Single attacks, averaged over three seeds, are let to differ by a point: chance moves either by
    as much.
    """
    pytest.importorskip("pyautoattack")
    pytest.importorskip("foolbox")
    from experiments.data.dataset import DIGITS, load_again

    data = load_again(DIGITS, None)
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    net = plain if kind == "mlp" else Recurrent()
    model = trained(net, data.train.images, data.train.labels)
    clean, labels = data.test.images[:400], data.test.labels[:400]
    left_by_us = left_by_them = torch.ones_like(labels, dtype=torch.bool)
    names, radius = {"linf": "Linf", "l2": "L2", "l1": "L1"}, epsilon * unit
    for attack, options, seeds in (
        ("Foolbox", dict[str, Any](), 1),
        ("apgd-ce", {}, 3),
        ("apgd-dlr", {"loss": "dlr"}, 3),
        ("apgd-t", {"loss": "dlr", "targets": 9}, 1),
    ):
        ours, theirs = [], []
        for seed in range(seeds):
            out = APGD[norm](
                *(model, clean, labels), epsilons=[epsilon], generator=seeded(seed), **options
            )[0]
            ours.append(predicted(model, out) == labels)
            given = (model, clean, labels)
            if attack == "Foolbox":
                theirs.append(withstands_foolbox(*given, norm, radius))
            else:
                theirs.append(withstands_reference(*given, attack, names[norm], radius, seed))
        left_by_us, left_by_them = left_by_us & all_of(ours), left_by_them & all_of(theirs)
        assert beside(f"{kind} {norm} {attack}", ours, theirs, capsys) <= 1 + 1e-9
    assert 0 < left_by_them.double().mean() < 1
    assert beside(f"{kind} {norm} all", [left_by_us], [left_by_them], capsys) <= 0.5 + 1e-9


def all_of(withstood: list[Tensor]) -> Tensor:
    """What withstands every run."""
    return torch.stack(withstood).all(0)


def beside(
    what: str, ours: list[Tensor], theirs: list[Tensor], capsys: pytest.CaptureFixture[str]
) -> float:
    """By how many points of robust accuracy ours leave more than theirs, on average over runs."""
    left, right = (100 * float(torch.stack(each).double().mean()) for each in (ours, theirs))
    with capsys.disabled():
        print(f"\n{what}: ours {left:.1f} %, theirs {right:.1f} %", end="")
    return left - right
