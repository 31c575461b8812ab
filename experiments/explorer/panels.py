"""The panels of the page: Bokeh figures, each drawn from one small source that the page fills."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bokeh.models import (
    AllIndices,
    AllLabels,
    CDSView,
    ColorBar,
    ColumnDataSource,
    FactorRange,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    Range1d,
    UnionRenderers,
)
from bokeh.palettes import Cividis256, Greys256, RdBu11, interp_palette
from bokeh.plotting import figure

from figures.style import BLUE, GREY, PARTS, VERMILLION
from networks.projection import KINDS

INK = "#222222"
CONDITIONS = {"clean": (BLUE, "circle"), "perturbed": (VERMILLION, "square")}
TOP, MIDDLE, BOTTOM = 172, 284, 254  # heights, pixels
PICTURE, GAP, BORDER = 132, 8, 4  # side of a picture, between two, around; pixels
CHANGES = interp_palette(RdBu11, 255)


@dataclass(frozen=True)
class Panel:
    """A figure, and the source of what it shows; perhaps its title and colours to change."""

    figure: figure
    source: ColumnDataSource
    title: str = ""
    mapper: LinearColorMapper | None = None


def framed(title: str, **options: Any) -> figure:
    """An empty figure in the look of the page."""
    plot = figure(
        title=title,
        toolbar_location=None,
        tools="",
        outline_line_color=None,
        min_border=BORDER,
        **{"sizing_mode": "stretch_width", **options},
    )
    plot.title.text_font_size = "12px"
    plot.title.text_font_style = "bold"
    plot.title.text_color = INK
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_font_size = "11px"
    plot.axis.major_label_text_font_size = "10px"
    plot.axis.minor_tick_line_color = None
    plot.axis.axis_label_standoff = 4
    plot.center = []  # no grid
    return plot


def drawn_from(**columns: list[Any]) -> ColumnDataSource:
    """What a panel draws; the page fills it, and need not tell the server."""
    return ColumnDataSource(columns, syncable=False)


def pictures() -> dict[str, Panel]:
    """The image, clean and perturbed (black to white for 0 to 1), and its change (blue to red)."""
    wide = 3 * PICTURE + 2 * GAP
    plot = framed(
        "",
        sizing_mode="fixed",
        frame_align=False,  # else it shrinks to the height of its neighbours' frames
        width=wide + 2 * BORDER,
        height=TOP,
        x_range=Range1d(0, wide),
        y_range=Range1d(0, TOP - 2 * BORDER),
        x_axis_type=None,
        y_axis_type=None,
    )
    plot.title = None
    marks = {"clean": "● Clean", "shown": "■ Perturbed", "change": "Change"}
    inks = [colour for colour, _ in CONDITIONS.values()]
    drawn = {}
    for at, (name, title) in enumerate(marks.items()):
        change, left = name == "change", at * (PICTURE + GAP)
        source = drawn_from(image=[])
        mapper = mapped(CHANGES, -1) if change else mapped(Greys256, 0)
        image = plot.image(
            *("image", left, 0, PICTURE, PICTURE),
            source=source,
            origin="top_left",
            color_mapper=mapper,
        )
        said = "change" if change else "intensity"
        plot.add_tools(HoverTool(renderers=[image], tooltips=[(said, "@image{0.000}")]))
        drawn[name] = Panel(plot, source, title, mapper)
    lefts = [at * (PICTURE + GAP) for at in range(len(marks))]
    captions = drawn_from(left=lefts, ink=[*inks, INK], title=["", "", ""])
    plot.text(
        *("left", PICTURE + 12, "title"),
        source=captions,
        text_color="ink",
        text_font_size="12px",
        text_font_style="bold",
    )
    return {**drawn, "captions": Panel(plot, captions)}


def decision(now: ColumnDataSource) -> Panel:
    """The margin through time, clean and perturbed, with the class that leads at each step."""
    plot = framed("Decision: the label's lead over the best other class", height=TOP)
    plot.y_range = Range1d(0, 1)
    plot.x_range = Range1d(0, 1)
    plot.yaxis.axis_label = "lead (potential)"
    plot.xaxis.axis_label = "step"
    plot.vspan(x="step", source=now, line_color=GREY, line_width=1.5, line_dash="dotted")
    plot.hspan(y=[0], line_color=GREY, line_width=1)
    columns = ("step", *(f"{part}{name}" for part in ("", "says_", "off_") for name in CONDITIONS))
    source = drawn_from(**{name: [] for name in columns})
    for name, (colour, marker) in CONDITIONS.items():
        plot.line("step", name, source=source, color=colour, line_width=2)
        plot.scatter("step", name, source=source, color=colour, marker=marker, size=6)
        plot.text(
            *("step", name, f"says_{name}"),
            source=source,
            text_color=colour,
            text_font_size="12px",
            text_align="center",
            text_baseline="middle",
            y_offset=f"off_{name}",
        )
    return Panel(plot, source)


def bars() -> Panel:
    """The evidence for every class at the step that is shown, clean beside perturbed."""
    plot = framed("Evidence at this step", height=TOP, width=236, sizing_mode="fixed")
    plot.x_range, plot.y_range = Range1d(-0.6, 9.6), Range1d(0, 1)
    plot.xaxis.ticker = FixedTicker(ticks=list(range(10)))
    plot.xaxis.axis_label = "class, the label in [ ]"
    source = drawn_from(clean=[], perturbed=[], left=[], right=[])
    for name, x in (("clean", "left"), ("perturbed", "right")):
        plot.vbar(x, width=0.36, top=name, source=source, color=CONDITIONS[name][0])
    plot.hspan(y=[0], line_color=GREY, line_width=1)
    return Panel(plot, source)


def activity(title: str, now: ColumnDataSource, *, first: bool, change: bool = False) -> Panel:
    """Every unit of every shown area: through time, or laid out as maps at the step shown.

    The first of a row names the areas; those after it say what colours mean.
    """
    plot = framed(title, height=MIDDLE, x_range=Range1d(0, 1), y_range=Range1d(0, 1))
    plot.axis.axis_line_color = None
    plot.xaxis.axis_label = "step"
    names = ("image", "area", "x", "y", "dw", "dh")
    source = drawn_from(**{name: [] for name in names})
    mapper = mapped(CHANGES, -1) if change else mapped(Cividis256, 0)
    place = {name: name for name in names if name != "area"}
    plot.image(**place, source=source, origin="top_left", color_mapper=mapper)
    line = INK if change else "#FFFFFF"
    plot.vspan(x="along", source=now, line_color=line, line_width=1.5, line_dash="dotted")
    plot.add_tools(HoverTool(tooltips=[("area", "@area"), ("share of scale", "@image{0.00}")]))
    ticks = [-1.0, 0.0, 1.0] if change else [0.0, 0.5, 1.0]
    scale = ColorBar(color_mapper=mapper, width=7, padding=2, ticker=FixedTicker(ticks=ticks))
    scale.major_label_text_font_size = "9px"
    if first:
        plot.min_border_right = 22
    else:
        plot.left = []
        plot.add_layout(scale, "right")
    return Panel(plot, source)


def trajectory() -> Panel:
    """The states of the whole network in the plane of clean states, from step to step."""
    plot = framed("Trajectory of the network's state (large: this step)", height=BOTTOM)
    plot.x_range, plot.y_range = Range1d(0, 1), Range1d(0, 1)
    names = [f"{axis}_{name}" for name in CONDITIONS for axis in ("x", "y")]
    source = drawn_from(**{name: [] for name in (*names, "size")})
    for name, (colour, marker) in CONDITIONS.items():
        x, y = f"x_{name}", f"y_{name}"
        plot.line(x, y, source=source, color=colour, line_width=1.5)
        plot.scatter(
            *(x, y), source=source, color=colour, marker=marker, size="size", line_color="white"
        )
    return Panel(plot, source)


def drive() -> Panel:
    """How each kind of projection adds to the change of every area's drive."""
    plot = framed(
        "Change of drive by kind of projection (below 0: pulled back)",
        height=BOTTOM,
        x_range=FactorRange(range_padding=0.02, group_padding=0.8),
        y_range=Range1d(0, 1),
    )
    plot.yaxis.axis_label = "share in the change's length"
    plot.xaxis.major_label_text_font_size = "9px"
    plot.xaxis.group_text_font_size = "11px"
    plot.xaxis.separator_line_color = "#CCCCCC"
    columns = [f"{end} {kind}" for kind in KINDS for end in ("bottom", "top")]
    source = drawn_from(**{name: [] for name in ("at", "alpha", *columns)})
    for kind in KINDS:
        plot.vbar(
            "at",
            width=0.9,
            bottom=f"bottom {kind}",
            top=f"top {kind}",
            source=source,
            fill_color=PARTS[kind][0],
            fill_alpha="alpha",
            line_color=None,
            legend_label=kind,
        )
    plot.hspan(y=[0], line_color=INK, line_width=0.8)
    legend = plot.legend[0]
    legend.update(glyph_width=14, glyph_height=12, border_line_color=None, margin=2, padding=2)
    legend.update(label_text_font_size="10px", spacing=0)
    plot.add_layout(legend, "right")
    return Panel(plot, source)


@dataclass(frozen=True)
class Shared:
    """Models without a state of their own, of which one will do for all panels of a page."""

    rows: AllIndices = field(default_factory=AllIndices)
    labels: AllLabels = field(default_factory=AllLabels)
    selecting: UnionRenderers = field(default_factory=UnionRenderers)


def lighten(plot: figure, shared: Shared) -> None:
    """Leave out what a browser takes long over: looks of selected glyphs, many small models."""
    for axis in plot.axis:
        axis.major_label_policy = shared.labels
    views: dict[ColumnDataSource, CDSView] = {}
    for renderer in plot.renderers:
        glyph, source = renderer.glyph, renderer.data_source
        renderer.update(selection_glyph=glyph, nonselection_glyph=glyph, muted_glyph=glyph)
        renderer.view = views.setdefault(source, CDSView(filter=shared.rows))
        source.selection_policy = shared.selecting
    for drawn in (plot.x_range, plot.y_range, *plot.select(LinearColorMapper)):
        drawn.syncable = False


def mapped(palette: Sequence[str], low: float) -> LinearColorMapper:
    """Colours from `low` to 1; what is not there has none."""
    return LinearColorMapper(palette=list(palette), low=low, high=1, nan_color="rgba(0, 0, 0, 0)")
