#!/usr/bin/env bash
# Measures the time that a user waits, in one run, with public tools only:
#
#   testdata/bench.sh [IMAGE...]
#
# For each image, from a cold start: the program starts and mounts the image, md5sum digests every procexedump.exe,
# and the image is unmounted. It prints:
#
#   files, MiB   the size of the work, and the part of it that lies in the image (the rest are holes that read as zeros)
#   start        from the start of the program until it says that the mount is ready; least and median of $RUNS runs
#   total        from the start of the program until md5sum has printed its last line; the same
#   CPU          the processor time of the program alone, on all cores together: other running programs disturb it less; median
#   md5sum       the time of md5sum alone for the same bytes in ordinary files, in the kernel's cache: the floor of total
#   RSS          the most that the program had resident (VmHWM)
#
# The second line has the processor time of other programs for the same work, each run in turn with memlens, and
# memlens's time as a multiple of theirs. The programs are testdata/floor, which serves copies of the same files with
# go-fuse and does nothing else, and MemProcFS if it is on the PATH (memprocfs). MemProcFS recovers executables of its
# own kind (pefile.dll), so the number of its files is given, too.
#
# Without an image, the demo is measured: as it is, and inside of sparse images of 4 GiB and of 64 GiB whose first 64 MiB
# it is. Then, on the first image: how fast colorized.bmp is drawn, how fast a file is read again, and whether the
# program grows while the tree is read over and over. Images are read once before, so that the disk is not measured.
# Without an image there are also:
#
#   memory.raw   how fast the memory of an image of 1 GiB is read for the first time: in turn, go-fuse's own loopback file
#                system with the same file, the same with the kernel reading the file itself (passthrough), this program, and the file;
#                medians, with the processor time of the mount, and this program's speed as a share of loopback's
#   at the end   the time until a mount of a sparse file of 64 GiB is ready, with the system in its last GiB, and how
#                much of the file has been read by then (/proc/PID/io); medians
#
# Last, also only without an image, "find -ls" goes over mounts of images that are large in one way each: 500 and 4000
# processes; the same processes with most of their pages missing; and a program that claims 1,000,000 imports, of 1000
# DLLs, of one DLL, and by names of 500 characters. The processes that miss most of their pages are also measured with
# "ls -l" of the root, with "find" without scanned/, and with md5sum of every procexedump.exe and of every
# restored.exe, each in a mount of its own. These images need 700 MiB of disk; SCALE=no leaves them out.
#
# RUNS (10) is the number of runs, MEMLENS the program (built from here if not given), SKIP a pattern of directories to
# leave out, such as '3132-*' for a process whose damaged header makes 96 MiB of zeros.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
runs=${RUNS:-10} skip=${SKIP:-}
work=$(mktemp -d)
mnt=$work/mnt pid=
mkdir "$mnt"

cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	[ -z "$pid" ] || wait "$pid" 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT

if [ -z "${MEMLENS:-}" ]; then
	MEMLENS=$work/memlens
	go build -o "$MEMLENS" ./cmd/memlens
fi
go build -o "$work/floor" ./testdata/floor
memprocfs=$(command -v memprocfs || true)

