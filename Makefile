# make demo · make test · make lint · make ecosystem · make docs · make bench · make setup …     (README says what they do)
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.peers
PANEL_TEST := tb_plugin/frontend/test
TOOLS := $(PANEL_TEST)/node_modules/.installed
SERVE ?= 1
PORT ?= 6006
FRONTEND := adamax_tb/rules/evidence.json $(shell find tb_plugin/frontend/src tb_plugin/frontend/*.json -type f 2>/dev/null)

.PHONY: setup demo test ecosystem lint audit endurance bench claims diagnosis docs dist compatibility proto clean

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py $(FRONTEND)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { echo "On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (two to five minutes the first time)"
	@$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --progress-bar on --editable '.[test,lint]'
	@touch $@

# Vitest and axe, which only those need who change the panel
$(TOOLS): $(PANEL_TEST)/package.json $(PANEL_TEST)/package-lock.json | $(STAMP)
	$(RUN) setup.py npm ci --prefix test --no-audit --no-fund
	@touch $@

demo: $(STAMP)
	$(VENV)/bin/adamax-tb demo --logdir runs --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve)

test: $(STAMP) $(TOOLS)
	$(RUN) setup.py npm test
	$(RUN) -m pytest -n 2 --dist worksteal --ignore tests/ecosystem

# other backends, several processes, healthy trainings, terminals, examples, the notebook, releases: what runs long
ecosystem: $(PEERS)
	$(RUN) -m pytest -n 2 --dist loadfile tests/ecosystem

# PyTorch without CUDA where the index has it, which is a tenth of the size
$(PEERS): $(STAMP)
	@$(RUN) -c 'import torch' 2>/dev/null || $(RUN) -m pip install --quiet 'torch==2.13.0+cpu' || $(RUN) -m pip install --quiet torch
	$(RUN) -m pip install --quiet --editable '.[ecosystem]'
	@touch $@

lint: $(STAMP) $(TOOLS)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) setup.py npm run check

bench: $(STAMP)
	$(RUN) tests/bench/apply.py
	$(RUN) tests/bench/train_step.py
	$(RUN) tests/bench/large.py
	$(RUN) tests/bench/panel.py

diagnosis: $(STAMP)
	$(RUN) tests/diagnosis/evaluate.py

claims: $(STAMP)
	$(RUN) tests/bench/claims.py

# known advisories against what is installed; says so where no database of them can be asked
audit: $(STAMP) $(TOOLS)
	$(RUN) tests/advisories.py

# what takes long to go wrong, with its last results in tests/endurance/RESULTS.md; an hour and a half
endurance: $(STAMP)
	$(RUN) tests/endurance/kill.py
	$(RUN) tests/endurance/soak.py
	$(RUN) tests/endurance/load.py
	$(RUN) tests/endurance/fuzz.py --minutes 30

# the documentation as a static site, in build/site; any warning is an error
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

# what a package index gets, in dist
dist: $(STAMP)
	rm -rf dist
	$(RUN) -m build --outdir dist
	$(RUN) -m twine check --strict dist/*

# the wheel beside the oldest and the newest versions that it allows; some minutes and 1.5 GB each
compatibility: $(STAMP)
	$(RUN) tests/compatibility/check.py

# schema_pb2.py is generated; this old a compiler makes code that every protobuf from 4.25 on accepts
proto:
	$(PYTHON) -m venv build/protoc && build/protoc/bin/pip install --quiet 'grpcio-tools==1.62.3' 'setuptools<81'
	build/protoc/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. adamax_tb/schema.proto

clean:
	rm -rf $(VENV) build dist *.egg-info tb_plugin/static tb_plugin/frontend/node_modules $(PANEL_TEST)/node_modules

# the picture in README, as the browser test took it
examples/panel.png: tests/browser/output/readme.png
	cp $< $@
