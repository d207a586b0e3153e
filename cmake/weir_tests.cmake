# GoogleTest and the standard headers, read once instead of by each test: it saves 0.9 of 1.2
# seconds for each file with either compiler.
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp CONTENT "")
add_library(test_precompiled OBJECT EXCLUDE_FROM_ALL ${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp)
target_precompile_headers(test_precompiled PRIVATE
  <gtest/gtest.h> <atomic> <chrono> <coroutine> <cstdint> <expected> <functional> <memory>
  <optional> <span> <string> <string_view> <thread> <utility> <vector>)
target_link_libraries(test_precompiled PRIVATE GTest::gmock GTest::gtest_main)
weir_link(test_precompiled)
target_compile_options(test_precompiled PRIVATE ${WEIR_TEST_OPTIONS})

# weir_precompile_test(TARGET)
#
# What a test that uses those headers needs: them, and the options that they were read with.
function(weir_precompile_test target)
  target_precompile_headers(${target} REUSE_FROM test_precompiled)
  target_compile_options(${target} PRIVATE ${WEIR_TEST_OPTIONS})
endfunction()

# weir_unite_tests(TARGET)
#
# With WEIR_UNITE_TESTS, a few sources of a test at a time: most of the time goes into the headers that they
# share. One of them uses a name in its own way, and operator new stays apart from what is inlined.
function(weir_unite_tests target)
  if(NOT WEIR_UNITE_TESTS)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 5)
  # To g++ every source of a unit is a header, whose types must not refer to what only it has. (With -O1 it
  # would take a third less time, and warn of what is not so: -Wmaybe-uninitialized.)
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/stopper/shutdown_plan_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/core/allocations.cpp ${PROJECT_SOURCE_DIR}/tests/retry/allocations.cpp
    ${PROJECT_SOURCE_DIR}/tests/sql/allocations.cpp ${PROJECT_SOURCE_DIR}/tests/stopper/allocations.cpp
    PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# weir_test_module(NAME [LABEL fast|stress] [TIMEOUT seconds])
#
# All of tests/NAME/*.cpp as one program `test_NAME` and one ctest entry NAME. A folder with a
# CMakeLists.txt of its own is taken as it is; one that does not exist is skipped.
function(weir_test_module module)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "" ${ARGN})
  set(folder ${PROJECT_SOURCE_DIR}/tests/${module})
  if(EXISTS ${folder}/CMakeLists.txt)
    add_subdirectory(${folder})
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB claims CONFIGURE_DEPENDS ${folder}/*_test.cpp)
  if(NOT claims)
    return()
  endif()
  add_executable(test_${module} ${sources})
  target_include_directories(test_${module} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${module} PRIVATE GTest::gmock GTest::gtest_main)
  weir_link(test_${module})
  weir_precompile_test(test_${module})
  # g++ takes the else inside an EXPECT for one of the test's own.
  target_compile_options(test_${module} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-dangling-else>)
  weir_unite_tests(test_${module})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)  # for what hangs: a slow machine under a sanitizer has taken 100
  endif()
  math(EXPR stuck "${arg_TIMEOUT} - 25")  # what remains is for gdb
  weir_add_test(NAME ${module} LABEL "${arg_LABEL}" TIMEOUT "${arg_TIMEOUT}"
    COMMAND ${PROJECT_SOURCE_DIR}/tests/stacks_if_stuck ${stuck} $<TARGET_FILE:test_${module}>)
endfunction()
