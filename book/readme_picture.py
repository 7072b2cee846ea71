"""Take the picture that README and front page show out of the stored chapter."""

import base64
from pathlib import Path

import normalise

ROOT = Path(__file__).parent.parent
CHAPTER = ROOT / "chapters" / "02_superposition.ipynb"
FIGURE = "fig-spectra"
PICTURE = ROOT / "book" / "_static" / "spectra.png"


def from_chapter() -> bytes:
    """The PNG that the chapter stores for the figure.

    Returns:
        The file's bytes.

    Raises:
        LookupError: If no figure of that name is stored.
    """
    for cell in normalise.read(CHAPTER).cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == FIGURE:
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"])
    raise LookupError(f"{CHAPTER.name} stores no figure {FIGURE!r}: make chapters")


if __name__ == "__main__":
    PICTURE.write_bytes(from_chapter())
