# Every command a person or CI needs. One build serves them all: release mode, executables with the Swift runtime in them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr
DESTDIR ?=
SEED ?= 1
CLUSTERS ?= 1000
SCENE ?= all
SECONDS ?= 300
IDLE_MINUTES ?= 10
PARTS ?=
TARGET ?= all
INPUT ?=
POWER_CUTS ?= 25
SWIFT ?= swift
SWIFT_BUILD := $(SWIFT) build -c release --build-tests --explicit-target-dependency-import-check error
BIN := .build/release

UNIT_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
GENERATOR_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system-generators
PRESET_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system-preset
# journalctl reads catalogs from nowhere else.
CATALOG_DIR := $(DESTDIR)/usr/lib/systemd/catalog
TMPFILES_DIR := $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
DOC_DIR := $(DESTDIR)$(PREFIX)/share/doc/nodepassd
ETC_DIR := $(DESTDIR)/etc/nodepassd

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What a build needs and is not there. A variable and no target: `make -n` must not install anything.
MISSING = $$(command -v pkg-config >/dev/null || echo -n "pkg-config "; \
  pkg-config --exists libsystemd 2>/dev/null || echo -n "libsystemd-dev "; \
  pkg-config --exists yaml-0.1 2>/dev/null || echo -n "libyaml-dev ")

define INSTALL_MISSING
if [ "$$(id -u)" = 0 ]; then run=""; else run=sudo; fi; \
echo "Installing: $$missing"; \
$$run apt-get update -q; \
DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -q --no-install-recommends $$missing
endef

.PHONY: deps
deps: ## Install what a build needs (Debian, Ubuntu; asks sudo where it must)
	@missing="$(MISSING)"; if [ -z "$$missing" ]; then echo "Everything is there."; exit 0; fi; $(INSTALL_MISSING)

.PHONY: check-deps
check-deps:
	@command -v $(SWIFT) >/dev/null || { \
	  echo "Failed to build: there is no Swift here. Install Swift 6.2 or later (https://www.swift.org/install/linux)."; exit 1; }
	@missing="$(MISSING)"; [ -z "$$missing" ] || { \
	  if command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then $(INSTALL_MISSING); else \
	  echo "Failed to build: missing $$missing. Run: sudo apt-get install $$missing"; exit 1; fi; }

.PHONY: build
build: check-deps ## Build everything, tests included
	$(SWIFT_BUILD)

.PHONY: release
release: build ## The same build; shows the program that is installed
	@ls -l $(BIN)/nodepassd

# Beside timed tests so many lives would starve them: they are processes of their own, one for each core.
define LIVE_CLUSTERS
@seq $(SEED) 100 $$(($(SEED) + $(CLUSTERS) - 1)) \
  | xargs -P "$$(nproc)" -I FIRST $(BIN)/nodepassd-demo sim --fleet --seed FIRST --count 100 \
  | awk '/^[0-9]+ passed, / { passed += $$1; failed += $$3; next } { print } \
    END { print passed " simulated clusters kept all laws, " failed + 0 " did not" }'
endef

.PHONY: test
test: build ## Run all tests, with 2,000 simulated lives and 1,000 simulated clusters
	$(SWIFT) test -c release --skip-build
	$(LIVE_CLUSTERS)

