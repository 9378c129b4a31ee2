#!/usr/bin/env bash
# Measures oomtop beside htop, btop and top, on one machine in one run, and prints Markdown. What is not installed is
# left out. Takes about eight minutes once all is built; leave the machine alone meanwhile. COUNTS, WARMUP, SECONDS_EACH
# and ROUNDS may be set; with more than one round the programs run in turn and the median is printed.
set -euo pipefail
cd "$(dirname "$0")/.."

counts=${COUNTS:-20 100 2000 10000}
warmup=${WARMUP:-9}
seconds=${SECONDS_EACH:-9}
rounds=${ROUNDS:-1}
target=$(uname -m)-unknown-linux-musl
work=$(mktemp -d)
farm=
trap 'kill $(jobs -p) 2>/dev/null || true; rm -r "${work:?}"' EXIT

cargo build --quiet --locked --release --target "$target"
cargo build --quiet --locked --release --example stopwatch
oomtop=$PWD/target/$target/release/oomtop
stopwatch=target/release/examples/stopwatch
cc -O2 -o "$work/procfarm" benches/tools/procfarm.c
cc -O2 -o "$work/holder" benches/tools/holder.c

# Every program with an interval of one second, except btop, which keeps its own of two; none reads a configuration.
export HTOPRC=$work/htoprc XDG_CONFIG_HOME=$work
declare -A command=([oomtop]="$oomtop -d 1" [htop]='htop -d 10' [btop]='btop --utf-force' [top]='top -d 1')
programs=(oomtop)
for name in htop btop top; do
    command -v $name >/dev/null && programs+=("$name")
done
version() {
    case $1 in
        oomtop) "$oomtop" --version | grep -o '[0-9][0-9.]*' ;;
        htop) htop --version | grep -o '[0-9][0-9.]*' ;;
        btop) btop --version | grep -o '[0-9][0-9.]*' ;;
        top) { top -V || top -v; } 2>/dev/null | grep -o '[0-9][0-9.]*' ;;
    esac | head -1
}
median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }
field() { grep -o "\"$1\": [0-9.]*" | cut -d' ' -f2; }

# start COMMAND ...: runs it until stop, and waits for the line that says that it is up.
start() {
    mkfifo "$work/input" "$work/output"
    "$@" <"$work/input" >"$work/output" &
    farm=$!
    exec 8>"$work/input"
    read -r _ <"$work/output"
    rm "$work/input" "$work/output"
}
stop() {
    exec 8>&-
    wait "$farm" 2>/dev/null || true
}

processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
printf 'Linux %s, %s × %s, %s. Interval 1 s (btop 2 s), 160x50, %s s after %s s of warm-up, %s.\n\n' \
    "$(uname -r | grep -o '^[0-9.]*[0-9]')" "$(nproc)" "${processor:-$(uname -m)}" "$memory" "$seconds" "$warmup" \
    "$([ "$rounds" = 1 ] && echo 'one round' || echo "median of $rounds rounds")"

printf '| sleeping processes | |'
for name in "${programs[@]}"; do printf ' %s %s |' "$name" "$(version "$name")"; done
printf '\n|--:|---|'
for name in "${programs[@]}"; do printf -- '--:|'; done
printf '\n'
for count in $counts; do
    start "$work/procfarm" "$count"
    for round in $(seq "$rounds"); do
        for name in "${programs[@]}"; do
            # shellcheck disable=SC2086
            python3 benches/tools/cost.py --warmup "$warmup" --seconds "$seconds" ${command[$name]} \
                >"$work/$count.$name.$round"
        done
    done
    most=$count
    [ "$count" != "${counts##* }" ] || {
        first=$("$stopwatch" first "$oomtop")
        growth=$("$stopwatch" growth "$oomtop" -d 1 -s growth)
    }
    stop
    for row in 'cpu_percent CPU %' 'resident_kib RSS KiB' 'bytes_per_second bytes/s'; do
        [ "${row%% *}" = cpu_percent ] && printf '| %s | %s |' "$count" "${row#* }" || printf '| | %s |' "${row#* }"
        for name in "${programs[@]}"; do
            printf ' %s |' "$(cat "$work/$count.$name".* | field "${row%% *}" | median)"
        done
        printf '\n'
    done
done

printf '\n| oomtop also | |\n|---|--:|\n'
if [ -n "${first:-}" ]; then
    printf '| first characters on the screen, %s processes | %s ms |\n' "$most" "$(field first_paint_ms <<<"$first")"
    printf '| first complete frame, %s processes | %s ms |\n' "$most" "$(field complete_frame_ms <<<"$first")"
    printf '| one of %s starts to grow: on the screen after, median of %s (interval 1 s) | %s ms |\n' "$most" \
        "$(field growers <<<"$growth")" "$(field median_ms <<<"$growth")"
    printf '| the same, the slowest | %s ms |\n' "$(field slowest_ms <<<"$growth")"
fi

start env HOLD_MAPPINGS=60000 "$work/holder"
parse=$(cargo bench --quiet --locked --bench smaps -- "$farm" | grep regions)
printf '| smaps of %s mappings: reading it | %s ms |\n' "$(field regions <<<"$parse")" "$(field read_ms <<<"$parse")"
printf '| the same with parsing it | %s ms (%s %% more) |\n' "$(field read_and_parse_ms <<<"$parse")" "$(field beyond_percent <<<"$parse")"
printf '| classifying and comparing them, once for each read | %s ms |\n' "$(field conclude_ms <<<"$parse")"
mapped=$farm
exec 7>&8
start env HOLD_MIB=8192 "$work/holder"
held=$farm
exec 6>&8
start "$work/procfarm" 2000
keys=$("$stopwatch" keys "$oomtop" -f holder)
stop
exec 6>&- 7>&-
wait "$held" "$mapped" 2>/dev/null || true
printf '| key to frame, 60,000 mappings and 8 GiB selected in turn, 2,000 processes: median | %s ms |\n' "$(field median_ms <<<"$keys")"
printf '| the same, 99th percentile of %s keys | %s ms |\n' "$(field keys <<<"$keys")" "$(field p99_ms <<<"$keys")"
printf '| the same, the slowest | %s ms |\n' "$(field slowest_ms <<<"$keys")"
