# make demo and make test are all a fresh machine needs: each makes .venv and installs what it uses.

PYTHON ?= python3
BIN := .venv/bin
# torch must stand in the same command as what needs it, or pip fetches a newer one
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch

# On Linux, PyPI's torch brings CUDA; builds for CPUs have an index of their own
TORCH := $(shell grep '^torch==' constraints.txt)
CPU_INDEX := https://download.pytorch.org/whl/cpu

# What has to hold with any release of transformers, TRL and the others that pyproject.toml allows
CORE := tests/test_modeling_audio_judge.py tests/test_processing_audio_judge.py tests/test_autoclasses.py tests/judge/test_judge.py \
	tests/judge/test_generation.py tests/training/test_grpo.py tests/training/test_sft.py

.PHONY: demo test test-latest test-core-latest lint format benchmark docs clean

demo: .venv/demo
	$(BIN)/audio-judge score examples/clips --table

test: .venv/dev
	$(BIN)/pytest -n 2 --dist loadfile

# The newest releases that pyproject.toml allows, in an environment of their own; of torch the tested one, for the reason above.
# test-core-latest is what CI runs of it
test-latest:
	test -x .venv-latest/bin/pip || $(PYTHON) -m venv .venv-latest
	.venv-latest/bin/pip install --quiet --disable-pip-version-check --upgrade "$(TORCH)" --editable ".[dev]"
	.venv-latest/bin/pip list --format freeze | grep -E '^(transformers|trl|peft|accelerate|datasets|huggingface_hub|tokenizers|torch)=='
	.venv-latest/bin/pytest -n 2 --dist loadfile $(TESTS)

test-core-latest:
	$(MAKE) test-latest TESTS="$(CORE)"

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
	rm -rf .venv .venv-latest build dist *.egg-info

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/torch: .venv/bin/pip constraints.txt
	@if test -e /proc/driver/nvidia/version; then echo "torch: PyPI's build, with CUDA for the NVIDIA driver that is here"; \
	elif $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --retries 0 --timeout 10 --index-url $(CPU_INDEX) $(TORCH) 2>/dev/null; \
	then echo "torch: the build for CPUs, $$(du -sh .venv/lib/python3*/site-packages/torch | cut -f1) on disk"; \
	else echo "torch: PyPI's build, on Linux with 4 GB of CUDA, since $(CPU_INDEX) cannot be reached"; fi
	touch $@

.venv/demo: .venv/torch pyproject.toml
	$(INSTALL) --editable .
	@echo "$$(du -sh .venv | cut -f1) are installed in .venv"
	touch $@

.venv/dev: .venv/torch pyproject.toml
	$(INSTALL) --editable ".[dev]"
	@if command -v cc >/dev/null; then $(INSTALL) pesq; else echo "no C compiler: pesq, the one package without a wheel, stays out, and its test is skipped"; fi
	touch $@ .venv/demo

.venv/benchmark: .venv/torch pyproject.toml
	$(INSTALL) --editable ".[eval]"
	touch $@ .venv/demo

.venv/docs: .venv/torch pyproject.toml
	$(INSTALL) --editable ".[docs]"
	touch $@ .venv/demo
