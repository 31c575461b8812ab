"""Networks that users bring, and the plan that they and the wirings become part of."""

import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from experiments import load_result, processes
from experiments.attacks.names import attack_named
from experiments.bench import Bench, scored
from experiments.bring import fingerprint, imported, size_of
from experiments.compare import compare
from experiments.individuals import Brought, Train
from experiments.inputs import Craft
from experiments.plan import entries_of, entry, plan
from experiments.scoring import Score
from experiments.spec import spec_from
from experiments.units import Unit, is_complete
from networks import BlindspotsError, wiring_named

HEAD = """
import numpy as np
import torch
from torch import nn

rows = torch.arange(7840, dtype=torch.float32).reshape(10, 784).sin()


def plain(images):
    return images.flatten(1) @ rows.T


def through_numpy(images):
    return torch.from_numpy(images.numpy().reshape(len(images), -1) @ rows.numpy().T)


"""
Bring = Callable[..., str]


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Writes a module with the text after HEAD, and imports it anew: its name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str = "", name: str = "mine_for_tests") -> str:
        (tmp_path / f"{name}.py").write_text(HEAD + text)
        sys.modules.pop(name, None)
        imported.cache_clear()
        return name

    yield write
    sys.modules.pop("mine_for_tests", None)
    imported.cache_clear()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def expected(images: torch.Tensor) -> np.ndarray:
    rows = np.sin(np.arange(7840, dtype=np.float64)).reshape(10, 784)
    return images.numpy().reshape(5, 784).astype(np.float64) @ rows.T


