#!/bin/sh
# Builds the hybrid images of this folder with clang and the linker of LLVM 22: ARM64EC code alone, and with ARM64 code.
set -e
dir=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$dir/hybrid.c" "$dir/hybrid_ec.s" "$dir/hybrid_arm64.s" .
for target in arm64ec aarch64; do
	"${CLANG:-clang-19}" -target $target-pc-windows-msvc -O1 -c hybrid.c -o code_$target.obj
done
"${CLANG:-clang-19}" -target arm64ec-pc-windows-msvc -c hybrid_ec.s -o config_ec.obj
"${CLANG:-clang-19}" -target aarch64-pc-windows-msvc -c hybrid_arm64.s -o config_arm64.obj
link="${LINK:-lld-link-22} /dll /noentry /nodefaultlib /Brepro /noimplib"
$link /machine:arm64ec /out:"$dir/arm64ec.dll" code_arm64ec.obj config_ec.obj
$link /machine:arm64x /out:"$dir/arm64x.dll" code_arm64ec.obj config_ec.obj code_aarch64.obj config_arm64.obj
