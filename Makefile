# make demo    a synthetic movie, clicked, tracked, scored and drawn: no screen, no network, only the engine is installed
# make test    all tests, on a virtual screen          make test-engine   the tests that need no Qt and no screen
# make test-pyside6  the tests with a window, with the other Qt: an environment of its own, .venv-pyside6
# make package  wheel and sdist into dist/, checked, installed into a fresh environment and tried: demo, doctor, dock
# make lint    ruff and mypy                           make format        ruff's formatter
# make venv    the environment that all of them use, and nothing else
# make docs     the documentation, into site/           make pictures  its pictures, from a real window on a virtual screen
# make readers  an environment of programs that are not ours, which a test opens exported files with
#
# Variables: PYTHON       the Python (3.11 or newer) that the environment is made with; else the newest one on the PATH
#            VENV         the environment's folder, .venv by default; an existing one that has everything is left as it is
#            TORCH_INDEX  where pip finds torch; see .ci/environment for what is chosen without it
#            BINDING      the Qt that tests use, PyQt6 by default (or PySide6-Essentials)
#            OUT          where the demo writes, napari-sam2-demo by default

VENV ?= .venv
OUT ?= napari-sam2-demo
BIN := $(VENV)/bin
PYTEST_ARGS ?=

.PHONY: demo test test-engine test-pyside6 package lint format venv docs pictures readers clean
.DEFAULT_GOAL := help
.PHONY: help

help:
	@sed -n '/^# /s/^# //p' Makefile

demo: $(VENV)/.engine
	$(BIN)/napari-sam2 demo --out "$(OUT)" --overwrite

test: $(VENV)/.dev
	@.ci/system
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-engine: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not gui" -p no:pytest-qt --no-xvfb $(PYTEST_ARGS)

test-pyside6:
	$(MAKE) test VENV=.venv-pyside6 BINDING=PySide6-Essentials PYTEST_ARGS="-m gui $(PYTEST_ARGS)"

package: $(VENV)/.dev
	@.ci/system
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	NAPARI_SAM2_DIST=dist $(BIN)/python -m pytest tests/packaging -m "" $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venv: $(VENV)/.dev

docs: $(VENV)/.dev
	$(BIN)/python docs/make_numbers.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

pictures: $(VENV)/.dev
	@.ci/system
	$(BIN)/python docs/tools/rooms.py
	xvfb-run -a -s "-screen 0 1600x1000x24" $(BIN)/python docs/make_pictures.py

readers: $(VENV)/.dev
	test -x .venv-readers/bin/python || $(BIN)/python -m venv .venv-readers
	.venv-readers/bin/pip install --quiet -r tests/export/readers.txt

$(VENV)/.engine: pyproject.toml
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" .ci/environment "$(VENV)" engine

$(VENV)/.dev: pyproject.toml
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" BINDING="$(BINDING)" .ci/environment "$(VENV)" dev

clean:
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
