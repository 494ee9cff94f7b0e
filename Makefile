# Everything happens in .venv beside this file; nothing is installed elsewhere. `make help` lists the targets.
.SUFFIXES:
.DEFAULT_GOAL := help

BIN := .venv/bin
# The newest Python that can make a virtual environment; another one by `make setup PYTHON=/path/to/python3`.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; \
	done)
# More arguments for bench/run.py, as in `make bench BENCH="--only pipeline"`.
BENCH ?=
# Tests of what loads OpenCV: nets, workers, pictures, the commands. The rest never does, or not otherwise.
WITH_OPENCV := tests/property/test_picture.py tests/e2e/test_command.py \
	$(foreach part,adapting codec colorize deep jpegloss jpegstrips lab modelstore net published worker,tests/unit/test_$(part).py) \
	$(foreach part,pool zygote published_net original_steps fidelity,\
	tests/integration/test_$(part).py)
# More arguments for pytest, as in `make test TESTS=tests/unit`.
TESTS ?=
# Tests at a time: many wait for a quiet time or a deadline, so half as many again as there are cores.
AT_A_TIME ?= $(shell echo $$(( ($$(nproc) * 3 + 1) / 2 )))

# More arguments for tests/torture/run.py, as in `make torture TORTURE="points --files 20"`.
TORTURE ?=

# A virtual environment holds its own place and its Python's: one that was moved, or whose Python is gone, is remade.
ifneq ($(shell test -x $(BIN)/python && cat .venv/.place 2>/dev/null),$(CURDIR))
$(shell rm -f .venv/.ready .venv/.ready-dev)
endif

.PHONY: help run test test-opencv4 trial fuzz quality torture soak setup setup-dev lint bench deb clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

run: .venv/.ready ## try it: colour the sample scans, then go on watching ./inbox; Ctrl-C ends it
	@$(BIN)/python tools/make_run.py

test: .venv/.ready-dev ## run all tests
	$(BIN)/python -m pytest -n $(AT_A_TIME) --dist worksteal $(TESTS)

test-opencv4: .venv-opencv4/.ready ## run what loads OpenCV on the newest OpenCV 4; `make test` runs all on the newest of all
	.venv-opencv4/bin/python -m pytest -n $(AT_A_TIME) --dist worksteal $(or $(TESTS),$(WITH_OPENCV))

trial: .venv/.ready-dev ## 200 photographs into a running daemon, then with ten kills, originals kept and archived
	$(BIN)/python tests/trials/two_hundred.py
	$(BIN)/python tests/trials/two_hundred.py --kills 10 --seed 1
	$(BIN)/python tests/trials/two_hundred.py --kills 10 --seed 2 --originals archive

fuzz: .venv/.ready-dev ## what reads untrusted bytes, with 2,000 examples a test instead of 100
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n auto --timeout 3600 tests/property $(TESTS)

quality: .venv/.ready-dev ## how good the colours are: measures of the shipped net, and sheets of pictures into log/quality
	$(BIN)/python bench/quality.py --out log/quality

torture: .venv/.ready-dev ## kills, failing disks, crowds at full size, into tests/torture/results; takes about two hours
	$(BIN)/python tests/torture/run.py $(TORTURE)

soak: .venv/.ready-dev ## two hours of mixed load and random faults, with a plot of memory and descriptors
	$(BIN)/python tests/torture/run.py soak $(TORTURE)

setup: .venv/.ready ## only make .venv, with .venv/bin/colorwatch in it
	@echo "$(BIN)/colorwatch is ready"

setup-dev: .venv/.ready-dev ## the same, with what tests and linters need
	@echo "$(BIN) is ready for tests and linters"

lint: .venv/.ready-dev ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: .venv/.ready-dev .venv-opencv4/.ready .venv-rivals/.ready ## all benches, into bench/results.json; takes a quarter of an hour
	$(BIN)/python bench/run.py --opencv4 .venv-opencv4/bin/python --rivals .venv-rivals/bin/python $(BENCH)

deb: ## a Debian package for the release that this is, in dist/: everything in it, nothing fetched when it is installed
	python3 tools/make_deb.py

clean: ## remove .venv and what builds and tools leave; inbox, outbox, state and config.yaml stay
	rm -rf .venv .venv-opencv4 .venv-rivals build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# `.making` stands while pip works: where it is still there, the last attempt was cut off, and .venv starts afresh.
.venv/.ready: pyproject.toml
	@$(MAKE) --no-print-directory -s venv EXTRAS= && touch $@

.venv/.ready-dev: pyproject.toml
	@$(MAKE) --no-print-directory -s venv EXTRAS='[dev]' && touch .venv/.ready $@

.venv-opencv4/.ready: pyproject.toml .venv/.ready-dev
	@rm -rf .venv-opencv4
	@$(BIN)/python -m venv .venv-opencv4
	@.venv-opencv4/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' 'opencv-python-headless<5'
	@touch $@

.venv-rivals/.ready: .venv/.ready-dev
	@rm -rf .venv-rivals
	@$(BIN)/python -m venv .venv-rivals
	@.venv-rivals/bin/python -m pip install --quiet --disable-pip-version-check numpy onnxruntime openvino
	@touch $@

.PHONY: venv
venv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "colorwatch needs Python 3.11 or newer with its venv module, and found none." >&2; \
		echo "On Debian and Ubuntu:  sudo apt install python3 python3-venv" >&2; \
		echo "Another Python:        make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	@if [ -e .venv/.making ] || [ "$$(cat .venv/.place 2>/dev/null || echo '$(CURDIR)')" != '$(CURDIR)' ] \
	|| ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Making .venv with $(PYTHON) (the first time this fetches about 80 MB)"; \
		rm -rf .venv && mkdir .venv && touch .venv/.making && "$(PYTHON)" -m venv .venv; \
	fi
	@touch .venv/.making
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRAS)'
	@printf '%s\n' '$(CURDIR)' >.venv/.place
	@rm .venv/.making
