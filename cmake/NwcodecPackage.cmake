# What comes with the installed program beside itself and its codecs, and a Debian package of all that: `cpack -G DEB`
# in the build folder. The development files are another component (src/CMakeLists.txt), which the package leaves out.
if(NOT CMAKE_CROSSCOMPILING)
  install(CODE "
    set(NWCODEC_PROGRAM \"$<TARGET_FILE:nwcodec>\")
    set(NWCODEC_PAGES \"${PROJECT_BINARY_DIR}/pages\")
    set(NWCODEC_MAN_DIR \"${CMAKE_INSTALL_MANDIR}\")
    set(NWCODEC_DATA_DIR \"${CMAKE_INSTALL_DATADIR}\")" COMPONENT program)
  install(SCRIPT ${PROJECT_SOURCE_DIR}/cmake/packaging/install_pages.cmake COMPONENT program)
endif()

set(NWCODEC_PACKAGE_MAINTAINER "nwcodec maintainers <maintainers@nwcodec.invalid>" CACHE STRING
  "Who answers for the Debian package: NAME <ADDRESS>")
string(TIMESTAMP NWCODEC_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)  # or that of SOURCE_DATE_EPOCH
configure_file(${PROJECT_SOURCE_DIR}/cmake/packaging/changelog.in ${PROJECT_BINARY_DIR}/packaging/changelog @ONLY)
find_program(NWCODEC_GZIP gzip)
mark_as_advanced(NWCODEC_GZIP)
if(NWCODEC_GZIP)
  execute_process(COMMAND ${NWCODEC_GZIP} -9nf ${PROJECT_BINARY_DIR}/packaging/changelog)
  install(FILES ${PROJECT_BINARY_DIR}/packaging/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/nwcodec
    COMPONENT program)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/cmake/packaging/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/nwcodec
  COMPONENT program)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME nwcodec)
set(CPACK_PACKAGE_CONTACT ${NWCODEC_PACKAGE_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "compresses the weights of language models")
set(CPACK_PACKAGE_DESCRIPTION "nwcodec stores the linear weights of transformer checkpoints in 2 to 6 bits each, \
measures what that does to the model, and writes the weights back for every program that reads safetensors.")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "${CPACK_PACKAGE_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL program)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME nwcodec)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
