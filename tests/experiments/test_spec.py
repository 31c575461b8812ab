"""Specifications: presets hold what they promise, files come back, mistakes are named."""

import pytest

from experiments.attacks.names import attack_named
from experiments.plan import entries_of
from experiments.spec import PRESETS, preset, read_spec, spec_from
from networks import BlindspotsError, wiring_named
from networks.catalogue import recurrence, role, units


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_run(name: str) -> None:
    spec = spec_from(preset(name))
    assert [e.name for e in entries_of(spec)] == list(spec.networks)
    assert {attack_named(a).kind for a in spec.attacks} >= {"noise", "gradient"}
    norms = {attack_named(a).norm for a in spec.attacks}
    noises = {attack_named(a).norm for a in spec.attacks if attack_named(a).kind == "noise"}
    assert noises == norms  # every attack has a control of its norm


def test_the_quick_comparison_has_every_factor_and_its_controls() -> None:
    spec = spec_from(preset("quick"))
    wirings = [wiring_named(name) for name in spec.networks]
    assert len(wirings) >= 8
    assert {recurrence(w) for w in wirings} == {"none", "lateral", "top-down", "both"}
    assert {units(w) for w in wirings} == {"rate", "spiking"}
    assert {max(a.modules for a in w.areas) for w in wirings} == {1, 4}
    roles = {role(name) for name in spec.networks}
    assert {"control: parameters of fc-blt", "control: compute of fc-blt"} <= roles
    assert spec.individuals >= 2
    assert spec.images >= 500


@pytest.mark.parametrize("name", PRESETS)
def test_all_networks_of_a_preset_are_trained_alike(name: str) -> None:
    spec = spec_from(preset(name))
    recipes = {n: spec.recipe(wiring_named(n)) for n in spec.networks if n != "AE400-10"}
    assert len(set(recipes.values())) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_a_resolved_specification_reads_back_equal(name: str, tmp_path) -> None:
    spec = spec_from(
        preset(name), seed=3, training={"shift": 0, "objective": "noise", "epsilon": 0.1}
    )
    (tmp_path / "spec.toml").write_text(spec.to_toml())
    again = read_spec(tmp_path / "spec.toml")
    assert again == spec
    assert again.to_toml() == spec.to_toml()
    assert again.recipe(wiring_named("fc-b")).objective == "noise"


def test_overrides_move_the_reference_to_what_is_there() -> None:
    spec = spec_from(preset("quick"), attacks=["uniform", "fgsm"], epsilons=[0.3, 0.04])
    assert spec.epsilons == (0.04, 0.3)
    assert spec.reference_attack == "fgsm"
    assert spec.reference_epsilon == 0.04


def test_effort_scales_the_epochs_and_leaves_one() -> None:
    usual = spec_from(preset("quick"), effort=1).recipe(wiring_named("fc-b")).epochs
    double = spec_from(preset("quick"), effort=2).recipe(wiring_named("fc-b")).epochs
    least = spec_from(preset("quick"), effort=1e-6).recipe(wiring_named("fc-b")).epochs
    assert (double, least) == (2 * usual, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"individuals": 0}, "individuals"),
        ({"epsilons": [0.0]}, "epsilons"),
        ({"epsilons": [float("nan")]}, "epsilons"),
        ({"epsilons": []}, "epsilons"),
        ({"attacks": ["pgd-linff"]}, "did you mean 'pgd-linf'"),
        ({"options": {"pgd": {}}}, "did you mean"),
        ({"sources": []}, "sources"),
        ({"keep": "some"}, "keep"),
        ({"training": {"rate": -1}}, "rate"),
        ({"training": {"epoch": 3}}, "'epoch' is not a known setting"),
        ({"reference_epsilon": 0.123, "epsilons": []}, "epsilons"),
        ({"seed": -1}, "seed"),
        ({"colour": "red"}, "'colour' is not a known setting"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises(BlindspotsError, match=says) as caught:
        spec_from({**preset("quick"), **changes})
    assert "\n" not in str(caught.value)


def test_sources_must_be_feedforward_networks_of_the_catalogue() -> None:
    with pytest.raises(BlindspotsError, match="not feedforward"):
        entries_of(spec_from(preset("quick"), sources=["fc-blt"]))
    with pytest.raises(BlindspotsError, match="did you mean"):
        entries_of(spec_from(preset("quick"), sources=["fc-bb"]))


def test_a_specification_is_frozen() -> None:
    spec = spec_from(preset("quick"))
    with pytest.raises(ValueError, match="frozen"):
        spec.images = 3  # type: ignore[misc]
