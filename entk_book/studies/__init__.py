"""The chapters' experiments, one module a chapter: trainings, nulls, and their numbers.

A study takes models and data and returns small dataclasses. It draws nothing: the figures
are in `entk_book.figures`.
"""