FORMS = {
    "a function": ("", "plain", 1),
    "a class": (
        "class Net(nn.Module):\n    def forward(self, images):\n        return plain(images)\n",
        *("Net", 1),
    ),
    "a class that is no module": (
        "class Net:\n    def __call__(self, images):\n        return plain(images)\n",
        *("Net", 1),
    ),
    "a module": (
        "net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10, bias=False))\n"
        "net[1].weight.data = rows\n",
        *("net", 1),
    ),
    "a module in training mode": (
        "net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(784, 10, bias=False))\n"
        "net[2].weight.data = rows\nnet.train()\n",
        *("net", 1),
    ),
    "a time axis": (
        "def timed(images):\n    return torch.stack([plain(images) * t for t in range(5)])\n",
        *("timed", 2),
    ),
    "numpy": ("", "through_numpy", 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_callable_can_be_brought(form: str, bring: Bring, images: torch.Tensor) -> None:
    text, attribute, times = FORMS[form]
    network = imported(f"{bring(text)}:{attribute}")
    with torch.no_grad():
        found = network(images)
    np.testing.assert_allclose(found.numpy(), times * expected(images), rtol=1e-4, atol=1e-4)


def test_gradients_reach_the_input(bring: Bring, images: torch.Tensor) -> None:
    images.requires_grad_()
    imported(f"{bring()}:plain")(images)[:, 3].sum().backward()
    rows = np.sin(np.arange(7840, dtype=np.float32)).reshape(10, 784)
    assert images.grad is not None
    np.testing.assert_allclose(images.grad.numpy().reshape(5, 784), [rows[3]] * 5, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "reference", "says"),
    [
        ("", ":nowhere_at_all:net", "cannot be imported"),
        ("raise RuntimeError('no')\n", "mine:plain", "RuntimeError: no"),
        ("def broken(:\n", "mine:plain", "SyntaxError"),
        ("", "mine:plan", "did you mean 'plain'"),
        ("", "mine:", "There is no network '' in"),
        ("", ":plain", "cannot be imported"),
        ("number = 3\n", "mine:number", "does not take images"),
        ("class Net:\n    def __init__(self, size): ...\n", "mine:Net", "does not take images"),
        ("def f(x):\n    return plain(x)[:, :9]\n", "mine:f", r"shape \(2, 9\).*\(2, 10\)"),
        ("def f(x):\n    return plain(x).T\n", "mine:f", r"shape \(10, 2\)"),
        ("def f(x):\n    return plain(x)[..., None]\n", "mine:f", r"shape \(10, 1\)"),
        ("def f(x):\n    return plain(x).argmax(1)\n", "mine:f", r"shape \(2,\)"),
        ("def f(x):\n    return x.reshape(4, 5)\n", "mine:f", r"images \(.*RuntimeError"),
        ("def f(x):\n    return 'three'\n", "mine:f", "does not take images"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    text: str, reference: str, says: str, bring: Bring
) -> None:
    name = bring(text)
    with pytest.raises(BlindspotsError, match=says) as error:
        imported(reference.replace("mine", name))
    assert "\n" not in str(error.value)


def test_sizes(bring: Bring) -> None:
    name = bring("net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n")
    assert size_of(f"{name}:net") == 7850
    assert size_of(f"{name}:plain") == -1


# Fingerprints

WEIGHTS = "def f(images):\n    return plain(images) * {factor}\n"


def test_a_fingerprint_tells_versions_apart(bring: Bring, bench: Bench) -> None:
    """The same file again is the same; another answer is another, and so is another text."""
    marks = [
        fingerprint(f"{bring(text)}:f", bench)
        for text in (
            WEIGHTS.format(factor=1),
            WEIGHTS.format(factor=1),
            WEIGHTS.format(factor=2),
            WEIGHTS.format(factor="1.0"),
        )
    ]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 3
    units = [Brought("mine:f", mark, bench) for mark in marks]
    assert units[0].key == units[1].key
    assert len({u.key for u in units}) == 3
    assert Brought("mine:g", marks[0], bench).key != units[0].key


def test_weights_from_another_file_are_part_of_the_fingerprint(
    bring: Bring, bench: Bench, tmp_path: Path
) -> None:
    marks = []
    for factor in (1.0, 3.0, 1.0):
        (tmp_path / "factor").write_text(str(factor))
        text = f"factor = float(open({str(tmp_path / 'factor')!r}).read())\n"
        name = bring(text + WEIGHTS.format(factor="factor"))
        marks.append(fingerprint(f"{name}:f", bench))
    assert marks[0] == marks[2] != marks[1]


@pytest.mark.parametrize(
    "text",
    [
        "def f(images):\n    return plain(images) + torch.rand(10)\n",
        "shift = torch.rand(10)\ndef f(images):\n    return plain(images) + shift\n",
    ],
)
def test_chance_is_noticed(text: str, bring: Bring, bench: Bench) -> None:
    unit = Brought(f"{bring(text)}:f", fingerprint("mine_for_tests:f", bench), bench)
    bring(text)  # as a worker does
    with pytest.raises(BlindspotsError, match="'mine_for_tests:f' answers differently"):
        unit.model()


# In a comparison


def test_without_gradients_it_is_scored_but_not_followed(
    bring: Bring, bench: Bench, empty_cache: Path
) -> None:
    reference = f"{bring()}:through_numpy"
    brought = Brought(reference, fingerprint(reference, bench), bench)
    noisy, asked, aimed = (
        Craft(brought, a, (0.1,), 10, 0, bench) for a in ("uniform", "square-linf", "pgd-linf")
    )
    scores = [Score(brought, on, 10, bench) for on in (None, noisy, asked)]
    for unit in (noisy, asked, *scores):
        unit.run(lambda done, score: None)
        assert is_complete(unit)
    with pytest.raises(BlindspotsError, match=f"'{reference}'.*gradient") as error:
        aimed.run(lambda done, score: None)
    assert "\n" not in str(error.value)
    assert not is_complete(aimed)


CHANCY = "shift = 100 * torch.rand(10)\ndef chancy(images):\n    return plain(images) + shift\n"


def test_others_go_on_where_one_cannot(
    bring: Bring, empty_cache: Path, tmp_path: Path, in_threads: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One network without gradients, one that is never the same, and one that is well."""
    name = bring(CHANCY)

    def anew(unit: Unit, work: Callable[[Unit], float] = processes._work) -> float:
        """Work in a worker that has imported nothing yet."""
        sys.modules.pop(name, None)
        imported.cache_clear()
        return work(unit)

    monkeypatch.setattr(processes, "_work", anew)
    odd, chancy = f"{name}:through_numpy", f"{name}:chancy"
    spec = spec_from({
        **{"networks": ["FC10", odd, chancy], "sources": ["FC10"], "individuals": 1, "images": 10},
        **{"attacks": ["uniform", "fgsm"], "epsilons": [0.1], "training": {"epochs": 1}},
    })  # fmt: skip
    console = Console(record=True, file=(tmp_path / "said").open("w"), width=500)
    compare(spec, tmp_path / "run", device="cpu", workers=1, console=console)
    result = load_result(tmp_path / "run").isel(individual=0, epsilon=0)
    answers = result["prediction"]
    assert (answers.sel(network="FC10", source="FC10", attack="fgsm") >= 0).all()
    assert (answers.sel(network=odd, source="independent-FC10") >= 0).all()
    assert (answers.sel(network=odd, source="FC10", attack="fgsm") >= 0).all()
    assert (answers.sel(source=odd) == -1).all()
    assert (answers.sel(network=chancy) == -1).all()
    assert (result["clean_prediction"].sel(network=chancy) == -1).all()
    with torch.no_grad():
        split = scored(Bench(result.attrs["data"], None, "", "cpu", ""), 10)
        clean = imported(odd)(split.images).argmax(1)
    np.testing.assert_array_equal(result["clean_prediction"].sel(network=odd), clean)
    said, page = console.export_text(), (tmp_path / "run" / "report.html").read_text()
    for sentence in ("that want gradients", "answers differently each time it is imported"):
        assert any(sentence in failure for failure in result.attrs["failures"])
        assert sentence in said
        assert sentence in page


# The plan


def test_the_plan_asks_for_everything_once(bring: Bring, bench: Bench) -> None:
    name = f"{bring()}:plain"
    spec = spec_from({
        **{"networks": ["fc-b", "fc-bl", name], "sources": ["fc-b", "FC10"], "individuals": 3},
        **{"attacks": ["gaussian", "fgsm", "pgd-l2"], "epsilons": [0.1], "images": 20},
    })  # fmt: skip
    planned = plan(spec, bench)
    independent = ["independent-fc-b", "independent-FC10"]
    has = dict.fromkeys(("fc-b", "fc-bl", *independent), 3) | {name: 1}
    assert set(planned.sources) == {(n, i) for n, count in has.items() for i in range(count)}
    assert set(planned.individuals) == {k for k in planned.sources if k[0] not in independent}
    assert set(planned.sets) == {
        (n, i, attack)
        for (n, i), attack in product(planned.sources, spec.attacks)
        if n in independent or attack_named(attack).kind != "noise"
    }
    assert set(planned.scores) == {
        *((n, i, "", "") for n, i in planned.individuals),
        *((n, i, s, a) for n, i in planned.individuals for s, j, a in planned.sets if i == j),
    }
    for (n, i, source, attack), unit in planned.scores.items():
        assert unit.network == planned.individuals[n, i]
        assert unit.on == (planned.sets[source, i, attack] if source else None)


def test_no_two_individuals_are_alike_and_sources_are_nobodys(bench: Bench) -> None:
    """The source's individuals are not those of the same network that are scored."""
    settings = {"networks": ["fc-b"], "sources": ["fc-b"], "individuals": 5, "images": 10}
    keys: list[str] = []
    for seed in (0, 1):
        spec = spec_from({**settings, "attacks": ["fgsm"], "epsilons": [0.1], "seed": seed})
        planned = plan(spec, bench)
        keys += [unit.key for unit in planned.sources.values()]
    assert len(set(keys)) == len(keys) == 20


def test_each_individual_meets_its_own_chance(bench: Bench) -> None:
    spec = spec_from({
        **{"networks": ["fc-b"], "individuals": 3, "images": 10},
        **{"attacks": ["uniform", "gaussian"], "epsilons": [0.1]},
    })  # fmt: skip
    seeds = [craft.seed for craft in plan(spec, bench).sets.values()]
    assert len(set(seeds)) == len(seeds) == 6


def test_wiring_files_are_entries(tmp_path: Path) -> None:
    mine = wiring_named("fc-bl").replace(name="mine")
    (tmp_path / "mine.toml").write_text(mine.to_toml())
    (tmp_path / "mine.json").write_text(mine.to_json())
    (tmp_path / "same.json").write_text(wiring_named("fc-bl").to_json())
    for ending in ("toml", "json"):
        found = entry(str(tmp_path / f"mine.{ending}"))
        assert (found.name, found.wiring) == ("mine", mine)
    assert entry(str(tmp_path / "same.json")) == entry("fc-bl")
    described = entry(str(tmp_path / "mine.toml")).described()
    assert described == entry("fc-bl").described()


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    for file, base in (("one.toml", "fc-b"), ("two.toml", "fc-bl")):
        (tmp_path / file).write_text(wiring_named(base).replace(name="mine").to_toml())
    names = [str(tmp_path / file) for file in ("one.toml", "two.toml")]
    spec = spec_from({"networks": names, "attacks": ["fgsm"], "epsilons": [0.1]})
    with pytest.raises(BlindspotsError, match="Two networks are called 'mine'"):
        entries_of(spec)


def test_what_is_unknown_of_a_brought_network_is_said(bring: Bring, bench: Bench) -> None:
    found = entry(f"{bring()}:plain")
    facts = found.described()
    assert (facts["parameters"], facts["macs"]) == (-1, -1)
    assert (facts["recurrence"], facts["units"]) == ("unknown", "unknown")
    spec = spec_from({"networks": ["fc-b"], "attacks": ["fgsm"], "epsilons": [0.1]})
    assert isinstance(found.individual(spec, 0, bench), Brought)
    assert found.individual(spec, 1, bench) is None
    assert isinstance(entry("fc-b").individual(spec, 1, bench), Train)
