"""One set of versions: the lock, on every supported Python, and conda's file name the same builds."""

import re
import tomllib
from collections import defaultdict

import yaml

from tests.workflow.conftest import ROOT


def locked() -> dict[str, set[str]]:
    """Package -> its versions in uv.lock."""
    versions = defaultdict(set)
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        versions[package["name"]].add(package.get("version", ""))
    return versions


def requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in project["dependencies"]]


def test_each_package_has_one_version_on_every_supported_python():
    several = {name: versions for name, versions in locked().items() if len(versions) > 1}
    assert several == {}


def test_conda_users_get_the_locked_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pinned = dict(
        line.split("==") for part in environment["dependencies"] if isinstance(part, dict) for line in part["pip"]
    )
    assert sorted(pinned) == sorted(requirements())
    assert {name: {version} for name, version in pinned.items()} == {name: locked()[name] for name in pinned}
