"""What cannot be honoured is refused at construction, in words that name field and value."""

import json

import pytest
from pydantic import ValidationError

from networks import (
    Area,
    BlindspotsError,
    Convolution,
    RateUnit,
    Sparse,
    SpikingUnit,
    from_json,
    from_toml,
    read_wiring,
    wiring_named,
)


def description():
    """A small good wiring: input (1, 4, 4), g (2, 4, 4), h (2, 2, 2), f (6,), output (3,)."""
    return {
        "name": "good",
        "steps": 9,
        "areas": [
            {"name": "input", "shape": [1, 4, 4], "unit": {"model": "input"}},
            {"name": "g", "shape": [2, 4, 4], "modules": 2, "excitatory": 0.5},
            {"name": "h", "shape": [2, 2, 2], "unit": {"model": "lif", "beta": 0.5}},
            {"name": "f", "shape": [6], "modules": 2},
            {"name": "output", "shape": [3], "unit": {"model": "rate", "activation": "identity"}},
        ],
        "projections": [
            {"source": "input", "target": "g", "pattern": {"model": "convolution", "kernel": 3}},
            {
                "source": "g",
                "target": "h",
                "pattern": {"model": "convolution", "kernel": 3, "stride": 2},
                "sign": "dale",
            },
            {"source": "h", "target": "f", "delay": 2},
            {"source": "f", "target": "output"},
            {"source": "f", "target": "f", "kind": "lateral", "modules": "within"},
        ],
    }


def area(index, **changes):
    return lambda d: d["areas"][index].update(changes)


def projection(index, **changes):
    return lambda d: d["projections"][index].update(changes)


def more(**values):
    return lambda d: d["projections"].append(values)


def setting(**changes):
    return lambda d: d.update(changes)


CONVOLUTION = {"model": "convolution", "kernel": 3}
ONE_TO_ONE = {"model": "one-to-one"}
MISTAKES = {
    "dangling source": (projection(2, source="hh"), ["'hh>f' dangles", "no area 'hh'"]),
    "dangling target": (projection(3, target="out"), ["'f>out' dangles", "no area 'out'"]),
    "area twice": (area(2, name="g"), ["area 'g' is given twice"]),
    "projection twice": (more(source="h", target="f"), ["projection 'h>f' is given twice"]),
    "convolution to flat": (
        projection(2, pattern=CONVOLUTION),
        ["'h>f' is a convolution", "(2, 2, 2) and (6,)"],
    ),
    "convolution sizes": (
        projection(1, pattern=CONVOLUTION),
        ["'g>h' with stride 1 maps (4, 4) to (4, 4), not (2, 2)"],
    ),
    "convolution downward": (
        projection(1, pattern=CONVOLUTION | {"stride": 2, "upward": False}),
        ["'g>h' with stride 2 maps (2, 2) to (1, 1), not (4, 4)"],
    ),
    "even kernel": (projection(0, pattern=CONVOLUTION | {"kernel": 4}), ["kernel", "odd, not 4"]),
    "one-to-one shapes": (
        projection(2, pattern=ONE_TO_ONE),
        ["'h>f' is one-to-one between shapes (2, 2, 2) and (6,)"],
    ),
    "one-to-one between": (
        projection(4, pattern=ONE_TO_ONE, modules="between"),
        ["'f>f:between' is one-to-one", "between modules"],
    ),
    "lateral between two": (projection(2, kind="lateral"), ["'h>f' is lateral but joins two"]),
    "modules without": (
        projection(2, modules="within"),
        ["'h>f:within' runs within modules", "1 and 2"],
    ),
    "dale without fraction": (projection(2, sign="dale"), ["'h>f' has sign 'dale'", "'h' sets no"]),
    "into the input": (
        more(source="f", target="input", kind="top-down"),
        ["'f>input' ends in the input area"],
    ),
    "delay 0": (projection(2, delay=0), ["projections.2.delay", "not 0"]),
    "steps 0": (setting(steps=0), ["steps", "not 0"]),
    "too few steps": (
        setting(steps=5),
        ["reaches 'output' at step 5", "the last of 5 steps (0 to 4)"],
    ),
    "no input": (area(0, unit={"model": "rate"}), ["exactly one input area, not []"]),
    "two inputs": (
        area(1, unit={"model": "input"}),
        ["exactly one input area, not ['input', 'g']"],
    ),
    "output absent": (setting(output="answer"), ["output area 'answer' is not among", "'output'"]),
    "output not identity": (
        area(4, unit={"model": "rate", "activation": "relu"}),
        ["output area 'output' must have identity"],
    ),
    "output spiking": (area(4, unit={"model": "lif"}), ["output area 'output' must have identity"]),
    "output out of reach": (
        lambda d: d["projections"].pop(2),
        ["no path leads from 'input' to the output 'output'"],
    ),
    "unknown field": (area(2, colour="red"), ["'areas.2.colour' is not a known setting"]),
    "unknown unit field": (
        area(2, unit={"model": "lif", "tau": 3}),
        ["'areas.2.unit.lif.tau' is not a known setting"],
    ),
    "unknown unit": (area(2, unit={"model": "hh"}), ["areas.2.unit", "'hh'"]),
    "beta": (area(2, unit={"model": "lif", "beta": 1.0}), ["areas.2.unit.lif.beta", "not 1.0"]),
    "infinite": (
        area(2, unit={"model": "lif", "threshold": float("inf")}),
        ["areas.2.unit.lif.threshold", "finite", "not inf"],
    ),
    "modules uneven": (area(3, modules=4), ["area 'f'", "4 equal modules", "6 is not a multiple"]),
    "shape of two": (area(3, shape=[2, 3]), ["area 'f' has shape (2, 3)"]),
    "empty shape": (area(3, shape=[0]), ["areas.3.shape.0", "not 0"]),
    "excitatory": (area(1, excitatory=1.5), ["areas.1.excitatory", "not 1.5"]),
    "density": (
        projection(2, pattern={"model": "sparse", "density": 0}),
        ["projections.2.pattern.sparse.density", "not 0"],
    ),
    "name": (setting(name="../etc"), ["name", "not '../etc'"]),
    "missing": (lambda d: d.pop("steps"), ["steps: field required"]),
}


