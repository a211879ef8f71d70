"""Executes a Dockerfile's steps in chroots, for machines that have no Docker: a check of its commands, no builder.

    sudo python -m tests.kubeflow.dockerfile TREE [--build-arg NAME=VALUE ...]

TREE is a root file system like the base image's: Debian 13 made by debootstrap, with Python 3.11 in /usr/local. Stages
are copies of it beside it. Instructions that it does not know are an error; layers, caches and users are not imitated
(USER is noted and used for the smoke run at the end).
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
# What tells pip, uv and apt where packages come from; a real builder has its own.
PASSED = re.compile(r"(pip|uv|https?|no|ssl|requests)_.*", re.IGNORECASE)
OWN_ENV = ("UV_LINK_MODE", "UV_NO_CACHE", "UV_PYTHON", "UV_CACHE_DIR", "PIP_FIND_LINKS")


def instructions(text: str) -> list[tuple[str, str]]:
    """(name, rest) of each instruction, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


class Stage:
    """One stage: a tree, and what its instructions have set."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.env = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", "HOME": "/root"}
        self.folder = "/"
        self.user = "0"

    def run(self, command: str, user: str = "0") -> None:
        """A RUN step."""
        given = {key: value for key, value in os.environ.items() if PASSED.fullmatch(key) and key not in OWN_ENV}
        env = {**given, **self.env}
        inner = [
            str(shutil.which("chroot")),
            f"--userspec={user}",
            str(self.tree),
            "/bin/sh",
            "-ec",
            f"cd {self.folder} && {command}",
        ]
        subprocess.run(["env", "-i", *(f"{key}={value}" for key, value in env.items()), *inner], check=True)

    def expanded(self, text: str) -> str:
        """With its variables."""
        return re.sub(r"\$\{?([A-Za-z_]+)\}?", lambda found: self.env.get(found[1], ""), text)


def build(tree: Path, arguments: dict[str, str]) -> Stage:
    """Runs all steps; the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(tree)
    for name, rest in instructions((HERE / "Dockerfile").read_text(encoding="utf-8")):
        start = time.monotonic()
        if name == "FROM":
            alias = rest.split(" AS ")[1].strip() if " AS " in rest else "final"
            stage = stages[alias] = Stage(tree.with_name(f"{tree.name}-{alias}"))
            subprocess.run(["cp", "-a", "--reflink=auto", str(tree), str(stage.tree)], check=True)
            subprocess.run(["mount", "-t", "proc", "proc", str(stage.tree / "proc")], check=True)
            atexit.register(subprocess.run, ["umount", str(stage.tree / "proc")], check=False)
        elif name == "ARG":
            key, _, default = rest.partition("=")
            stage.env[key] = arguments.get(key, default)
        elif name == "ENV":
            stage.env |= {key: stage.expanded(value) for key, value in re.findall(r"(\w+)=(\S+)", rest)}
        elif name == "WORKDIR":
            stage.folder = rest
            (stage.tree / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            copy(rest, stage, stages)
        elif name == "RUN":
            stage.run(rest)
        elif name == "USER":
            stage.user = rest
        elif name not in ("ENTRYPOINT", "CMD"):
            raise ValueError(f"unknown instruction {name}")
        print(f"{time.monotonic() - start:7.1f} s  {name} {rest[:90]}", flush=True)
    return stage


def copy(rest: str, stage: Stage, stages: dict[str, Stage]) -> None:
    """A COPY step, from here (what .dockerignore lets through) or from another stage."""
    *sources, target = shlex.split(rest)
    origin = HERE
    if sources[0].startswith("--from="):
        origin = stages[sources.pop(0).removeprefix("--from=")].tree
    folder = stage.tree / (target if target.startswith("/") else f"{stage.folder}/{target}").lstrip("/")
    allowed = {line[1:].strip("/") for line in (HERE / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for source in sources:
        if source == ".":
            for name in sorted(allowed):
                place(origin / name, folder / name)
        else:
            if origin == HERE and source.strip("/") not in allowed:
                raise ValueError(f".dockerignore does not let {source} through")
            whole = source.endswith("/") or target.startswith("/")
            place(origin / source.strip("/"), folder if whole else folder / source)


def place(source: Path, target: Path) -> None:
    """A file or a folder, without caches."""
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__") if source.is_relative_to(HERE) else None
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=ignored)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("--build-arg", action="append", default=[])
    options = parser.parse_args()
    stage = build(options.tree.absolute(), dict(one.split("=", 1) for one in options.build_arg))
    stage.run(
        "modelmill --help > /dev/null && "
        "python -P -m modelmill.pipeline.runners.kubeflow.container.entrypoint --help | head -1",
        stage.user,
    )
    stage.run("test ! -e /usr/bin/g++ && touch /minio/x && rm /minio/x", stage.user)
    print(json.dumps({"user": stage.user, "env": stage.env}))


if __name__ == "__main__":
    main()
