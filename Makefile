# Two commands do everything on a fresh machine:  make compare  and  make test.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Without an NVIDIA driver, prefer PyTorch's CPU wheels (hundreds of megabytes, not gigabytes).
TORCH_CPU := https://download.pytorch.org/whl/cpu
TORCH     := $(shell sed -n 's/^ *"\(torch[^"]*\)",/\1/p' pyproject.toml)

.PHONY: compare test lint bench gpu setup clean

compare: setup          ## train, attack and score the quick population; writes runs/quick
	$(BIN)/blindspots compare --preset quick --out runs/quick

test: setup             ## the default test suite
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: setup             ## style, types and the import direction of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup            ## speed beside peers, in one run on the same work; writes runs/benchmarks
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks scaling
	$(BIN)/python -m benchmarks.training_step
	$(BIN)/python -m benchmarks.brian
	$(BIN)/python -m benchmarks.cells
	$(BIN)/python -m benchmarks.blink

gpu: setup              ## on a GPU: that all ways compute the same, then how fast; runs/benchmarks-gpu
	$(BIN)/python -m pytest -rs tests/sim/test_fused.py tests/sim/test_replay.py tests/sim/test_whole.py \
	  tests/sim/test_network.py tests/benchmarks/test_device.py
	$(BIN)/python -m benchmarks --device cuda --out runs/benchmarks-gpu

setup: $(READY)

$(READY): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' || \
	  { echo "blindspots needs Python 3.11-3.13; name one with  make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made; on Debian: apt install python3-venv"; exit 1; }
	@if ! command -v nvidia-smi >/dev/null 2>&1 && \
	    $(PYTHON) -c 'import urllib.request as u; u.urlopen("$(TORCH_CPU)/torch/", timeout=5)' 2>/dev/null; then \
	  $(BIN)/pip install --quiet --index-url $(TORCH_CPU) --extra-index-url https://pypi.org/simple "$(TORCH)"; fi
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@

clean:                  ## remove the environment; runs and the user's cache stay
	rm -rf $(VENV)
