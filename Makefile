# The few commands people type often. `make` lists them.
#
#   make run CORES=8 CONFIG="configs/phangs.yaml" ARGS="--dry-run figures"
#   make run PYTHON=python3.12                     another interpreter (3.11 or newer)
#   make run VENV_ARGS=--system-site-packages      take a torch that the machine already has (GPU)
#   make run PIP_ARGS="--no-index --find-links DIR"  no internet: packages from a folder

VENV ?= .venv
VENV_ARGS ?=
PIP_ARGS ?=
CORES ?= all
CONFIG ?=
ARGS ?=
TESTS ?= tests
LONG = slow or conda or wheels
# Two workers take a file of tests each, in the order of tests/conftest.py: those of minutes, which often wait for one job,
# while the other works.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# Upstream files are looked for here before any download.
MIRROR ?= $(wildcard ../shared/mirror)
ifneq ($(MIRROR),)
export PHANGS_SFH_MIRROR ?= $(abspath $(MIRROR))
endif
export PYTHONNOUSERSITE = 1
# The tests of the wheels install packages too.
export PIP_ARGS
# Threads that wait sleep; see rules/common/step.smk.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 3000

PY := $(VENV)/bin/python
# On a terminal pip shows its progress; in a log it only says what went wrong.
PIP_INSTALL = $(PY) -m pip install $(if $(MAKE_TERMOUT),,-qq) --disable-pip-version-check $(PIP_ARGS)
# An environment that sees the machine's own packages keeps the machine's own torch.
pins = if grep -qs 'system-site-packages = true' $(VENV)/pyvenv.cfg \
	&& $(PY) -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; \
	then grep -v '^torch==' constraints.txt; else cat constraints.txt; fi
CODE = src scripts speed tests docs_site docs/notebooks
SMK = Snakefile rules

.DEFAULT_GOAL := help
.PHONY: help env run test test-quick coverage test-wheels test-slurm slurm-packages test-conda lint format docs docs-site pictures rule-graph fetch verify \
	bench-synthesis bench-cube wheels constraints clean clean-cache clean-env gpu-inputs gpu-train gpu-train-home

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(VENV)/.run.stamp ## make the Python environment

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; install one or give PYTHON=/path/to/python3.11"; exit 1; }
	@echo "making the environment in $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV_ARGS) $(VENV)

# The stamps make a second run do nothing; they are older than the lists only when those changed.
LISTS = pyproject.toml src/pyprospect/pyproject.toml constraints.txt
$(VENV)/.run.stamp: $(LISTS) | $(VENV)/bin/python
	@echo "installing what a run needs (about 1 GB on disk)"
	@$(call pins) > $(VENV)/constraints.txt
	@$(PIP_INSTALL) --editable ./src/pyprospect --editable .[workflow] -c $(VENV)/constraints.txt
	@touch $@

$(VENV)/.test.stamp: $(LISTS) $(VENV)/.run.stamp
	@echo "installing what tests and linters need"
	@$(call pins) > $(VENV)/constraints.txt
	@$(PIP_INSTALL) --editable .[dev] -c $(VENV)/constraints.txt
	@touch $@

