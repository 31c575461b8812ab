"""Documents: the page in a Bokeh document, and as a file that needs nothing beside it."""

from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.events import DocumentReady
from bokeh.models import Row
from bokeh.resources import INLINE

from experiments.explorer.scene import Scene
from experiments.explorer.view import View, beside, build, note, script


def fill(document: Document, view: View, page: Row, title: str) -> None:
    """Put the page into a document, with its keys."""
    document.template = script("page.html")
    document.title = f"blindspots: {title}"
    document.add_root(page)
    document.js_on_event(DocumentReady, view.keys)


def exported(scene: Scene, epsilon: float | None = None) -> str:
    """The page of a scene as HTML that needs no server and no internet."""
    view, document = build(), Document()
    view.show(scene, epsilon)
    side = [*view.controls, note("Made with blindspots.")]
    fill(document, view, beside(side, view.body), scene.choice.network)
    return file_html(document, INLINE, template=document.template)
