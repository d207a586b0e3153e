# `find_package(weir)` after `cmake --install`; the components are weir::weir and the drivers.
include(CMakePackageConfigHelpers)

set(weir_installed weir)
if(TARGET weir_sqlite)
  list(APPEND weir_installed weir_sqlite)
endif()
if(TARGET weir_postgres)
  list(APPEND weir_installed weir_postgres)
endif()
install(TARGETS ${weir_installed} EXPORT weir_targets)
install(DIRECTORY include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp)
set(weir_package ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
install(EXPORT weir_targets FILE weir_targets.cmake NAMESPACE weir:: DESTINATION ${weir_package})
configure_package_config_file(cmake/weirConfig.cmake.in weirConfig.cmake
  INSTALL_DESTINATION ${weir_package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(weirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weirConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/weirConfigVersion.cmake
              cmake/FindLibpq.cmake
        DESTINATION ${weir_package})
