"""The explorer's arrays against the network itself, and what the command refuses."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from experiments.cli import app
from experiments.dynamics.measures import decisions
from experiments.explorer.columns import facts, frames
from experiments.explorer.offer import Offer, choose, offered
from experiments.explorer.scene import Scene, scene
from networks import wiring_named
from networks.derive import without
from sim import Network, run

pytest.importorskip("bokeh", reason="needs the extra 'explore'")


@pytest.fixture(scope="module")
def offer(small_run: Path, here_on_digits: Callable) -> Iterator[Offer]:
    with here_on_digits():
        yield offered(small_run, None)


@pytest.fixture(scope="module")
def shown(offer: Offer) -> Scene:
    return scene(offer, choose(offer, network="fc-blt", individual=1))


def test_what_wirings_trained_can_be_shown_and_nothing_else(offer: Offer) -> None:
    assert offer.networks == ["fc-b", "fc-blt", "mine"]
    assert offer.individuals("fc-blt") == [0, 1]
    assert offer.attacks(0) == ["uniform", "pgd-linf"]


def test_first_shown_is_an_image_that_the_reference_attack_fooled(offer: Offer) -> None:
    choice = choose(offer, network="fc-blt")
    assert (choice.attack, choice.source) == ("pgd-linf", "fc-blt")
    here = offer.compared.sel(network="fc-blt", individual=0).sel(image=choice.image)
    assert here["clean_correct"] == 1
    assert (here["correct"].sel(source="fc-blt", attack="pgd-linf") == 0).any()


@pytest.mark.parametrize("name", ["fc-b", "fc-blt", "mine"])
def test_the_margin_agrees_with_what_the_run_scored(offer: Offer, name: str) -> None:
    for image in offer.images[:4]:
        choice = choose(offer, network=name, image=image)
        found = scene(offer, choice).running_margin[0, :, -1] > 0
        here = offer.compared.sel(network=name, individual=0).sel(image=image)
        crafted = here["correct"].sel(source=choice.source, attack="pgd-linf")
        expected = [int(here["clean_correct"]), *crafted.to_numpy().tolist()]
        assert found.astype(int).tolist() == expected


def test_a_cut_pathway_is_a_network_without_it(shown: Scene, offer: Offer) -> None:
    network = offer.network(shown.choice)
    assert [sorted(cut) for cut in shown.cuts] == [
        *([], ["lateral"], ["top-down"], ["lateral", "top-down"])
    ]
    for at, cut in enumerate(shown.cuts):
        wiring = network.wiring
        for kind in cut:
            wiring = without(wiring, kind)
        values = {n: v for n, v in network.values.items() if n in Network.initial(wiring, 0).values}
        with torch.no_grad():
            logits = Network(wiring, values)(torch.from_numpy(shown.inputs[:, None]))
        np.testing.assert_allclose(shown.evidence[at, :, -1], logits, atol=1e-5)


def test_shares_in_the_change_of_drive_sum_to_its_length(shown: Scene, offer: Offer) -> None:
    recording = run(offer.network(shown.choice), torch.from_numpy(shown.inputs[:, None]))
    assert shown.kinds == ("feedforward", "lateral", "top-down")
    for area, shares in shown.drive.items():
        drive = recording[f"{area}.drive"].transpose("image", "time", ...).to_numpy()
        length = np.linalg.norm(drive - drive[:1], axis=-1)
        np.testing.assert_allclose(shares[0].sum(-1), length, atol=1e-4)
    lateral, top_down = shown.drive["h1"][0, 1:, :, 1], shown.drive["h1"][0, 1:, :, 2]
    assert (lateral[:, :2] == 0).all()
    assert (top_down[:, :3] == 0).all()
    assert lateral[:, 2].any()
    assert top_down[:, 3].any()
    assert (shown.drive["output"][..., 1:] == 0).all()


def test_the_plane_is_that_of_clean_states(shown: Scene, offer: Offer) -> None:
    recording = run(offer.network(shown.choice), offer.pictures.images)
    parts = [recording[f"{a}.potential"].transpose("image", "time", ...) for a in ("h1", "h2")]
    states = np.concatenate([part.to_numpy() for part in parts], -1).reshape(-1, 256)
    values = np.linalg.eigvalsh(np.cov(states.T.astype(np.float64)))[::-1]
    np.testing.assert_allclose(shown.plane.shares, values[:2] / values.sum(), rtol=1e-3)
    np.testing.assert_allclose(shown.plane.axes @ shown.plane.axes.T, np.eye(2), atol=1e-5)


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_the_running_margin_is_of_what_was_read_so_far(readout: str) -> None:
    from experiments.explorer.scene import read_out, recorded

    wiring = wiring_named("fc-blt").replace(readout=readout)
    images = torch.rand((2, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    recording = recorded(Network.initial(wiring, seed=0), images)
    read = read_out(wiring, [recording], label=4)
    found = decisions(read)["running_margin"].isel(condition=0).to_numpy()
    potentials = recording["output.potential"].transpose("time", "image", ...).to_numpy()
    first = wiring.first_answer if readout == "mean" else wiring.steps - 1
    assert np.isnan(found[:first]).all()
    for t in range(first, wiring.steps):
        mean = potentials[first : t + 1].mean(0)
        best = np.delete(mean, 4, axis=1).max(1)
        np.testing.assert_allclose(found[t], mean[:, 4] - best, rtol=1e-4, atol=1e-6)


def test_columns_have_a_row_for_every_cut_and_epsilon(shown: Scene) -> None:
    columns, said = frames(shown), facts(shown)
    assert {len(column) for column in columns.values()} == {4 * 3}
    row = 2 * 3 + 1  # top-down is cut, at the first epsilon
    np.testing.assert_array_equal(columns["change"][row], shown.inputs[1] - shown.inputs[0])
    np.testing.assert_allclose(
        columns["running_margin"][row], shown.running_margin[2, 1], rtol=1e-6
    )
    outputs = columns["output h2"][row] * shown.outputs["h2"].max()
    np.testing.assert_allclose(outputs.T, shown.outputs["h2"][2, 1], rtol=1e-5)
    assert (columns["running_answer"][row][: shown.wiring.first_answer] == -1).all()
    assert columns["running_answer"][0][-1] == shown.evidence[0, 0, -1].argmax()
    assert said["cuts"] == [[[], ["lateral"], ["top-down"], ["lateral", "top-down"]]]
    json.dumps(said)


def test_a_random_code_draws_alike_for_all_inputs() -> None:
    from experiments.explorer.scene import recorded

    network = Network.initial(wiring_named("fc-blt-spiking-poisson"), seed=0)
    image = torch.rand((1, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    spikes = recorded(network, image.expand(3, 1, 28, 28))["input.output"]
    assert (spikes == spikes.isel(image=0)).all()
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--network", "fc-btl"], "There is no network 'fc-btl' in '{run}'; did you mean"),
        (["--network", "brought_model:TimeAveraged"], "has no wiring and weights in"),
        (["--individual", "7"], "'fc-b' has no individual 7 in '{run}'; it has 0, 1."),
        (
            ["--image", "500"],
            "Test image 500 is not among the 40 that '{run}' attacked; choose from",
        ),
        (
            ["--attack", "pgd"],
            "There is no attack 'pgd' among those whose inputs '{run}' kept; did",
        ),
        (
            ["--crafted-on", "theirs"],
            "There is no network 'theirs' among those on which '{run}' kept inputs of pgd-linf; ",
        ),
        (["--epsilon", "0.3"], "There is no epsilon 0.3 of pgd-linf; choose from 0.2, 0.05."),
    ],
)
def test_refuses_what_the_run_does_not_have(
    refused: Callable[..., str], cache: Path, small_run: Path, words: list[str], sentence: str
) -> None:
    assert sentence.format(run=small_run) in refused(
        "explore", small_run, "--export", "page.html", *words
    )


def test_refuses_a_run_without_inputs(
    refused: Callable[..., str], cache: Path, small_run: Path, tmp_path: Path
) -> None:
    for name in ("result.nc", "networks"):
        (tmp_path / name).symlink_to(small_run / name)
    assert "kept no crafted inputs" in refused("explore", tmp_path, "--export", "page.html")


def test_refuses_a_port_that_is_taken(
    refused: Callable[..., str], cache: Path, small_run: Path
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("explore", small_run, "--no-browser", "--port", port)
    assert f"Port {port} of 127.0.0.1 cannot be listened on" in said


def test_refuses_another_ending_before_it_reads_the_run(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    page = tmp_path / "page.pdf"
    assert refused("explore", tmp_path / "nowhere", "--export", page) == (
        f"'{page}' does not end in .html, and the page is HTML; name an .html file."
    )
    assert not page.exists()


def test_the_help_names_the_extra_to_install() -> None:
    result = CliRunner().invoke(app, ["explore", "--help"])
    assert "Needs blindspots[explore]." in " ".join(result.output.split())


def test_refuses_without_its_library(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, small_run: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bokeh", None)
    assert refused("explore", small_run) == (
        "The explorer needs Bokeh, which is not installed; install blindspots[explore]."
    )


def test_the_exported_file_asks_for_nothing_else(shown: Scene) -> None:
    from experiments.explorer.page import exported

    text = exported(shown, 0.2)
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=", text)
    assert "NOT MNIST" in text
    assert f"test image {shown.choice.image}, a " in text
