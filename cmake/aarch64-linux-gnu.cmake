# Cross compilation for AArch64 with Debian's compiler; scripts/test_aarch64.sh prepares the root with the libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(NWCODEC_AARCH64_ROOT "" CACHE PATH "Unpacked arm64 packages")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES NWCODEC_AARCH64_ROOT)

set(CMAKE_FIND_ROOT_PATH ${NWCODEC_AARCH64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${NWCODEC_AARCH64_ROOT})
set(ENV{PKG_CONFIG_LIBDIR}
  ${NWCODEC_AARCH64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${NWCODEC_AARCH64_ROOT}/usr/share/pkgconfig)

# Our libraries come from that root, the C and C++ library from the compiler's packages.
set(library_dir ${NWCODEC_AARCH64_ROOT}/usr/lib/aarch64-linux-gnu)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${library_dir} -Wl,-rpath-link,${library_dir}")
set(CMAKE_CROSSCOMPILING_EMULATOR env;LD_LIBRARY_PATH=${library_dir};qemu-aarch64;-L;/usr/aarch64-linux-gnu)
