"""Draw the pictures of the book; see the end of the file."""

import importlib
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
WORDS = ROOT / "book" / "pictures.yml"
STORE = ROOT / "book" / "_static" / "pictures"
from entk_book.pictures.style import Canvas
if __name__ == "__main__":
    for name in sys.argv[1:]:
        c=Canvas(); importlib.import_module("entk_book.pictures."+name).draw(c)
        s=c.svg("T","D"); (STORE/f"{name}.svg").write_text(s); print(name,len(s))
