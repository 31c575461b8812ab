"""Recordings in Neo's and NWB's files, read back by Neo and PyNWB themselves."""

import numpy as np
import pytest
import torch

from networks import BlindspotsError, SpikingUnit
from sim import Clamp, run
from sim.exchange import write_neo, write_nwb

STEPS, IMAGES = 14, 3


@pytest.fixture(scope="module")
def recordings(loops, drawn):
    """Two spiking areas of four units, one of them made silent."""
    network = drawn(loops(SpikingUnit(beta=0.8, threshold=0.5), steps=STEPS), seed=5, scale=2.0)
    with torch.no_grad():
        network.values["bias/a"][2] = -1e3
    movie = torch.rand(
        (STEPS, IMAGES, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    found = run(network, movie)
    assert found["a.output"].sum() > 0
    assert found["a.output"][..., 2].sum() == 0
    return found


def test_neo_reads_back(recordings, tmp_path):
    neo = pytest.importorskip("neo", reason="Neo is not installed (extra 'exchange')")
    write_neo(recordings, tmp_path / "r.mat", dt_ms=0.5)
    block = neo.io.NeoMatlabIO(str(tmp_path / "r.mat")).read_block()
    assert block.name == "small"
    assert block.annotations["dt_ms"] == 0.5
    assert block.annotations["simulator"] == "torch"
    assert len(block.segments) == IMAGES
    answers = recordings["logits"].argmax("class").values
    for image, segment in enumerate(block.segments):
        assert segment.annotations["answer"] == answers[image]
        assert [t.name for t in segment.spiketrains] == [f"{a}.{i}" for a in "ab" for i in range(4)]
        for train in segment.spiketrains:
            area, unit = train.annotations["area"], train.annotations["unit"]
            steps = np.flatnonzero(recordings[f"{area}.output"][:, image, unit])
            np.testing.assert_allclose(train.rescale("ms").magnitude, steps * 0.5)
            assert train.t_stop.rescale("ms").magnitude == STEPS * 0.5
        signals = {signal.name: signal for signal in segment.analogsignals}
        assert set(signals) == {
            *(f"{a}.{q}" for a in ("a", "b", "output") for q in ("drive", "potential")),
            *("input.output", "output.output"),
        }
        for name, signal in signals.items():
            np.testing.assert_array_equal(signal.magnitude, recordings[name][:, image])
            assert signal.units == 1
            assert signal.dimensionality.string == "dimensionless"
            assert signal.sampling_period.rescale("ms").magnitude == pytest.approx(0.5)
        assert signals["a.potential"].annotations["threshold"] == 0.5
        assert "threshold" not in signals["output.potential"].annotations


def test_neo_files_hold_no_pickles(recordings, tmp_path):
    pytest.importorskip("neo", reason="Neo is not installed (extra 'exchange')")
    from scipy.io import loadmat

    write_neo(recordings, tmp_path / "r.mat")
    block = loadmat(tmp_path / "r.mat", squeeze_me=True, struct_as_record=False)["block"]
    potential = next(s for s in block.segments[1].analogsignals if s.name == "b.potential")
    np.testing.assert_array_equal(potential.signal, recordings["b.potential"][:, 1])


def test_nwb_reads_back(recordings, tmp_path):
    pynwb = pytest.importorskip("pynwb", reason="PyNWB is not installed (extra 'exchange')")
    write_nwb(recordings, tmp_path / "r.nwb", dt_ms=0.5)
    dt = 0.0005
    assert not list(pynwb.validate(path=str(tmp_path / "r.nwb")))
    with pynwb.NWBHDF5IO(str(tmp_path / "r.nwb"), "r") as source:
        file = source.read()
        assert "dimensionless" in file.session_description
        trials = file.trials.to_dataframe()
        np.testing.assert_allclose(trials["start_time"], np.arange(IMAGES) * STEPS * dt)
        np.testing.assert_allclose(trials["stop_time"], (np.arange(IMAGES) + 1) * STEPS * dt)
        assert list(trials["answer"]) == recordings["logits"].argmax("class").values.tolist()
        units = file.units.to_dataframe()
        assert len(units) == 8
        for row in units.itertuples():
            spikes = recordings[f"{row.area}.output"][..., row.unit].values  # (time, image)
            np.testing.assert_allclose(row.spike_times, np.flatnonzero(spikes.T) * dt)
        silent = units[(units["area"] == "a") & (units["unit"] == 2)]
        assert len(silent["spike_times"].iloc[0]) == 0
        series = {**file.acquisition, **file.stimulus}
        assert set(file.stimulus) == {"input.output"}
        for name in ("input.output", "a.potential", "b.drive", "output.potential"):
            data = np.asarray(series[name].data).reshape(IMAGES, STEPS, -1)
            np.testing.assert_array_equal(data, recordings[name].transpose("image", "time", ...))
            assert series[name].unit == "dimensionless"
            assert series[name].rate == pytest.approx(2000)
        assert "threshold 0.5" in series["a.potential"].description
        assert "b.output" not in series


def test_parts_of_a_recording_can_be_written(recordings, tmp_path):
    pynwb = pytest.importorskip("pynwb", reason="PyNWB is not installed (extra 'exchange')")
    write_nwb(recordings[["a.potential", "logits"]], tmp_path / "r.nwb")
    with pynwb.NWBHDF5IO(str(tmp_path / "r.nwb"), "r") as source:
        file = source.read()
        assert file.units is None
        assert set(file.acquisition) == {"a.potential"}


def test_what_cannot_be_written_is_refused(recordings, loops, drawn, tmp_path):
    pytest.importorskip("neo", reason="Neo is not installed (extra 'exchange')")
    with pytest.raises(BlindspotsError, match="no length of time"):
        write_neo(recordings, tmp_path / "r.mat", dt_ms=-1)
    with pytest.raises(BlindspotsError, match="no array of any area"):
        write_neo(recordings[["logits"]], tmp_path / "r.mat")
    network = drawn(loops(SpikingUnit(), steps=STEPS), seed=1)
    movie = torch.zeros((STEPS, 1, 3), dtype=torch.float64)
    clamped = run(network, movie, intervene=[Clamp(area="a", value=0.5)])
    with pytest.raises(BlindspotsError, match="'a' emits values other than 0 and 1"):
        write_neo(clamped, tmp_path / "r.mat")
    assert not list(tmp_path.iterdir())


def test_recordings_say_what_they_are(recordings):
    assert recordings["a.potential"].attrs["threshold"] == 0.5
    assert recordings["a.output"].attrs["unit_model"] == "lif"
    assert recordings["input.output"].attrs["unit_model"] == "input"
    assert "threshold" not in recordings["output.potential"].attrs
    assert {recordings[name].attrs["units"] for name in recordings if name != "logits"} == {"1"}
