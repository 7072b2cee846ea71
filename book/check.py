"""What a stored chapter must be, beyond what nbval compares.

nbval passes a notebook whose outputs were stripped and a figure that is wrong. So a chapter
must be executed to its end, in order, and normalised; and beside every figure there must
be the numbers behind it, which nbval does compare.
"""

import nbformat

import normalise


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """What is wrong with a stored chapter.

    Args:
        notebook: A notebook of format 4.

    Returns:
        One line for each problem; empty for a chapter as it should be.
    """
    found: list[str] = []
    code = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("not executed from top to bottom in a fresh kernel: make chapters")
    if not any(cell.outputs for cell in code):
        found.append("no outputs are stored: make chapters")
    for cell, following in zip(code, [*code[1:], None], strict=True):
        kinds = [output.output_type for output in cell.outputs]
        if "error" in kinds:
            found.append(f"{cell.id}: stores an error")
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            found.extend(
                f"{cell.id}: {problem}" for problem in _figure_problems(cell, following)
            )
    try:
        if normalise.as_text(normalise.normalised(notebook)) != normalise.as_text(notebook):
            found.append("not normalised: make chapters")
    except ValueError as error:
        found.append(str(error))
    if not any("About " in c.source and " GiB" in c.source for c in notebook.cells[:2]):
        found.append("no box in its first cells says what it costs to run")
    return found


def _figure_problems(
    cell: nbformat.NotebookNode, following: nbformat.NotebookNode | None
) -> list[str]:
    found = []
    shown = cell.metadata.get("mystnb", {})
    if len(shown.get("image", {}).get("alt", "")) < 30:
        found.append("its figure has no alt text that describes it")
    if not shown.get("figure", {}).get("caption"):
        found.append("its figure has no caption")
    if not shown.get("figure", {}).get("name", "").startswith("fig-"):
        found.append("its figure has no name to refer to")
    # A table counts, in the same cell or in the next.
    near = [cell] if following is None else [cell, following]
    tabled = any(
        "text/markdown" in output.get("data", {}) for one in near for output in one.outputs
    )
    if not tabled and not any(output.output_type == "stream" for output in cell.outputs):
        found.append("its figure stands without the numbers behind it")
    return found
