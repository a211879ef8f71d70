# ruff: noqa
p = "pyproject.toml"
s = open(p).read()
a = s.index("[tool.setuptools]\n")
b = s.index("[tool.ruff]")
s = (
    s[:a]
    + """[tool.setuptools] # setup.py lists the packages
package-dir = { "modelmill" = "pipeline/public", "modelmill.pipeline" = "pipeline", "modelmill.components" = "components", "modelmill.data" = "data" }

[tool.setuptools.package-data]
"modelmill.pipeline" = ["experiments/*.yaml"]
"modelmill.pipeline.report" = ["templates/*"]
"modelmill.data.samples" = ["files/*"]

[tool.setuptools.exclude-package-data]
"*" = ["*.pyc", "**/*.pyc"]

"""
    + s[b:]
)
s = s.replace('modelmill = "components.testing"', 'modelmill = "modelmill.components.testing.pytest_plugin"').replace(
    'modelmill = "pipeline.cli:main"', 'modelmill = "modelmill.pipeline.cli.app:main"'
)
s = s.replace("[tool.ruff.lint]\n", '[tool.ruff.lint]\nisort.known-first-party = ["modelmill"]\n')
s = s.replace(
    'packages = ["pipeline", "components", "data"]\nstrict',
    'mypy_path = "build/links" # `make check` makes it\npackages = ["modelmill"]\nstrict',
)
open(p, "w").write(s)
