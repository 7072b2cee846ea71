"""Tasks: data together with the features that are true by construction."""

from entk_lib.tasks import modular_addition, superposition

__all__ = ["modular_addition", "superposition"]
