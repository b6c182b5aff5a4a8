#!/usr/bin/env bash
# Compiles the tests of the folders that the decode library consists of for AArch64, with Debian's cross compiler; ctest
# runs them under qemu-user.
# usage: build_aarch64.sh BUILD_DIR JOBS [CMAKE_FLAG...]
set -euo pipefail
build=$1 jobs=$2
shift 2
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$build"
build=$(cd "$build" && pwd)
root=$build/root

# The arm64 libraries come from this system's package sources and are unpacked beside the build, not installed: its own
# packages stay as they are.
if [ ! -e "$root/complete" ]; then
  state=$build/apt
  mkdir -p "$root" "$state/lists/partial" "$state/cache/archives/partial" "$state/packages"
  : >"$state/status"
  cat >"$state/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
Dir::State "$state";
Dir::State::Lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state/cache";
Acquire::Languages "none";
CONF
  export APT_CONFIG=$state/apt.conf
  apt-get -qq update
  # The libraries that CMakeLists.txt asks for, and what those need at run time.
  needed=(libhwy-dev libxxhash-dev libfmt-dev nlohmann-json3-dev libgtest-dev libbenchmark-dev libzstd-dev libpcre2-dev
    libicu-dev)
  mapfile -t wanted < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances "${needed[@]}" | grep -vE ':|-(doc|dbg)$' | sort -u |
    grep -E '^(lib(hwy|xxhash|fmt|gtest|benchmark|zstd|pcre2|icu)|nlohmann|googletest)')
  (cd "$state/packages" && apt-get -qq download "${wanted[@]}")
  for package in "$state"/packages/*.deb; do dpkg-deb -x "$package" "$root"; done
  unset APT_CONFIG
  touch "$root/complete"
fi

cmake -S "$source" -B "$build" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$source/cmake/aarch64-linux-gnu.cmake" \
  -DNWCODEC_AARCH64_ROOT="$root" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_BUILD_TYPE=Release \
  -DNWCODEC_WITH_TORCH=OFF "$@" >/dev/null
cmake --build "$build" -j "$jobs" --target decode_tests