def test_the_description_itself_is_good():
    assert from_json(json.dumps(description())).steps == 9


def test_recurrence_may_not_pass_as_feedforward():
    wiring = wiring_named("fc-blt")
    hidden_loop = [
        p.model_copy(update={"kind": "skip"}) if p.kind == "top-down" else p
        for p in wiring.projections
    ]
    with pytest.raises(ValueError, match="close a cycle; call the one that leads back top-down"):
        wiring.replace(projections=tuple(hidden_loop))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake):
    change, says = MISTAKES[mistake]
    wrong = description()
    change(wrong)
    with pytest.raises(BlindspotsError) as refused:
        from_json(json.dumps(wrong))
    message = str(refused.value)
    assert message.startswith("The wiring cannot be used: ")
    for part in says:
        assert part in message


def test_several_mistakes_are_named_at_once():
    wrong = description()
    wrong["areas"][2]["unit"]["beta"] = -1
    wrong["projections"][2]["delay"] = 0
    with pytest.raises(BlindspotsError, match=r"beta.*not -1; projections\.2\.delay.*not 0"):
        from_json(json.dumps(wrong))


def test_one_step_more_is_enough():
    enough = description() | {"steps": 6}
    assert list(from_json(json.dumps(enough)).answers) == [5]


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (from_json, "{", "not valid JSON: .*line 1 column 2"),
        (from_toml, "steps = = 3", "not valid TOML: .*line 1, column 9"),
        (from_json, "[1, 2]", r"dictionary.*not \[1, 2\]"),
        (from_toml, "name = 'x'\nlayers = 3", "'layers' is not a known setting"),
    ],
)
def test_unreadable_text(read, text, says):
    with pytest.raises(BlindspotsError, match=says):
        read(text)


def test_unreadable_files(tmp_path):
    with pytest.raises(BlindspotsError, match=r"absent\.toml' cannot be read"):
        read_wiring(tmp_path / "absent.toml")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BlindspotsError, match=r"binary\.json' cannot be read"):
        read_wiring(binary)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: RateUnit(leak=0), "leak"),
        (lambda: RateUnit(leak=1.01), "leak"),
        (lambda: RateUnit(leak=float("nan")), "leak"),
        (lambda: RateUnit(activation="gelu"), "activation"),
        (lambda: SpikingUnit(threshold=0), "threshold"),
        (lambda: SpikingUnit(surrogate="triangle"), "surrogate"),
        (lambda: Sparse(density=1.2), "density"),
        (lambda: Convolution(kernel=3, stride=0), "stride"),
        (lambda: Area(name="a b", shape=(1,)), "name"),
    ],
)
def test_parts_refuse_what_is_out_of_bounds(make, field):
    with pytest.raises(ValidationError) as refused:
        make()
    assert [mistake["loc"][0] for mistake in refused.value.errors()] == [field]


def test_wirings_do_not_change():
    wiring = from_json(json.dumps(description()))
    with pytest.raises(ValidationError, match="frozen"):
        wiring.steps = 3
    with pytest.raises(ValidationError, match="frozen"):
        wiring.areas[0].name = "other"


def test_unchecked_copies_are_checked_when_put_to_use():
    """``model_copy`` checks nothing; a wiring checks its parts again."""
    wiring = from_json(json.dumps(description()))
    uneven = wiring.area("f").model_copy(update={"modules": 5})
    areas = tuple(uneven if a.name == "f" else a for a in wiring.areas)
    with pytest.raises(ValidationError, match="cannot be cut into 5 equal modules"):
        wiring.replace(areas=areas)
