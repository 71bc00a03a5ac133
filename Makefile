# Every target sets up what it needs: `make test` on a fresh clone is enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST_WORKERS ?= auto
# Java and Lucene beside the environment, so that no other test meets them.
JAVA := .java
PYRITE_TEST_DATA ?= $(abspath ../shared/data)
export PYRITE_TEST_DATA

.DEFAULT_GOAL := help
.PHONY: help cross-encoder demo test test-slow test-pyserini test-cross-encoder check format docs lock browser clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+%?:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Pyrite needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Say which with: make PYTHON=/path/to/python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Could not make $(VENV). On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED) ## Mine, train and compare on Python's standard library; needs no network
	$(BIN)/pyrite demo

test: $(INSTALLED) browser ## Run the fast tests
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile $(PYTEST_FLAGS)

test-slow: $(INSTALLED) browser ## Run the tests that take minutes, a real model or a GPU
	$(BIN)/python -m pytest -m "slow or gpu" $(PYTEST_FLAGS)

$(JAVA)/.installed: $(INSTALLED) requirements-java.lock
	rm -rf $(JAVA)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(JAVA) -r requirements-java.lock
	@touch $@

test-pyserini: $(JAVA)/.installed ## Run the tests of the engine pyserini, with a Java of their own
	PYTHONPATH=$(JAVA) $(BIN)/python -m pytest -m "slow or not slow" $(PYTEST_FLAGS) \
	  tests/unit/search/test_java.py tests/unit/search/test_pyserini.py

test-cross-encoder: $(INSTALLED) ## Train a cut of the cross-encoder, four minutes, and test that it lifts BM25
	$(BIN)/python -m pytest -m slow $(PYTEST_FLAGS) -k a_cut_of_the_training tests/end_to_end/test_cross_encoder_study.py

# That the contracts bite is tested by `make test`; here they only have to hold.
check: $(INSTALLED) ## Check format, lint, types, imports and architecture, in seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest --quiet tests/architecture --ignore tests/architecture/test_contracts.py

format: $(INSTALLED) ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-%: $(INSTALLED) ## Run benchmarks/NAME.py; writes benchmarks/results/NAME.json
	$(BIN)/python -m benchmarks.$*

cross-encoder: $(INSTALLED) ## Train the cross-encoder of the slow tests and studies; CROSS_ENCODER="--queries 1000 --tokens 64" for a cut
	$(BIN)/python -m studies.cross_encoder $(CROSS_ENCODER)

docs: $(INSTALLED) ## Generate the command-line pages and build the site into site/
	$(BIN)/python docs/generate_cli.py
	$(BIN)/mkdocs build --strict

lock: ## Resolve requirements.lock anew from pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python .ci/lock.py

browser:
	@.ci/install-browser

clean: ## Remove what building and testing left; keeps .venv
	rm -rf build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
