#!/usr/bin/env bash
# Fuzzes for hours, target after target, and prints the results:
#
#   testdata/fuzz.sh HOURS [TARGET...]
#
# HOURS may be a fraction. Without a TARGET, such as FuzzLiME or memimage/restore, all targets take turns of ten
# minutes, or shorter turns if there are too many targets for the time. The interesting inputs of a target are kept in
# $CORPUS from run to run (without it, in the folder of Go's cache, where "go test -fuzz" keeps them too). The input
# of a failure is kept in testdata/fuzz of its package, where "go test" runs it from then on. A target with a finding
# has no more turns.
#
# The table, in CSV, is printed at the end, when interrupted too. $OUT (a folder of its own in the system's folder for
# temporary files) holds it as fuzz.csv, with the output of each target:
#
#   execs             inputs that were run
#   execs_per_second  the same by the time that the target had
#   corpus            inputs in the folder that are kept
#   findings          inputs that failed; an input that only the clock ended is none
#
# PARALLEL (1) is the number of workers.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

if [ $# = 0 ] || ! seconds=$(awk -v h="$1" 'BEGIN { if (h !~ /^[0-9]*\.?[0-9]+$/ || h <= 0) exit 1; printf "%d", h * 3600 + 0.5 }'); then
	echo "usage: testdata/fuzz.sh HOURS [TARGET...]" >&2
	exit 2
fi
shift
workers=${PARALLEL:-1}
out=${OUT:-$(mktemp -d -t memlens-fuzz.XXXXXX)}
corpus=${CORPUS:-$(go env GOCACHE)/fuzz/$(go list -m)}
longest=600 # seconds of a turn
mkdir -p "$out" "$corpus"
declare -A execs spent findings
targets=()

# find_targets fills targets with "directory FuzzName" of all targets, or of the targets whose name or directory is
# asked for.
find_targets() {
	local dir name want
	while read -r dir name; do
		[ $# != 0 ] || targets+=("$dir $name")
		for want; do
			if [ "$want" = "$name" ] || [ "${want%/}" = "$dir" ]; then
				targets+=("$dir $name")
				break
			fi
		done
	done < <(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . |
		sed -E 's|^\./(.*)/[^/]*:func (Fuzz.*)$|\1 \2|' | sort -u)
}

# binary DIR builds the instrumented test of a package, unless that has been done, and prints where it is.
binary() {
	local file=$out/${1//\//-}.test
	[ -e "$file" ] || go test -c -fuzz . -o "$file" "./$1" >&2
	echo "$file"
}

# turn DIR NAME SECONDS runs a target and adds to the table. It fails when there is a finding.
turn() {
	local dir=$1 name=$2 key="$1 $2" log=$out/${1//\//-}-$2.log test start=$SECONDS ok=1 n
	test=$(binary "$dir")
	(cd "$dir" && exec "$test" -test.run '^$' -test.fuzz "^$name\$" -test.fuzzcachedir "$corpus/$dir" \
		-test.fuzzminimizetime 1x -test.fuzztime "${3}s" -test.parallel "$workers" -test.timeout 0) >"$log.turn" 2>&1 </dev/null || ok=
	cat "$log.turn" >>"$log"
	n=$(grep -o 'execs: [0-9]*' "$log.turn" | tail -1 | cut -d' ' -f2 || true)
	execs[$key]=$((${execs[$key]:-0} + ${n:-0}))
	spent[$key]=$((${spent[$key]:-0} + SECONDS - start))
	if [ -z "$ok" ] && ! { grep -q 'context deadline exceeded' "$log.turn" && ! grep -q 'Failing input' "$log.turn"; }; then
		findings[$key]=$((${findings[$key]:-0} + 1))
		echo "$key failed: $log" >&2
		return 1
	fi
}

# shellcheck disable=SC2317 # it is called by the trap
# table prints a row per target.
table() {
	local key dir name n
	echo "package,target,seconds,execs,execs_per_second,corpus,findings"
	for key in "${targets[@]}"; do
		dir=${key% *} name=${key#* }
		n=$({ find "$corpus/$dir/$name" -type f 2>/dev/null || true; } | wc -l) # without a folder, nothing was kept
		echo "$dir,$name,${spent[$key]:-0},${execs[$key]:-0},$((${execs[$key]:-0} / (${spent[$key]:-0} > 0 ? ${spent[$key]:-0} : 1))),$n,${findings[$key]:-0}"
	done
}

# shellcheck disable=SC2317
finish() {
	trap - EXIT INT TERM
	rm -f "$out"/*.turn "$out"/*.test
	table | tee "$out/fuzz.csv"
	echo "what the targets printed is in $out" >&2
}

find_targets "$@"
[ ${#targets[@]} != 0 ] || { echo "there is no such target: $*" >&2; exit 2; }
for key in "${targets[@]}"; do
	binary "${key% *}" >/dev/null # to build is not part of the time
done
share=$((seconds / ${#targets[@]}))
share=$((share > longest ? longest : share < 1 ? 1 : share))
SECONDS=0
failed=0
trap finish EXIT
trap 'exit 130' INT TERM
while [ "$SECONDS" -lt "$seconds" ]; do
	ran=
	for key in "${targets[@]}"; do
		if [ -n "${findings[$key]:-}" ] || [ "$SECONDS" -ge "$seconds" ]; then
			continue
		fi
		ran=1
		left=$((seconds - SECONDS))
		turn "${key% *}" "${key#* }" $((left < share ? left : share)) || failed=1
	done
	[ -n "$ran" ] || break
done
exit "$failed"
