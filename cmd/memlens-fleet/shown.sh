#!/usr/bin/env bash
# Compares memlens-fleet with a shell loop of memlens report on a corpus: time, memory of all processes, and whether the records are the
# same. Usage: shown.sh [IMAGES], in an empty folder or one of an earlier run.
set -euo pipefail
images=${1:-500}
module=$(cd "$(dirname "$0")" && pwd)
(cd "$module" && CGO_ENABLED=0 go build -o "$OLDPWD/memlens-fleet" .)
(cd "$module/../.." && CGO_ENABLED=0 go build -o "$OLDPWD/memlens" ./cmd/memlens)
[ -d corpus ] || { ./memlens-fleet corpus --dir corpus --images "$images"; mv corpus/truth.json truth.json; }

# tree prints the ids of a process and all below it.
tree() {
	echo "$1"
	local child
	for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do tree "$child"; done
}

# measured runs a command, and says how long it took and how much memory it and all its processes had at most.
measured() {
	local name=$1 start=$EPOCHREALTIME peak=0 now
	shift
	"$@" &
	while kill -0 $! 2>/dev/null; do
		now=$(for pid in $(tree $!); do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done | awk '/^Pss:/ {sum += $2} END {print int(sum / 1024)}')
		peak=$((now > peak ? now : peak))
		sleep 0.2
	done
	wait $! || true
	awk -v n="$name" -v a="$start" -v b="$EPOCHREALTIME" -v m="$peak" -v i="$images" 'BEGIN {printf "%s: %.1f s, %.1f images/s, %d MiB\n", n, b - a, i / (b - a), m}'
}

loop() {
	find corpus -type f | LC_ALL=C sort | while read -r image; do
		./memlens report --modules --digest sha256,authentihash,tlsh "$image" 2>/dev/null || true
	done >loop.jsonl
}

rm -rf out
measured "memlens-fleet" ./memlens-fleet --modules --images 'corpus/**' --output out
measured "a loop of memlens report" loop
cat out/records-*.jsonl | cmp - loop.jsonl && echo "the records are the same"
