# What only a developer of weir needs: warnings as errors, a compiler cache, a fast linker, and the
# functions that tests/, apps/, examples/ and bench/ are described with.

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(WEIR_CCACHE ccache)
  if(WEIR_CCACHE)
    # What ccache asks for before it caches a file that uses a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${WEIR_CCACHE})
  endif()
endif()

include(CheckLinkerFlag)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  check_linker_flag(CXX -fuse-ld=lld WEIR_HAS_LLD)
  if(WEIR_HAS_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()
add_compile_options(-fno-omit-frame-pointer)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # A precompiled header that is made twice has the same bytes twice, for ccache.
  set(CMAKE_CXX_COMPILE_OPTIONS_CREATE_PCH ${CMAKE_CXX_COMPILE_OPTIONS_CREATE_PCH}
      -Xclang -fno-pch-timestamp)
endif()

add_library(weir_warnings INTERFACE)
target_compile_options(weir_warnings INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(weir_warnings INTERFACE -Wpedantic -Wthread-safety -Wshadow-uncaptured-local)
endif()

# weir_add_test(NAME name COMMAND ... [LABEL fast|stress] [TIMEOUT seconds])
#
# A ctest entry under this build's prefix. `fast` tests take their time from the test and may run
# side by side; `stress` tests look at a wall clock and run alone.
function(weir_add_test)
  cmake_parse_arguments(arg "" "NAME;LABEL;TIMEOUT" "COMMAND" ${ARGN})
  set(name ${WEIR_TEST_PREFIX}${arg_NAME})
  if(NOT arg_LABEL)
    set(arg_LABEL fast)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
  if(arg_LABEL STREQUAL "stress")
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# Links what a program built from this tree may use: the library, its drivers, the warnings.
function(weir_link target)
  target_link_libraries(${target} PRIVATE weir weir_warnings)
  if(TARGET weir_sqlite)
    target_link_libraries(${target} PRIVATE weir_sqlite)
  endif()
  if(TARGET weir_postgres)
    target_link_libraries(${target} PRIVATE weir_postgres)
  endif()
endfunction()
