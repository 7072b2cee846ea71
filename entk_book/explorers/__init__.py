"""Figures with dials: in a live kernel, in Colab, and in the book's pages without either.

An explorer holds what it draws, computed beforehand and packed into bytes, and its own
JavaScript; the laboratory computes in the browser what it draws. None needs a server, and
where no JavaScript runs its static figure stays.
Needs anywidget: ``pip install "entk_lib[explorers]"``.
"""

from entk_book.explorers._explorer import Explorer
from entk_book.explorers.edits import Edits
from entk_book.explorers.grokking import Grokking
from entk_book.explorers.laboratory import Laboratory
from entk_book.explorers.superposition import Superposition
from entk_book.explorers.waves import Waves

__all__ = ["Edits", "Explorer", "Grokking", "Laboratory", "Superposition", "Waves"]
