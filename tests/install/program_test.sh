#!/usr/bin/env bash
# Installs the program into a scratch prefix, where it finds its codecs, its manual pages and its completion; then, if
# there is dpkg, packs it, and looks at the package.
# usage: program_test.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
unset DESTDIR NWCODEC_CODECS
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*" >&2
  exit 1
}

cmake --install "$build" --component program --prefix "$work/prefix" >/dev/null
program=$work/prefix/bin/nwcodec
# A codec that is nowhere else: so it is the prefix where the program looks.
mv "$work/prefix/share/nwcodec/codecs/fast-1000.safetensors" "$work/prefix/share/nwcodec/codecs/moved.safetensors"
"$program" compress "$source/models/demo" -o "$work/small" --codec moved --quiet >/dev/null
"$program" inspect "$work/small" --verify >/dev/null
for page in nwcodec nwcodec-compress nwcodec-decompress nwcodec-eval; do
  gzip -dc "$work/prefix/share/man/man1/$page.1.gz" >"$work/page" || fail "no manual page $page"
  grep -q '^\.SH OPTIONS' "$work/page" || fail "$page says nothing of options"
done
bash -n "$work/prefix/share/bash-completion/completions/nwcodec"
[ -s "$work/prefix/share/zsh/vendor-completions/_nwcodec" ] || fail "no completion for zsh"

command -v dpkg-shlibdeps >/dev/null || exit 0
if ! cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/pack" >"$work/cpack.log" 2>&1; then
  cat "$work/cpack.log"
  exit 1
fi
package=$(ls "$work"/pack/*.deb)
dpkg-deb -f "$package" Depends | tee "$work/depends"
# What the program was linked with, by the packages of this system; elsewhere LibTorch comes from no package.
grep -q 'libc6 (>= ' "$work/depends" || fail "the package names no libraries"
dpkg-deb -x "$package" "$work/unpacked"
cmp "$work/unpacked/usr/share/nwcodec/codecs/fast-30.safetensors" "$source/codecs/fast-30.safetensors"
"$work/unpacked/usr/bin/nwcodec" --version
[ ! -e "$work/unpacked/usr/include" ] || fail "development files are in the package of the program"
if command -v lintian >/dev/null; then lintian --fail-on error --suppress-tags-from-file /dev/null "$package"; fi