wheels: $(VENV)/bin/python ## build both packages into dist/
	@rm -f dist/pyprospect-*.whl dist/phangs_sfh-*.whl
	@$(PY) -m pip wheel -q --disable-pip-version-check $(PIP_ARGS) --no-deps --wheel-dir dist ./src/pyprospect .
	@ls -sh dist/*.whl

fetch: env ## fetch the upstream files of the default run into data/
	@$(PY) -m sfhnet sources fetch default --config config.yaml $(CONFIG)

verify: env ## check the upstream files that are here
	@$(PY) -m sfhnet sources verify default --config config.yaml $(CONFIG)

run: env fetch ## everything: environment, upstream files, the workflow to its end
	@$(PY) -m sfhnet run --cores $(CORES) $(if $(CONFIG),--config $(CONFIG)) -- $(ARGS)

test: $(VENV)/.test.stamp fetch browser-packages ## run every test but those on a SLURM (test-slurm) and the ranks of chains (test-ranks, ten minutes)
	@OMP_NUM_THREADS=1 $(PY) -m pytest $(WORKERS) -m "not slurm and not ranks" $(TESTS)

test-quick: $(VENV)/.test.stamp ## run the tests that take seconds
	@$(PY) -m pytest $(WORKERS) -m "not slurm and not ranks and not ($(LONG))" $(TESTS)

test-ranks: $(VENV)/.test.stamp ## see whether chains of fits are calibrated (ten minutes)
	@$(PY) -m pytest -m ranks $(TESTS)

test-wheels: $(VENV)/.test.stamp ## build both packages and use them in empty environments
	@$(PY) -m pytest -m wheels $(TESTS)

coverage: $(VENV)/.test.stamp fetch ## print which share of the lines of each room the tests of seconds run
	@status=0; $(PY) -m pytest $(WORKERS) --cov=pyprospect --cov=sfhnet --cov-report= \
		-m "not slurm and not ranks and not ($(LONG))" $(TESTS) || status=$$?; \
	$(PY) tests/helpers/coverage_by_room.py .coverage; exit $$status

test-conda: $(VENV)/.test.stamp fetch ## deploy the per-step environments and run in them
	@$(PY) -m pytest -m conda $(TESTS)

test-slurm: $(VENV)/.test.stamp fetch slurm-packages ## run the workflow on a SLURM started on this machine
	@$(PY) -m pytest -m slurm $(TESTS)

browser-packages: ## install Debian's Chromium for the tests of pages (as root)
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
		|| echo "no Chromium here and none installed: tests of pages in a browser are left out"

slurm-packages: ## install Debian's SLURM for the tests (as root; nothing is started)
	@command -v slurmctld munged >/dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null; }

lint: $(VENV)/.test.stamp ## check style and types of code, style of the workflow, the configuration and its documentation
	@status=0; check() { echo "$$*"; "$$@" || status=1; }; \
	check $(PY) -m ruff check $(CODE); \
	check $(PY) -m ruff format --check $(CODE); \
	check $(PY) -m mypy src; \
	check $(VENV)/bin/snakefmt --check $(SMK); \
	check $(PY) -m snakemake --lint; \
	check $(PY) -m sfhnet config check; \
	check $(PY) -m sfhnet config docs --check; \
	exit $$status

format: $(VENV)/.test.stamp ## put code and workflow into the house style
	@$(PY) -m ruff check --fix $(CODE)
	@$(PY) -m ruff format $(CODE)
	@$(VENV)/bin/snakefmt $(SMK)

docs: env ## write the generated pages of docs/
	@$(PY) -m sfhnet config docs

# Neither the packages nor what they need is installed: the reference is read from their source.
DOCS_VENV = .venv-docs
$(DOCS_VENV)/.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "installing what the documentation site needs in $(DOCS_VENV)"
	@$(PY) -m venv $(DOCS_VENV)
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
		> $(DOCS_VENV)/requirements.txt
	@$(DOCS_VENV)/bin/python -m pip install -qq --disable-pip-version-check $(PIP_ARGS) -r $(DOCS_VENV)/requirements.txt
	@touch $@

docs-site: $(DOCS_VENV)/.stamp ## build the documentation as a site in site/; a warning or a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --strict --clean 2>$(DOCS_VENV)/log || { cat $(DOCS_VENV)/log; exit 1; }
	@echo "site/index.html: open it in a browser; for its search: python3 -m http.server --directory site"

rule-graph: env ## draw the rules of the workflow into docs/images (needs Debian's graphviz)
	@$(PY) -m snakemake --rulegraph --cores 1 2>/dev/null | $(PY) docs_site/rule_graph.py docs/images/rules.svg

RESULTS ?= results
pictures: $(VENV)/.test.stamp fetch browser-packages rule-graph ## draw all pictures of docs/ anew, from a finished run in RESULTS
	@OMP_NUM_THREADS=1 $(PY) docs_site/pictures.py --results $(RESULTS)

bench-synthesis: env ## measure the speed of synthesis
	@$(PY) speed/bench_synthesis.py $(ARGS)

bench-cube: env ## measure memory and time of preparing a PHANGS-size cube (ARGS="--folder DIR", 9 GB of disk)
	@$(PY) speed/bench_cube.py $(ARGS)

# Training on a machine that has a GPU and nothing else: docs/gpu.md.
MODEL ?= flagship
SECONDS ?= 480
GPU ?= gpu
OUT ?= $(GPU)/carried
GPU_PYTHON ?= python3
GPU_CONFIG = $(or $(CONFIG),configs/gpu.yaml)
GPU_WHEELS = pydantic pydantic_core annotated_types typing_inspection
# Of Python 3.12 for Linux; give GPU_PLATFORM for another one.
GPU_PLATFORM ?= --python-version 3.12 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64

gpu-inputs: env fetch ## pack what make gpu-train needs into gpu/
	@$(PY) -m sfhnet run results/forward.safetensors --cores $(CORES) --config $(GPU_CONFIG)
	@mkdir -p $(GPU) && cp results/forward.safetensors $(GPU)/
	@$(PY) -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: $(GPU_PLATFORM) -d $(GPU)/wheels \
		$$($(PY) -m pip freeze | grep -iE '^($(subst $(eval) ,|,$(subst _,[-_],$(GPU_WHEELS))))=')
	@du -sh $(GPU)

gpu-train: ## train MODEL for SECONDS on a machine with a GPU and gpu/; leaves pieces of 16 MiB in OUT
	@test -f $(GPU)/forward.safetensors || { echo "$(GPU)/forward.safetensors is missing: make gpu-inputs at home"; exit 1; }
	@test -d $(GPU)/site || test ! -d $(GPU)/wheels || $(GPU_PYTHON) -m pip install -q --no-index --no-deps --target $(GPU)/site $(GPU)/wheels/*.whl
	@PYTHONPATH=src:$(GPU)/site $(GPU_PYTHON) -m sfhnet train $(MODEL) --config $(GPU_CONFIG) \
		--forward $(GPU)/forward.safetensors --seconds $(SECONDS) -o $(GPU)/model --carry $(OUT) $(ARGS)

gpu-train-home: env fetch ## calibrate and validate what make gpu-train left in OUT; copy it to data/models/MODEL
	@$(PY) -m sfhnet step bring_model --pieces $(OUT) --out-dir results/model/$(MODEL)
	@$(PY) -m sfhnet run results/validation/$(MODEL)/metrics.json results/model/$(MODEL)/predictive.json \
		--config $(GPU_CONFIG) --cores $(CORES) -- --rerun-triggers params
	@$(PY) -m sfhnet step ship_model --model-dir results/model/$(MODEL) --metrics results/validation/$(MODEL)/metrics.json \
		--out-dir data/models/$(MODEL)

constraints: $(VENV)/.test.stamp ## write constraints.txt anew from this environment
	@{ sed -n '/^#/p' constraints.txt; $(PY) -m pip freeze --exclude-editable | sed 's/+cpu$$//' \
		| grep -viE '^(pip|setuptools|wheel|nvidia|triton)'; } > constraints.txt.part
	@mv constraints.txt.part constraints.txt && touch $(VENV)/.run.stamp $(VENV)/.test.stamp

clean: ## remove results, logs and benchmarks; keep data/ and the environment
	rm -rf results logs benchmarks report.html site .snakemake .pytest_cache .ruff_cache .mypy_cache

clean-cache: ## remove downloaded archives; the files taken from them stay in data/
	rm -rf data/.cache

clean-env: ## remove the environments
	rm -rf $(VENV) $(DOCS_VENV)
