# Hearth's commands. `make help` lists them.

PREFIX ?= /usr/local
DESTDIR ?=
# Where the service looks for its configuration.
SYSCONFDIR ?= /etc
# More flags of `make run`'s server, as ARGS='--redis-url redis://127.0.0.1:6379/0'.
ARGS ?=
# Flags of every test build; CI adds warnings as errors, so that nothing is compiled twice.
TEST_FLAGS ?=

# Not empty: `make bench` in a minute, of fewer and shorter rounds; `make chaos` and `make histories` with a few of their
# faults.
QUICK ?=
# Seconds of `make fuzz` for each of its fuzzers.
SECONDS ?= 20
# What `make simulate` runs: so many seeds, from the first, so many at the same time.
SEEDS ?= 1000
FIRST ?= 1
JOBS ?= 1

# The Swift runtime is linked in: the binary needs the C libraries alone.
LINKED = swift build -c release --static-swift-stdlib
RELEASE = $(LINKED) --product hearth
BINARY = .build/release/hearth
TESTED = --explicit-target-dependency-import-check error $(TEST_FLAGS)
SOURCES = Package.swift Sources Tests Benchmarks
MICRO = $(LINKED) --product hearth-micro

.PHONY: help build run test build-tests demo demo-coherence coherence bench bench-growth micro micro-baseline chaos \
	simulate histories soak fuzz mutants coverage format lint install install-built uninstall clean

help:
	@echo 'make run      serve on run/hearth.sock without Redis; Ctrl-C ends it (ARGS for more flags)'
	@echo 'make test     everything that is tested'
	@echo 'make demo     a Redis that is killed and comes back, in half a minute'
	@echo 'make demo-coherence  three sidecars over one Redis: how old reads are, with tracking, without, and in a gap'
	@echo 'make coherence  what three sidecars answered, recorded and checked; HEARTH_COHERENCE_SECONDS for a longer run'
	@echo 'make bench    Hearth beside redis-server, memcached and a bare loop; QUICK=1 for a minute of it'
	@echo 'make bench-growth  how cost grows with connections, sizes, entries, policies, workers'
	@echo 'make micro    instructions and allocations of single operations, beside those committed'
	@echo 'make chaos    real faults on real processes, every acknowledged write looked for; QUICK=1 for some of them'
	@echo 'make simulate simulated worlds, each with its faults; SEEDS=10000 for more, HEARTH_REPLAY=… for one again'
	@echo 'make histories  what clients of several sidecars were told under faults, proven right; QUICK=1 for some of it'
	@echo 'make soak     half an hour of load with outages: memory, descriptors, files and latency must not grow'
	@echo 'make fuzz     every parser of outside bytes for SECONDS, from all that was ever found'
	@echo 'make mutants  the code broken on purpose, place after place: which test sees it'
	@echo 'make coverage  which share of each module the tests reach, processes that they start included'
	@echo 'make build    the release binary, $(BINARY)'
	@echo 'make install  binary, service, configuration, man pages and documents, under PREFIX ($(PREFIX))'
	@echo 'make uninstall  takes them away again, but for the configuration and what Hearth has kept'
	@echo 'make format   formats the sources in place'
	@echo 'make lint     says what make format would change, and what .ci/scripts/tidy finds'
	@echo 'make clean    removes what was built; run/ with its data stays'

build:
	@.ci/scripts/packages build
	$(RELEASE)

run: build
	@exec .ci/scripts/run $(ARGS)

test:
	@.ci/scripts/packages test
	@.ci/scripts/telling swift test $(TESTED)

build-tests:
	@.ci/scripts/packages test
	@swift build --build-tests $(TESTED)

demo:
	@.ci/scripts/packages test
	$(RELEASE)
	@.ci/scripts/demo

demo-coherence:
	@.ci/scripts/packages test
	$(RELEASE)
	@.ci/scripts/demo-coherence

# Without faults nothing may be found; with each of them something must be.
coherence:
	@.ci/scripts/packages chaos
	$(RELEASE)
	@Tests/Proof/coherence
	@Tests/Proof/coherence --seconds 8 --fault deaf
	@Tests/Proof/coherence --seconds 8 --fault off

