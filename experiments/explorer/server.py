"""The local web server: pages for this machine alone, and their export."""

import logging
from dataclasses import fields
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.document import Document
from bokeh.resources import Resources
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from experiments.explorer.offer import Choice, Offer, choose
from experiments.explorer.page import exported, fill
from experiments.explorer.scene import scene
from experiments.explorer.visit import Visit
from networks.errors import BlindspotsError

HOST = "127.0.0.1"
"""Loopback: other machines cannot reach it."""


class Export(RequestHandler):
    """GET /export?network=...: the page of one choice as a file that needs no server."""

    def initialize(self, offer: Offer, epsilon: float) -> None:
        """What the run offers, and the epsilon that the file opens at."""
        self.offer, self.epsilon = offer, epsilon

    def get(self) -> None:
        """The file, or what is wrong with the choice."""
        asked: dict[str, Any] = {each.name: self.get_argument(each.name) for each in fields(Choice)}
        try:
            asked |= {name: int(asked[name]) for name in ("individual", "image")}
            choice = choose(self.offer, **asked)
        except (BlindspotsError, ValueError) as error:
            self.set_status(404)
            self.finish(str(error))
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        name = f"{choice.network}-{choice.individual}-image-{choice.image}-{choice.attack}.html"
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(exported(scene(self.offer, choice), self.epsilon))


class Pages(BokehTornado):
    """Bokeh's pages with no more of its scripts than they use: a browser takes long over them."""

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        """Where the scripts are: on this server."""
        found = super().resources(absolute_url)
        found.components = ["bokeh", "bokeh-widgets"]
        return found


class Written:
    """A visitor's page, and what the browser is sent of it, before either is asked for.

    To write a page takes Bokeh as long as the browser needs to read its scripts.
    """

    def __init__(self, offer: Offer, choice: Choice, epsilon: float):
        self.visit, self.title = Visit(offer, choice, epsilon), str(offer.run)
        draft = self._fill(Document())
        self.json = draft.to_json()
        draft.clear()

    def hand_over(self, document: Document) -> None:
        """Fill a visitor's document, which is sent as it was written unless it changes before."""
        write, written = document.to_json, self.json
        self._fill(document)

        def to_json(**options: bool) -> Any:
            return write(**options) if changes or options else written

        changes: list[object] = []
        document.on_change(changes.append)
        document.to_json = to_json

    def _fill(self, document: Document) -> Document:
        fill(document, self.visit.view, self.visit.page, self.title)
        return document


def server(offer: Offer, first: Choice, epsilon: float, port: int) -> tuple[BaseServer, int]:
    """A server of the explorer that listens, but does not answer yet, and the port it is on.

    A `port` of 0 stands for any that is free. Raises BlindspotsError where it is not to be had.
    """
    settings.perform_document_validation.set_value(False)  # tests look at the page instead
    ready = [Written(offer, first, epsilon)]  # the first visitor need not wait for it

    def visit(document: Document) -> None:
        (ready.pop() if ready else Written(offer, first, epsilon)).hand_over(document)

    logging.getLogger("bokeh").setLevel(logging.ERROR)
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    try:
        sockets, port = bind_sockets(HOST, port)
    except OSError as error:
        raise BlindspotsError(
            f"Port {port} of {HOST} cannot be listened on ({error.strerror}); choose another with "
            "--port, or 0 for any that is free."
        ) from None
    pages = Pages(
        {"/": Application(FunctionHandler(visit))},
        extra_websocket_origins=[f"{HOST}:{port}"],
        extra_patterns=[("/export", Export, {"offer": offer, "epsilon": epsilon})],
    )
    listening = HTTPServer(pages)
    listening.add_sockets(sockets)
    return BaseServer(IOLoop.current(), pages, listening), port
