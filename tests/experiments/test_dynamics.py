"""The command ``dynamics``, on the small comparison."""

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console

from experiments.dynamics.conditions import shuffled
from experiments.dynamics.intervene import GAINS, Scene, phases, windows
from experiments.store import write_dataset
from networks import from_toml, wiring_named
from networks.derive import without
from sim import Network

IMAGES = 12
RESTING = """
name = "resting"
steps = 6
areas = [
  { name = "input", shape = [1, 4, 4], unit = { model = "input" } },
  { name = "h1", shape = [5], unit = { model = "rate", activation = "tanh", leak = 0.5 } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity" } },
]
projections = [
  { source = "input", target = "h1" },
  { source = "h1", target = "h1", kind = "lateral" },
  { source = "h1", target = "output" },
]
"""


@pytest.fixture(scope="module")
def watched(small_run: Path, here_on_digits: Callable[[], AbstractContextManager[Any]]) -> Path:
    """Where the dynamics of two networks of the small comparison lie, without figures."""
    with here_on_digits(), without_pages():
        ask(small_run, ["fc-b", "fc-blt"], individual=0, images=IMAGES, intervene=True)
    return small_run / "dynamics" / "pgd-linf-0.2"


@contextmanager
def without_pages() -> Iterator[None]:
    """No figures of individuals, no search for fixed points; few gains, steps and resamples."""
    from experiments.attacks.movies import strongest
    from experiments.dynamics.figures import Drawn
    from experiments.dynamics.summary import summarise_dynamics

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.dynamics.command.draw_individual", lambda *a: Drawn({}, []))
        patch.setattr("experiments.dynamics.watch.comes_to_rest", lambda wiring: False)
        patch.setattr("experiments.dynamics.intervene.GAINS", (0.0, 1.0))
        patch.setattr("experiments.attacks.movies.strongest", partial(strongest, steps=4))
        few = partial(summarise_dynamics, resamples=50)
        patch.setattr("experiments.dynamics.command.summarise_dynamics", few)
        yield


def ask(run: Path, networks: list[str], **changes: Any) -> xr.Dataset:
    from experiments.dynamics.command import dynamics

    usual = {
        "individual": None, "shown": [], "images": None, "attack": None, "epsilon": None,
        "crafted_on": None, "intervene": False, "pathways": [], "data": None, "workers": 1,
    }  # fmt: skip
    return dynamics(run, networks, **{**usual, **changes}, console=Console(quiet=True))


def opened(path: Path) -> xr.Dataset:
    return xr.load_dataset(path, engine="netcdf4")


def test_recordings_hold_what_the_networks_do(watched: Path, small_run: Path) -> None:
    from experiments import load_network

    kept = opened(watched / "fc-blt-0" / "recordings.nc")
    assert kept["condition"].to_numpy().tolist() == ["clean", "adversarial", "noise"]
    network = load_network(small_run, "fc-blt", 0)
    images = torch.from_numpy(kept["inputs"].sel(condition="adversarial").to_numpy())[:, None]
    with torch.no_grad():
        logits = network(images)  # type: ignore[operator]
    np.testing.assert_allclose(
        kept["logits"].sel(condition="adversarial"), logits, rtol=1e-4, atol=1e-5
    )
    summed = kept["h1.drive_by_kind"].sum("kind")
    np.testing.assert_allclose(summed, kept["h1.drive"], rtol=1e-4, atol=1e-4)
    assert kept.sizes["image"] == 10
    assert kept.attrs["attack"] == "pgd-linf"


def test_accuracies_are_those_of_the_comparison(watched: Path, small_run: Path) -> None:
    found, compared = opened(watched / "result.nc"), opened(small_run / "result.nc")
    for name in ("fc-b", "fc-blt"):
        last = found["right"].sel(network=name, individual=0).isel(time=-1)
        place = {"network": name, "individual": 0}
        clean = compared["clean_correct"].sel(place)[:IMAGES]
        np.testing.assert_array_equal(last.sel(condition="clean"), clean)
        attacked = compared["correct"].sel(place | {
            "source": name, "attack": "pgd-linf", "epsilon": 0.2,
        })[:IMAGES]  # fmt: skip
        np.testing.assert_array_equal(last.sel(condition="adversarial"), attacked)


