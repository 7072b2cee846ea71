"""Tables of numbers from runs that are too long for a chapter, stored as JSON.

``book/make_records.py`` makes them with the functions of the studies; chapters read them
here, and run a small piece anew.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

_FOLDER = "data"


def read(name: str) -> dict[str, Any]:
    """A stored table.

    Args:
        name: Of the record.

    Returns:
        What its study's ``record`` gave.

    Raises:
        ValueError: If there is no such record.

    Example:
        >>> sorted(read("peaks"))
        ['settings', 'sizes']
    """
    folder = resources.files("entk_book.stored").joinpath(_FOLDER)
    file = folder.joinpath(f"{name}.json")
    if not file.is_file():
        known = sorted(
            one.name.removesuffix(".json")
            for one in folder.iterdir()
            if one.name.endswith(".json")
        )
        raise ValueError(
            f"record must be one of {', '.join(known)}, got {name!r}. In a clone, make "
            "records runs the studies again and stores their tables."
        )
    return json.loads(file.read_text("utf-8"))


def write(name: str, table: dict[str, Any], folder: Path | None = None) -> Path:
    """Store a table.

    Args:
        name: Of the record.
        table: Of what JSON knows.
        folder: Where. ``None``: beside the others, in a clone.

    Returns:
        The file.
    """
    folder = folder or Path(__file__).parent / _FOLDER
    file = folder / f"{name}.json"
    partial = file.with_suffix(".partial")  # an interrupt leaves the old one
    partial.write_text(json.dumps(table, separators=(",", ":")) + "\n", "utf-8")
    partial.replace(file)
    return file


def rounded(value: Any, digits: int = 4) -> Any:
    """Numbers to a few digits, in lists and dictionaries as deep as they go.

    Args:
        value: A number, or lists and dictionaries of them; whole numbers stay as they are.
        digits: That are kept.

    Returns:
        The same form.

    Example:
        >>> rounded({"here": [0.123456, 12345]})
        {'here': [0.1235, 12345]}
    """
    if isinstance(value, dict):
        return {key: rounded(part, digits) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part, digits) for part in value]
    return value if isinstance(value, int) else float(f"{value:.{digits}g}")
