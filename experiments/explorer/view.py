"""The page of one scene: its panels, and the controls that need nothing but the browser."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from bokeh.models import (
    CategoricalSlider,
    Column,
    ColumnDataSource,
    CustomJS,
    Div,
    FixedTicker,
    Pane,
    RadioButtonGroup,
    Row,
    Slider,
    Toggle,
    UIElement,
)
from bokeh.models.dom import HTML

from experiments.explorer import panels
from experiments.explorer.columns import facts, frames
from experiments.explorer.panels import Panel
from networks.projection import FEEDBACK, KINDS

if TYPE_CHECKING:
    from experiments.explorer.scene import Scene

SIDE = 218  # pixels
HELP = "Keys: space plays; ← → step through time; ↑ ↓ go through ε; Tab reaches every control."


@dataclass(frozen=True)
class View:
    """Every model that a scene fills, and the drawing that follows time, epsilon and pathways.

    `frames` and `facts` carry the scene (see `columns`); the browser draws from them alone.
    """

    frames: ColumnDataSource
    facts: ColumnDataSource
    title: Div
    epsilon: CategoricalSlider
    time: Slider
    cuts: dict[str, Toggle]
    panels: dict[str, Panel]
    controls: list[UIElement]
    body: UIElement
    keys: CustomJS

    def show(self, scene: "Scene", epsilon: float | None = None) -> None:
        """Fill the page; at an epsilon, or at the one that is chosen if the scene has it."""
        budgets = [f"{each:g}" for each in scene.epsilons]
        wanted = self.epsilon.value if epsilon is None else f"{epsilon:g}"
        self.title.text = headline(scene)
        self.facts.data = facts(scene)
        self.epsilon.update(categories=budgets, value=wanted if wanted in budgets else budgets[-1])
        last = scene.wiring.steps - 1
        was_last = self.time.value == self.time.end
        self.time.update(end=last, value=last if was_last else min(self.time.value, last))
        for kind, button in self.cuts.items():
            button.disabled = kind not in scene.kinds
        self._name_axes(scene)
        self.frames.data = frames(scene)

    def _name_axes(self, scene: "Scene") -> None:
        steps, band = scene.wiring.steps, 1 / len(scene.areas)
        shown = range(0, steps, 1 + steps // 13)
        places = [1 - (i + 0.5) * band for i in range(len(scene.areas))]
        names = list(scene.areas)
        if len(names) <= 4:
            names = [f"{name}\n{scene.wiring.area(name).size}" for name in names]
        for name in ("before", "after", "differ"):
            plot = self.panels[name].figure
            plot.xaxis.ticker = FixedTicker(ticks=[(t + 0.5) / steps for t in shown])
            plot.xaxis.major_label_overrides = {(t + 0.5) / steps: str(t) for t in shown}
            plot.yaxis.ticker = FixedTicker(ticks=places)
            plot.yaxis.major_label_overrides = dict(zip(places, names, strict=True))
        decision = self.panels["decision"].figure
        decision.x_range.update(start=-0.4, end=steps - 0.6)
        decision.xaxis.ticker = FixedTicker(ticks=list(shown))
        self.panels["bars"].figure.xaxis.major_label_overrides = {
            each: f"[{each}]" if each == scene.label else str(each)
            for each in range(scene.evidence.shape[-1])
        }
        path = self.panels["path"].figure
        for at, (axis, share) in enumerate(
            zip((path.xaxis, path.yaxis), scene.plane.shares, strict=True), start=1
        ):
            axis.axis_label = f"component {at} ({100 * share:.0f} % of clean variance)"
        drive = self.panels["drive"].figure
        drive.x_range.factors = [(area, str(t)) for area in scene.drive for t in range(steps)]
        crowded = steps * len(scene.drive) > 45
        drive.xaxis.major_label_text_font_size = "0px" if crowded else "9px"
        for item in drive.legend[0].items:
            item.visible = item.label.value in scene.kinds


def headline(scene: "Scene") -> str:
    """What is shown, in HTML; loud where the data are not MNIST."""
    choice = scene.choice
    loud = not scene.data.startswith("MNIST")
    data = f"<b style='color:#B03A00'>NOT MNIST: {escape(scene.data)}</b>" if loud else scene.data
    return (
        f"<b style='font-size:17px'>{escape(choice.network)}</b> &nbsp;individual "
        f"{choice.individual} &nbsp;·&nbsp; test image {choice.image}, a <b>{scene.label}</b> "
        f"&nbsp;·&nbsp; {escape(choice.attack)}, {escape(scene.aim)} &nbsp;·&nbsp; {data}"
    )


def build() -> View:
    """An empty page."""
    frames, facts = ColumnDataSource(), ColumnDataSource()
    now = panels.drawn_from(step=[], along=[])
    drawn = {
        **panels.pictures(),
        "decision": panels.decision(now),
        "bars": panels.bars(),
        "before": panels.activity("Activity, clean", now, first=True),
        "after": panels.activity("Activity, perturbed", now, first=False),
        "differ": panels.activity("Perturbed − clean", now, first=False, change=True),
        "path": panels.trajectory(),
        "drive": panels.drive(),
    }
    shared = panels.Shared()
    for name, panel in drawn.items():
        panel.source.name = name
    for plot in {panel.figure for panel in drawn.values()}:
        panels.lighten(plot, shared)
    title = Div(sizing_mode="stretch_width")
    said = HTML(html="", syncable=False)  # unlike a Div it changes without a new layout of the page
    epsilon = CategoricalSlider(
        name="epsilon", title="Perturbation budget ε", categories=["0"], value="0"
    )
    time = Slider(name="time", title="Step", start=0, end=1, value=1, step=1)
    play = Toggle(name="play", label="▶ play", button_type="primary")
    half = SIDE // 2 - 5
    cuts: dict[str, Toggle] = {
        kind: Toggle(name=kind, label=kind, active=True, width=half) for kind in FEEDBACK
    }
    layout = RadioButtonGroup(name="layout", labels=["through time", "maps"], active=0)
    for each, width in ((epsilon, SIDE - 14), (time, SIDE - 14), (play, SIDE), (layout, SIDE)):
        each.width = width
    draw = CustomJS(
        args={
            **{"frames": frames, "facts": facts, "now": now, "said": said},
            **{"epsilon": epsilon, "time": time, "cuts": cuts, "layout": layout},
            "panels": {
                **{name: panel.source for name, panel in drawn.items()},
                **painted(drawn),
            },
        },
        code=script("draw.js"),
    )
    for model, event in (
        *((frames, "data"), (epsilon, "value"), (time, "value"), (layout, "active")),
        *((button, "active") for button in cuts.values()),
        (drawn["before"].figure, "inner_width"),
    ):
        model.js_on_change(event, draw)
    play.js_on_change("active", CustomJS(args={"play": play, "time": time}, code=script("play.js")))
    keys = CustomJS(args={"play": play, "time": time, "epsilon": epsilon}, code=script("keys.js"))
    pathways = [heading("Projections (pressed: at work)"), Row(children=list(cuts.values()))]
    shown_as = [heading("Activity"), layout]
    spoken = Pane(elements=[said], styles={"height": "62px", "width": f"{SIDE}px", "margin": "5px"})
    controls = [epsilon, time, play, *pathways, *shown_as, spoken, note(HELP)]
    return View(
        *(frames, facts, title, epsilon, time, cuts, drawn, controls, arranged(title, drawn), keys)
    )


def painted(drawn: dict[str, Panel]) -> dict[str, object]:
    """What else than sources the drawing changes, or looks at."""
    before, path = drawn["before"].figure, drawn["path"].figure
    return {
        **{f"{name}Range": drawn[name].figure.y_range for name in ("decision", "bars", "drive")},
        "pathRanges": [path.x_range, path.y_range],
        "titles": {name: drawn[name].title for name in ("clean", "shown")},
        "changeMapper": drawn["change"].mapper,
        "activityFigure": before,
        "stepAxes": [drawn[name].figure.xaxis[0] for name in ("before", "after", "differ")],
        "colours": [colour for colour, _ in panels.CONDITIONS.values()],
        "kinds": list(KINDS),
    }


def arranged(title: Div, drawn: dict[str, Panel]) -> UIElement:
    """The panels in three rows."""

    def line(*names: str) -> Row:
        return Row(
            children=[drawn[name].figure for name in names], sizing_mode="stretch_width", spacing=6
        )

    rows = [
        title,
        line("clean", "decision", "bars"),
        line("before", "after", "differ"),
        line("path", "drive"),
    ]
    return Column(children=rows, sizing_mode="stretch_width", spacing=6)


def beside(side: Sequence[UIElement], body: UIElement) -> Row:
    """Controls on the left, panels on the right."""
    column = Column(children=list(side), width=SIDE + 14, spacing=2)
    return Row(children=[column, body], sizing_mode="stretch_width", spacing=10)


def heading(text: str) -> Div:
    """What the control below it is for."""
    return Div(text=text, width=SIDE, height=14)


def note(text: str) -> Div:
    """A line of small print, HTML."""
    return Div(text=f"<small style='color:#555'>{text}</small>", width=SIDE)


def script(name: str) -> str:
    """The text of a script of this package."""
    return files("experiments.explorer").joinpath(name).read_text(encoding="utf-8")
