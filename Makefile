# make lm           train a language model on Python's own reference manual
# make label        label each name in Python's standard library with its kind
# make classify     predict from a docstring which package of the standard library it is from
# make conditional  model text given its topic, and predict the topic by Bayes' rule
# make mlm          pre-train an encoder on Python's own docstrings, tune it, compare with scratch
# make distill      train a small network to imitate a large one, on docstrings
# make translate    translate dates written in many styles into ISO 8601
# make answer       answer questions about made-up stories with a span of the story
# make music        learn two-voice counterpoint, and write pieces as MIDI files
# make forecast     forecast the Mackey-Glass series, which is chaotic
# make recognize    read lines of handwritten digits
# make summarize    write the first lines of docstrings from their bodies
# make test         run the tests, except more combinations and slow ones
# make test-all     run the combinations too
# make bench        measure rnnjax and its peers, a small grid
# make docs         build the docs site in site/; make docs-serve shows it
# make package      build the wheel and the source distribution in dist/
# Each makes .venv on first use. PYTHON=... picks the interpreter (3.11 or newer).

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# The first of these that runs and is new enough: a name may exist and still not run (pyenv).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# What a notebook runs in.
KERNEL := {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
# Silences a notice of mkdocs-material about MkDocs 2.
export NO_MKDOCS_2_WARNING := 1

.PHONY: help lm label classify conditional mlm distill translate answer recognize forecast music summarize bench test test-all test-strict test-slow lint format docs docs-serve notebooks package clean

help:
	@sed -n 's/^# //p' Makefile
	@echo "make test-strict, make test-slow, make lint, make format, make clean"

lm: $(VENV)/.scripts
	$(BIN)/rnnjax lm train $(ARGS)

label: $(VENV)/.scripts
	$(BIN)/rnnjax label train $(ARGS)

classify: $(VENV)/.scripts
	$(BIN)/rnnjax classify train $(ARGS)

conditional: $(VENV)/.scripts
	$(BIN)/rnnjax conditional train $(ARGS)

mlm: $(VENV)/.scripts
	$(BIN)/rnnjax mlm train $(ARGS)
	$(BIN)/rnnjax finetune train docstrings --encoder runs/mlm
	$(BIN)/rnnjax finetune train docstrings --encoder runs/mlm --scratch
	$(BIN)/rnnjax finetune evaluate --run runs/docstrings-scratch runs/docstrings-mlm

distill: $(VENV)/.scripts
	$(BIN)/rnnjax classify train
	$(BIN)/rnnjax distill train --teacher runs/docstrings --seeds 0 1 2 $(ARGS)

translate: $(VENV)/.scripts
	$(BIN)/rnnjax translate train $(ARGS)

answer: $(VENV)/.scripts
	$(BIN)/rnnjax answer train $(ARGS)

music: $(VENV)/.scripts
	$(BIN)/rnnjax music train $(ARGS)

forecast: $(VENV)/.scripts
	$(BIN)/rnnjax forecast train $(ARGS)

recognize: $(VENV)/.scripts
	$(BIN)/rnnjax recognize train $(ARGS)

summarize: $(VENV)/.scripts
	$(BIN)/rnnjax summarize train $(ARGS)

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks quick $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'not slow' $(ARGS)

# JAX's strict modes: no implicit promotion of dtypes, and no NaN in any result.
test-strict: $(VENV)/.dev
	JAX_NUMPY_DTYPE_PROMOTION=strict JAX_DEBUG_NANS=1 $(BIN)/python -m pytest -m fast $(ARGS)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: notebooks
	$(BIN)/mkdocs build --strict

docs-serve: notebooks
	$(BIN)/mkdocs serve

# Beside each tutorial, from where the site offers it.
notebooks: $(VENV)/.docs
	$(BIN)/jupytext --quiet --to notebook --update-metadata '$(KERNEL)' docs/tutorials/*.md

package: $(VENV)/.package
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) dist site docs/tutorials/*.ipynb .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; say PYTHON=/path/to/python"; exit 1; }
	@echo "making $(VENV) with $(PYTHON) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.scripts: $(VENV)/.made pyproject.toml
	@echo "installing rnnjax and what its scripts need into $(VENV) (once, a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[scripts]'
	@touch $@

$(VENV)/.bench: $(VENV)/.scripts pyproject.toml
	@echo "installing the peers to compare with into $(VENV) (once, a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

$(VENV)/.dev: $(VENV)/.scripts pyproject.toml
	@echo "installing test and lint tools into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

$(VENV)/.docs: $(VENV)/.made pyproject.toml
	@echo "installing what builds the docs into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	@touch $@

$(VENV)/.package: $(VENV)/.made pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group package
	@touch $@
