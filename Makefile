# The front door of Habitué: `make` lists what there is. A machine with Python 3.11+ and make is enough.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready

# Tests that may run side by side, and the workers for them. Chaos kills the servers that all share: alone, at the end.
PARALLEL_TESTS := $(foreach kind,architecture unit contract integration e2e simulation,$(if $(wildcard tests/$(kind)/test_*.py),tests/$(kind)))
CHAOS_TESTS    := $(wildcard tests/chaos/test_*.py)
TEST_WORKERS   ?= 2
MIGRATIONS      = $(shell find services shared -path '*migrations*' -name '*.sql' | sort)

# The zones are those of the locked package tzdata, not the machine's.
export PYTHONTZPATH =
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help env up down demo test lint types bench token dist compose-check clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+[^:=]*:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(READY) ## the Python environment in .venv, exactly as locked

$(READY): pyproject.toml requirements.lock requirements-bootstrap.lock deploy/local/environment.py
	@echo "Making the Python environment in $(VENV) ..."
	@$(PYTHON) deploy/local/environment.py $(VENV)
	@touch $@

demo: $(READY) ## replay real orders through all services and check the books (DATA=file.csv for others)
	@$(PY) -m deploy.local.demo $(if $(DATA),--data $(DATA))

up: $(READY) ## start everything and leave it running; addresses and a token are in .local/env
	@$(PY) -m deploy.local up

down: $(READY) ## stop what `make up` started; the data stay
	@$(PY) -m deploy.local down

token: $(READY) ## print a token (ARGS="--help" for its options)
	@$(PY) -m shared.tokens $(ARGS)

test: $(READY) ## all tests, on real servers
	$(PY) -m pytest -n $(TEST_WORKERS) $(PARALLEL_TESTS)
	$(if $(CHAOS_TESTS),$(PY) -m pytest tests/chaos)

lint: $(READY) ## style of Python and of SQL migrations
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(if $(MIGRATIONS),$(VENV)/bin/squawk $(MIGRATIONS))

types: $(READY) ## types, strictly
	$(PY) -m mypy

bench: bench-ledger bench-demo ## all benchmarks; results in .local/bench

bench-%: $(READY) ## one service's benchmark
	$(PY) -m tests.bench.$*

dist: $(READY) ## the distribution, in dist/
	$(PY) -m hatchling build

compose-check: $(READY) ## whether docker-compose.yml is sound; needs no Docker engine
	$(VENV)/bin/docker-compose --file docker-compose.yml config --quiet

clean: ## stop what runs; remove data, caches and builds (not the environment)
	@if [ -x $(PY) ] && [ -d .local ]; then $(PY) -m deploy.local down; fi
	rm -rf .local dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
