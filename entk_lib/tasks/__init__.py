"""Tasks: data together with the features that are true by construction."""

from entk_lib.tasks import superposition

__all__ = ["superposition"]
