#!/bin/sh
# Signs two of the programs here, with a certificate of its own that nobody trusts: signed32.exe and
# signed64.exe, whose certificate tables lie behind all that is mapped. Needs openssl and
# osslsigncode. Run it in a directory of its own:
#   sign.sh OUTPUT-DIRECTORY
set -eu
src=$(cd "$(dirname "$0")" && pwd)
out=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -days 3650 -subj '/CN=memlens test'
for n in 32 64; do
	osslsigncode sign -h sha256 -certs "$tmp/cert.pem" -key "$tmp/key.pem" -in "$src/reloc$n.exe" -out "$out/signed$n.exe"
done
