# Every target creates what it needs. `make help` lists them.

PYTHON  ?= python3
# On two cores: the tests wait about as long as they compute.
WORKERS ?= 3
ROUNDS  ?= 15
ARGS    ?=

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# What the tools read: the package through its links, and the code around it that exists so far.
AROUND := $(foreach d,tests benchmarks examples docs,$(if $(wildcard $d/*.py $d/*/*.py),$d))

# Node's packages, for tests of what runs in pages; without Node those are skipped.
NODE := $(if $(shell command -v npm),$(addsuffix /node_modules/.installed,web/client examples/web tests/support/durable_streams tests/support/mcp_clients tests/frontends))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test thorough long lint format docs bench up chaos crashes lock sbom clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.runtime  ## Run a gateway with a team of agents at work, in the console
	@echo "demo: starting (Ctrl-C stops it)"
	@$(BIN)/stenogram demo $(ARGS)

test: $(VENV)/.dev $(NODE)  ## Run the tests (ARGS="-k name" narrows them, WORKERS=n runs n at once)
	@echo "test: pytest with $(WORKERS) workers"
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not thorough" $(ARGS)

thorough: $(VENV)/.dev $(NODE)  ## Run what takes the longest of the tests: crashes, clocks, other people's suites
	@echo "thorough: pytest with $(WORKERS) workers"
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m thorough $(ARGS)

# What the tests do more of when they are given the time, and where.
LONG := STENOGRAM_KILLS=15 STENOGRAM_APPENDS=10000 STENOGRAM_EVENTS=100000 STENOGRAM_RUNS=3 STENOGRAM_EACH=600 STENOGRAM_CLAIMS=10000 \
	STENOGRAM_REBUILD=1000000 STENOGRAM_ALL_RECORDINGS=yes STENOGRAM_TEST_OPERATIONS=all STENOGRAM_TEST_EXAMPLES=100 \
	STENOGRAM_BENCHMARKS=all STENOGRAM_TAKEOVERS=20 STENOGRAM_TEST_LEAKS=1000 STENOGRAM_CUTS=10000 STENOGRAM_SLEEP=300 \
	STENOGRAM_SOAK_MINUTES=30 STENOGRAM_CHURN_MINUTES=10 STENOGRAM_AUTOBAHN='*' STENOGRAM_STREAMS=all STENOGRAM_FRONTENDS=all \
	STENOGRAM_RACE=200 STENOGRAM_TEST_PAST=300 STENOGRAM_TEST_GROWTHS=500
LONG_TESTS := $(addprefix tests/live/test_,leak_search.py crash.py slow.py gateways.py team.py view_rebuild.py view_takeovers.py \
	recordings.py recorded_moments.py openapi.py soak.py churn.py benchmarks.py durable_streams_suite.py durable_streams_input.py) \
	$(addprefix tests/unit/api/test_,team_machine.py leaks.py past.py) tests/autobahn tests/frontends tests/unit/frontends tests/web/test_client.py \
	tests/live/adapters/test_mcp_faults.py tests/unit/cli/recordings/test_growing_transcripts.py

long: $(VENV)/.dev  ## Run the long forms of tests: more kills, events, runs, claims, examples, sessions; takes hours
	@echo "long: $(LONG_TESTS)"
	@$(LONG) $(BIN)/pytest -n $(WORKERS) --timeout 900 $(LONG_TESTS) $(ARGS)

lint: $(VENV)/.dev  ## Check style, format, types and the floors of the house
	@echo "lint: ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "lint: ruff format --check"
	@$(BIN)/ruff format --quiet --check . || { echo "lint: some files are not formatted; run: make format"; $(BIN)/ruff format --check .; exit 1; }
	@echo "lint: mypy"
	@$(BIN)/mypy --no-error-summary .link/stenogram $(AROUND)
	@echo "lint: import-linter"
	@PYTHONPATH=.link $(BIN)/lint-imports --config pyproject.toml >$(VENV)/.floors 2>&1 || { cat $(VENV)/.floors; exit 1; }

format: $(VENV)/.dev  ## Format the code and apply the safe fixes
	@echo "format: ruff"
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

docs: $(VENV)/.docs  ## Build the documentation into docs/_build/html; a warning is an error
	@echo "docs: sphinx, into docs/_build/html"
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.dev  ## Run the benchmarks
	@echo "bench: benchmarks/run.py"
	@$(BIN)/python benchmarks/run.py $(ARGS)

up: .env  ## Start PostgreSQL, two gateways and a proxy with Docker; makes .env with a secret
	@docker compose up --build --detach --wait
	@echo "up: http://localhost:8600 (docker compose logs -f; docker compose down)"
	@echo "up: a token: docker compose exec gateway-1 stenogram token --sub maya"

