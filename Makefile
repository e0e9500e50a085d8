# Shoal: `make demo` runs the main job, `make test` the tests; both set everything up first. `make help` lists the rest.

PYTHON ?= $(shell command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.txt)

# hnswlib compiles for the very processor it is built on unless told not to, and then dies on another one.
export HNSWLIB_NO_NATIVE := 1
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 1

.DEFAULT_GOAL := help
.PHONY: help setup layers demo test check format up down synth bench nightly openapi requirements clean

help: ## Show what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(VENV)/.ready ## Make .venv with everything pinned (Python 3.13 and a C++ compiler are needed)

$(VENV)/.ready: requirements.txt pyproject.toml
	@echo "set-up: checking the machine"
	@test -n "$(PYTHON)" || { echo "error: no Python found; install Python 3.13 or call make PYTHON=/path/to/python3.13"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' || \
		{ echo "error: $(PYTHON) is not Python 3.13, which the functions run on; call make PYTHON=/path/to/python3.13"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON) has no venv module (Debian: apt-get install python3-venv)"; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || \
		{ echo "error: no C++ compiler, which hnswlib is built with (Debian: apt-get install g++; macOS: xcode-select --install)"; exit 1; }
	@$(PYTHON) -c 'import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || \
		{ echo "error: no Python.h for $(PYTHON), which hnswlib is built with (Debian: apt-get install python3-dev)"; exit 1; }
	@echo "set-up: making .venv (about 40 s the first time, most of it downloads)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@mkdir -p .local && sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .local/requirements-uv.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .local/requirements-uv.txt
	@echo "set-up: installing pinned packages and building hnswlib"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

layers: setup ## Build the vendor layers for Lambda, arm64 and x86_64
	@$(BIN)/python layers/vendor/build.py --arch x86_64 arm64

hostlayers: setup
	@$(BIN)/python layers/vendor/build.py --arch host

demo: hostlayers ## The main job on real data: index the AWS API, ask it questions, break it, see nothing lost
	@$(BIN)/shoal demo

test: hostlayers ## All tests, on a local stack of their own
	@$(BIN)/pytest

check: setup layers ## What CI runs: format, lint, types, all tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/pytest

format: setup ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

up: hostlayers ## Start the local stack; prints the API URL and a key
	@$(BIN)/shoal local up

down: setup ## Stop the local stack
	@$(BIN)/shoal local down

synth: setup layers ## Write the CloudFormation template to cdk.out
	@$(BIN)/python infra/app.py
	@echo "wrote cdk.out"

bench: hostlayers ## All benchmarks; figures go to tests/benchmarks/RESULTS.md by hand
	@$(BIN)/python -m tests.benchmarks

nightly: setup ## Ten thousand steps under faults, and planted bugs that they must find
	@$(BIN)/python -m tests.faults --steps 10000
	@$(BIN)/python -m tests.faults.planted

openapi: setup ## Write the committed OpenAPI file anew
	@$(BIN)/python -m shoal.http.openapi

requirements: setup ## Pin all requirements anew, with hashes and without index addresses
	@$(BIN)/uv pip compile pyproject.toml --extra cli --group dev --python-version 3.13 --universal \
		--generate-hashes --no-annotate --no-header --quiet -o requirements.txt
	@$(BIN)/uv pip compile requirements-emulator.in --python-version 3.13 --universal \
		--generate-hashes --no-annotate --no-header --quiet -o requirements-emulator.txt
	@$(BIN)/uv pip compile requirements-bench.in --python-version 3.13 --universal \
		--generate-hashes --no-annotate --no-header --quiet -o requirements-bench.txt
	@$(BIN)/python layers/vendor/build.py --lock

clean: ## Remove what make made, but for the local stack's state
	@rm -rf $(VENV) cdk.out layers/vendor/build .mypy_cache .ruff_cache .pytest_cache .hypothesis