bench:
	@.ci/scripts/packages bench
	$(RELEASE)
	$(LINKED) --product hearth-bench
	$(LINKED) --product bare-loop
	$(LINKED) --product hearth-counts
	@Benchmarks/bench $(if $(QUICK),--quick)

bench-growth:
	@.ci/scripts/packages bench
	$(RELEASE)
	$(LINKED) --product hearth-bench
	@Benchmarks/growth

micro:
	@.ci/scripts/packages micro
	$(MICRO)
	@Benchmarks/micro

# After a change whose price is meant, or that made something cheaper: the figures that `make micro` compares with.
micro-baseline:
	@.ci/scripts/packages micro
	$(MICRO)
	@Benchmarks/micro --baseline

chaos:
	@.ci/scripts/packages chaos
	$(RELEASE)
	@Tests/Proof/chaos $(if $(QUICK),--quick)

simulate:
	@.ci/scripts/packages build
	$(LINKED) --product hearth-simulate
	@.build/release/hearth-simulate --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS) $(ARGS)

histories:
	@.ci/scripts/packages chaos
	$(RELEASE)
	@Tests/Proof/histories $(if $(QUICK),--quick)

soak:
	@.ci/scripts/packages chaos
	$(RELEASE)
	@Tests/Proof/soak $(if $(QUICK),--minutes 0.4 --every 5,--out docs/soak.md)

fuzz:
	@.ci/scripts/packages build
	@.ci/scripts/fuzz $(SECONDS)

mutants:
	@.ci/scripts/packages test
	@Tests/Proof/mutants $(ARGS)

coverage:
	@.ci/scripts/packages test
	@.ci/scripts/coverage $(ARGS)

format:
	swift format --in-place --recursive --parallel $(SOURCES)

lint:
	swift format lint --strict --recursive --parallel $(SOURCES)
	@.ci/scripts/tidy

INSTALLED = $(DESTDIR)$(PREFIX)
UNITS = $(INSTALLED)/lib/systemd/system

install: build install-built

# What was built already, BINARY; a configuration that is there stays as it is.
install-built:
	install -d '$(INSTALLED)/bin' '$(INSTALLED)/share/doc/hearth/docs' '$(INSTALLED)/share/man/man1' \
		'$(INSTALLED)/share/man/man5' '$(UNITS)' '$(INSTALLED)/lib/sysusers.d' '$(DESTDIR)$(SYSCONFDIR)/hearth'
	install -m 755 '$(BINARY)' '$(INSTALLED)/bin/hearth'
	install -m 644 README.md ARCHITECTURE.md LICENSE hearth.sample.yaml '$(INSTALLED)/share/doc/hearth'
	install -m 644 docs/*.md '$(INSTALLED)/share/doc/hearth/docs'
	install -m 644 docs/man/hearth.1 '$(INSTALLED)/share/man/man1'
	.ci/scripts/man >'$(INSTALLED)/share/man/man5/hearth.yaml.5'
	chmod 644 '$(INSTALLED)/share/man/man5/hearth.yaml.5'
	sed 's|@BINDIR@|$(PREFIX)/bin|' docs/systemd/hearth.service >'$(UNITS)/hearth.service'
	install -m 644 docs/systemd/hearth.socket '$(UNITS)'
	install -m 644 docs/systemd/hearth.sysusers '$(INSTALLED)/lib/sysusers.d/hearth.conf'
	chmod 644 '$(UNITS)/hearth.service'
	[ -e '$(DESTDIR)$(SYSCONFDIR)/hearth/hearth.yaml' ] || \
		install -m 644 hearth.sample.yaml '$(DESTDIR)$(SYSCONFDIR)/hearth/hearth.yaml'

uninstall:
	rm -f '$(INSTALLED)/bin/hearth' '$(INSTALLED)/share/man/man1/hearth.1' '$(INSTALLED)/share/man/man5/hearth.yaml.5' \
		'$(UNITS)/hearth.service' '$(UNITS)/hearth.socket' '$(INSTALLED)/lib/sysusers.d/hearth.conf'
	rm -rf '$(INSTALLED)/share/doc/hearth'

clean:
	rm -rf .build .build-*
