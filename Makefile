# Targets for people who develop lockstep or try it; `make help` lists them.
# The system's own comes first: distributions build theirs with profile-guided optimization, version managers mostly do
# not, and lockstep takes up to a third more CPU on those. One without `ensurepip` makes no environment by itself.
PYTHON := $(shell for needs in sys,ensurepip sys; do \
	for python in /usr/bin/python3.11 python3.11 /usr/bin/python3 python3 python3.12 python3.13; do \
	"$$python" -c "import $$needs; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && command -v "$$python" && exit; \
	done; done)
LOCAL := $(PYTHON) -m deploy.local
BIN := .venv/bin
# The folders that hold Python now.
CODE := $(patsubst %/,%,$(sort $(dir $(wildcard $(addsuffix /*.py,streams agents sinks edge clients/python/lockstep_client deploy \
	tests bench examples)))))
# The tests of the pure core: of each module that must be covered, those in the file of its name.
PURE := $(filter %.py,$(shell cat tests/pure.coveragerc))
CORE := $(wildcard $(join $(addprefix tests/unit/,$(dir $(PURE))),$(addprefix test_,$(notdir $(PURE)))))
# Faults of the servers, which take minutes each: `make faults` has them.
LONG := $(addprefix tests/faults/test_,brokers.py stores.py zombies.py flapping.py)
# The push platforms: their sinks, and all of them in a running lockstep.
PLATFORMS := tests/integration/platforms tests/e2e/test_platforms.py
# What judges the chart's manifests, in an environment of its own.
POLICY := tests/chart/policy/requirements
CHECKOV := .local/checkov/stamp
# What makes a site of docs/, in one of its own too.
SITE := deploy/site/requirements
MKDOCS := .local/mkdocs/stamp
# Never written by hand: a lock file names no package index.
COMPILE := $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --no-strip-extras --no-emit-find-links \
	--no-emit-index-url --no-emit-trusted-host

.DEFAULT_GOAL := help
.PHONY: help python venv lock up down status demo test test-core test-unit test-console test-platforms faults lint fmt reference clean \
	test-fresh chart chart-test chart-e2e image-test docs

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later found: install python3 (Debian 12: apt-get install python3)" >&2; exit 1; }

venv: python ## make the virtual environment .venv with the locked dependencies
	@$(LOCAL) venv

lock: venv ## write requirements*.txt anew from requirements*.in
	$(COMPILE) --output-file=requirements.txt requirements.in
	$(COMPILE) --output-file=requirements-dev.txt requirements-dev.in
	$(COMPILE) --output-file=bench/peers/requirements.txt bench/peers/requirements.in
	$(COMPILE) --output-file=deploy/docker/build.txt deploy/docker/build.in
	$(COMPILE) --output-file=$(POLICY).txt $(POLICY).in
	$(COMPILE) --output-file=$(SITE).txt $(SITE).in

up: python ## boot local Kafka, Cassandra and Redis
	@$(LOCAL) up

down: python ## stop what `make up` has started
	@$(LOCAL) down

status: python ## show which local servers are up
	@$(LOCAL) status

demo: venv ## run the demo; ONCE=1: check every outcome, then stop
	@$(BIN)/python -m examples.demo $(if $(ONCE),--once)

test: lint test-core $(CHECKOV) $(MKDOCS) ## run every check and test suite but the servers' faults, on servers of its own
	@$(LOCAL) tools --with node,npm,curl,promtool,chromium,firefox,javac
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 tests $(CORE:%=--ignore=%) $(LONG:%=--ignore=%)

test-core: venv ## run the tests of the pure core and measure that they cover it fully
	$(BIN)/pytest -q $(CORE) --cov --cov-config=tests/pure.coveragerc --cov-report=term

test-unit: venv ## run the tests of the pure core: in under 5 s, no server needed
	$(BIN)/pytest -q -p no:schemathesis -p no:xdist -p no:cov $(CORE)

test-console: venv ## drive the console in Chromium through every page; SCREENSHOTS=1: take the pictures of docs/ anew
	@$(LOCAL) tools --with node,npm,chromium
	SCREENSHOTS=$(SCREENSHOTS) $(BIN)/pytest -q tests/console

test-platforms: venv ## run the tests of the push platforms, each with a provider of the tests
	@$(LOCAL) tools --with node,npm,firefox,javac
	$(BIN)/pytest -q $(PLATFORMS)

chart: venv ## write what is generated of the chart anew: values, schema, copies, golden manifests
	$(BIN)/python -m deploy.chart
	$(BIN)/python -m tests.chart

chart-test: venv $(CHECKOV) ## render the chart in all ways, validate, check the contracts, run its command lines
	@$(LOCAL) tools --with promtool
	$(BIN)/pytest -q tests/chart

$(CHECKOV): $(POLICY).txt
	@echo "checkov   installing what judges the chart ..."
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r $<
	@$(@D)/bin/pip --quiet --disable-pip-version-check check
	@touch $@

chart-e2e: ## live through a release on the API server of KUBECONFIG; PROFILES="dev prod": these alone; PODS=0: none run there
	@PODS=$(or $(PODS),1) deploy/chart/e2e.sh $(PROFILES)

image-test: ## build the image without Docker (root on Debian) and start it: not root, on a read-only root
	@deploy/docker/image-test.sh

docs: $(MKDOCS) ## build the documentation as a site, .local/site/index.html; a link that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(<D)/bin/mkdocs build --strict
	@echo "docs      .local/site/index.html; to search in it, serve it: python3 -m http.server -d .local/site"

$(MKDOCS): $(SITE).txt
	@echo "mkdocs    installing what makes a site of docs/ ..."
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r $<
	@$(@D)/bin/pip --quiet --disable-pip-version-check check
	@touch $@

faults: venv ## crash every process at every point under load, break the servers, run the mutants; EVENTS=N: so many
	@$(LOCAL) tools --with node,npm,curl
	$(BIN)/python -m tests.faults

include bench/targets.mk

lint: venv ## check style, types, the import contracts and that generated pages are fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.reference --check
	$(BIN)/python -m deploy.chart --check

fmt: venv ## format the code and sort its imports
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

reference: venv ## write what is generated of docs/ anew from the code
	$(BIN)/python -m deploy.reference

test-fresh: python ## run `make demo ONCE=1` and `make test` from a clone on a minimal Debian (root); GOALS="..." for others
	@$(PYTHON) -m deploy.local.fresh $(GOALS)

clean: down ## stop the local servers and delete their data, the environment and all caches
	rm -rf streams/native/*.so .venv .local build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
