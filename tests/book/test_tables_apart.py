"""A table beside a figure keeps out of it."""

from types import SimpleNamespace

import tables_apart


def test_only_pictures_are_put_into_the_figure(monkeypatch):
    seen = []

    def one_call(renderer, token, outputs):
        (output,) = outputs
        seen.append((output["data"], "figure" in token.meta["metadata"]["mystnb"]))

    monkeypatch.setattr(tables_apart, "_ONE_CALL", one_call)
    metadata = {"mystnb": {"figure": {"name": "fig-a"}, "image": {"alt": "a"}}, "tags": []}
    token = SimpleNamespace(meta={"metadata": metadata})
    picture, table, widget = (
        {"data": {kind: ""}}
        for kind in ("image/png", "text/markdown", "application/vnd.jupyter.widget-view")
    )
    widget["data"]["image/png"] = ""  # an explorer: its picture is in the same output
    tables_apart.render_outputs(
        None, token, [picture, table, widget, {"text": "lines", "data": {}}]
    )
    assert [figure for _, figure in seen] == [True, False, True, False]
    assert token.meta["metadata"] is metadata