# The secret that tokens are signed with. It is made once: with another one every token that was made is refused.
.env:
	@umask 077 && echo "STENOGRAM_JWT_SECRET=$${STENOGRAM_JWT_SECRET:-$$(od -An -vtx1 -N32 /dev/urandom | tr -d ' \n')}" >$@
	@echo "up: made .env with a secret for tokens; keep it"

chaos: $(VENV)/.dev  ## Break gateways and PostgreSQL under load, 15 rounds (ROUNDS=n); prints the outages
	@echo "chaos: tests/live/test_chaos.py, and the demo with --chaos"
	@STENOGRAM_ROUNDS=$(ROUNDS) STENOGRAM_PAUSE=10 $(BIN)/pytest -q -n 0 tests/live/test_chaos.py tests/live/test_demo.py -k chaos $(ARGS)

crashes: $(VENV)/.dev  ## Kill 30 runners of views on each engine, and compare what is left with a fresh fold
	@echo "crashes: tests/live/test_view_crashes.py"
	@STENOGRAM_CRASHES=30 $(BIN)/pytest tests/live/test_view_crashes.py

# Versions and hashes of everything that is installed, as pip reads them. Whatever two of these have, they have in the same
# version: the image gets what the tests ran with.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url $(ARGS)
IMAGE_PYTHON = $(shell sed -n 's/^ARG PYTHON=python:\([0-9.]*\).*/\1/p' Dockerfile)
BUILD_SYSTEM := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

lock: $(VENV)/.deploy  ## Lock what CI and the image install, in requirements/ (ARGS=--upgrade takes what is newest)
	@echo "lock: requirements/dev.txt, deploy.txt, image.txt, build.txt"
	@$(LOCK) --universal --python-version 3.11 --extra dev -o requirements/dev.txt pyproject.toml
	@$(LOCK) --universal --python-version 3.11 --extra deploy -c requirements/dev.txt -o requirements/deploy.txt pyproject.toml
	@$(LOCK) --python-platform linux --python-version $(IMAGE_PYTHON) --extra mcp -c requirements/dev.txt -o requirements/image.txt pyproject.toml
	@$(BIN)/python -c '$(BUILD_SYSTEM)' | $(LOCK) --python-version $(IMAGE_PYTHON) -c requirements/dev.txt -o requirements/build.txt -

# Of what is installed, as the image installs it: so it has licences, and who needs what.
sbom: $(VENV)/.deploy  ## Write a software bill of materials of the image (CycloneDX) into dist/
	@echo "sbom: dist/stenogram.cdx.json"
	@rm -rf build/sbom && mkdir -p build/sbom dist
	@$(BIN)/python -m venv --without-pip build/sbom/venv
	@$(PIP) --python build/sbom/venv/bin/python install --require-hashes --only-binary :all: -r requirements/image.txt
	@sed 's/^dynamic = .*/version = "$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' __init__.py)"/' pyproject.toml >build/sbom/pyproject.toml
	@$(BIN)/cyclonedx-py environment build/sbom/venv/bin/python --pyproject build/sbom/pyproject.toml --output-reproducible \
		-o dist/stenogram.cdx.json

clean:  ## Remove everything that these targets made
	@echo "clean: removing $(VENV), caches and built files"
	@rm -rf $(VENV) web/client/node_modules web/client/types examples/web/node_modules tests/support/durable_streams/node_modules tests/support/mcp_clients/node_modules tests/frontends/node_modules tests/web/runtimes/node_modules build dist docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "No '$(PYTHON)' found. Install Python 3.11 or newer, or name yours: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Stenogram needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12"; exit 1; }
	@echo "venv: creating $(VENV) with $$($(PYTHON) -V 2>&1)"
	@$(PYTHON) -m venv $(VENV)

# The stamps: a set of packages is installed again only when pyproject.toml changes.
$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	@echo "venv: installing stenogram and what it runs on"
	@$(PIP) install -e .
	@touch $@

$(VENV)/.dev: pyproject.toml requirements/dev.txt | $(BIN)/python
	@echo "venv: installing stenogram and the development tools, as locked"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime

$(VENV)/.deploy: requirements/deploy.txt $(VENV)/.dev
	@echo "venv: installing what checks and describes a deployment, as locked"
	@$(PIP) install --require-hashes -r requirements/deploy.txt
	@touch $@

%/node_modules/.installed: %/package-lock.json
	@echo "node: installing the packages of $*"
	@cd $* && npm ci --silent --no-audit --no-fund
	@touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	@echo "venv: installing stenogram and the documentation tools"
	@$(PIP) install -e '.[docs]'
	@touch $@ $(VENV)/.runtime