.PHONY: lint
lint: check-deps ## Check formatting, scripts and units
	$(SWIFT) format lint --strict -r Sources Tests Package.swift
	bash -n .ci/run Tests/SystemTests/*.sh Tests/SystemTests/fake-k3s config/alerting/*.sh
	sh -n systemd/nodepassd-generator
	@if command -v systemd-analyze >/dev/null && [ -x /usr/bin/nodepassd ]; then \
	  systemd-analyze verify systemd/nodepassd.service systemd/nodepassd-restore.service; fi

.PHONY: rbac-files
rbac-files: build ## Write config/kubernetes anew from the program that prints it
	for part in service-account roles admission; do \
	  $(BIN)/nodepassd install-rbac --print --only $$part >config/kubernetes/$$part.yaml; done

.PHONY: demo
demo: build ## Watch a node lose its password in many ways and come back (SCENE=losses, credential; by name only: reprovision, legacy, tokens, manifests)
	$(BIN)/nodepassd-demo demo --scene $(SCENE)

.PHONY: sim
sim: build ## Replay one simulated life with its trace: make sim SEED=n
	$(BIN)/nodepassd-demo sim --seed $(SEED) --trace

.PHONY: fleet
fleet: build ## Replay one simulated cluster with its trace: make fleet SEED=n
	$(BIN)/nodepassd-demo sim --fleet --seed $(SEED) --trace

.PHONY: fleets
fleets: build ## Live through many simulated clusters: make fleets SEED=n CLUSTERS=5000
	$(LIVE_CLUSTERS)

.PHONY: fleet-test
fleet-test: build ## Kill three real daemons at random and hold them to the laws: make fleet-test SECONDS=300 SEED=n
	$(BIN)/nodepassd-demo fleet --seconds $(SECONDS) --seed $(SEED)

.PHONY: system-test
system-test: build ## Boot a real systemd in a container and test the installed service (root; Debian)
	POWER_CUTS=$(POWER_CUTS) Tests/SystemTests/run.sh $(PARTS)

.PHONY: bench
bench: build ## Measure the daemon beside the bare system calls, inotifywait and Python (about 12 minutes)
	@command -v inotifywait >/dev/null || echo "Without inotifywait (apt-get install inotify-tools) that comparison is left out."
	$(BIN)/nodepassd-demo bench --idle-minutes $(IDLE_MINUTES)

# A build of its own, with the parsers watched; what the ordinary build has downloaded serves it as well.
.PHONY: fuzz-build
fuzz-build: check-deps
	@if [ ! -d .build-fuzz ] && [ -d .build/checkouts ]; then mkdir .build-fuzz; \
	  cp -a .build/checkouts .build/repositories .build/workspace-state.json .build-fuzz/; fi
	NODEPASSD_FUZZ=1 $(SWIFT) build -c release --scratch-path .build-fuzz --product FuzzTargets

.PHONY: fuzz
fuzz: fuzz-build ## Fuzz the parsers, SECONDS=60 each, or one: make fuzz TARGET=csv SECONDS=600; replay with INPUT=file
	Tests/FuzzTargets/run.sh $(TARGET) $(if $(filter file default,$(origin SECONDS)),60,$(SECONDS)) $(INPUT)

.PHONY: write-path-test
write-path-test: build ## End and fail the daemon's writes at each system call (strace)
	Tests/SystemTests/write-path.sh

.PHONY: install
install: ## Install below DESTDIR (build first); enable with: systemctl enable --now nodepassd
	@test -x $(BIN)/nodepassd || { echo "Failed to install: nothing is built yet. Run: make build"; exit 1; }
	install -D -m 0755 $(BIN)/nodepassd $(DESTDIR)$(PREFIX)/bin/nodepassd
	install -d -m 0755 $(UNIT_DIR) $(GENERATOR_DIR)
	for unit in nodepassd.service nodepassd-restore.service nodepassd-alert@.service; do \
	  sed -e 's|/usr/bin/nodepassd|$(PREFIX)/bin/nodepassd|' -e 's|/usr/share/doc|$(PREFIX)/share/doc|' \
	    systemd/$$unit >$(UNIT_DIR)/$$unit; chmod 0644 $(UNIT_DIR)/$$unit; done
	install -D -m 0644 systemd/nodepassd-alert-failed.conf $(UNIT_DIR)/nodepassd-alert@nodepassd.service.d/failed.conf
	sed -e 's|/usr/bin/nodepassd|$(PREFIX)/bin/nodepassd|' systemd/nodepassd-generator >$(GENERATOR_DIR)/nodepassd-generator
	chmod 0755 $(GENERATOR_DIR)/nodepassd-generator
	install -D -m 0644 systemd/nodepassd.preset $(PRESET_DIR)/80-nodepassd.preset
	install -D -m 0644 systemd/nodepassd.catalog $(CATALOG_DIR)/nodepassd.catalog
	install -D -m 0644 systemd/nodepassd.tmpfiles $(TMPFILES_DIR)/nodepassd.conf
	install -d -m 0755 $(ETC_DIR)/policy.d $(DOC_DIR)/examples $(DOC_DIR)/alerting $(DOC_DIR)/kubernetes
	@if [ -e $(ETC_DIR)/policy.yaml ]; then \
	  install -m 0644 config/policy.yaml $(ETC_DIR)/policy.yaml.dist; \
	  echo "Kept your $(ETC_DIR)/policy.yaml; the shipped one lies beside it as policy.yaml.dist."; \
	else install -m 0644 config/policy.yaml $(ETC_DIR)/policy.yaml; fi
	install -m 0644 config/examples/*.yaml $(DOC_DIR)/examples/
	install -m 0644 config/alerting/*.md config/alerting/*.txt config/alerting/*.conf $(DOC_DIR)/alerting/
	install -m 0755 config/alerting/*.sh $(DOC_DIR)/alerting/
	install -m 0644 config/kubernetes/* $(DOC_DIR)/kubernetes/
	install -m 0644 config/policy.schema.json README.md LICENSE CHANGELOG.md $(DOC_DIR)/
	@if [ -z "$(DESTDIR)" ] && command -v systemctl >/dev/null; then \
	  journalctl --update-catalog; systemd-tmpfiles --create nodepassd.conf; systemctl daemon-reload; fi

.PHONY: uninstall
uninstall: ## Remove what install put there; keeps /etc/nodepassd and /var/lib/nodepassd
	@if [ -z "$(DESTDIR)" ] && command -v systemctl >/dev/null; then \
	  systemctl disable --now nodepassd.service nodepassd-restore.service || true; fi
	rm -f $(DESTDIR)$(PREFIX)/bin/nodepassd $(UNIT_DIR)/nodepassd.service $(UNIT_DIR)/nodepassd-restore.service \
	  $(UNIT_DIR)/nodepassd-alert@.service $(UNIT_DIR)/nodepassd-alert@nodepassd.service.d/failed.conf \
	  $(GENERATOR_DIR)/nodepassd-generator $(PRESET_DIR)/80-nodepassd.preset \
	  $(CATALOG_DIR)/nodepassd.catalog $(TMPFILES_DIR)/nodepassd.conf
	rm -rf $(DOC_DIR)
	@if [ -z "$(DESTDIR)" ] && command -v systemctl >/dev/null; then journalctl --update-catalog; systemctl daemon-reload; fi
	@echo "Kept $(DESTDIR)/etc/nodepassd and $(DESTDIR)/var/lib/nodepassd (the escrow); remove them yourself if you mean to."

.PHONY: clean
clean: ## Remove what was built
	rm -rf .build
