# Targets for people who develop lockstep or try it; `make help` lists them.
PYTHON := $(shell for python in python3.11 python3 python3.12 python3.13; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$python" && break; done)
LOCAL := $(PYTHON) -m deploy.local
BIN := .venv/bin
# The folders that hold Python now.
CODE := $(patsubst %/,%,$(sort $(dir $(wildcard $(addsuffix /*.py,streams agents sinks edge deploy tests bench examples)))))
# The tests of the pure core: of each module that must be covered, those in the file of its name.
PURE := $(filter %.py,$(shell cat tests/pure.coveragerc))
CORE := $(wildcard $(join $(addprefix tests/unit/,$(dir $(PURE))),$(addprefix test_,$(notdir $(PURE)))))
# Faults of the servers, which take minutes each: `make faults` has them.
LONG := $(addprefix tests/faults/test_,brokers.py stores.py zombies.py flapping.py)
# Never written by hand: a lock file names no package index.
COMPILE := $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --no-strip-extras --no-emit-find-links \
	--no-emit-index-url --no-emit-trusted-host

# Programs that lockstep is measured beside, made by the targets that need them.
PEERS := .local/bench

.DEFAULT_GOAL := help
.PHONY: help python venv lock up down status demo test test-core test-unit faults lint fmt reference clean test-fresh \
	bench-route bench-state bench-pipeline bench-latency bench-idle bench-inbox bench-presence bench-edge bench-herd sizing

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later found: install python3 (Debian 12: apt-get install python3)" >&2; exit 1; }

venv: python ## make the virtual environment .venv with the locked dependencies
	@$(LOCAL) venv

lock: venv ## write requirements*.txt anew from requirements*.in
	$(COMPILE) --output-file=requirements.txt requirements.in
	$(COMPILE) --output-file=requirements-dev.txt requirements-dev.in
	$(COMPILE) --output-file=bench/peers/requirements.txt bench/peers/requirements.in

up: python ## boot local Kafka, Cassandra and Redis
	@$(LOCAL) up

down: python ## stop what `make up` has started
	@$(LOCAL) down

status: python ## show which local servers are up
	@$(LOCAL) status

demo: venv ## run the demo; ONCE=1: check every outcome, then stop
	@$(BIN)/python -m examples.demo $(if $(ONCE),--once)

test: lint test-core ## run every check and test suite but the servers' faults, on servers of its own
	@$(LOCAL) tools --with node,npm,curl
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 tests $(CORE:%=--ignore=%) $(LONG:%=--ignore=%)

test-core: venv ## run the tests of the pure core and measure that they cover it fully
	$(BIN)/pytest -q $(CORE) --cov --cov-config=tests/pure.coveragerc --cov-report=term

test-unit: venv ## run the tests of the pure core: in under 5 s, no server needed
	$(BIN)/pytest -q $(CORE)

faults: venv ## crash every process at every point under load, break the servers, run the mutants; EVENTS=N: so many
	@$(LOCAL) tools --with node,npm,curl
	$(BIN)/python -m tests.faults

bench-route: venv ## measure the router beside Faust, Quix Streams, Kafka Streams and a bare loop; EVENTS=N: so many
	@$(LOCAL) tools --only kafka --with javac,mvn
	@$(MAKE) --no-print-directory $(PEERS)/python/stamp $(PEERS)/kafka-streams/stamp
	@$(BIN)/python -m bench.route $(SYSTEMS)

bench-state: venv ## measure the tables from 1e5 to 1e8 keys, as far as memory goes; SIZES="1e6 1e7": at these
	@$(LOCAL) tools --only kafka
	@$(BIN)/python -m bench.state $(SIZES)

$(PEERS)/python/stamp: bench/peers/requirements.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r $<
	@touch $@

$(PEERS)/kafka-streams/stamp: bench/peers/pom.xml bench/peers/Route.java
	mvn -q -B -f $< compile
	@touch $@
bench-pipeline: venv ## measure an event from its topic to a device, beside stock Faust; EVENTS=N, ACCOUNTS=N: so many
	@$(BIN)/python -m bench.pipeline

bench-latency: venv ## measure publication to socket, at rest and in a flood; RATES="N,N", SECONDS=N, FLOOD=N
	@$(BIN)/python -m bench.latency

bench-idle: venv ## measure what workers cost that have little to do; SECONDS=N: for so long
	@$(BIN)/python -m bench.idle

bench-inbox: venv ## measure a row of the inbox, beside the driver's own batches; ROWS=N, POLLS=N: so many
	@$(BIN)/python -m bench.inbox

bench-presence: venv ## measure a look-up of who is online, beside redis-py; ACCOUNTS=N, LOOKUPS=N: so many
	@$(BIN)/python -m bench.presence

bench-edge: venv ## measure sockets, polls and pushes, beside aiohttp, websockets and picows; CONNECTIONS=N, PUSHES=N
	@$(MAKE) --no-print-directory $(PEERS)/python/stamp
	@$(BIN)/python -m bench.edge

bench-herd: venv ## kill one of four gateways and measure how its devices come back; DEVICES=N, RATE=N
	@$(BIN)/python -m bench.herd

sizing: venv ## compute pods, partitions, memory and disks of a load; LOAD="--events N --devices N ..."
	@$(BIN)/python -m bench.sizing $(LOAD)

lint: venv ## check style, types, the import contracts and that generated pages are fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.reference --check

fmt: venv ## format the code and sort its imports
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

reference: venv ## write docs/settings.md, docs/openapi.json and docs/topics.schema.json anew from the code
	$(BIN)/python -m deploy.reference

test-fresh: python ## run `make demo ONCE=1` and `make test` from a clone on a minimal Debian (root); GOALS="..." for others
	@$(PYTHON) -m deploy.local.fresh $(GOALS)

clean: down ## stop the local servers and delete their data, the environment and all caches
	rm -rf .venv .local build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
