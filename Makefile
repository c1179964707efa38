# Two commands do everything: `make demo` and `make test`.  Each creates .venv and installs what is locked.
#
#   make demo     the sample subject through every stage; prints where the video and the report are
#   make test     the whole test suite
#   make lint     ruff and mypy
#   make bench    the measurements behind docs/results.md
#   make server   a Prefect server on PostgreSQL, with work pool and deployments (docs/operations.md)
#   make worker   a worker for that server; one on every machine, in a clone of its own
#
# A CUDA build of torch:  make demo TORCH_PIP_ARGS="--index-url <index of the build for your CUDA>"

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
KERNELS := $(VENV)/.kernels
TORCH_PIP_ARGS ?=
DEMO_SUBJECT ?= sample

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench server worker lock clean

help:
	@sed -n 's/^#   //p' Makefile

setup: $(STAMP)

$(STAMP): requirements/torch.txt requirements/lock.txt requirements/no-deps.txt pyproject.toml
	@python=$$(sh requirements/find_python.sh) && \
	echo "setting up $(VENV) with $$python (some minutes the first time)" && \
	{ test -x $(BIN)/python || "$$python" -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet $(TORCH_PIP_ARGS) -c requirements/lock.txt -r requirements/torch.txt
	@$(BIN)/python -m pip install --quiet --no-deps -r requirements/lock.txt
	@$(BIN)/python -m pip install --quiet --no-deps -r requirements/no-deps.txt
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

demo: $(STAMP)
	@$(BIN)/erlnet assets fetch sample
	@$(BIN)/erlnet onboard data/assets/sample.mp4 --subject $(DEMO_SUBJECT) --profile demo --style neutral \
	  --consent "Sample clip shipped with PsychoPy for demonstrations; used for this local demonstration only."

# Triton, for the tests alone: its interpreter runs the GPU's kernels without one.  A CUDA build of torch has it already.
$(KERNELS): $(STAMP) requirements/kernels.txt
	@$(BIN)/python -m pip install --quiet --no-deps -r requirements/kernels.txt
	@touch $@

test: $(KERNELS)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

PREFECT_API_URL ?= http://127.0.0.1:4200/api
WORKER_LIMIT ?= 8

server: $(STAMP)
	@$(BIN)/python -m flows.server $(SERVER_ARGS)

worker: $(STAMP)
	@ERLNET_ROOT="$(CURDIR)" PREFECT_API_URL="$(PREFECT_API_URL)" \
	  $(BIN)/prefect worker start --pool erlnet --limit $(WORKER_LIMIT)

# Freeze what is installed now; torch and the --no-deps packages have files of their own.
lock: $(STAMP)
	@$(BIN)/python -m pip freeze --exclude-editable \
	  | grep -viE '^(torch|triton|mediapipe|face-alignment)==' > requirements/lock.txt.new
	@mv requirements/lock.txt.new requirements/lock.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
