# Every target sets up what it needs; nothing is installed outside this folder and the cache.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
# So many tests run at a time, but for those marked `alone`.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -q
BESIDE := $(PYTEST) --numprocesses $(WORKERS) --dist worksteal
# A class of tests shares an engine that takes long to start: it stays with one worker.
ENGINES := $(PYTEST) --numprocesses $(WORKERS) --dist loadscope
# Tests start hundreds of processes: compiled once, each takes half the time to start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-beside test-engines test-alone test-more check compile engines more-engines \
	docs bench reference-model reference-image clean
# `alone` is alone under `make -j`, too.
.NOTPARALLEL:

$(STAMP): pyproject.toml reference_model/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Paceline needs Python 3.11 or newer; run: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --editable reference_model --group dev
	touch $@

engines: $(STAMP)  ## the two engines that the demo and the end-to-end tests run
	$(BIN)/paceline engines install transformers openvino

more-engines: $(STAMP)  ## engines and tools that take long to build or to download
	$(BIN)/paceline engines install diffusers llamacpp llmcompressor sglang vllm

compile: $(STAMP)  ## the gateway's data plane, as a wheel has it; nothing is done twice
	$(BIN)/python hatch_build.py

demo: engines  ## optimize the reference model on this machine
	$(BIN)/paceline optimize reference "optimize for throughput, ttft p95 <= 500ms, quality >= 0.97x" --pipeline demo --budget 5m

test: test-beside test-engines test-alone  ## every test, real engines included

# Without a compiler the gateway is tested interpreted alone.
test-beside: $(STAMP)  ## those that need no engine and bear others beside them
	-$(BIN)/python hatch_build.py
	$(BESIDE) -m "not (alone or engines or more_engines or gpu or long)"

test-engines: engines  ## those of the two engines that bear others beside them
	$(ENGINES) -m "engines and not alone"

test-alone: engines  ## those that compare times; once nobody holds the lock ALONE_AFTER, if there is one
	$(if $(ALONE_AFTER),flock $(ALONE_AFTER) true)
	$(PYTEST) -m "alone and not (more_engines or gpu or long)"

test-more: more-engines  ## the tests of engines and tools that take long to build or to download
	$(ENGINES) -m "more_engines and not alone"
	$(PYTEST) -m "more_engines and alone"

check: $(STAMP)  ## what must hold before a change lands, tests apart
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: $(STAMP)  ## rewrite the generated reference pages
	$(BIN)/python docs/generate.py

bench: engines compile  ## load client, plan, search, the long tests; a quiet machine, about an hour
	$(BIN)/python benchmarks/loadgen.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/search.py replay
	$(BIN)/python -m pytest -q -m long

reference-model:  ## train the reference model again (about an hour on two cores)
	$(MAKE) -C reference_model train

reference-image:  ## train the reference image model again (about half an hour on one core)
	$(MAKE) -C reference_model train-image

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
