# Telecine. `make help` tells what there is. Everything is written inside this folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export npm_config_cache ?= $(CURDIR)/.cache/npm
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV
PIP := $(BIN)/python -m pip install --quiet --no-compile --no-deps --only-binary :all: --require-hashes
COMPILE := $(BIN)/python -m compileall -q -j 0 $(VENV)/lib
STAMPS := $(VENV)/stamps
ARGS ?=

.PHONY: help install install-dev demo down status test check lock clean

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: $(STAMPS)/runtime $(STAMPS)/player ## Install the locked dependencies into .venv

install-dev: install $(STAMPS)/dev

$(STAMPS)/venv:
	@bash scripts/preflight.sh "$(PYTHON)"
	@echo "Creating $(VENV)"
	@"$(PYTHON)" -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: requirements/runtime.lock pyproject.toml $(STAMPS)/venv
	@echo "Installing the locked runtime (about 1 GB the first time; a few minutes)"
	@$(PIP) -r requirements/runtime.lock
	@$(COMPILE) >/dev/null || true
	@$(BIN)/python scripts/link_packages.py
	@touch $@

$(STAMPS)/dev: requirements/dev.lock requirements/schemas.lock tests/players/package-lock.json $(STAMPS)/runtime
	@echo "Installing what the tests need"
	@$(PIP) -r requirements/dev.lock
	@$(PIP) -r requirements/schemas.lock
	@NPM_FOLDER=tests/players bash scripts/npm.sh ci --no-audit --no-fund --ignore-scripts --silent
	@$(COMPILE) >/dev/null || true
	@touch $@

$(STAMPS)/player: playback/web/package-lock.json board/web/package-lock.json $(STAMPS)/runtime
	@echo "Installing what the player and the upload page load (shaka-player, uppy)"
	@bash scripts/npm.sh ci --no-audit --no-fund --ignore-scripts --silent
	@NPM_FOLDER=board/web bash scripts/npm.sh ci --no-audit --no-fund --ignore-scripts --silent
	@touch $@

$(STAMPS)/sample: requirements/demo.lock $(STAMPS)/runtime
	@$(PIP) -r requirements/demo.lock
	@touch $@

demo: install $(if $(MASTER),,$(STAMPS)/sample) ## Start everything, release a title, print where it plays (MASTER=, PRIORITY=, TITLE=)
	@$(BIN)/telecine demo $(if $(MASTER),--master "$(MASTER)") $(if $(PRIORITY),--priority "$(PRIORITY)") $(if $(TITLE),--title "$(TITLE)")

down: ## Stop everything the stack started, and nothing else
	@if [ -x $(BIN)/telecine ]; then $(BIN)/telecine down; else echo "Nothing is installed here."; fi

status: ## What runs
	@if [ -x $(BIN)/telecine ]; then $(BIN)/telecine status; else echo "Nothing is installed here."; fi

test: install-dev ## Run all tests (ARGS= go to pytest)
	@bash scripts/test.sh $(ARGS)

check: install-dev ## Format, lint, types, import rules, unit and golden tests: under a minute
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit tests/golden tests/architecture $(ARGS)

lock: ## Compile requirements/*.in into locks (needs uv on PATH)
	@cd requirements && for name in dev runtime; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" $$( [ $$name = runtime ] && echo "-c dev.lock" ) $$name.in -o $$name.lock || exit 1; done; \
	for name in demo schemas; do \
	  uv pip compile --quiet --no-deps --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
	    $$name.in -o $$name.lock || exit 1; done

clean: down ## Stop the stack and delete its data (titles, keys, everything)
	@rm -rf data
