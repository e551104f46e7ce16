PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= runs/demo
AUDIO  ?= examples/demo_speaker
MODELS ?= $(OUT)/../toy-models
GOLDEN := charts/voicemill/workflows

.PHONY: help setup demo test check format golden bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(VENV)/.done ## a virtual environment with every dependency at its pinned version

$(VENV)/.done: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "voicemill needs Python 3.11 or newer; set PYTHON=..."; exit 69; }
	@command -v cc >/dev/null || { echo "two dependencies are compiled on installation: install a C compiler (apt-get install build-essential python3-dev)"; exit 69; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup ## clone the demo speaker's voice (AUDIO=dir and MODELS=dir for your own)
	VOICEMILL=$(BIN)/voicemill examples/demo.sh "$(AUDIO)" "$(MODELS)" "$(OUT)"

test: setup ## the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: setup ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: setup ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: setup ## rewrite the golden YAML of the workflows
	$(BIN)/hera generate yaml workflows/ --to $(GOLDEN)/

bench: setup ## the figures of docs/benchmarks.md (DATA=dir with speech samples)
	$(BIN)/python -m benchmarks $(if $(DATA),--data "$(DATA)")

clean: ## remove what setup and the demo made
	rm -rf $(VENV) $(OUT)
