"""The command line: what it lists, and one clear sentence for everything that is wrong."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from experiments import cli
from networks import from_toml, wiring_named

QUICK = ["--individuals", "1", "--images", "10", "--attacks", "uniform", "--epsilons", "0.1"]


ASKS = 'networks = ["fc-b"]\nattacks = ["fgsm", "pgd-l2"]\nepsilons = [0.1]\n'


class Said:
    """What a call printed and how it ended."""

    def __init__(self, code: int, out: str, error: str):
        self.code, self.out, self.error = code, out, error


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Calls ``blindspots`` with words, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["blindspots", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


def one_sentence(said: Said, *words: str) -> None:
    """That the call failed with a single line that holds the words, and without a traceback."""
    assert said.code != 0
    announced = ("This is not MNIST.", "Using scikit-learn digits")  # the stand-in, if it came
    (text,) = [line for line in said.error.splitlines() if not line.startswith(announced)]
    assert text.startswith("Error: ")
    assert text.endswith((".", "?"))
    assert "Traceback" not in said.error
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--networks", "fc-bltt"], ["'fc-bltt'", "did you mean", "'fc-blt'"]),
        (["--attacks", "pgd"], ["'pgd'", "did you mean"]),
        (["--preset", "quik"], ["'quik'", "did you mean 'quick'?"]),
        (["--device", "tpu"], ["'tpu'", "cpu or cuda"]),
        (["--epsilons", "0.1,1.5"], ["epsilons", "1.5"]),
        (["--epsilons", "0"], ["epsilons", "0"]),
        (["--epsilons", "much"], ["'much'", "not numbers"]),
        (["--individuals", "0"], ["individuals", "0"]),
        (["--images", "0"], ["images", "0"]),
        (["--images", "100000"], ["100000 test images", "500"]),
        (["--networks", "fc-b,fc-b"], ["'fc-b' is given twice"]),
        (["--networks", "nowhere_at_all:Net"], ["'nowhere_at_all' cannot be imported"]),
        (["--networks", "torch:Nothing"], ["'Nothing'"]),
        (["--networks", "there-is-no.toml"], ["'there-is-no.toml' cannot be read"]),
        (["--spec", "none.toml"], ["'none.toml' cannot be read"]),
        (["--spec", "a.toml", "--preset", "quick"], ["not both"]),
    ],
)
def test_bad_comparisons(call, empty_cache: Path, words: list[str], says: list[str]) -> None:
    given = [*QUICK, "--networks", "fc-b", *words]
    one_sentence(call("compare", *given), *says)
    assert not (Path.cwd() / "runs").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('colour = "red"\n', ["'colour' is not a known setting"]),
        ("networks = []\n", ["networks"]),
        ("not toml at all", ["cannot be read"]),
        ('networks = ["fc-b"]\n[training]\nepochs = 0\n', ["epochs"]),
        (ASKS + "[options.fgsm]\nsteps = 3\n", ["no option 'steps' of fgsm"]),
        (ASKS + "[options.fgsm]\ntargeted = true\n", ["no option 'targeted' of fgsm"]),
        (ASKS + '[options.pgd-l2]\nsteps = "many"\n', ["Option steps of pgd-l2", "many"]),
    ],
)
def test_bad_specifications(call, empty_cache: Path, text: str, says: list[str]) -> None:
    Path("spec.toml").write_text(text)
    one_sentence(call("compare", "--spec", "spec.toml"), *says)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('target = "h2"', 'target = "h3"', ["dangles", "'h3'"]),
        ("shape = [ 10,", "shape = [ 10, 2,", ["shape", "(10, 2)"]),
        ('kind = "lateral"', 'kind = "sideways"', ["kind", "sideways"]),
        ("delay = 1", "delay = 0", ["delay", "0"]),
        ("steps = 7", "steps = 2", ["the stimulus reaches 'output' at step 3"]),
        ('model = "dense"', 'model = "convolution"\nkernel = 3', ["convolution"]),
    ],
)
def test_bad_wirings(call, old: str, new: str, says: list[str]) -> None:
    text = wiring_named("fc-blt").replace(name="mine").to_toml()
    text = text.replace("[\n    10,\n]", "[ 10,]")
    assert old in text, text
    Path("mine.toml").write_text(text.replace(old, new, 1))
    one_sentence(call("compare", "--networks", "mine.toml", *QUICK), *says)


def test_a_wiring_may_not_borrow_a_name(call) -> None:
    text = wiring_named("fc-blt").replace(name="fc-b").to_toml()
    Path("mine.toml").write_text(text)
    one_sentence(call("compare", "--networks", "mine.toml", *QUICK), "'fc-b'", "name of its own")


def test_directories_that_are_not_a_comparisons(call, empty_cache: Path) -> None:
    Path("thesis").mkdir()
    Path("thesis/thesis.tex").write_text("years of work")
    one_sentence(call("compare", *QUICK, "--networks", "fc-b", "--out", "thesis"), "'thesis'")
    Path("file").write_text("")
    one_sentence(call("compare", *QUICK, "--networks", "fc-b", "--out", "file"), "'file'")
    one_sentence(call("report", "thesis"), "no result.nc")
    one_sentence(call("score", "fc-b", "--inputs", "thesis"), "not a set of crafted inputs")


def test_a_data_directory_that_is_not_there(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLINDSPOTS_CACHE", "cache")
    said = call("compare", *QUICK, "--networks", "fc-b", "--data", "nowhere")
    one_sentence(said, "no directory", "nowhere", "--data")


def test_help_of_every_command(call) -> None:
    first = call("--help")
    assert first.code == 0
    for command in ("compare", "networks", "train", "score", "report"):
        assert command in first.out
        said = call(command, "--help")
        assert said.code == 0
        assert "Usage" in said.out


def test_the_command_line_starts_without_heavy_imports() -> None:
    heavy = ["torch", "matplotlib", "numpy", "xarray", "scipy", "brian2", "snntorch", "sklearn"]
    code = f"import sys, experiments.cli; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


BEGIN = """
import sys
from pathlib import Path
from experiments.blink.command import announced, blink
from experiments.blink.spec import blink_preset, blink_spec_from
from experiments.compare import compare
print(announced(blink_spec_from(blink_preset("quick")), Path("run")), "torch" in sys.modules)
"""


def test_experiments_are_announced_before_pytorch_is_there() -> None:
    """Whose import takes seconds, in which nobody would know what is going on."""
    said = subprocess.run([sys.executable, "-c", BEGIN], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("blink: 4 fc-blt, ")
    assert said.stdout.endswith("into run False\n")


def test_networks_lists_the_catalogue_with_matched_sizes(call) -> None:
    said = call("networks")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    assert "…-control-params" in said.out
    deviations = [
        float(line.split()[-1].rstrip("%"))
        for line in said.out.splitlines()
        if line.strip().startswith("…-control") and line.rstrip().endswith("%")
    ]
    assert len(deviations) > 20
    assert max(map(abs, deviations)) <= 2


def test_one_network_in_full(call) -> None:
    said = call("networks", "fc-blt", "--diagram", "pictures/fc-blt.png")
    assert "h2>h1" in said.out
    assert "top-down" in said.out
    assert Path("pictures/fc-blt.png").read_bytes()[:4] == b"\x89PNG"
    assert from_toml(call("networks", "conv-blt-modular-spiking", "--toml").out) == wiring_named(
        "conv-blt-modular-spiking"
    )
    one_sentence(call("networks", "fc-blt", "--diagram", "picture.xyz"), "'picture.xyz'")
    one_sentence(call("networks", "fc-bllt"), "did you mean")


def test_train_then_score_on_the_inputs_of_a_run(
    call, cache: Path, small_run: Path, work_here: Callable[..., AbstractContextManager[object]]
) -> None:
    with work_here():
        said = call("train", "fc-bt", "--out", "mine", "--epochs", "1")
    assert said.code == 0
    assert "This is not MNIST" in said.error
    assert "scikit-learn digits" in said.out
    assert Path("mine/weights.safetensors").exists()
    inputs = str(small_run / "inputs" / "fc-b-0-pgd-linf")
    scored = call("score", "mine", "--inputs", inputs)
    assert scored.code == 0
    assert "0.05" in scored.out
    in_run = call("score", "fc-blt", "--run", str(small_run), "--inputs", inputs)
    assert in_run.code == 0
    one_sentence(call("score", "fc-blx", "--run", str(small_run), "--inputs", inputs), "fc-blt")
    one_sentence(call("score", "nothing", "--inputs", inputs), "'nothing'", "--run DIR")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fc-btt"], ["'fc-btt'", "did you mean"]),
        (["fc-b", "--objective", "magic"], ["objective", "magic"]),
        (["fc-b", "--objective", "noise", "--epsilon", "2"], ["epsilon", "2"]),
        (["torch:nn"], ["import path"]),
        (["fc-b", "--device", "tpu"], ["cpu or cuda"]),
    ],
)
def test_bad_trainings(call, empty_cache: Path, words: list[str], says: list[str]) -> None:
    one_sentence(call("train", *words, "--out", "mine"), *says)
