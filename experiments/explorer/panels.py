"""The panels of the page: Bokeh figures, each drawn from one small source that the page fills."""

from dataclasses import dataclass
from typing import Any

from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    FactorRange,
    FixedTicker,
    LinearColorMapper,
    Range1d,
)
from bokeh.palettes import Cividis256, Greys256, RdBu11, interp_palette
from bokeh.plotting import figure

from figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION

CLEAN, PERTURBED = BLUE, VERMILLION
KINDS = {"feedforward": "#5A5A5A", "skip": PURPLE, "lateral": ORANGE, "top-down": GREEN}
CHANGES = interp_palette(RdBu11, 255)


@dataclass(frozen=True)
class Panel:
    """A figure, and the source of what it shows."""

    figure: figure
    source: ColumnDataSource


def framed(title: str, height: int, **options: Any) -> figure:
    """An empty figure in the look of the page."""
    plot = figure(
        title=title,
        height=height,
        toolbar_location=None,
        tools="",
        outline_line_color=None,
        min_border=4,
        **{"sizing_mode": "stretch_width", **options},
    )
    plot.title.text_font_size = "12px"
    plot.title.text_font_style = "bold"
    plot.title.text_color = "#222222"
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_font_size = "11px"
    plot.axis.major_label_text_font_size = "10px"
    plot.axis.minor_tick_line_color = None
    plot.axis.axis_label_standoff = 4
    plot.grid.grid_line_color = None
    return plot


def picture(title: str, *, change: bool = False) -> Panel:
    """An image, black to white for intensity 0 to 1, or a change of intensity, blue to red."""
    plot = framed(title, 168, width=146, sizing_mode="fixed", x_range=(0, 1), y_range=(0, 1))
    plot.axis.visible = False
    source = ColumnDataSource({"image": []})
    mapper = LinearColorMapper(
        palette=CHANGES if change else Greys256, low=-1 if change else 0, high=1
    )
    plot.image("image", source=source, x=0, y=0, dw=1, dh=1, origin="top_left", color_mapper=mapper)
    plot.add_tools("hover")
    plot.hover.tooltips = [("intensity" if not change else "change", "@image{0.000}")]
    return Panel(plot, source)


def decision(now: ColumnDataSource) -> Panel:
    """The margin through time, clean and perturbed, with the class that leads at each step."""
    plot = framed("Decision: lead of the label over the best other class", 168)
    plot.yaxis.axis_label = "lead (potential)"
    plot.xaxis.axis_label = "step"
    at_step(plot, now)
    plot.hspan(y=[0], line_color=GREY, line_width=1)
    columns = ("step", "clean", "perturbed", "says_clean", "says_perturbed")
    source = ColumnDataSource({name: [] for name in columns})
    for name, colour, marker, offset in (
        ("clean", CLEAN, "circle", 11),
        ("perturbed", PERTURBED, "square", -11),
    ):
        plot.line("step", name, source=source, color=colour, line_width=2, legend_label=name)
        plot.scatter(
            "step", name, source=source, color=colour, marker=marker, size=6, legend_label=name
        )
        plot.text(
            *("step", name, f"says_{name}"),
            source=source,
            text_color=colour,
            text_font_size="12px",
            text_align="center",
            text_baseline="middle",
            y_offset=-offset,
        )
    beside(plot)
    return Panel(plot, source)


def bars() -> Panel:
    """The evidence for every class at the step that is shown, clean beside perturbed."""
    plot = framed("Evidence at this step", 168, width=250, sizing_mode="fixed")
    plot.x_range = Range1d(-0.6, 9.6)
    plot.xaxis.ticker = FixedTicker(ticks=list(range(10)))
    plot.xaxis.axis_label = "class (label: bold)"
    source = ColumnDataSource({"class": [], "clean": [], "perturbed": [], "left": [], "right": []})
    for name, x, colour in (("clean", "left", CLEAN), ("perturbed", "right", PERTURBED)):
        plot.vbar(x, width=0.36, top=name, source=source, color=colour)
    plot.hspan(y=[0], line_color=GREY, line_width=1)
    return Panel(plot, source)


