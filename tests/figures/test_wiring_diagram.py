"""A diagram has one box per area, one arrow per projection, and says what each is."""

import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from figures.wiring import DASHED, diagram
from networks import NAMES, Area, InputUnit, Projection, RateUnit, Sparse, SpikingUnit, Wiring
from networks import wiring_named as named


@pytest.fixture
def wiring():
    return Wiring(
        name="everything",
        areas=(
            Area(name="image", shape=(1, 28, 28), unit=InputUnit()),
            Area(name="h1", shape=(1000,), unit=RateUnit(activation="tanh", leak=0.5), modules=4),
            Area(name="h2", shape=(64,), unit=SpikingUnit(), modules=4),
            Area(name="output", shape=(10,), unit=RateUnit(activation="identity")),
        ),
        projections=(
            Projection(source="image", target="h1"),
            Projection(source="h1", target="h2", pattern=Sparse(density=0.2)),
            Projection(source="h2", target="output"),
            Projection(source="h2", target="h2", kind="lateral", modules="within", delay=2),
            Projection(
                source="h2", target="h2", kind="lateral", modules="between", sign="inhibitory"
            ),
            Projection(source="h2", target="h1", kind="top-down"),
            Projection(
                source="output", target="h1", kind="top-down",
                pattern=Sparse(density=0.05), delay=3,
            ),
            Projection(source="output", target="h2", kind="top-down"),
            Projection(source="image", target="h2", kind="skip"),
        ),
        steps=8,
    )  # fmt: skip


def arrows(figure):
    return figure.findobj(FancyArrowPatch)


def said(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def test_boxes_arrows_and_words(wiring):
    figure = diagram(wiring)
    assert len(figure.findobj(FancyBboxPatch)) == len(wiring.areas)
    assert len(arrows(figure)) == len(wiring.projections)
    dashed = [a for a in arrows(figure) if a.get_linestyle() not in ("-", "solid")]
    assert len(dashed) == 3
    assert DASHED[1] == (4, 2)
    words = said(figure)
    for expected in (
        *("everything", "h1", "image", "sparse 0.2", "dense\nwithin modules, delay 2"),
        "1 × 28 × 28 = 784 units · input",
        "1 000 units · rate, tanh, leak 0.5 · 4 modules",
        "64 units · LIF, beta 0.9, threshold 1 · 4 modules",
        "sparse 0.05\ndelay 3",
    ):
        assert expected in words


def test_side_arrows_do_not_share_a_line(wiring):
    figure = diagram(wiring)
    spans = {}
    for arrow in arrows(figure):
        points = arrow._path_original.vertices  # matplotlib keeps no public copy
        if len(points) == 4 and points[1][0] > 0:
            lane = round(points[1][0], 3)
            low, high = sorted((points[1][1], points[2][1]))
            for other_low, other_high in spans.get(lane, []):
                assert high <= other_low or low >= other_high
            spans.setdefault(lane, []).append((low, high))
    assert sum(map(len, spans.values())) == 4


def test_inhibition_ends_in_a_bar(wiring):
    styles = [type(arrow.get_arrowstyle()).__name__ for arrow in arrows(diagram(wiring))]
    assert styles.count("BracketB") == 1


@pytest.mark.parametrize("name", ["everything", "FC100-100-10-binarised", *NAMES[-12:]])
def test_words_within_the_figure_and_clear_of_each_other(wiring, name):
    figure = diagram(wiring if name == "everything" else named(name))
    figure.draw_without_rendering()
    texts = [t for t in figure.findobj(Text) if t.get_text()]
    boxes = [t.get_window_extent() for t in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= 0, text.get_text()
        assert box.x1 <= figure.bbox.width, text.get_text()
    for at, box in enumerate(boxes):
        for other in range(at):
            assert not box.overlaps(boxes[other]), (texts[at].get_text(), texts[other].get_text())
