#!/usr/bin/env bash
# Move every file to its place in the new tree, and rewrite imports, strings and paths in texts: moves.md says where.
set -e
PYTHONPATH=.ci/moves .venv/bin/python .ci/moves/move.py .ci/moves/moves.md
mkdir -p pipeline/public; git mv pipeline/__main__.py pipeline/public/__main__.py
python3 .ci/moves/inits.py
cp .ci/moves/setup.py . ; cp .ci/moves/links .ci/links; cp .ci/moves/public_init.py pipeline/public/__init__.py
python3 .ci/moves/pyproject.py
sed -i 's/`python -m pipeline` is/`python -m modelmill` is/' pipeline/public/__main__.py
sed -i 's/TYPE_NAME = "components\./TYPE_NAME = "modelmill./; s/TYPE_NAME = "modelmill.components.artifacts\./TYPE_NAME = "modelmill./' components/artifacts.py
.venv/bin/ruff check --fix -q . || true
git ls-files '*.py' | xargs perl -0pi -e 's/if TYPE_CHECKING:\n    pass\n//g'
.venv/bin/ruff check --fix -q . || true
.venv/bin/ruff format -q .
git rm -rqf .ci/moves
git add -A .