def test_a_feedforward_network_never_changes_its_mind(watched: Path) -> None:
    here = opened(watched / "result.nc").sel(network="fc-b", individual=0)
    assert not (here["recovered"] == 1).any()
    read = here["answer"].sel(time=slice(int(here["first_answer"]), None))
    assert (read == read.isel(time=0)).all()
    assert here["drive_share"].sel(kind="lateral").fillna(0).max() == 0


def test_noise_is_as_large_as_the_perturbation(watched: Path) -> None:
    found = opened(watched / "result.nc")
    for norm in ("distance_linf", "distance_rms"):
        sizes = found[norm].isel(individual=0)
        np.testing.assert_allclose(
            sizes.sel(condition="noise"), sizes.sel(condition="adversarial"), rtol=1e-4
        )
        assert (sizes.sel(condition="adversarial") > 0).all()


def test_a_whole_pathway_answers_as_the_network(watched: Path) -> None:
    here = opened(watched / "result.nc").sel(network="fc-blt", individual=0)
    whole = here["gain_answer"].sel(gain=1.0, pathway="both")
    np.testing.assert_array_equal(
        whole.transpose("condition", "time", "image"), here["running_answer"]
    )


def test_pages_and_exponents_are_there(watched: Path) -> None:
    assert "What was found" in (watched / "report.html").read_text()
    for name in ("fc-b-0", "fc-blt-0"):
        assert name in (watched / "report.html").read_text()
        assert "individual 0" in (watched / name / "report.html").read_text()
    found = opened(watched / "result.nc")
    assert found["direction"].to_numpy().tolist() == ["adversarial", "random", "leading"]
    grown = found["exponent"].isel(individual=0)
    assert np.isfinite(grown).all()
    assert (grown.sel(direction="leading") >= grown.sel(direction="random") - 1e-4).all()
    assert ((found["alignment"] >= 0) & (found["alignment"] <= 1 + 1e-5)).any()
    state = found["state_exponent"].sel(network="fc-b", individual=0)
    assert (state.sel(direction=["adversarial", "random"]) == -np.inf).all()  # forgotten
    assert state.sel(direction="leading").isnull().all()  # nothing leads
    assert (found["minimum_distortion"].isel(individual=0).dropna("image") > 0).all()


def test_what_was_asked_is_written_down(watched: Path) -> None:
    asked = tomllib.loads((watched / "spec.toml").read_text())
    assert asked["individuals"] == ["fc-b (0)", "fc-blt (0)"]
    assert asked["interventions"] == ["fc-blt (0)"]
    assert asked["pathways"] == []


def test_of_several_cells_the_newest_are_taken(small_run: Path, tmp_path: Path) -> None:
    from experiments.dynamics.subject import subject

    (tmp_path / "networks").symlink_to(small_run / "networks")
    for age, attack in enumerate(("pgd-linf-0.1", "worst-linf-0.1", "apgd-linf-0.1")):
        left = tmp_path / "detailed" / f"fc-b-0-{attack}" / "activity.nc"
        left.parent.mkdir(parents=True)
        left.write_text(attack)
        os.utime(left, (1e9, 1e9 - abs(age - 1)))
    found = subject(tmp_path, xr.Dataset(), "fc-b@cells", 0)
    assert found.examined == tmp_path / "detailed" / "fc-b-0-worst-linf-0.1" / "activity.nc"


