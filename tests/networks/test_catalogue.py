"""The catalogue: every name builds, survives its files, and its controls match."""

import re
import subprocess
import sys
from itertools import pairwise

import pytest

from networks import (
    NAMES,
    BlindspotsError,
    Constant,
    contrasts,
    from_json,
    from_toml,
    macs,
    parameters,
    read_wiring,
    wiring_named,
)
from networks.catalogue import recurrence, role, units
from networks.derive import coded

PARAMETER_CONTROLS = [name for name in NAMES if name.endswith("-control-params")]
COMPUTE_CONTROLS = [name for name in NAMES if name.endswith("-control-compute")]
CODED = {"fc-b-spiking-poisson", "fc-blt-spiking-poisson", "fc-blt-spiking-latency"}
RECURRENCE = {"b": "none", "bl": "lateral", "bt": "top-down", "blt": "both"}


def test_names():
    """Six of Szegedy's kind, four spiking twins, the design with its controls, three codes."""
    assert len(set(NAMES)) == len(NAMES)
    assert set(NAMES) >= CODED
    design = {n for n in NAMES if n.startswith(("fc-", "conv-"))} - CODED
    assert set(NAMES) - design - CODED == {
        "FC10",
        "FC100-100-10",
        "FC200-200-10",
        "FC123-456-10",
        "AE400-10",
        "FC100-100-10-binarised",
        "FC100-100-10-spiking",
        "FC200-200-10-spiking",
        "FC123-456-10-spiking",
        "AE400-10-spiking",
    }
    cells = {n for n in design if "control" not in n}
    structured = {
        f"{f}-{c}{s}" for f in ("fc", "conv") for c in RECURRENCE for s in ("", "-modular")
    }
    structured |= {"fc-blt-sparse", "conv-blt-sparse"}
    assert cells == structured | {f"{name}-spiking" for name in structured}
    recurrent = {n for n in cells if n.split("-")[1] != "b"}
    kinds = ("control-params", "control-compute")
    assert design - cells == {f"{n}-{kind}" for n in recurrent for kind in kinds}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_builds_and_survives_its_files(name, tmp_path):
    wiring = wiring_named(name)
    assert wiring.name == name
    assert wiring.input.shape == (1, 28, 28)
    assert wiring.area(wiring.output).shape == (10,)
    for back in (from_json(wiring.to_json()), from_toml(wiring.to_toml())):
        assert back == wiring
        assert hash(back) == hash(wiring)
    for suffix, text in ((".json", wiring.to_json()), (".toml", wiring.to_toml())):
        path = tmp_path / f"wiring{suffix}"
        path.write_text(text)
        assert read_wiring(path) == wiring


@pytest.mark.parametrize("name", NAMES)
def test_recurrence_units_and_role_follow_the_name(name):
    wiring = wiring_named(name)
    control = "control" in name
    connectivity = name.split("-")[1] if name.startswith(("fc-", "conv-")) else "b"
    assert recurrence(wiring) == ("none" if control else RECURRENCE[connectivity])
    assert units(wiring) == ("spiking" if "spiking" in name else "rate")
    if control:
        of, kind = re.fullmatch("(.*)-control-(params|compute)", name).groups()
        what = {"params": "parameters", "compute": "compute"}[kind]
        assert role(name) == f"control: {what} of {of}"
        assert wiring.is_acyclic
    else:
        assert role(name) == ""
        assert wiring.is_acyclic == (RECURRENCE[connectivity] == "none")
    modules = {a.modules for a in wiring.areas if a.name not in ("input", "output")}
    assert modules <= ({4} if "-modular" in name else {1})
    densities = {p.pattern.density for p in wiring.projections if hasattr(p.pattern, "density")}
    assert (0.2 in densities) == ("-sparse" in name)


@pytest.mark.parametrize("name", PARAMETER_CONTROLS)
def test_controls_have_the_same_parameters_within_two_percent(name):
    matched = wiring_named(name.removesuffix("-control-params"))
    assert parameters(wiring_named(name)) == pytest.approx(parameters(matched), rel=0.02)


@pytest.mark.parametrize("name", COMPUTE_CONTROLS)
def test_controls_have_the_same_compute_within_two_percent(name):
    matched = wiring_named(name.removesuffix("-control-compute"))
    assert macs(wiring_named(name)) == pytest.approx(macs(matched), rel=0.02)


@pytest.mark.parametrize("name", PARAMETER_CONTROLS + COMPUTE_CONTROLS)
def test_controls_answer_over_as_many_steps_as_the_network_if_spiking(name):
    """Equal numbers of answers are averaged; a rate control settles and answers once."""
    wiring = wiring_named(name)
    if "spiking" in name:
        assert len(wiring.answers) == len(wiring_named(name.split("-control")[0]).answers) == 7
    else:
        assert wiring.is_feedforward


