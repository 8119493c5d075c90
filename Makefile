# From a fresh clone: `make search` or `make test`, nothing before it. Python 3.11 or newer, git and make.
PYTHON ?= python3

.PHONY: setup search test check lock

setup: .venv/.ready
	@.venv/bin/mnasnet --version >/dev/null 2>&1 || { echo "the environment in .venv is damaged: rm -rf .venv, then make again" >&2; exit 1; }

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.11 setup" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

search: setup
	.venv/bin/mnasnet search

test: setup
	.venv/bin/python -m pytest -n 2

check: setup
	scripts/check

lock:
	scripts/lock