def test_again_it_costs_nothing(
    watched: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    monkeypatch.setattr("experiments.dynamics.command.finish", lambda *a: None)
    with here_on_digits() as work, without_pages():
        ask(small_run, ["fc-b", "fc-blt"], individual=0, images=IMAGES, intervene=True)
    assert not work.done


def test_all_see_what_was_crafted_on_one(
    small_run: Path, monkeypatch: pytest.MonkeyPatch,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    def saved(figure: Any, folder: Path, name: str) -> list[Path]:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.png").write_bytes(b"")
        return [folder / f"{name}.png"]

    monkeypatch.setattr("experiments.dynamics.command.distortions", lambda *a: {})
    monkeypatch.setattr("experiments.dynamics.watch.is_sensible", lambda network: False)
    monkeypatch.setattr("figures.save.save", saved)  # drawing to files takes seconds
    with here_on_digits(), without_pages():
        compared = opened(small_run / "result.nc")
        third = int(compared["image"][2])
        ask(
            small_run, ["fc-b", "fc-blt"], individual=0, images=2, shown=[third],
            crafted_on="independent-fc-b",
        )  # fmt: skip
    out = small_run / "dynamics" / "pgd-linf-0.2-independent-fc-b"
    inputs = [opened(out / f"{name}-0" / "recordings.nc")["inputs"] for name in ("fc-b", "fc-blt")]
    np.testing.assert_array_equal(*inputs)
    kept = inputs[0]["image"].to_numpy().tolist()
    assert kept == [third, *(each for each in compared["image"].to_numpy()[:3] if each != third)]
    assert opened(out / "result.nc").sizes["image"] == 3  # up to the one that was asked for
    assert (out / "figures" / "kinds.png").exists()


def test_the_image_that_tells_networks_apart_is_fooled_by_no_noise() -> None:
    """The third fools one; the fourth two, as noise does; the last fools two, but one errs."""
    from experiments.dynamics.recorded import told_apart

    wrong = np.zeros((2, 3, 5), dtype=int)  # network, condition, image
    wrong[0, 1, 2] = 1
    wrong[:, 1:, 3] = 1
    wrong[:, 1, 4] = wrong[0, 0, 4] = 1
    recordings = [
        xr.Dataset(
            {"logits": (("condition", "image", "class"), np.eye(2)[each])},
            coords={
                "condition": ["clean", "adversarial", "noise"],
                "label": ("image", [0] * 5),
            },
        )
        for each in wrong
    ]
    assert told_apart(recordings) == 2
    assert told_apart([each.assign_attrs(asked_for=1) for each in recordings]) == 0


def test_every_figure_of_an_individual_can_be_drawn(
    watched: Path, small_run: Path, tmp_path: Path,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    from experiments.dynamics.figures import draw_individual
    from experiments.dynamics.subject import subject

    folder = watched / "fc-blt-0"
    who = subject(small_run, opened(small_run / "result.nc"), "fc-blt", 0)
    with here_on_digits(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("figures.save.save", lambda figure, to, name: [to / name])
        patch.setattr("experiments.dynamics.figures.film", lambda *a: None)
        drawn = draw_individual(
            who, opened(folder / "recordings.nc"), opened(watched / "result.nc"), None, tmp_path
        )
    assert not drawn.missing
    assert set(drawn.figures) == {
        "decision", "traces", "divergence", "state-space", "phase", "drives", "weights",
    }  # fmt: skip


# --- the noise


def test_a_permutation_keeps_the_norms_inside_the_box() -> None:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand((4, 1, 9, 9), generator=generator).round()
    perturbed = (clean + 0.3 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    noise = shuffled(clean, perturbed, generator)
    assert noise.min() >= 0
    assert noise.max() <= 1
    size = [(each - clean).flatten(1).abs().sort(1).values for each in (perturbed, noise)]
    small = size[0].amax(1) <= 0.5
    torch.testing.assert_close(size[0][small], size[1][small], atol=1e-6, rtol=0)
    assert (size[1] <= size[0].amax(1, keepdim=True) + 1e-6).all()
    assert not torch.equal(noise, perturbed)


# --- where it would rest


def test_a_network_of_little_feedback_rests_at_one_stable_point() -> None:
    from experiments.dynamics.rest import comes_to_rest, resting_points, told
    from sim import run

    wiring = from_toml(RESTING)
    network = Network.initial(wiring, 2)
    images = torch.rand((2, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    kept = xr.concat([run(network, each[None]) for each in images], "condition").assign_coords(
        condition=["clean", "adversarial"], label=("image", [0]), image=[31]
    )
    kept["inputs"] = ("condition", "image", "row", "column"), images.numpy()
    points = resting_points(network, kept)
    assert comes_to_rest(wiring)
    assert points["condition"].to_numpy().tolist() == ["clean", "adversarial"]
    assert (points["image"] == 31).all()
    assert points["stable"].all()
    assert points["fixed"].all()
    long = Network(wiring.replace(steps=80), dict(network.values.items()))
    last = run(long, images[:1])["h1.output"].isel(time=-1, image=0)
    np.testing.assert_allclose(points["h1.output"][0], last, atol=1e-5)
    assert [row[2] for row in told(points)] == ["fixed, stable"] * 2
    slow = points.assign(fixed=points["fixed"] & False)
    assert [row[2] for row in told(slow)] == ["slow, stable"] * 2
    stuck = slow.assign(slope=("point", [0.4, 0.0]))
    assert [row[2] for row in told(stuck)] == ["search stopped", "slow, stable"]
    assert not comes_to_rest(wiring_named("fc-b"))
    assert not comes_to_rest(wiring_named("fc-blt-spiking"))


# --- interventions


def test_gain_nought_answers_as_without_the_pathway() -> None:
    wiring = wiring_named("fc-blt")
    network = Network.initial(wiring, 3)
    images = torch.rand((5, 1, 28, 28), generator=torch.Generator().manual_seed(1))
    found = Scene(network, torch.zeros(5, dtype=torch.long), 0).at_gains({"clean": images})
    bare = without(wiring, "lateral")
    kept = {
        n: v.detach()
        for n, v in network.values.items()
        if n in dict(Network.initial(bare, 0).values)
    }
    expected = Network(bare, kept)(images).argmax(1)
    here = found["gain_answer"].sel(pathway="lateral", gain=0.0, condition="clean")
    np.testing.assert_array_equal(here.isel(time=-1), expected)
    assert found["gain"].to_numpy().tolist() == list(GAINS)
    assert found["pathway"].to_numpy().tolist() == ["lateral", "top-down", "both"]


@pytest.mark.parametrize("name", ["fc-blt", "fc-blt-spiking", "fc-bl"])
def test_phases_cover_all_steps_and_windows_all_frames_that_matter(name: str) -> None:
    wiring = wiring_named(name)
    spans = list(phases(wiring).values())
    assert [t for span in spans for t in range(*span)] == list(range(wiring.steps))
    assert all(start < stop for start, stop in spans)
    found = windows(wiring)
    assert {t for window in found for t in range(*window)} == set(
        range(wiring.steps - wiring.first_answer)
    )


# --- what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fc-bltt"], "no network 'fc-bltt' in"),
        (["fc-b", "--attack", "pdg"], "no attack 'pdg'"),
        (["fc-b", "--attack", "gaussian"], "is noise"),
        (["fc-b", "--epsilon", "2"], "Epsilon is 2"),
        (["fc-b", "--image", "three"], "--image 'three' is no list of whole numbers"),
        (["fc-b", "--image", "99999"], "Test image 99999 is not among the 40"),
        (["fc-b", "--images", "41"], "at most so many"),
        (["fc-b", "--individual", "5"], "has no individual 5"),
        (["fc-b", "--crafted-on", "fc-c"], "no network 'fc-c' among those that"),
        (["fc-b", "--crafted-on", "fc-b", "--epsilon", "0.1"], "keeps no pgd-linf inputs"),
        (["fc-b", "--pathways", "top-down"], "'fc-b' has no top-down projections"),
        (["fc-b", "--interventions"], "None of the networks has"),
        (["fc-blt", "--pathways", "sideways"], "no pathway 'sideways'"),
        (["fc-blt@cells"], "blindspots detailed"),
        (["brought_model:TimeAveraged"], "was brought as a module"),
    ],
)
def test_bad_questions_get_one_sentence(
    words: list[str], said: str, small_run: Path, refused: Callable[..., str], cache: Path
) -> None:
    assert said in refused("dynamics", small_run, *words)


def test_runs_of_another_format_or_data_are_refused(
    small_run: Path, tmp_path: Path, refused: Callable[..., str], cache: Path
) -> None:

    result = opened(small_run / "result.nc")
    for change, said in (({"format": 0}, "reads format"), ({"data_sha256": "x"}, "other data")):
        out = tmp_path / said.replace(" ", "-")
        out.mkdir()
        (out / "networks").symlink_to(small_run / "networks")
        write_dataset(result.assign_attrs(change), out / "result.nc")
        assert said in refused("dynamics", out)
    assert "holds no result.nc" in refused("dynamics", tmp_path / "nothing")
