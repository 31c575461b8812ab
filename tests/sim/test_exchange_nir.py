"""A network goes out as NIR and comes back the same; the graph alone, read by NIR, spikes alike."""

import json
import sys
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from networks import (
    NAMES,
    Area,
    BlindspotsError,
    Convolution,
    Dense,
    InputUnit,
    OneToOne,
    Projection,
    RateUnit,
    Sparse,
    SpikingUnit,
    Wiring,
    wiring_named,
)
from networks.catalogue import units
from networks.code import Latency
from networks.derive import coded
from sim import Network, run
from sim.exchange import Unsaid, from_nir, read_nir, to_nir, unsaid, write_nir
from sim.exchange.unfold import folded, unfolded
from sim.parameters import shapes

LIF = SpikingUnit(beta=0.8, threshold=0.7)
IMAGES = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
SPIKING = [  # graphs say nothing of a code, and random ones have no answer of their own
    name
    for name in NAMES
    if units(wiring_named(name)) == "spiking"
    and wiring_named(name).stimulated.code.model == "constant"
]


@pytest.fixture
def nir():
    return pytest.importorskip("nir", reason="NIR is not installed (extra 'exchange')")


def written(network, path, dt_ms=1.0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unsaid)
        write_nir(network, path, dt_ms)
    return path


def graph_of(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unsaid)
        return to_nir(network)


def lively(wiring, seed=0):
    """A float64 network with weights so large that every area spikes."""
    rng = torch.Generator().manual_seed(seed)
    return Network(
        wiring,
        {
            name: (torch.rand(shape, generator=rng, dtype=torch.float64) - 0.4)
            * (6 / max(1, np.prod(shape[1:])) ** 0.5)
            for name, shape in shapes(wiring).items()
        },
    )


def mixed():
    """Grids, flat areas, all patterns but the transposed convolution, modules, signs, delays."""
    areas = (
        Area(name="input", shape=(1, 6, 5), unit=InputUnit(threshold=0.5)),
        Area(name="g", shape=(4, 3, 3), unit=LIF, modules=2),
        Area(name="k", shape=(4, 3, 3), unit=LIF, modules=2),
        Area(name="f", shape=(8,), unit=SpikingUnit(beta=0), modules=2, excitatory=0.5),
        Area(name="output", shape=(3,), unit=RateUnit(activation="identity", leak=0.5)),
    )
    lateral = {"source": "f", "target": "f", "kind": "lateral"}
    projections = (
        Projection(source="input", target="g", pattern=Convolution(kernel=3, stride=2), delay=2),
        Projection(source="g", target="g", kind="lateral", pattern=OneToOne()),
        Projection(source="g", target="k", pattern=OneToOne(), delay=3),
        Projection(source="g", target="k", pattern=Convolution(kernel=3), modules="within"),
        Projection(source="k", target="f", pattern=Sparse(density=0.5, seed=2)),
        Projection(**lateral, pattern=OneToOne(), modules="within"),
        Projection(**lateral, pattern=Dense(), modules="between", sign="dale", delay=4),
        Projection(source="f", target="output"),
        Projection(source="g", target="output", kind="skip", sign="inhibitory"),
    )
    return Wiring(name="mixed", areas=areas, projections=projections, steps=16)


def spikes_of_graph(graph, images, steps, dt):
    """(spikes by node, potentials by node), each a list over steps, of a graph run as its
    metadata say: forward Euler, all nodes at once, reset by subtraction one step after the spike.

    Shares no code with what made the graph; asks the nodes alone for times, weights and shapes.
    """
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    shape = {name: tuple(np.atleast_1d(n.input_type["input"])) for name, n in graph.nodes.items()
             if kinds[name] in ("LIF", "LI")}  # fmt: skip
    v = {name: torch.zeros(len(images), *size, dtype=torch.float64) for name, size in shape.items()}
    z = {name: [] for name in shape}
    potentials = {name: [] for name in shape}
    start = next(name for name, kind in kinds.items() if kind == "Input")

    def value(name, t):  # noqa: PLR0911
        """What a node gives at step t; a delay gives what its source gave before."""
        node, kind = graph.nodes[name], kinds[name]
        if kind == "Input":
            return images if t >= 0 else torch.zeros_like(images)
        if kind in ("LIF", "LI"):
            return z[name][t] if t >= 0 else torch.zeros(len(images), *shape[name]).double()
        (source,) = [a for a, b in graph.edges if b == name]
        if kind == "Delay":
            steps_back = np.unique(np.round(node.delay / dt))
            assert steps_back.size == 1
            return value(source, t - int(steps_back[0]))
        given = value(source, t)
        if kind == "Threshold":
            return (given > torch.tensor(node.threshold)).double()
        if kind == "Flatten":
            return given.flatten(1)
        if kind == "Scale":
            return given * torch.tensor(node.scale)
        if kind == "Conv2d":
            stride, padding = (tuple(int(x) for x in y) for y in (node.stride, node.padding))
            weight, bias = torch.tensor(node.weight), torch.tensor(node.bias)
            return F.conv2d(given, weight, bias, stride=stride, padding=padding)
        bias = torch.tensor(node.bias) if kind == "Affine" else None
        return F.linear(given, torch.tensor(node.weight), bias)

    assert graph.nodes[start].input_type["input"].tolist() == list(images.shape[1:])
    for t in range(steps):
        now = {}
        for name, size in shape.items():
            node = graph.nodes[name]
            current = sum(value(a, t) for a, b in graph.edges if b == name)
            tau, r = torch.tensor(node.tau), torch.tensor(node.r)
            u = v[name] + dt / tau * (torch.tensor(node.v_leak) - v[name] + r * current)
            if kinds[name] == "LIF":
                threshold = torch.tensor(node.v_threshold)
                u = u - threshold * (z[name][-1] if z[name] else 0)
                now[name] = (u, (u > threshold).double())
            else:
                now[name] = (u, u)
            assert u.shape[1:] == size
        for name, (u, out) in now.items():
            v[name] = u
            potentials[name].append(u)
            z[name].append(out)
    return z, potentials