def test_szegedys_sizes():
    """Table 1 of Szegedy et al. (2014): parameters of dense chains with biases."""
    for name, sizes in {
        "FC10": [784, 10],
        "FC100-100-10": [784, 100, 100, 10],
        "FC200-200-10": [784, 200, 200, 10],
        "FC123-456-10": [784, 123, 456, 10],
        "AE400-10": [784, 400, 10],
    }.items():
        wiring = wiring_named(name)
        assert [a.size for a in wiring.areas] == sizes
        expected = sum((a + 1) * b for a, b in pairwise(sizes))
        assert parameters(wiring) == expected
        assert wiring.is_feedforward
    assert {a.unit.activation for a in wiring_named("AE400-10").areas[1:-1]} == {"sigmoid"}
    assert wiring_named("FC100-100-10-binarised").input.unit.threshold == 0.5


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("fc-btl", "fc-bt"),
        ("FC-BLT", "fc-blt"),
        ("FC100-100", "FC100-100-10"),
        ("conv_b", "conv-b"),
    ],
)
def test_unknown_names_suggest_the_nearest(name, nearest):
    with pytest.raises(BlindspotsError) as refused:
        wiring_named(name)
    assert f"'{name}'; did you mean" in str(refused.value)
    assert f"'{nearest}'" in str(refused.value)


def test_names_near_nothing_list_what_there_is():
    with pytest.raises(BlindspotsError, match=r"'zzzzzz'; choose from .*, \.\.\.$"):
        wiring_named("zzzzzz")


def test_contrasts_of_one_network_with_everything():
    assert contrasts(
        [
            "fc-blt-spiking",
            "fc-blt",
            "fc-b-spiking",
            "fc-b",
            "fc-blt-spiking-control-params",
            "fc-blt-spiking-control-compute",
            "conv-blt",
        ]
    ) == [
        ("recurrence", "fc-blt-spiking", "fc-b-spiking"),
        ("recurrence", "fc-blt", "fc-b"),
        ("recurrence, equal parameters", "fc-blt-spiking", "fc-blt-spiking-control-params"),
        ("recurrence, equal compute", "fc-blt-spiking", "fc-blt-spiking-control-compute"),
        ("units", "fc-blt-spiking", "fc-blt"),
        ("units", "fc-b-spiking", "fc-b"),
    ]


def test_contrasts_of_structure_input_and_twins():
    assert contrasts(["fc-blt-sparse", "fc-blt-modular", "fc-blt"]) == [
        ("modules", "fc-blt-modular", "fc-blt"),
        ("sparseness", "fc-blt-sparse", "fc-blt"),
    ]
    assert contrasts(["FC100-100-10", "FC100-100-10-binarised", "FC100-100-10-spiking"]) == [
        ("units", "FC100-100-10-spiking", "FC100-100-10"),
        ("input", "FC100-100-10-binarised", "FC100-100-10"),
    ]
    assert contrasts(["fc-b", "fc-b", "my-own"]) == []


def parts(name):
    """A name of the design as its factors: family, connectivity, structure, spiking, control."""
    family, connectivity, *rest = name.split("-")
    control = rest[-1] if "control" in rest else ""
    structure = next((s for s in ("modular", "sparse") if s in rest), "")
    return family, connectivity, structure, "spiking" in rest, control


def test_every_contrast_differs_in_its_one_factor():
    """All contrasts of the whole design, checked on the names alone."""
    design = [n for n in NAMES if n.startswith(("fc-", "conv-")) and n not in CODED]
    found = contrasts(design)
    assert len(set(found)) == len(found)
    changes = {
        "recurrence": {1},
        "recurrence, equal parameters": {4},
        "recurrence, equal compute": {4},
        "modules": {2},
        "sparseness": {2},
        "units": {3},
    }
    for factor, treatment, baseline in found:
        one, other = parts(treatment), parts(baseline)
        assert {i for i in range(5) if one[i] != other[i]} == changes[factor]
    treated = {(factor, treatment) for factor, treatment, _ in found}
    for name in design:
        _, connectivity, structure, spiking, control = parts(name)
        assert (("units", name) in treated) == (spiking and control != "compute")
        assert (("modules", name) in treated) == (structure == "modular")
        plain = not control and connectivity != "b"
        assert (("recurrence, equal compute", name) in treated) == plain


def test_coded_networks_differ_from_their_twins_in_the_code_alone():
    for name in CODED:
        twin, _, code = name.rpartition("-")
        wiring = wiring_named(name)
        assert wiring.stimulated.code.model == code
        assert coded(wiring, Constant()).replace(name=twin) == wiring_named(twin)
    assert set(contrasts([*CODED, "fc-b-spiking", "fc-blt-spiking", "fc-blt"])) == {
        ("recurrence", "fc-blt-spiking", "fc-b-spiking"),
        ("recurrence", "fc-blt-spiking-poisson", "fc-b-spiking-poisson"),
        ("units", "fc-blt-spiking", "fc-blt"),
        *[("code", name, name.rpartition("-")[0]) for name in CODED],
    }


def test_describing_needs_no_torch():
    """The whole catalogue is built and counted in a process that never loads a simulator."""
    script = """
import sys
from networks import NAMES, macs, parameters, wiring_named
for name in NAMES:
    parameters(wiring_named(name)), macs(wiring_named(name))
print(sorted({"torch", "snntorch", "brian2"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
