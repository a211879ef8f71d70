"""List the packages of the wheel: package-dir in pyproject.toml can't, and a static list would forget new folders."""

from setuptools import find_packages, setup

FLOORS = ("pipeline", "components", "data")

setup(
    packages=[
        "modelmill",
        *(f"modelmill.{floor}" for floor in FLOORS),
        *(f"modelmill.{floor}.{name}" for floor in FLOORS for name in find_packages(floor) if name != "public"),
    ]
)