@pytest.mark.parametrize("wiring", [mixed(), wiring_named("fc-blt-modular-spiking")],
                         ids=lambda wiring: wiring.name)  # fmt: skip
def test_the_graph_alone_spikes_alike(nir, wiring, tmp_path):
    network = lively(wiring)
    images = torch.rand(
        *(3, *wiring.input.shape), generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    graph = nir.read(written(network, tmp_path / "n.nir", dt_ms=0.5))
    ours = run(network, images)
    z, potentials = spikes_of_graph(graph, images, wiring.steps, dt=0.0005)
    for area in wiring.areas[1:]:
        found = torch.stack(z[area.name]).flatten(2).numpy()
        if isinstance(area.unit, SpikingUnit):
            assert found.sum() > 0, area.name
            np.testing.assert_array_equal(found, ours[f"{area.name}.output"])
        np.testing.assert_allclose(
            torch.stack(potentials[area.name]).flatten(2), ours[f"{area.name}.potential"],
            rtol=1e-9, atol=1e-9,
        )  # fmt: skip


@pytest.mark.parametrize("name", [*(n for n in SPIKING if n.startswith(("fc", "FC"))), "mixed"])
def test_round_trip(nir, name, tmp_path):
    wiring = mixed() if name == "mixed" else wiring_named(name)
    network = lively(wiring)
    back = read_nir(written(network, tmp_path / "n.nir"))
    assert back.wiring == wiring
    images = IMAGES[:, :, :6, :5] if name == "mixed" else IMAGES
    assert run(back, images).identical(run(network, images))


@pytest.mark.parametrize(
    "name", ["conv-bl-spiking", pytest.param("conv-blt-spiking", marks=pytest.mark.slow)]
)
def test_convolutions_come_back(nir, name, tmp_path):
    network = Network.initial(wiring_named(name), 0)
    back = read_nir(written(network, tmp_path / "n.nir"))
    assert run(back, IMAGES.float()).identical(run(network, IMAGES.float()))
    for key, value in network.values.items():
        assert value.dtype == back.values[key].dtype
        assert torch.equal(value, back.values[key])
    kinds = {type(node).__name__ for node in nir.read(tmp_path / "n.nir").nodes.values()}
    assert ("Conv2d" in kinds) == (name == "conv-bl-spiking")  # NIR cannot transpose


def test_encoder_comes_back(nir, tmp_path):
    wiring = coded(wiring_named("fc-b-spiking"), Latency(threshold=0.2))
    network = Network.initial(wiring, 0)
    back = read_nir(written(network, tmp_path / "n.nir"))
    assert back.wiring.stimulated.code == Latency(threshold=0.2)
    assert "the code of the input" in unsaid(network)


def test_what_nir_cannot_say_is_warned_of_and_written_down(nir, tmp_path):
    network = lively(mixed())
    with pytest.warns(Unsaid, match=r"reset.*modules.*see the metadata"):
        write_nir(network, tmp_path / "n.nir", dt_ms=2)
    said = nir.read(tmp_path / "n.nir").metadata
    assert json.loads(said["unsaid"]) == list(unsaid(network))
    assert said["dt_ms"] == 2
    assert json.loads(said["wiring"])["name"] == "mixed"
    assert "transposed" not in " ".join(unsaid(network))
    assert not {"which zeros are absent connections", "the modules of areas"} & set(
        unsaid(Network.initial(wiring_named("FC100-100-10-spiking"), 0))
    )


@pytest.mark.parametrize("upward", [True, False])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_unfolding_is_the_convolution(upward, stride):
    fine = Area(name="fine", shape=(2, 5, 6), unit=LIF)
    coarse = Area(name="coarse", shape=(3, -(-5 // stride), -(-6 // stride)), unit=LIF)
    source, target = (fine, coarse) if upward else (coarse, fine)
    pattern = Convolution(kernel=3, stride=stride, upward=upward)
    projection = Projection(source=source.name, target=target.name, pattern=pattern)
    weight = np.random.default_rng(0).normal(
        size=(target.channels, source.channels, 3, 3)
    )  # fmt: skip
    matrix = unfolded(projection, source, target, weight)
    x = torch.rand(2, *source.shape, dtype=torch.float64)
    if upward:
        direct = F.conv2d(x, torch.tensor(weight), stride=stride, padding=1)
    else:
        out = [n - ((m - 1) * stride + 1) for n, m in zip((5, 6), coarse.shape[1:], strict=True)]
        direct = F.conv_transpose2d(
            x, torch.tensor(weight).transpose(0, 1), stride=stride, padding=1, output_padding=out
        )
    np.testing.assert_allclose(x.flatten(1).numpy() @ matrix.T, direct.flatten(1), atol=1e-12)
    np.testing.assert_array_equal(folded(projection, source, target, matrix), weight)


def test_weights_may_be_changed_elsewhere_and_nothing_else(nir):
    graph = graph_of(lively(mixed()))
    graph.nodes["k>f"].weight *= 2
    changed = from_nir(graph).values["weight/k>f"]
    assert torch.equal(changed, torch.tensor(graph.nodes["k>f"].weight))
    graph.nodes["f"].v_threshold = graph.nodes["f"].v_threshold + 0.1
    with pytest.raises(BlindspotsError, match=r"'f' has another v_threshold"):
        from_nir(graph)


def test_graphs_of_others_are_refused(nir, tmp_path):
    graph = graph_of(lively(mixed()))
    for spoil, says in [
        (lambda g: g.nodes.pop("k>f"), "lacks a part of 'mixed'"),
        (lambda g: g.edges.pop(), "is not an edge in both"),
        (lambda g: g.metadata.update(wiring="{"), "not valid JSON"),
        (lambda g: g.metadata.clear(), "no wiring in its metadata"),
    ]:
        graph = graph_of(lively(mixed()))
        spoil(graph)
        with pytest.raises(BlindspotsError, match=says):
            from_nir(graph)
    (tmp_path / "x.nir").write_text("no HDF5")
    for name in ("x.nir", "absent.nir"):
        with pytest.raises(BlindspotsError, match="cannot be read as a NIR graph"):
            read_nir(tmp_path / name)


def test_masked_weights_that_others_set_are_refused(nir):
    graph = graph_of(lively(mixed()))
    weight = graph.nodes["k>f"].weight
    weight[weight == 0] = 1.0
    with pytest.raises(BlindspotsError, match="'k>f' has another weight"):
        from_nir(graph)


def test_units_that_nir_lacks_are_refused(nir):
    with pytest.raises(BlindspotsError, match=r"no node for the relu units of area 'h1'"):
        graph_of(Network.initial(wiring_named("fc-blt"), 0))
    wiring = mixed()
    alone = wiring.replace(areas=(*wiring.areas, Area(name="alone", shape=(2,), unit=LIF)))
    with pytest.raises(BlindspotsError, match="Nothing reaches area 'alone'"):
        graph_of(lively(alone))
    with pytest.raises(BlindspotsError, match="no length of time"):
        to_nir(lively(wiring), dt_ms=0)


def test_a_failed_write_leaves_the_old_file(nir, tmp_path, monkeypatch):
    (tmp_path / "n.nir").write_text("old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nir, "write", fail)
    with pytest.raises(BlindspotsError, match="No space left"):
        written(lively(mixed()), tmp_path / "n.nir")
    assert [p.name for p in tmp_path.iterdir()] == ["n.nir"]
    assert (tmp_path / "n.nir").read_text() == "old"


@pytest.mark.parametrize("missing", ["nir", "neo", "pynwb"])
def test_a_missing_library_is_named(missing, monkeypatch, tmp_path):
    from sim.exchange import write_neo, write_nwb

    monkeypatch.setitem(sys.modules, missing, None)
    network = lively(mixed())
    recordings = run(network, IMAGES[:, :, :6, :5])
    act = {
        "nir": lambda: write_nir(network, tmp_path / "x"),
        "neo": lambda: write_neo(recordings, tmp_path / "x"),
        "pynwb": lambda: write_nwb(recordings, tmp_path / "x"),
    }[missing]
    with pytest.raises(BlindspotsError, match=f"pip install {missing} .*extra 'exchange'"):
        act()
