# Runs at installation: manual pages and completion as the program itself prints them, so that they say what it does.
# NWCODEC_PROGRAM, NWCODEC_PAGES (a folder to write to), NWCODEC_MAN_DIR and NWCODEC_DATA_DIR are set by whoever
# includes it; the latter two are below the prefix.
file(REMOVE_RECURSE "${NWCODEC_PAGES}")
file(MAKE_DIRECTORY "${NWCODEC_PAGES}/man" "${NWCODEC_PAGES}/bash" "${NWCODEC_PAGES}/zsh")

function(print_to file)
  execute_process(COMMAND "${NWCODEC_PROGRAM}" ${ARGN} OUTPUT_FILE "${file}" RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${NWCODEC_PROGRAM} ${ARGN} failed: ${code}")
  endif()
endfunction()

print_to("${NWCODEC_PAGES}/man/nwcodec.1" man)
file(STRINGS "${NWCODEC_PAGES}/man/nwcodec.1" lines)
list(FIND lines ".SH COMMANDS" at)
list(SUBLIST lines ${at} -1 lines)
list(FILTER lines INCLUDE REGEX "^\\.B ")
list(TRANSFORM lines REPLACE "^\\.B " "" OUTPUT_VARIABLE commands)
foreach(command ${commands})
  print_to("${NWCODEC_PAGES}/man/nwcodec-${command}.1" man ${command})
endforeach()
find_program(gzip gzip REQUIRED)
file(GLOB pages "${NWCODEC_PAGES}/man/*.1")
execute_process(COMMAND "${gzip}" -9n ${pages} COMMAND_ERROR_IS_FATAL ANY)
print_to("${NWCODEC_PAGES}/bash/nwcodec" completion bash)
print_to("${NWCODEC_PAGES}/zsh/_nwcodec" completion zsh)

set(modes FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
file(GLOB pages "${NWCODEC_PAGES}/man/*.1.gz")
file(INSTALL ${pages} DESTINATION "${CMAKE_INSTALL_PREFIX}/${NWCODEC_MAN_DIR}/man1" ${modes})
file(INSTALL "${NWCODEC_PAGES}/bash/nwcodec"
  DESTINATION "${CMAKE_INSTALL_PREFIX}/${NWCODEC_DATA_DIR}/bash-completion/completions" ${modes})
file(INSTALL "${NWCODEC_PAGES}/zsh/_nwcodec"
  DESTINATION "${CMAKE_INSTALL_PREFIX}/${NWCODEC_DATA_DIR}/zsh/vendor-completions" ${modes})
