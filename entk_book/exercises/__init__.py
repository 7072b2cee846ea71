"""Checks of the book's exercises, one module for each chapter.

A chapter imports its own module, ``from entk_book.exercises import tangent_kernel as
exercises``, and its last line in an exercise hands an answer to a `Check`.
"""

from entk_book.exercises._check import Check, Kind, Verdict, Wrong

__all__ = ["Check", "Kind", "Verdict", "Wrong"]
