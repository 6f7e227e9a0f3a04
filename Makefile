# `make serve` needs Python 3.11 or newer and a package index, nothing else.
.PHONY: serve test check test-system bench chaos chaos-cluster fuzz lock clean

LOCK = .venv/bin/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --python-version 3.11 --group build

# Where Python is told not to keep its bytecode, every start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

serve:
	@scripts/venv
	@exec .venv/bin/malgil serve

test:
	@scripts/venv dev
	@exec .venv/bin/python -m pytest --ignore=tests/system

check:
	@scripts/venv dev
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# In a real browser, through a real nginx, against real servers and a real Redis.
test-system:
	@scripts/venv dev
	@CHROMIUM="$$(scripts/program chromium chromium chromium-browser google-chrome google-chrome-stable)" && \
	NGINX="$$(scripts/program nginx nginx)" && \
	REDIS="$$(scripts/program redis-server redis-server)" && \
	scripts/program nodejs node >/dev/null && scripts/program npm npm >/dev/null && \
	npm ci --prefix tests/system/socketio --no-audit --no-fund --silent && \
	export CHROMIUM NGINX REDIS && exec .venv/bin/python -m pytest tests/system

bench:
	@scripts/venv dev
	@exec .venv/bin/python -m bench

# kill -9 at every failpoint and between any two pieces, 200 seeded rounds. CHAOS="--rounds 20 --seed 7" for others.
CHAOS ?= --rounds 200 --seed 1
chaos:
	@scripts/venv dev
	@exec .venv/bin/python -m tests.crash $(CHAOS)

# Three gateways, two workers, PostgreSQL, Redis, a bus that loses: half an hour of everything that can happen to them.
ACTS ?= --seconds 1800 --seed 1
chaos-cluster:
	@scripts/venv dev
	@exec .venv/bin/python -m tests.crash.acts $(ACTS)

# The API against its own description. FUZZ="--seconds 3600 --seed 7" for longer, or for other data.
FUZZ ?= --seconds 600 --seed 1
fuzz:
	@scripts/venv dev
	@exec .venv/bin/python -m tests.fuzz $(FUZZ)

# LOCK_FLAGS=--upgrade takes the newest versions.
lock:
	@scripts/venv dev
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) $(LOCK_FLAGS) -o requirements.lock
	$(LOCK) $(LOCK_FLAGS) --group dev --constraint requirements.lock -o requirements-dev.lock

# The data (DATA_DIR) stays.
clean:
	rm -rf .venv .venv.tmp .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
