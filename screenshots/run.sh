#!/usr/bin/env bash
# run.sh REPORT OOMTOP: runs the tests of a small shop, one of which never forgets, under OOMTOP with a limit that kills it,
# and has the report written. In a cgroup of its own, on a machine with a name of its own; needs root, and the Go that the
# tests use.
set -euo pipefail
report=$1 oomtop=$2
if [ "${SCENE:-}" != inside ]; then
    for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
        if mkdir "$root/ci" 2>/dev/null; then
            cgroup=$root/ci
            break
        fi
    done
    trap 'rmdir "$cgroup" 2>/dev/null || true' EXIT
    SCENE=inside CGROUP=${cgroup:?no memory cgroup can be made} bash -c '
        echo $$ >"$CGROUP/cgroup.procs"
        exec unshare --cgroup --uts --mount "$0" "$@"' "$0" "$@"
    exit
fi

hostname build01
aside=$(mktemp -d) # not over the old mount: that would stay in the list of mounts
mount --bind "$CGROUP" "$aside"
umount "${CGROUP%/ci}"
mount --move "$aside" "${CGROUP%/ci}"
rmdir "$aside"

go=$(printf '%s\n' "${OOMTOP_GO:-$HOME/.cache/oomtop-tests}"/go-*/go | sort -V | tail -1)
export PATH=$go/bin:$PATH GOTOOLCHAIN=local GOFLAGS=-mod=mod GOPROXY=off
cd "$(dirname "$0")/shop"
# What is compiled is compiled outside of the limit.
go test -run '^$' ./... >/dev/null
"$oomtop" run --tests --memory-max 192m --report "$report" -- go test -count=1 ./...
