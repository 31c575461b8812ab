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


def reference_accuracy(
    model: nn.Module,
    clean: Tensor,
    labels: Tensor,
    attack: str,
    norm: str,
    radius: float,
    seed: int,
) -> float:
    """Robust accuracy in per cent by the reference implementation, one run of 100 steps."""
    from pyautoattack import AutoAttack

    whole = AutoAttack(
        model, attacks=[attack], device="cpu", eps=radius, norm=norm, seed=seed, version="custom"
    )
    whole.apgd.n_restarts = whole.apgd_targeted.n_restarts = 1
    whole.apgd.use_largereps = whole.apgd_targeted.use_largereps = norm == "L1"
    with contextlib.redirect_stdout(io.StringIO()):
        out = whole.run_standard_evaluation(clean, labels)[0]
    return 100 * float((predicted(model, out) == labels).double().mean())


def foolbox_accuracy(
    model: nn.Module, clean: Tensor, labels: Tensor, norm: str, radius: float
) -> float:
    """Robust accuracy in per cent by Foolbox's projected gradient of 100 steps."""
    import foolbox

    kinds = {
        "linf": foolbox.attacks.LinfProjectedGradientDescentAttack,
        "l2": foolbox.attacks.L2ProjectedGradientDescentAttack,
        "l1": foolbox.attacks.SparseL1DescentAttack,
    }
    wrapped = foolbox.PyTorchModel(model.eval(), bounds=(0, 1), device="cpu")
    *_, fooled = kinds[norm](steps=100)(wrapped, clean, labels, epsilons=radius)
    return 100 * float((~fooled).double().mean())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["mlp", "recurrent"])
@pytest.mark.parametrize(
    ("norm", "epsilon", "unit"), [("linf", 0.05, 1), ("l2", 0.05, 28), ("l1", 0.012, 784)]
)
def test_robust_accuracy_is_that_of_the_reference_or_below(
    kind: str, norm: str, epsilon: float, unit: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within half a point of AutoAttack's own Auto-PGD at equal budgets, or below; so Foolbox.

    Chance alone moves either by as much, so runs without targets are averaged over three seeds.
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
    names, radius = {"linf": "Linf", "l2": "L2", "l1": "L1"}, epsilon * unit
    for attack, options, seeds in (
        ("Foolbox", dict[str, Any](), 1),
        ("apgd-ce", {}, 3),
        ("apgd-dlr", {"loss": "dlr"}, 3),
        ("apgd-t", {"loss": "dlr", "targets": 9}, 1),
    ):
        ours = theirs = 0.0
        for seed in range(seeds):
            out = APGD[norm](
                *(model, clean, labels), epsilons=[epsilon], generator=seeded(seed), **options
            )[0]
            ours += 100 * float((predicted(model, out) == labels).double().mean()) / seeds
            given = (model, clean, labels)
            if attack == "Foolbox":
                theirs += foolbox_accuracy(*given, norm, radius) / seeds
            else:
                theirs += reference_accuracy(*given, attack, names[norm], radius, seed) / seeds
        with capsys.disabled():
            print(f"\n{kind} {norm} {attack}: ours {ours:.1f} %, theirs {theirs:.1f} %", end="")
        assert 0 < theirs < 100
        assert ours <= theirs + 0.5 + 1e-9
