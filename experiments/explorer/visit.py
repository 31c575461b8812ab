"""One open page of the server: the choosers beside the view, and what a choice sets in motion."""

from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import urlencode

from bokeh.models import Button, Div, Row, Select, UIElement

from experiments.explorer.offer import Choice, Offer
from experiments.explorer.scene import scene
from experiments.explorer.view import SIDE, beside, build
from networks.errors import BlindspotsError

LINK = (
    f"display:block;width:{SIDE - 14}px;text-align:center;padding:6px;"
    "border:1px solid #bbb;border-radius:4px;"
    "background:#fff;color:#222;text-decoration:none"
)


class Visit:
    """The page of one visitor.

    `choice` is what is shown. Widgets that are set to it answer with the same choice, which
    changes nothing.
    """

    def __init__(self, offer: Offer, choice: Choice, epsilon: float):
        self.offer, self.choice, self.view = offer, choice, build()
        self.network = Select(name="network", title="Network", options=offer.networks)
        self.individual = Select(title="Individual")
        self.attack = Select(title="Attack")
        self.source = Select(title="Crafted on")
        images = [str(each) for each in offer.images]
        self.image = Select(name="image", title="Test image", options=images)
        self.fooled = Button(label="Next image that is fooled")
        self.export = Div(width=SIDE)
        choosers: list[UIElement] = [
            *(self.network, self.individual, self.attack, self.source, self.image, self.fooled)
        ]
        for each in choosers:
            each.width = SIDE
        side = [*choosers, *self.view.controls, self.export]
        self.page: Row = beside(side, self.view.body)
        self._show(epsilon)
        self._listen()

    def take(self, **changes: Any) -> None:
        """Show another choice, with what it does not name as before where the run has it."""
        wanted = self.offer.completed(replace(self.choice, **changes))
        if wanted != self.choice:
            self.choice = wanted
            self._show()

    def next_fooled(self) -> None:
        """Go to the next image that is answered rightly when clean, and wrongly as shown."""
        epsilon = float(self.view.epsilon.value)
        found = self.offer.fooled(self.choice, epsilon or None)
        after = set(self.offer.images[self.offer.place(self.choice) + 1 :])
        later = [image for image in found if image in after]
        if found:
            self.take(image=(later or found)[0])

    def _show(self, epsilon: float | None = None) -> None:
        try:
            self.view.show(scene(self.offer, self.choice), epsilon)
        except BlindspotsError as error:
            self.view.title.text = f"<b style='color:#B03A00'>{escape(str(error))}</b>"
        self._set_choosers()

    def _set_choosers(self) -> None:
        choice, offer = self.choice, self.offer
        individuals = [str(each) for each in offer.individuals(choice.network)]
        sources = offer.sources(choice.attack, choice.individual)
        self.network.value = choice.network
        self.individual.update(options=individuals, value=str(choice.individual))
        self.attack.update(options=offer.attacks(choice.individual), value=choice.attack)
        named = [(s, "itself (white-box)" if s == choice.network else s) for s in sources]
        self.source.update(options=named, value=choice.source)
        self.image.value = str(choice.image)
        address = escape(f"export?{urlencode(vars(choice))}")
        self.export.text = f"<a href='{address}' download style='{LINK}'>Export as one file</a>"

    def _listen(self) -> None:
        def network(attr: str, old: str, new: str) -> None:
            own = self.choice.source == self.choice.network
            self.take(network=new, source=new if own else self.choice.source)

        self.network.on_change("value", network)
        self.image.on_change("value", lambda attr, old, new: self.take(image=int(new)))
        self.individual.on_change("value", lambda attr, old, new: self.take(individual=int(new)))
        self.attack.on_change("value", lambda attr, old, new: self.take(attack=new))
        self.source.on_change("value", lambda attr, old, new: self.take(source=new))
        self.fooled.on_click(self.next_fooled)
