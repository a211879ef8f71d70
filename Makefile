# What a developer types; `make` lists it.
SHELL := bash
.DEFAULT_GOAL := help
BIN := .venv/bin
EXPERIMENT ?= digits-cnn
ARGS ?=
# Processes that share the tests; 0: none but pytest's own.
JOBS ?= 2
SITE ?= $(CURDIR)/build/docs
DOCS_VENV ?= build/docs-venv
MOTO_VENV ?= build/moto-venv

# TFX, TF-MOT and Transform work with Keras 2 only, and TensorFlow reads this when imported.
export TF_USE_LEGACY_KERAS := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2
# Where it is set nothing is cached, and every start takes longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test test-all test-kubeflow test-kubeflow-real test-wheel golden golden-record check format \
	bench docs lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make or update .venv
	@.ci/setup

run: setup ## run an experiment: make run EXPERIMENT=digits-cnn ARGS=...
	$(BIN)/modelmill run $(EXPERIMENT) $(ARGS)

# loadfile: what the tests of one file share is made once.
test: setup ## all tests but those of test-all and test-kubeflow; fewer: make test ARGS='-m "not slow and not kubeflow"'
	$(BIN)/python -m pytest -m "not kubeflow" -n $(JOBS) --dist loadfile $(ARGS)

test-all: setup ## every family with every compression method, on two devices, after a kill; half an hour on two cores
	ALL_PAIRS=1 $(BIN)/python -m pytest tests/contracts $(ARGS)

test-kubeflow: setup ## digits-cnn, compiled, through what the launchers of both Kubeflow targets do
	$(BIN)/python -m pytest tests/kubeflow -m slow -s $(ARGS)

# moto stands in for S3; it is of no use to any other test, so it has an environment of its own.
test-kubeflow-real: setup ## compiled packages by Kubeflow's own driver and launcher: KFP_DRIVER=PATH KFP_LAUNCHER=PATH
	$(BIN)/uv venv -q --allow-existing $(MOTO_VENV)
	$(BIN)/uv pip install -q --python $(MOTO_VENV) --group kubeflow-real
	MOTO_SERVER=$(abspath $(MOTO_VENV))/bin/moto_server $(BIN)/python -m pytest tests/kubeflow/real -m kubeflow_real -s $(ARGS)

golden: setup ## that no result has changed: of BASE=COMMIT, run here, too, or else of tests/golden/expected.json
	$(BIN)/python -m tests.golden.against $(BASE)

golden-record: setup ## write tests/golden/expected.json anew, where results are to change
	$(BIN)/python -m tests.golden.record . tests/golden/expected.json

# Its environment has a copy of .venv's Python, and with it the C library that .ci/setup has fetched where the system's
# is too old. --timeout: some gigabytes are downloaded.
test-wheel: setup ## build the wheel, resolve its dependencies afresh (from the network), run it from a user's folder
	FRESH_DEPENDENCIES=1 $(BIN)/python -m pytest tests/e2e/test_wheel.py --timeout 7200 $(ARGS)

check: setup ## lint, format, types, and which module may import which
	@.ci/links
	@failed=0; for tool in 'ruff check .' 'ruff format --check .' mypy 'lint-imports --no-logo'; do \
		echo "$$tool"; PYTHONPATH=build/links $(BIN)/$$tool || failed=1; \
	done; exit $$failed

format: setup ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## benchmarks, each with its figures: make bench ARGS='-k overhead'
	$(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' -s $(ARGS)

docs: setup ## the docs as a site, build/docs/index.html; a link that leads nowhere is an error
	$(BIN)/uv venv -q --allow-existing $(DOCS_VENV)
	$(BIN)/uv pip install -q --python $(DOCS_VENV) --group docs
	$(DOCS_VENV)/bin/mkdocs build -q -f .ci/mkdocs.yml -d $(SITE)

lock: setup ## renew requirements.lock from pyproject.toml; newer versions: make lock ARGS=--upgrade
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url -q \
		--python-version 3.11 --python-platform x86_64-manylinux_2_39 --custom-compile-command 'make lock' \
		-o requirements.lock $(ARGS)
	@.ci/setup

clean: ## remove .venv and all caches, but not runs/
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist *.egg-info
