# The kinds of target in this tree: a layer (library) or the encoder's half of one, a test of a folder, a fuzz target.

# nwc_encode_sources(a.cc ...): sources of nwcodec_encode in a folder that has both halves; nothing where only the
# decode library is built.
function(nwc_encode_sources)
  if(NWCODEC_WITH_ENCODE)
    target_sources(nwcodec_encode PRIVATE ${ARGN})
  endif()
endfunction()

# GCC 12 takes the inline buffer of std::string for the whole string, more so at -O1: what it says of copies out of
# bounds is wrong (GCC's bugs 105329, 105651). The address sanitizer's build looks for real ones.
set(NWCODEC_GCC_STRING_WARNINGS
  -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-stringop-truncation)

# Settings that every target of ours shares. Contraction is off because every floating-point operation that reaches a
# file must round the same way on every machine.
function(nwc_configure_target target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall> $<$<COMPILE_LANGUAGE:CXX>:-Wextra>
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-field-initializers>
    "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:${NWCODEC_GCC_STRING_WARNINGS}>"
    $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
  if(NWCODEC_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
  endif()
  if(NWCODEC_SANITIZE)
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${NWCODEC_SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>")
    # GCC 12 takes parts of the C++ library for uninitialised once they are instrumented.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_link_options(${target} PRIVATE -fsanitize=${NWCODEC_SANITIZE})
  endif()
  if(NWCODEC_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# nwc_precompile(target OWNER owner HEADERS <a> <b> ...): headers that cost more to read than most sources that include
# them, read once for all targets that name the same owner and are compiled alike (libraries, or tests). The owner is
# the first of them.
function(nwc_precompile target)
  cmake_parse_arguments(ARG "" "OWNER" "HEADERS" ${ARGN})
  if(target STREQUAL ARG_OWNER)
    target_precompile_headers(${target} PRIVATE ${ARG_HEADERS})
  else()
    target_precompile_headers(${target} REUSE_FROM ${ARG_OWNER})
  endif()
endfunction()

# nwc_torch_headers(target [SKIP a.cc ...]): a library that includes libtorch/tensors.h, but for its sources a.cc ...
function(nwc_torch_headers target)
  cmake_parse_arguments(ARG "" "" "SKIP" ${ARGN})
  nwc_precompile(${target} OWNER nwcodec_libtorch HEADERS <torch/types.h> <torch/utils.h>)
  set_source_files_properties(${ARG_SKIP} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# Tests that are also built and run apart from the others: of the decode library on another architecture (make
# test-aarch64), and of what uses threads under the thread sanitizer (make test-tsan).
set(NWCODEC_DECODE_TESTS
  base_test checkpoint_test codec_test conformance_test damage_test decode_test entropy_test format_test transform_test)
set(NWCODEC_THREADS_TESTS
  base_test baselines_test compress_test decode_test guide_test quantise_test report_test study_test tensor_test
  text_test
  weights_test)
add_custom_target(decode_tests)
add_custom_target(threads_tests)

# nwc_test(name SOURCES a_test.cc ... LIBS lib ...): one GoogleTest program for a folder; every case is a ctest test.
function(nwc_test name)
  if(NOT NWCODEC_DEVELOPER)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  nwc_configure_target(${name})
  # What is tested is optimised; optimising the tests would cost a quarter more of their build time, and with sanitizers
  # nearly as much again.
  if(NWCODEC_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)
  else()
    target_compile_options(${name} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O1>)
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name}
    PRIVATE NWC_SOURCE_DIR="${PROJECT_SOURCE_DIR}" NWC_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gtest_main ${NWCODEC_FMT})
  if(torch IN_LIST ARG_LIBS)
    nwc_precompile(${name} OWNER libtorch_test HEADERS <gtest/gtest.h> <torch/types.h> <torch/utils.h>)
  else()
    nwc_precompile(${name} OWNER base_test HEADERS <gtest/gtest.h> <nlohmann/json.hpp> <filesystem> <fstream>)
  endif()
  set(properties TIMEOUT 600)
  set(labels)
  foreach(kind DECODE THREADS)
    if("${name}" IN_LIST NWCODEC_${kind}_TESTS)
      string(TOLOWER ${kind} kind)
      list(APPEND labels ${kind})
      add_dependencies(${kind}_tests ${name})
    endif()
  endforeach()
  if(labels)
    # One label of both words: gtest_discover_tests() takes no lists.
    list(JOIN labels "+" labels)
    list(APPEND properties LABELS ${labels})
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()

# nwc_fuzzer(name SOURCE x_fuzzer.cc LIBS lib ... CORPUS dir): a libFuzzer target with NWCODEC_FUZZERS; otherwise a
# plain program that replays every file of the corpus, registered as a test.
add_custom_target(fuzzers)
function(nwc_fuzzer name)
  if(NOT NWCODEC_DEVELOPER)
    return()
  endif()
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCE;LIBS" ${ARGN})
  if(NWCODEC_FUZZERS)
    add_executable(${name} ${ARG_SOURCE})
    add_dependencies(fuzzers ${name})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${ARG_SOURCE} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME fuzz_replay.${name} COMMAND ${name} ${ARG_CORPUS})
    set_tests_properties(fuzz_replay.${name} PROPERTIES TIMEOUT 120)
  endif()
  nwc_configure_target(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE NWC_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
endfunction()