def activity(title: str, now: ColumnDataSource, *, change: bool = False) -> Panel:
    """Every unit of every shown area: through time, or laid out as maps at the step shown."""
    plot = framed(title, 250, x_range=Range1d(0, 1), y_range=Range1d(0, 1))
    plot.background_fill_color = "#FFFFFF"
    plot.xaxis.axis_label = "step"
    names = ("image", "area", "x", "y", "dw", "dh")
    source = ColumnDataSource({name: [] for name in names})
    mapper = LinearColorMapper(
        palette=CHANGES if change else Cividis256, low=-1 if change else 0, high=1
    )
    plot.image(
        "image", source=source, x="x", y="y", dw="dw", dh="dh", origin="top_left",
        color_mapper=mapper,
    )  # fmt: skip
    line = BLACK if change else "#FFFFFF"
    plot.vspan(x="along", source=now, line_color=line, line_width=1.5, line_dash="dotted")
    plot.add_tools("hover")
    plot.hover.tooltips = [("area", "@area"), ("share of scale", "@image{0.00}")]
    bar = ColorBar(color_mapper=mapper, width=7, padding=2, major_label_text_font_size="9px",
                   ticker=FixedTicker(ticks=[-1, 0, 1] if change else [0, 0.5, 1]),
                   border_line_color=None)  # fmt: skip
    plot.add_layout(bar, "right")
    return Panel(plot, source)


def trajectory() -> Panel:
    """The states of the whole network in the plane of clean states, from step to step."""
    plot = framed("Trajectory through the network's states", 232, match_aspect=False)
    plot.grid.grid_line_color = "#EEEEEE"
    names = [f"{axis}_{name}" for name in ("clean", "perturbed") for axis in ("x", "y")]
    source = ColumnDataSource({name: [] for name in (*names, "size", "step")})
    for name, colour, marker in (
        ("clean", CLEAN, "circle"),
        ("perturbed", PERTURBED, "square"),
    ):
        x, y = f"x_{name}", f"y_{name}"
        plot.line(x, y, source=source, color=colour, line_width=1.5, legend_label=name)
        plot.scatter(
            *(x, y), source=source, color=colour, marker=marker, size="size",
            line_color="white", legend_label=name,
        )  # fmt: skip
    beside(plot)
    return Panel(plot, source)


def drive() -> Panel:
    """How each kind of projection adds to the change of every area's drive."""
    plot = framed("Change of drive by the projections' kind", 232, x_range=FactorRange())
    plot.yaxis.axis_label = "share in |change|"
    plot.x_range.range_padding = 0.02
    plot.x_range.group_padding = 0.8
    plot.xaxis.major_label_text_font_size = "9px"
    plot.xaxis.group_text_font_size = "11px"
    plot.xaxis.separator_line_color = "#CCCCCC"
    columns = [f"{end} {kind}" for kind in KINDS for end in ("bottom", "top")]
    source = ColumnDataSource({name: [] for name in ("at", "alpha", *columns)})
    for kind, colour in KINDS.items():
        plot.vbar(
            "at", width=0.9, bottom=f"bottom {kind}", top=f"top {kind}", source=source,
            fill_color=colour, fill_alpha="alpha", line_color=None, legend_label=kind,
        )  # fmt: skip
    plot.hspan(y=[0], line_color=BLACK, line_width=0.8)
    beside(plot)
    return Panel(plot, source)


def at_step(plot: figure, now: ColumnDataSource) -> None:
    """A line at the step that is shown."""
    plot.vspan(x="step", source=now, line_color=GREY, line_width=1.5, line_dash="dotted")


def beside(plot: figure) -> None:
    """The legend out of the way of what is drawn, on the right."""
    legend = plot.legend[0]
    legend.label_text_font_size = "10px"
    legend.glyph_width, legend.glyph_height = 14, 12
    legend.border_line_color = None
    legend.padding, legend.spacing, legend.margin = 2, 0, 2
    plot.add_layout(legend, "right")
