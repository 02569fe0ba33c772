#!/usr/bin/env bash
# Makes the sets in this folder by the tools themselves: hashdeep and md5deep 4.4, GNU coreutils 9.1, OpenSSL 3. The files that
# they are of have a name each that one writer or another escapes.
set -euo pipefail
export LC_ALL=C.UTF-8
out=$(cd "$(dirname "$0")" && pwd)
dir=/tmp/known-files
rm -rf "$dir" && mkdir "$dir" && cd "$dir"
printf 'plain' > a.txt
printf 'comma' > 'b c,d.txt'
printf 'line' > $'new\nline.txt'
printf 'backslash' > 'back\slash.txt'
printf 'quote' > 'qu"ote.txt'
printf 'accent' > é.txt
printf 'return' > $'cr\r.txt'
printf 'star' > '*star.txt'
printf 'bracket' > 'x) = y.txt'
hashdeep -l -- * > "$out/hashdeep.txt"
hashdeep -l -c md5,sha1,sha256,tiger,whirlpool -- * > "$out/hashdeep-all.txt"
hashdeep -l -c md5 -- * > "$out/hashdeep-md5.txt"
md5deep -l -- * > "$out/md5deep.txt"
md5deep -l -z -- * > "$out/md5deep-z.txt"
md5deep -l -k -t -- * | sed 's/ [0-9:]\{19\} / 2026:01:02:03:04:05 /' > "$out/md5deep-kt.txt"
md5deep -l -c -z -- * > "$out/md5deep-cz.txt"
md5deep -q -- * > "$out/md5deep-q.txt"
sha1deep -l -- * > "$out/sha1deep.txt"
sha256deep -l -- * > "$out/sha256deep.txt"
md5sum -- * > "$out/md5sum.txt"
sha1sum -b -- * > "$out/sha1sum-b.txt"
sha256sum -- * > "$out/sha256sum.txt"
sha256sum --tag -- * > "$out/sha256sum-tag.txt"
md5sum --tag -- * > "$out/md5sum-tag.txt"
sha512sum --tag -- * > "$out/sha512sum-tag.txt"
for f in *; do openssl dgst -sha256 -- "$f"; done > "$out/openssl.txt"
rm -rf "$dir"
