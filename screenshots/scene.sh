#!/usr/bin/env bash
# scene.sh HOLDER COMMAND [ARGUMENT ...]: runs COMMAND on a small machine that says something: a database, a cache, a
# container runtime, and a Go test run whose test binary leaks towards the limit of its memory cgroup. In namespaces of
# its own (processes, mounts, host name, cgroups), so that nothing of the real machine is in the picture. Needs root.
set -euo pipefail

holder=$1
shift

if [ "${SCENE:-}" != inside ]; then
    # A cgroup of the scene's own, so that paths in it are the scene's: the namespace begins where we stand.
    for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
        if mkdir "$root/scene-$$" 2>/dev/null; then
            cgroup=$root/scene-$$
            break
        fi
    done
    end() { find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true; }
    [ -z "${cgroup:-}" ] || trap end EXIT
    SCENE=inside CGROUP=${cgroup:-} bash -c '
        [ -z "$CGROUP" ] || echo $$ >"$CGROUP/cgroup.procs"
        exec unshare --cgroup --uts --mount --pid --fork --kill-child "$0" "$@"' "$0" "$holder" "$@"
    exit
fi

hostname build01
mount -t proc proc /proc
users=$(mktemp)
printf '%s\n' root:x:0:0::/root:/bin/sh postgres:x:70:70::/:/bin/sh redis:x:71:71::/:/bin/sh ci:x:1000:1000::/:/bin/sh >"$users"
chmod 644 "$users"
mount --bind "$users" /etc/passwd
rm "$users"
release=$(mktemp)
uname -r | grep -o '^[0-9]*\.[0-9]*' >"$release"
mount --bind "$release" /proc/sys/kernel/osrelease
rm "$release"
if [ -n "$CGROUP" ]; then
    case $CGROUP in
        /sys/fs/cgroup/memory/*) tree=/sys/fs/cgroup/memory limit=memory.limit_in_bytes ;;
        *) tree=/sys/fs/cgroup limit=memory.max ;;
    esac
    aside=$(mktemp -d) # not over the old mount: that would stay in the list of mounts
    mount --bind "$CGROUP" "$aside"
    umount "$tree"
    mount --move "$aside" "$tree"
    rmdir "$aside"
fi

# limit NAME BYTES: a memory cgroup of that name with that limit, for in_cgroup.
limit() {
    [ -n "$CGROUP" ] || return 0
    mkdir -p "$tree/$1"
    echo "$2" >"$tree/$1/$limit"
}
in_cgroup() {
    [ -z "$CGROUP" ] || echo "$BASHPID" >"$tree/$1/cgroup.procs"
}
# as USER ADJ NAME [ARGUMENT ...]: becomes a holder that looks like NAME; HOLD_* say what it holds. What was started in
# the same subshell before is its child.
as() {
    local user=$1 adj=$2 name=$3
    shift 3
    choom -n "$adj" -p "$BASHPID" >/dev/null 2>&1 || true # to lower it needs CAP_SYS_RESOURCE, which root may lack
    exec setpriv --reuid "$user" --regid "$user" --clear-groups bash -c 'exec -a "$0" "$@"' "$name" "$holder" "$@" \
        <"$pipe" 9>&- >/dev/null
}

# All of the scene reads from this pipe and ends when it closes; only COMMAND keeps it open.
pipe=$(mktemp -u)
mkfifo "$pipe"
chmod 644 "$pipe"
exec 9<>"$pipe" 3<&0
limit web 536870912
limit job-7 536870912

(HOLD_MIB=7 as root -1000 sshd -D) &
(HOLD_MIB=9 as root -250 systemd-journald) &
(HOLD_MIB=12 as root 0 node_exporter --collector.systemd) &
(HOLD_MIB=31 as root -999 containerd) &
(HOLD_MIB=44 as root -500 dockerd --host=fd://) &
(
    (HOLD_MIB=22 as 70 0 postgres: autovacuum launcher) &
    (HOLD_MIB=61 as 70 0 postgres: ci build '[local]' SELECT) &
    HOLD_MIB=390 HOLD_SHARED=256 as 70 -900 postgres -D /var/lib/postgresql/16
) &
(in_cgroup web; HOLD_MIB=118 HOLD_GROWTH=0.05 as 71 0 redis-server '*:6379') &
(
    in_cgroup web
    (HOLD_MIB=34 as root 0 nginx: worker process) &
    HOLD_MIB=3 as root 0 nginx: master process nginx
) &
(
    in_cgroup job-7
    (HOLD_MIB=120 HOLD_GROWTH=1.9 as 1000 0 a.test -test.timeout=10m0s -test.run=TestLeak) &
    (HOLD_MIB=31 as 1000 0 b.test -test.timeout=10m0s -test.run=TestOK) &
    (HOLD_MIB=96 as 1000 100 link -o c.test -importcfg importcfg.link) &
    HOLD_MIB=25.7 as 1000 0 go test ./...
) &
for name in a.test sshd redis-server go nginx: postgres; do
    until pgrep -x "$name" >/dev/null; do sleep 0.1; done
done
"$@" <&3 3<&- &
exec 5<"$pipe"
rm "$pipe"
pipe=/dev/fd/5
HOLD_MIB=10 as root 0 systemd 3<&-
