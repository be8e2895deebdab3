# The commands of this repository. `make` alone lists them.

DEMO_RATE     ?= 200
DEMO_DURATION ?= 30s
# One folder a run; evaluated once, so that it is the same wherever it is named.
DEMO_OUT      := $(or $(DEMO_OUT),reports/runs/demo-$(shell date +%Y%m%d-%H%M%S))
TARGET_DIR    := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# What was installed without root comes first: it is there only where the system's own was missing or too old.
export TOOLS_DIR := $(CURDIR)/target/tools
export PATH      := $(TOOLS_DIR)/bin:$(PATH):$(HOME)/.cargo/bin

.PHONY: help demo test bench lint clean images-offline compose-test toolchain redis browser python
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

demo: toolchain redis ## build, run customers through the system for DEMO_DURATION (30s) at DEMO_RATE (200/s), say where the report is
	cargo build --locked --release --workspace --bins
	"$(TARGET_DIR)/release/loadgen" run checkout --rate $(DEMO_RATE) --duration $(DEMO_DURATION) --out "$(DEMO_OUT)"; \
	code=$$?; echo "report: $(abspath $(DEMO_OUT))"; exit $$code

test: toolchain redis browser python ## install what tests need, run all of them
	cargo test --locked --workspace

bench: toolchain redis ## run the benches, each beside its floor
	cargo bench --locked --workspace

lint: toolchain ## check format and lints; warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

images-offline: toolchain redis ## build the images that compose.yaml names from what this machine has, without a registry
ifndef ORDERSHOP_BINARY
	cargo build --locked --release --workspace --bins
endif
	ORDERSHOP_BINARY="$(or $(ORDERSHOP_BINARY),$(TARGET_DIR)/release/ordershop)" bash deploy/images/images.sh

compose-test: ## the shop in containers under load, one killed, one crashed; skipped aloud where no Docker engine answers
	@bash deploy/compose/test.sh

clean: ## remove everything that was built, installed or reported here
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
