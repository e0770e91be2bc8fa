# make demo and make test are all a fresh machine needs: each makes .venv and installs what it uses.

PYTHON ?= python3
BIN := .venv/bin
# torch must stand in the same command as what needs it, at its exact version, or pip fetches a CUDA build of gigabytes
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch

.PHONY: demo test lint format benchmark docs clean

demo: .venv/demo
	$(BIN)/audio-judge score examples/clips --table

test: .venv/dev
	$(BIN)/pytest -n 2 --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/benchmark
	$(BIN)/python benchmarks/speed.py

docs: .venv/docs
	$(BIN)/mkdocs build --strict

clean:
	rm -rf .venv build dist *.egg-info

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

.venv/dev: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable ".[dev]"
	@if command -v cc >/dev/null; then $(INSTALL) pesq; else echo "no C compiler: pesq, the one package without a wheel, stays out, and its test is skipped"; fi
	touch $@ .venv/demo

.venv/benchmark: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable ".[eval]"
	touch $@ .venv/demo

.venv/docs: .venv/bin/pip pyproject.toml constraints.txt
	$(INSTALL) --editable ".[docs]"
	touch $@ .venv/demo
