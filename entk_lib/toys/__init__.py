"""Small tasks with known features, and networks that learn them."""

from entk_lib.toys import models, tasks

__all__ = ["models", "tasks"]
