# What one does with this repository. `make` alone lists it.

DEMO_DIR ?= .demo
export DEMO_DIR

.PHONY: help
help: ## this list
	@echo 'evenkeel: make TARGET'
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' Makefile | while IFS='	' read -r name text; do \
		printf '  %-12s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: ## keep this host as manifests/ says: http://localhost:8080 (5 min the first time, then 10 s)
	@.ci/demo start

.PHONY: demo-plan
demo-plan: ## what the demo would do now and why, and what is wrong in manifests/ (1 s)
	@.ci/demo plan

.PHONY: demo-stop
demo-stop: ## end the demo; its volumes stay (10 s)
	@.ci/demo stop

.PHONY: clean-demo
clean-demo: ## end the demo and remove its volumes and its state too (10 s)
	@.ci/demo clean

.PHONY: test
test: ## all tests, on a real Docker Engine (6 min the first time, then 3 min)
	@.ci/test

.PHONY: lint
lint: ## formatting, clippy, documentation: no warning is left (2 min the first time, then 20 s)
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --quiet

.PHONY: schema
schema: ## make schema/task.v1.json anew from the types (1 min the first time)
	@cargo build --quiet
	@cargo run --quiet -- schema > schema/.new && mv schema/.new schema/task.v1.json

.PHONY: ci
ci: ## all of it, as for a change: lint, schema, examples, tests (6 min the first time)
	@.ci/run
