#!/usr/bin/env bash
# run.sh REPORT OOMTOP: runs the tests of a small shop, one of which never forgets, under OOMTOP with a limit that kills it,
# and has the report written. On a machine with a name of its own; needs root, and the Go that the tests use.
set -euo pipefail
report=$1 oomtop=$2
if [ "${SCENE:-}" != inside ]; then
    SCENE=inside exec unshare --uts "$0" "$@"
fi
hostname build01
go=$(printf '%s\n' "${OOMTOP_GO:-$HOME/.cache/oomtop-tests}"/go-*/go | sort -V | tail -1)
export PATH=$go/bin:$PATH GOTOOLCHAIN=local GOFLAGS=-mod=mod GOPROXY=off
cd "$(dirname "$0")/shop"
# What is compiled is compiled outside of the limit.
go test -run '^$' ./... >/dev/null
exec "$oomtop" run --tests --memory-max 192m --report "$report" -- go test -count=1 ./...
