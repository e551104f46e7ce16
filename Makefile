PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= runs/demo
AUDIO  ?= examples/demo_speaker
MODELS ?= $(OUT)/../small-models
GOLDEN := charts/voicemill/workflows

TOOLS               := .tools/bin
helm_PACKAGE        := helm.sh/helm/v3/cmd/helm@v3.19.0
# The Kubernetes that `helm template` and `helm lint` take for granted.
helm_FLAGS          := $(foreach part,Major=1 Minor=34,-X helm.sh/helm/v3/pkg/chartutil.k8sVersion$(part))
kubeconform_PACKAGE := github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0

# Two workers with a thread each.
TESTING := OMP_NUM_THREADS=1
# Two cores; files stay whole, as their fixtures are dear, and in the order of tests/conftest.py.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup tools demo test coverage check site format constraints golden images smoke dist bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(VENV)/.done ## a virtual environment with every dependency at its pinned version (TORCH_CUDA=1: for a GPU)

$(VENV)/.done: pyproject.toml constraints.txt scripts/environment.py
	@command -v $(PYTHON) >/dev/null || { echo "voicemill needs Python 3.11 or newer; set PYTHON=..."; exit 69; }
	@command -v cc >/dev/null || { echo "two dependencies are compiled on installation: install a C compiler (apt-get install build-essential python3-dev)"; exit 69; }
	$(PYTHON) scripts/environment.py $(VENV)
	@touch $@

demo: setup ## clone the demo speaker's voice (AUDIO=dir and MODELS=dir for your own)
	VOICEMILL=$(BIN)/voicemill examples/demo.sh "$(AUDIO)" "$(MODELS)" "$(OUT)"

tools: $(TOOLS)/helm $(TOOLS)/kubeconform ## Helm and kubeconform, for the chart's tests (needs Go)

# Without Go the tests that need a tool are skipped and say so.
$(TOOLS)/%:
	@command -v go >/dev/null || { echo "no Go: $* is not built"; exit 0; }; \
	GOBIN=$(CURDIR)/$(TOOLS) CGO_ENABLED=0 go install -ldflags "$($*_FLAGS)" $($*_PACKAGE)

test: setup tools ## the whole test suite
	$(TESTING) $(BIN)/python -m pytest $(WORKERS)

coverage: setup tools ## the test suite, and which lines of voicemill it ran (COVERAGE="tests/core ..." for some of it)
	$(TESTING) $(BIN)/python -m pytest $(WORKERS) --cov --cov-report term:skip-covered --cov-report html $(COVERAGE)

check: setup ## lint, types, spelling and words, licences, pages and their links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python images/licences.py --check
	$(BIN)/python scripts/reference.py --check
	$(BIN)/codespell
	$(BIN)/python scripts/check_words.py
	$(BIN)/python scripts/prose.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

site: setup ## show the pages of docs/ at http://127.0.0.1:8000, made anew when they change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

format: setup ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python scripts/prose.py

constraints: ## remake constraints.txt from pyproject.toml (UPGRADE=1: the newest versions that fit together)
	$(PYTHON) scripts/constraints.py $(if $(UPGRADE),--upgrade)

golden: setup ## rewrite what is generated: the workflows' YAML, the chart's values, the reference, the licences' page
	$(BIN)/hera generate yaml workflows/ --to $(GOLDEN)/
	$(BIN)/python charts/readme.py
	$(BIN)/python scripts/reference.py
	$(BIN)/python images/licences.py >docs/reference/licences.md

images: ## the stages' images and a table of their sizes (STAGES="slice ..." for some; images/README.md)
	images/build $(STAGES)

smoke: ## run each image without rights, without network and with a read-only root (STAGES="slice ..." for some)
	images/smoke $(STAGES)

dist: setup tools ## the wheel, the sdist, the chart and the small base of this version, checked (TAG=v...: for that tag)
	rm -rf dist
	$(BIN)/python scripts/release.py check $(TAG)
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python scripts/release.py inspect dist
	$(BIN)/python scripts/release.py base dist
	$(TOOLS)/helm lint --strict charts/voicemill --values charts/voicemill/ci/minimal.yaml
	$(TOOLS)/helm template voicemill charts/voicemill --values charts/voicemill/ci/production.yaml >/dev/null
	$(TOOLS)/helm package charts/voicemill --destination dist

bench: setup ## the figures of docs/results.md (DATA=dir with speech samples)
	$(BIN)/python -m benchmarks $(if $(DATA),--data "$(DATA)")

clean: ## remove what setup and the demo made
	rm -rf $(VENV) $(OUT)
