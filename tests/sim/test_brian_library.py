"""Brian2 is left as it was; what cannot run is refused in one sentence."""

import gc
import importlib.metadata
import sys

import pytest
import torch

from networks import BlindspotsError, RateUnit, SpikingUnit
from networks.wiring import from_toml
from sim import brian
from sim.brian import library, replica

STILL = torch.full((2, 3), 0.5, dtype=torch.float64)


@pytest.fixture
def network(drawn, loops):
    return drawn(loops(SpikingUnit()), seed=0)


@pytest.mark.parametrize("way", replica.WAYS)
def test_the_users_preferences_device_and_hook_come_back(network, way):
    import brian2

    given = {
        "codegen.target": "cython",
        "codegen.loop_invariant_optimisations": True,
        "core.default_float_dtype": brian2.float32,
    }
    before = {name: brian2.prefs[name] for name in library.PREFERENCES}
    hook, device, step = sys.excepthook, brian2.get_device(), brian2.defaultclock.dt
    try:
        for name, value in given.items():
            brian2.prefs[name] = value
        found = brian.run(network, STILL, way=way)
        assert {name: brian2.prefs[name] for name in given} == given
        network.values["bias/a"].data[:] = float("inf")
        with pytest.raises(BlindspotsError):
            brian.run(network, STILL, way=way)
        assert {name: brian2.prefs[name] for name in given} == given
    finally:
        for name, value in before.items():
            brian2.prefs[name] = value
    assert found["a.potential"].dtype == "float64"
    assert brian2.get_device() is device
    assert (sys.excepthook, brian2.defaultclock.dt) == (hook, step)
    assert gc.get_freeze_count() == 0


def test_a_device_that_builds_is_set_aside(network):
    import brian2

    expected = brian.run(network, STILL)
    brian2.set_device("cpp_standalone", build_on_run=False)
    try:
        assert expected.identical(brian.run(network, STILL))
        assert brian2.get_device() is brian2.all_devices["cpp_standalone"]
    finally:
        brian2.devices.reset_device()


@pytest.mark.parametrize("way", replica.WAYS)
def test_nothing_of_a_run_is_left_in_brian2(network, way):
    """Objects that live on would slow every later run, and take part in the user's own."""
    from brian2.core.base import BrianObject

    brian.run(network, STILL, way=way)
    assert not [ref for ref in BrianObject.__instances__() if ref() is not None]


def test_names_in_the_callers_frame_mean_nothing(network):
    expected = brian.run(network, STILL)
    drive = u = out = bias = arrived_0 = w = frames = inside = 5.0  # noqa: F841
    assert expected.identical(brian.run(network, STILL))


def without_brian2(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(library.importlib, "import_module", fail)


def test_a_pair_that_does_not_work_is_named(monkeypatch, network):
    error = AttributeError("`ptp` was removed from the ndarray class")
    without_brian2(monkeypatch, error)
    brian2, numpy = (importlib.metadata.version(name) for name in ("brian2", "numpy"))
    with pytest.raises(BlindspotsError) as refused:
        brian.run(network, STILL)
    says = str(refused.value)
    assert f"Brian2 {brian2} cannot be imported with numpy {numpy} (AttributeError: `ptp`" in says
    assert "pip install" in says
    assert "numpy>=2.1,<2.4" in says
    assert "\n" not in says


def test_a_brian2_that_is_missing_is_named(monkeypatch, network):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    without_brian2(monkeypatch, ModuleNotFoundError("No module named 'brian2'"))
    monkeypatch.setattr(library, "version", version)
    with pytest.raises(BlindspotsError, match=r"not installed; .*pip install"):
        brian.run(network, STILL)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_parameters_that_are_not_finite_are_refused(network, bad):
    network.values["weight/b>a"].data[1, :2] = bad
    with pytest.raises(
        BlindspotsError, match=r"'weight/b>a' of 'small' holds values that are not finite \(2 of 16"
    ):
        brian.run(network, STILL)


def test_stimuli_that_are_not_finite_are_refused(network):
    with pytest.raises(BlindspotsError, match="The stimulus holds values that are not finite"):
        brian.run(network, torch.full((1, 3), float("nan"), dtype=torch.float64))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("way", replica.WAYS)
def test_activity_without_bound_is_refused_where_it_begins(wire, weighted, way):
    """u = 1e100 u: 1, 1e100, ... at steps 1, 2, 3, 4; too large for a float64 at step 5."""
    unit = RateUnit(activation="identity")
    wiring = wire({"a": (1, unit)}, {"input>a": 1, "a>a": 1, "a>output": 1}, steps=9)
    network = weighted(wiring, {"input>a": 1, "a>a": 1e100, "a>output": 1e-100})
    with pytest.raises(BlindspotsError, match="area 'a' of 'small' is no longer finite at step 5"):
        brian.run(network, torch.ones((2, 1), dtype=torch.float64), way=way)


def test_an_unknown_way_suggests_the_nearest(network):
    with pytest.raises(BlindspotsError, match="no way 'synapse'; did you mean 'synapses'"):
        brian.run(network, STILL, way="synapse")


def test_a_delay_shorter_than_a_step_is_refused(network):
    text = network.wiring.to_toml().replace("delay = 4", "delay = 0")
    with pytest.raises(BlindspotsError, match=r"projections.*delay: .*greater than.*1, not 0"):
        from_toml(text)
