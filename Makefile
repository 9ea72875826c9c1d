# Everything that is done with this repository by one command. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Packages tested at the same time. More than two make machines under emulation miss deadlines.
P ?= 2
# What to test, and more flags: make test PKG=./internal/op FLAGS='-run Resume -v'
PKG ?= ./...
FLAGS ?=
FUZZTIME ?= 60s

# Tests that make machines, networks and cgroups need root. Only the test programs get it: the
# compiler and its caches stay the caller's.
ifneq ($(shell id -u),0)
AS_ROOT := -exec "sudo -E env PATH=$(PATH):/usr/sbin:/sbin HOME=$(HOME)"
endif

# SQLite is translated C: with the race detector in it, it is 30 times slower, and finds nothing.
GOTEST = go test -race -gcflags='modernc.org/...=-race=false' -p $(P) -timeout 30m $(AS_ROOT) $(FLAGS)

# How long `make soak` goes on.
SOAK ?= 1h

# Modules of their own, so that the libraries of Kubernetes are not those of the product.
KUBE_MODULES = cmd/atoll-kube test/kube
# The same flags for all that is done with them, so that those libraries are compiled once.
KUBE_GO = CGO_ENABLED=0 GOFLAGS=-trimpath

.PHONY: help demo demo-stop test test-kube test-portal test-demo screens bench-portal soak fuzz check gen bench build build-kube portal

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The portal's files, which the program embeds.
PORTAL = web/dist/app/index.html.gz

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error

$(PORTAL): web/node_modules/.package-lock.json api/openapi.json $(shell git ls-files web | grep -v -e '^web/e2e' -e '^web/bench' -e '^web/demo' -e '\.go$$')
	cd web && npm run --silent build

portal: $(PORTAL) ## build the portal, which the program embeds

demo: ## install what is missing, start Atoll here, boot a real machine and ssh into it, deploy an application; safe to repeat
	test/setup.sh demo
	test/demo.sh

demo-stop: ## remove all that `make demo` left: machines, processes, networks, data
	test/demo.sh stop

test: ## install what is missing and run every test, with the race detector
	test/setup.sh test
	go vet ./...
	$(GOTEST) $(PKG)
	$(if $(filter ./...,$(PKG)),test/fuzz.sh 10000x)
	$(if $(filter ./...,$(PKG)),$(MAKE) --no-print-directory test-portal test-demo test-kube)

test-portal: build ## test the portal in Chromium against a real controller: make test-portal FLAGS=e2e/machines.spec.ts
	test/setup.sh test
	go -C test/oidc build -o $(CURDIR)/bin/ .
	cd web && npm run --silent test && npm run --silent e2e -- $(FLAGS)

test-demo: build ## do in Chromium what a new user does after `make demo`, in a demo of its own that is removed afterwards
	test/setup.sh test
	cd web && npm run --silent demo -- $(FLAGS)

screens: build ## write the pictures of docs/portal.md anew, in Chromium with demo data and a real machine
	test/setup.sh test
	cd web && export SCREENS=$(CURDIR)/docs/images && npm run --silent e2e -- e2e/screens.spec.ts && npm run --silent demo -- -g 'the link|the real machine'

test-kube: build-kube ## test the helm control scripts against a real Kubernetes, which is built the first time, in minutes
	test/setup.sh test
	$(KUBE_GO) go -C test/kube run ./cmd/build
	$(KUBE_GO) go -C cmd/atoll-kube test ./...
	$(KUBE_GO) ATOLL_KUBE=$(CURDIR)/bin/atoll-kube go -C test/kube test -count=1 -timeout 15m $(AS_ROOT) $(FLAGS) ./...

bench-portal: build ## measure the portal in Chromium: pages of 10,000 objects, and a hundred changes a second
	test/setup.sh test
	cd web && npm run --silent bench

soak: ## break a running Atoll with new seeds: make soak SOAK=8h
	test/setup.sh test
	go test -count=1 -timeout 0 $(AS_ROOT) ./test/faults -run Seeds -soak $(SOAK) $(FLAGS)

fuzz: ## run each fuzz test for FUZZTIME (60s)
	test/fuzz.sh $(FUZZTIME)

check: ## format, vet, staticcheck, known vulnerabilities, and whether generated files are up to date
	@unformatted=$$(go tool gofumpt -l .) || exit 1; \
	if [[ $$unformatted ]]; then echo "not formatted, run: go tool gofumpt -w ."; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	@for m in $(KUBE_MODULES) test/oidc; do echo "go vet, staticcheck: $$m"; \
		(staticcheck=$$(go tool -n staticcheck) && cd $$m && export $(KUBE_GO) && go vet ./... && $$staticcheck ./...) || exit 1; done
	@echo "portal: types, format, lint"; $(MAKE) --no-print-directory web/node_modules/.package-lock.json && cd web && npm run --silent check
	test/vuln.sh
	@sum() { find . \( -name .git -o -name node_modules -o -name atoll-data -o -path ./bin -o -path ./web/dist/app \) -prune \
		-o -type f -exec sha256sum {} + | sort -k 2; }; \
	before=$$(sum); $(MAKE) --no-print-directory gen || exit 1; \
	if ! diff <(echo "$$before") <(sum); then \
		echo "generated files were out of date; make gen has just changed them: look at them and commit them"; exit 1; fi

gen: ## write the generated files anew (api/openapi.json, ...)
	go generate ./...

bench: ## install what is missing, measure Atoll beside its peers and limits, and print one table (20 minutes)
	test/setup.sh bench
	$(MAKE) --no-print-directory portal
	go run ./bench

# grpcnotrace leaves pages out that nobody sees, and with them html/template, for which
# the linker would keep every method of every type: a fifth of the program.
build: portal ## build bin/atoll, static, with the portal in it
	CGO_ENABLED=0 go build -trimpath -tags grpcnotrace -ldflags '-s -w' -o bin/ ./cmd/atoll

build-kube: ## build bin/atoll-kube, static: the helm control scripts
	$(KUBE_GO) go -C cmd/atoll-kube build -ldflags '-s -w' -o $(CURDIR)/bin/ .
