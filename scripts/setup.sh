#!/usr/bin/env bash
# Installs what is missing of the tools and libraries that nwcodec builds with (Debian 12 and 13). Says nothing if all
# is there.
# usage: setup.sh [lint|fuzz|aarch64]   what `make lint`, `make fuzz` or `make test-aarch64` need besides
set -euo pipefail
[ "$(uname -s)" = Linux ] && command -v dpkg-query >/dev/null || {
  echo "setup: not a Debian system; CMakeLists.txt names the libraries that nwcodec needs" >&2
  exit 0
}

packages=(
  build-essential cmake ninja-build ccache pkg-config git ca-certificates
  libtorch-dev libopenblas0-pthread            # training, forward passes; the BLAS that makes them fast
  libhwy-dev libxxhash-dev libfmt-dev nlohmann-json3-dev libcli11-dev libpcre2-dev libicu-dev
  libopenmpi-dev openmpi-bin                   # several processes on one checkpoint
  libgtest-dev libbenchmark-dev libzstd-dev    # tests and benchmarks
  file                                         # what CPack makes a .deb with
  python3-venv python3-dev                     # the Python package
)
case ${1:-} in
  '') ;;
  lint) packages+=(clang-format clang-tidy) ;;
  fuzz) packages+=(clang libclang-rt-dev) ;;
  aarch64) packages+=(g++-aarch64-linux-gnu qemu-user debian-archive-keyring) ;;
  *)
    echo "setup: '$1' is not one of lint, fuzz, aarch64" >&2
    exit 2
    ;;
esac

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    missing+=("$package")
  fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: missing packages: ${missing[*]}" >&2
    echo "setup: run this as root, or install them with: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
