"""A diagram has one box per area, one arrow per projection, and says what each is."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from figures.wiring import DASHED, diagram, word


@dataclass
class Dense:
    pass


@dataclass
class Random:
    density: float


def area(name, *shape, modules=1, unit="rate"):
    return SimpleNamespace(
        name=name, shape=shape, size=math.prod(shape), modules=modules, unit=unit
    )


def projection(source, target, kind, pattern=None, *, delay=1, sign=None):
    return SimpleNamespace(
        source=source, target=target, kind=kind, pattern=pattern or Dense(), delay=delay, sign=sign
    )


@pytest.fixture
def wiring():
    return SimpleNamespace(
        name="fc-blt-modular",
        areas=(area("h1", 28, 28), area("h2", 1000, modules=4, unit="spiking"), area("out", 10)),
        projections=(
            projection("image", "h1", "feedforward"),
            projection("h1", "h2", "feedforward", Random(0.2)),
            projection("h2", "out", "feedforward"),
            projection("h2", "h2", "lateral", delay=2),
            projection("h2", "h2", "lateral", sign=-1),
            projection("out", "h2", "top-down"),
            projection("out", "h1", "top-down", Random(0.05), delay=3),
            projection("h2", "h1", "top-down"),
            projection("h1", "out", "skip"),
        ),
    )


def arrows(figure):
    return figure.findobj(FancyArrowPatch)


def said(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def test_boxes_arrows_and_words(wiring):
    figure = diagram(wiring)
    assert len(figure.findobj(FancyBboxPatch)) == 4  # three areas and the image
    assert len(arrows(figure)) == len(wiring.projections)
    dashed = [a for a in arrows(figure) if a.get_linestyle() not in ("-", "solid")]
    assert len(dashed) == 3
    assert DASHED[1] == (4, 2)
    words = said(figure)
    for expected in ("fc-blt-modular", "h1", "image", "random density 0.2", "dense\ndelay 2"):
        assert expected in words
    assert "28 × 28 = 784 units · rate" in words
    assert "1 000 units · spiking · 4 modules" in words
    assert "random density 0.05\ndelay 3" in words


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


def test_words_within_the_figure(wiring):
    figure = diagram(wiring)
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        if text.get_text():
            box = text.get_window_extent()
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= figure.bbox.width, text.get_text()


def test_patterns_in_words():
    assert word("5×5 kernel") == "5×5 kernel"
    assert word(Random(0.1)) == "random density 0.1"
    assert word(SimpleNamespace(label="all to all")) == "all to all"
