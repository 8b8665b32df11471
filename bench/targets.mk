# The benchmarks: each prints JSON as its last line, and fails where anything came out wrong.

# Programs that lockstep is measured beside, made by the targets that need them.
PEERS := .local/bench

.PHONY: bench-scaling bench-route bench-state bench-pipeline bench-latency bench-idle bench-inbox bench-presence bench-edge bench-herd sizing \
	bench-metrics bench-push bench-bulkhead bench-console bench-growth bench-keep bench-plots

bench-scaling: venv ## replay a tenfold burst against the chart's autoscaling and KEDA's defaults, in a model
	$(BIN)/python -m bench.scaling

bench-route: venv ## measure the router beside Faust, Quix Streams, Kafka Streams and a bare loop; EVENTS=N: so many
	@$(LOCAL) tools --only kafka --with javac,mvn
	@$(MAKE) --no-print-directory $(PEERS)/python/stamp $(PEERS)/kafka-streams/stamp
	@$(BIN)/python -m bench.route $(SYSTEMS)

bench-state: venv ## measure the tables from 1e5 to 1e8 keys, as far as memory goes; SIZES="1e6 1e7": at these
	@$(LOCAL) tools --only kafka
	@$(BIN)/python -m bench.state $(SIZES)

bench-pipeline: venv ## measure an event from its topic to a device, beside stock Faust; EVENTS=N, ACCOUNTS=N: so many
	@$(BIN)/python -m bench.pipeline

bench-latency: venv ## measure publication to socket, at rest and in a flood; RATES="N,N", PARTITIONS=N, WARM=N, SECONDS=N, FLOOD=N
	@$(BIN)/python -m bench.latency

bench-idle: venv ## measure what workers cost that have little to do; SECONDS=N: for so long
	@$(BIN)/python -m bench.idle

bench-metrics: venv ## measure what counting costs beside the work, and a scrape of each process
	@$(BIN)/python -m bench.instruments

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

bench-push: venv ## measure pushes for each CPU-second, beside other clients
	@$(LOCAL) tools
	@$(BIN)/python -m bench.push

bench-bulkhead: venv ## measure what devices feel of providers in trouble that are not theirs; RATE=N, WARM=N, SECONDS=N, ROUNDS=N
	@$(BIN)/python -m bench.bulkhead

bench-console: venv ## measure the console's search with millions of outcomes, and its page; OUTCOMES=N
	@$(LOCAL) tools --with chromium
	@$(BIN)/python -m bench.console

bench-growth: venv ## measure how the cost grows with accounts, devices, partitions, lanes and keys; EVENTS=N: of each run
	@$(LOCAL) tools
	@$(BIN)/python -m bench.growth

bench-keep: venv ## run BENCHES="route idle ..." and keep their last lines in bench/results
	@$(BIN)/python -m bench.kept $(BENCHES)

bench-plots: ## draw the pictures of docs/performance.md from bench/results
	@$(MAKE) --no-print-directory $(PEERS)/python/stamp
	@$(PEERS)/python/bin/python -m bench.plots

$(PEERS)/python/stamp: bench/peers/requirements.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r $<
	$(@D)/bin/pip --quiet --disable-pip-version-check check
	@touch $@

$(PEERS)/kafka-streams/stamp: bench/peers/pom.xml bench/peers/Route.java
	mvn -q -B -f $< compile
	@touch $@
