"""A cell's caption belongs to its picture, not to the table that follows it.

myst-nb puts every output of a cell with a figure's name into a figure of that name: a
table becomes a second one, and the name is there twice.
"""

from typing import Any

from myst_nb.sphinx_ import SphinxNbRenderer
from sphinx.application import Sphinx

_ONE_CALL = SphinxNbRenderer._render_nb_cell_code_outputs


def _is_picture(output: Any) -> bool:
    return any(kind.startswith("image/") for kind in output.get("data", {}))


def render_outputs(renderer: Any, token: Any, outputs: list[Any]) -> None:
    """Render a cell's outputs, those that are no picture without the cell's figure.

    Args:
        renderer: Of the page.
        token: Of the cell; its metadata come back as they were.
        outputs: In their order.
    """
    metadata = token.meta["metadata"]
    shown = metadata.get("mystnb", {})
    bare = {k: v for k, v in shown.items() if k != "figure"}
    for output in outputs:
        here = shown if _is_picture(output) else bare
        token.meta["metadata"] = {**metadata, "mystnb": here}
        _ONE_CALL(renderer, token, [output])
    token.meta["metadata"] = metadata


def setup(app: Sphinx) -> dict[str, bool]:
    """Take the place of myst-nb's own method.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    SphinxNbRenderer._render_nb_cell_code_outputs = render_outputs  # pyright: ignore
    return {"parallel_read_safe": True}