now() { date +%s%N; }
ms() { awk -v ns="$1" 'BEGIN { printf "%.1f ms", ns / 1e6 }'; }
least() { sort -n | head -1; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
status() { awk -v k="$1:" '$1 == k { printf "%.1f", $2 / 1024 }' "/proc/$pid/status"; }

# mount_image IMAGE starts the program and returns when the mount is ready.
mount_image() { start "$MEMLENS" mount "$1" "$mnt"; }

# start COMMAND... starts a program that mounts something. It returns when the program prints its first word: the
# mount is ready.
start() {
	mkfifo "$work/ready"
	"$@" >"$work/ready" 2>/dev/null &
	pid=$!
	local line
	exec 3<"$work/ready"
	read -r line <&3 || { echo "it cannot be mounted: $*" >&2; exit 1; }
	exec 3<&-
	rm "$work/ready"
}

unmount() {
	kill -INT "$pid"
	wait "$pid"
	pid=
}

# targets prints the executables to digest, NUL-terminated. The shell finds them, as for md5sum MNT/*/…, so no
# directory of a process is listed.
targets() {
	local path
	for path in "$1"/*/procexedump.exe; do
		[[ -n $skip && $path == */$skip/* ]] || printf '%s\0' "$path"
	done
}

# cpu prints the milliseconds of processor time that the program has taken. It adds up all threads, whose clocks count
# nanoseconds.
cpu() { cat /proc/"$pid"/task/*/schedstat | awk '{ ns += $1 } END { printf "%.1f\n", ns / 1e6 }'; }

measure() {
	local image=$1 start ready
	cat "$image" >/dev/null & # a sparse image of 64 GiB is not read whole
	local reader=$!
	(sleep 2; kill "$reader" 2>/dev/null) &
	wait "$reader" 2>/dev/null || true
	: >"$work/starts"; : >"$work/totals"; : >"$work/rss"; : >"$work/cpu"
	: >"$work/cpu-floor"; : >"$work/cpu-memprocfs"
	for ((i = 0; i < runs; i++)); do
		start=$(now)
		mount_image "$image"
		ready=$(now)
		targets "$mnt" | xargs -0 md5sum >"$work/sums"
		echo $(($(now) - start)) >>"$work/totals"
		echo $((ready - start)) >>"$work/starts"
		status VmHWM >>"$work/rss"; echo >>"$work/rss"
		cpu >>"$work/cpu"
		[ "$i" != 0 ] || size_of_work
		unmount
		others "$image"
	done
	printf '%-40s %3d files %7s MiB (%s present)  start %s, median %s  total %s, median %s  CPU %s ms  md5sum %s  RSS %s MiB\n' \
		"$(basename "$image") ($(($(stat -c %s "$image") >> 20)) MiB)" "$(wc -l <"$work/sums")" "$mib" "$present" \
		"$(ms "$(least <"$work/starts")")" "$(ms "$(median <"$work/starts")")" \
		"$(ms "$(least <"$work/totals")")" "$(ms "$(median <"$work/totals")")" "$(median <"$work/cpu")" "$(floor)" "$(sort -n "$work/rss" | tail -1)"
	printf '%-40s the floor: CPU %s ms, memlens needs %s times that' "" "$(median <"$work/cpu-floor")" "$(ratio "$work/cpu-floor")"
	if [ -s "$work/cpu-memprocfs" ]; then
		printf '; MemProcFS: %d files, CPU %s ms, memlens needs %s times that' "$(wc -l <"$work/sums-memprocfs")" "$(median <"$work/cpu-memprocfs")" "$(ratio "$work/cpu-memprocfs")"
	fi
	echo
}

# ratio FILE prints the median of a file as a multiple of memlens's median.
ratio() { awk -v a="$(median <"$work/cpu")" -v b="$(median <"$1")" 'BEGIN { printf "%.2f", a / b }'; }

# others IMAGE measures the processor time of the other programs for the same work.
others() {
	start "$work/floor" "$work/copies" "$mnt"
	targets "$mnt" | xargs -0 md5sum >"$work/sums-floor"
	cmp -s <(cut -c-32 "$work/sums") <(cut -c-32 "$work/sums-floor") || { echo "the floor serves other bytes" >&2; exit 1; }
	cpu >>"$work/cpu-floor"
	unmount
	[ -n "$memprocfs" ] || return 0
	"$memprocfs" -device "$1" -mount "$mnt" -disable-symbolserver -disable-python -disable-yara -norefresh >"$work/memprocfs.log" 2>&1 &
	pid=$!
	for ((n = 0; n < 500; n++)); do
		[ ! -d "$mnt/name" ] || break
		sleep 0.02
	done
	recovered_by_memprocfs | xargs -0 md5sum >"$work/sums-memprocfs" 2>/dev/null || true # some cannot be read
	cpu >>"$work/cpu-memprocfs"
	fusermount -u "$mnt" 2>/dev/null || fusermount3 -u "$mnt"
	wait "$pid" || true
	pid=
}

# recovered_by_memprocfs prints the executables that MemProcFS recovers, NUL-terminated, without the kernel, which it
# lists in some processes.
recovered_by_memprocfs() {
	local path
	for path in "$mnt"/name/*/modules/*.exe/pefile.dll; do
		[[ $path == */nt*.exe/* ]] || printf '%s\0' "$path"
	done
}

# size_of_work notes how much there is to digest, and copies it for the floor.
size_of_work() {
	mib=$(targets "$mnt" | xargs -0 stat -c %s | awk '{ n += $1 } END { printf "%.1f", n / 1048576 }')
	present=$(targets "$mnt" | xargs -0 stat -c %b | awk '{ n += $1 * 512 } END { printf "%.1f", n / 1048576 }')
	rm -rf "$work/copies"
	mkdir "$work/copies"
	(cd "$mnt" && targets . | xargs -0 cp --parents --sparse=always -t "$work/copies")
}

floor() {
	: >"$work/floors"
	for ((i = 0; i < runs; i++)); do
		local start
		start=$(now)
		find "$work/copies" -type f -print0 | xargs -0 md5sum >/dev/null
		echo $(($(now) - start)) >>"$work/floors"
	done
	ms "$(least <"$work/floors")"
}

# rate FILE prints how fast a file is read.
rate() { dd if="$1" of=/dev/null bs=1M 2>&1 | awk 'END { print $(NF-1), $NF }'; }

# more measures everything else on an image.
more() {
	mount_image "$1"
	local large picture
	large=$(find "$mnt" -mindepth 2 -maxdepth 2 -name procexedump.exe -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2-)
	picture=$(dirname "$large")/colorized.bmp
	echo "colorized.bmp of $(stat -c %s "$picture") bytes: first reading $(rate "$picture"), second $(rate "$picture")"
	local first
	for i in 1 2 3 4; do
		find "$mnt" -type f -size -16M -print0 | xargs -0 cat >/dev/null
		echo "after the whole tree was read $i times: RSS $(status VmRSS) MiB, at most $(status VmHWM) MiB"
	done
	unmount
}

# mount_loopback [-passthrough] FOLDER shows a folder through go-fuse's loopback.
mount_loopback() {
	"$work/loopback" "${@:1:$#-1}" "$mnt" "${!#}" &
	pid=$!
	until mountpoint -q "$mnt"; do
		kill -0 "$pid" || exit 1
		sleep 0.02
	done
}

# first_read NAME FILE notes the speed of reading a file in MB/s, and the processor time of its mount.
first_read() {
	local before
	before=$(cpu)
	dd if="$2" of=/dev/null bs=1M 2>&1 | awk 'END { print $1 / $(NF-3) / 1e6 }' >>"$work/$1.rate"
	awk -v before="$before" -v after="$(cpu)" 'BEGIN { printf "%.1f\n", after - before }' >>"$work/$1.cpu"
}

# memory_raw compares first readings of a raw image that the kernel has in its cache. Each is in a mount of its own.
memory_raw() {
	local folder=$work/large image=$work/large/large.raw i way
	go build -o "$work/loopback" ./testdata/loopback
	mkdir "$folder"
	cp "$work/demo.raw" "$image"
	head -c 960M /dev/urandom >>"$image"
	cat "$image" >/dev/null
	for ((i = 0; i < runs; i++)); do
		mount_loopback "$folder"
		first_read loopback "$mnt/large.raw"
		unmount
		mount_loopback -passthrough "$folder"
		first_read passthrough "$mnt/large.raw"
		unmount
		mount_image "$image"
		first_read memlens "$mnt/memory.raw"
		first_read file "$image"
		unmount
	done
	printf 'memory.raw of 1 GiB, first reading:'
	for way in loopback passthrough memlens; do
		printf '  %s %.0f MB/s, CPU %s ms' "$way" "$(median <"$work/$way.rate")" "$(median <"$work/$way.cpu")"
	done
	printf '  file %.0f MB/s' "$(median <"$work/file.rate")"
	awk -v ours="$(median <"$work/memlens.rate")" -v theirs="$(median <"$work/loopback.rate")" 'BEGIN { printf "  memlens / loopback %.2f\n", ours / theirs }'
	rm -r "$folder"
}

# at_the_end mounts a sparse file that has its system at its end.
at_the_end() {
	local image=$work/end.raw start i
	go test ./memimage -run '^TestSystemAtTheEndOfASparseFile$' -count 1 -endimage "$image" >/dev/null
	for ((i = 0; i < runs; i++)); do
		start=$(now)
		mount_image "$image"
		echo $(($(now) - start)) >>"$work/end.starts"
		awk '$1 == "rchar:" { printf "%.1f\n", $2 / 1048576 }' "/proc/$pid/io" >>"$work/end.read"
		cpu >>"$work/end.cpu"
		unmount
	done
	printf 'system in the last GiB of a sparse file of 64 GiB: ready after %s, CPU %s ms, %s MiB read\n' \
		"$(ms "$(median <"$work/end.starts")")" "$(median <"$work/end.cpu")" "$(median <"$work/end.read")"
	rm "$image"
}

# look measures a walk over an image that reads the attributes of every file and no contents.
look() {
	mount_image "$1"
	local start files
	start=$(now)
	files=$(find "$mnt" -ls | wc -l)
	printf '%-40s find -ls: %6d files  %s  CPU %s ms with the start  RSS %s MiB\n' \
		"$(basename "$1") ($(($(stat -c %s "$1") >> 20)) MiB)" "$files" "$(ms $(($(now) - start)))" "$(cpu)" "$(status VmHWM)"
	unmount
}

# ask IMAGE WHAT measures a command that is run in a mount of an image.
ask() {
	mount_image "$1"
	local start
	start=$(now)
	(cd "$mnt" && eval "$2") >/dev/null
	printf '%-40s %-40s %s  CPU %s ms with the start  RSS %s MiB\n' "$(basename "$1")" "$2" "$(ms $(($(now) - start)))" "$(cpu)" "$(status VmHWM)"
	unmount
}

# large writes the images that are large in one way each, and looks at them.
large() {
	local image
	mkdir "$work/scale"
	go test ./fs -run '^TestWriteScaleImages$' -count 1 -scaleimages "$work/scale" >/dev/null
	for image in "$work"/scale/*.raw; do
		look "$image"
	done
	for image in "$work"/scale/sharers-500.raw "$work"/scale/sharers.raw; do
		ask "$image" 'ls -l'
		ask "$image" 'find . -name scanned -prune -o -print'
		ask "$image" 'find . -name scanned -prune -o -name restored.exe -size +1k -print'
		ask "$image" 'md5sum */procexedump.exe'
		ask "$image" 'md5sum */restored.exe'
	done
}

demo=
if [ $# = 0 ]; then
	demo=yes
	"$MEMLENS" demo --write "$work/demo.raw" >/dev/null
	for size in 4G 64G; do
		cp --sparse=always "$work/demo.raw" "$work/demo-$size.raw"
		truncate -s "$size" "$work/demo-$size.raw"
	done
	set -- "$work/demo.raw" "$work/demo-4G.raw" "$work/demo-64G.raw"
fi
for image; do
	measure "$image"
done
more "$1"
[ -z "$demo" ] || memory_raw
[ -z "$demo" ] || at_the_end
[ -z "$demo" ] || [ "${SCALE:-}" = no ] || large
