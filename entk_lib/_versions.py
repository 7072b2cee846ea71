"""The oldest versions that the library works with, checked before the rest is imported."""

from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version


def oldest() -> dict[str, Version]:
    """Lower bounds of what the library needs, by name, as the package states them."""
    bounds = {}
    try:
        lines = metadata.requires("entk_lib") or []
    except metadata.PackageNotFoundError:  # a bare checkout on the path
        lines = []
    for line in lines:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            versions = [Version(part.version) for part in needed.specifier]
            bounds[needed.name] = max(versions, default=Version("0"))
    return bounds


def require_torch() -> None:
    """Raise an ImportError that says what to do if torch is too old to import the rest."""
    bound = oldest().get("torch")
    here = Version(metadata.version("torch"))
    if bound is not None and here < bound:
        raise ImportError(
            f"entk_lib needs torch {bound} or newer, got {here}. Run pip install --upgrade "
            f'"torch>={bound}", then restart the kernel.'
        )


require_torch()
