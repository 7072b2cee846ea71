"""The workflows' own commands, run here as far as can be without a host."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import tomllib
import yaml

import address

REPOSITORY = "Someone/a-book"
CHAPTERS = ("05_layerwise", "template")  # all are treated alike


def step(workflow, job, name):
    """The commands of one named step."""
    path = address.ROOT / ".github" / "workflows" / workflow
    steps = yaml.safe_load(path.read_text())["jobs"][job]["steps"]
    (found,) = (one["run"] for one in steps if one.get("name") == name)
    return found


def bash(commands, folder, **variables):
    # As the hosts run a step: the first command that fails ends it.
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
    )


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.fixture
def pushed(tmp_path):
    """A clone, with two chapters, of a repository that was just pushed to a host."""
    clone, host = tmp_path / "clone", tmp_path / "host.git"
    others = [p.name for p in address.notebooks(address.ROOT) if p.stem not in CHAPTERS]
    ignored = shutil.ignore_patterns(
        ".git", ".venv*", "_build", "*.egg-info", "__pycache__", "data", *others
    )
    shutil.copytree(address.ROOT, clone, ignore=ignored)
    address.write(clone, address.parse(""))
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(host))
    git(clone, "init", "--quiet", "--initial-branch=main")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "first")
    git(clone, "remote", "add", "origin", str(host))
    git(clone, "push", "--quiet", "--set-upstream", "origin", "main")
    return clone


@pytest.mark.sweep
def test_the_first_run_writes_the_address_for_good_and_the_second_nothing(pushed):
    commands = step("publish.yml", "build", "Point every link at this repository")
    # The environment is this one: make would install another.
    tool = f'{sys.executable} book/address.py "https://github.com/${{GITHUB_REPOSITORY}}"'
    commands, n_replaced = re.subn(r"make address URL=\S+", tool, commands)
    assert n_replaced == 1
    for n_commits in (2, 2):
        done = bash(commands, pushed, GITHUB_REPOSITORY=REPOSITORY)
        assert done.returncode == 0, done.stderr
        assert (
            len(git(pushed, "log", "--format=%h", "origin/main").splitlines()) == n_commits
        )
    notebooks = address.notebooks(pushed)
    assert len(notebooks) == len(CHAPTERS)
    for path in notebooks:
        name = path.relative_to(pushed)
        notebook = json.loads(git(pushed, "show", f"origin/main:{name}"))
        cell = "".join(notebook["cells"][1]["source"])
        assert f'REPOSITORY, BRANCH = "https://github.com/{REPOSITORY}", "main"' in cell
    assert git(pushed, "status", "--porcelain") == ""


def test_a_tag_that_is_not_the_version_stops_the_release():
    commands = step("release.yml", "build", "The tag is the version")
    project = tomllib.loads((address.ROOT / "pyproject.toml").read_text())["project"]
    right = bash(commands, address.ROOT, GITHUB_REF_NAME=f"v{project['version']}")
    assert right.returncode == 0, right.stdout
    wrong = bash(commands, address.ROOT, GITHUB_REF_NAME="v9.9")
    assert wrong.returncode == 1
    assert f"must be v{project['version']}, got v9.9" in wrong.stdout


def test_only_the_job_that_publishes_may_ask_for_a_token_of_the_index():
    path = address.ROOT / ".github" / "workflows" / "release.yml"
    jobs = yaml.safe_load(path.read_text())["jobs"]
    asking = [n for n, job in jobs.items() if "id-token" in job.get("permissions", {})]
    assert asking == ["library"]
    assert jobs["library"]["environment"] == "pypi"
    assert not any("run" in one for one in jobs["library"]["steps"])
