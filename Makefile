# `make demo` and `make test` need Python 3.11 or later, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: help demo test lint format bench pictures lock clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

demo: $(READY) ## Run the ledger with its seed on an embedded PostgreSQL: http://127.0.0.1:8000
	@exec $(BIN)/ledger demo

test: $(READY) ## Run all tests, in one process more than there are processors, as many of them wait
	$(BIN)/python -m pytest --numprocesses $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)') --dist loadfile --no-loadscope-reorder

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Bring the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Measure beside what people would pick instead (QUICK=1: three minutes)
	$(BIN)/python -m benchmarks

pictures: $(READY) ## Take the pictures in docs/ anew, from a demo (needs Chromium)
	$(BIN)/python docs/take_pictures.py

lock: $(READY) ## Make the lock file anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet --group dev pyproject.toml -o requirements.lock

clean: ## Remove what was set up, but not the data
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis benchmarks/.peers benchmarks/node_modules
