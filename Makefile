# Everything a newcomer needs: `make demo` and `make test`.

VENV := .venv
PYTHON := $(VENV)/bin/python
DEMO := runs/demo

.PHONY: demo test install

# A DCGAN that learns to draw digits. The run is made anew each time.
demo: $(VENV)/installed
	$(VENV)/bin/kerasgan train dcgan --data digits --image-size 16 --epochs 120 --learning-rate 1e-3 \
		--set latent_dim=64 --set base_width=32 --set ema_decay=0.99 --out $(DEMO) --overwrite
	$(VENV)/bin/kerasgan export $(DEMO) $(DEMO)/savedmodels/digits/1
	@echo "Look at $(DEMO)/report.html and $(DEMO)/samples.gif"

test: $(VENV)/installed-test
	$(PYTHON) -m pytest

install: $(VENV)/installed

$(PYTHON):
	python3 -c 'import sys; assert sys.version_info >= (3, 11), "kerasgan needs Python 3.11"'
	python3 -m venv $(VENV)

$(VENV)/installed: setup.cfg pyproject.toml | $(PYTHON)
	$(PYTHON) -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-test: setup.cfg pyproject.toml | $(PYTHON)
	$(PYTHON) -m pip install --quiet --editable '.[test]'
	touch $@
