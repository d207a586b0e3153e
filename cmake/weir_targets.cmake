# weir_library(NAME MODULES folder... [FILES file...])
#
# A library of every source under src/<folder>, so that a new file needs no change here. Defines
# NAME and its alias weir::<short name>; a library whose folders are still empty is left out.
function(weir_library name)
  cmake_parse_arguments(arg "" "" "MODULES;FILES" ${ARGN})
  set(sources ${arg_FILES})
  foreach(module IN LISTS arg_MODULES)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${module}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  string(REGEX REPLACE "^weir_" "" short ${name})
  add_library(${name} ${sources})
  add_library(weir::${short} ALIAS ${name})
  set_target_properties(${name} PROPERTIES
    EXPORT_NAME ${short}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON)
  target_compile_features(${name} PUBLIC cxx_std_23)
  target_include_directories(${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  if(WEIR_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    # To g++ every source of a unit is a header, whose types must not refer to what only it has.
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
  if(WEIR_PRECOMPILE_LIBRARY)
    target_precompile_headers(${name} PRIVATE
      <atomic> <chrono> <coroutine> <cstdint> <expected> <functional> <memory> <optional> <span>
      <string> <string_view> <utility> <vector>)
  endif()
  if(TARGET weir_warnings)
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:weir_warnings>)
  endif()
endfunction()
