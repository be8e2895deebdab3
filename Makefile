# The commands of this repository. `make` alone lists them.

DEMO_RATE     ?= 100
DEMO_DURATION ?= 30s
# One folder for each run; evaluated once, so that it is the same everywhere below.
DEMO_OUT      := $(or $(DEMO_OUT),reports/runs/demo-$(shell date +%Y%m%d-%H%M%S))
TARGET_DIR    := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# Programs installed without root come first; they exist only where the system's own were missing or too old.
export TOOLS_DIR := $(CURDIR)/target/tools
export PATH      := $(TOOLS_DIR)/bin:$(PATH):$(HOME)/.cargo/bin

# Most tests wait most of the time, for a process that starts or a time that passes: twice as many run at once as there are cores.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

.PHONY: help demo test bench bake-off lint clean images-offline compose-test fuzz-api kubernetes-check toolchain redis browser python promtool walk
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

demo: toolchain redis ## build, run customers through the system for DEMO_DURATION (30s) at DEMO_RATE (100/s), print the report's folder
	@echo "1 of 2: building both programs (the first time some 2 to 5 minutes on two cores)"
	cargo build --locked --bin ordershop --bin loadgen
	@echo "2 of 2: $(DEMO_RATE) checkouts a second for $(DEMO_DURATION) through a shop of its own"
	"$(TARGET_DIR)/debug/loadgen" run checkout --rate $(DEMO_RATE) --duration $(DEMO_DURATION) --out "$(DEMO_OUT)"; \
	code=$$?; echo "report: $(abspath $(DEMO_OUT))"; exit $$code

test: toolchain redis browser python promtool ## install what the tests need, run all tests
	cargo test --locked --workspace --all-features

bench: toolchain redis ## run the benchmarks, print how many times its lower bound each takes, write that to reports/bench
	cargo bench --locked --workspace

bake-off: toolchain redis ## measure the shop on three Redis and Valkey servers in turns, each everysec, always and none; about half an hour
	bash deploy/bench/bake-off.sh

lint: toolchain ## check format and lints; warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

images-offline: toolchain redis ## build the images of compose.yaml from this machine's programs, without a registry
ifndef ORDERSHOP_BINARY
	cargo build --locked --release --workspace --bins
endif
	ORDERSHOP_BINARY="$(or $(ORDERSHOP_BINARY),$(TARGET_DIR)/release/ordershop)" bash deploy/images/images.sh

compose-test: ## test the shop in containers under load, on one Redis and on a cluster, with services and a master killed; skipped with a message without Docker
	@bash deploy/compose/test.sh
	@bash deploy/compose/test.sh cluster

walk: toolchain redis ## kill and stop the shop at every place between two effects, and cut its data after every transaction; some minutes
	CUTS=all cargo test --locked --workspace --all-features --test interrupted -- --include-ignored

fuzz-api: toolchain redis ## send generated requests to every operation of a shop of its own, and check each answer against /openapi.json
	@sh deploy/install/schemathesis.sh
ifndef ORDERSHOP_BINARY
	cargo build --locked --bin ordershop --bin loadgen
endif
	@ORDERSHOP_BINARY="$(or $(ORDERSHOP_BINARY),$(TARGET_DIR)/debug/ordershop)" bash deploy/fuzz/api.sh

kubernetes-check: toolchain redis ## check deploy/kubernetes by the API's schemas and against the programs, which it starts as the manifests do
ifndef BIN
	cargo build --locked --bin ordershop --bin loadgen
endif
	@bash deploy/kubernetes/check.sh "$(or $(BIN),$(TARGET_DIR)/debug)"

clean: ## remove everything that was built, installed or reported in this folder
	cargo clean
	rm -rf "$(TOOLS_DIR)" reports/runs

toolchain:
	@sh deploy/install/toolchain.sh

redis:
	@sh deploy/install/redis.sh

browser:
	@sh deploy/install/browser.sh

python:
	@sh deploy/install/python.sh

promtool:
	@sh deploy/install/promtool.sh
