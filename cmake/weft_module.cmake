# weft_module(<name> [DEPENDS <module>...] [LIBS <target>...] [PRIVATE_LIBS <target>...])
#
# The library weft::<name> from modules/<name>: src/**.cpp compiled, include/ public. It sees the include paths of the
# modules it names in DEPENDS (and what those name), and of no other. tests/*.cpp become one program,
# weft_<name>_tests, registered with ctest. TEST_DEPENDS names modules and targets that only the tests use.
function(weft_module name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBS;PRIVATE_LIBS;TEST_DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/*.cpp)
  set(target weft_${name})
  set(visibility PUBLIC)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
    target_compile_options(${target} PRIVATE ${WEFT_WARNINGS})
    weft_module_pch(${target})
  else()
    add_library(${target} INTERFACE)
    set(visibility INTERFACE)
  endif()
  add_library(weft::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} ${visibility} cxx_std_23)
  target_include_directories(${target} ${visibility}
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  foreach(dependency IN LISTS arg_DEPENDS)
    target_link_libraries(${target} ${visibility} weft::${dependency})
  endforeach()
  if(arg_LIBS)
    target_link_libraries(${target} ${visibility} ${arg_LIBS})
  endif()
  if(arg_PRIVATE_LIBS)
    target_link_libraries(${target} PRIVATE ${arg_PRIVATE_LIBS})
  endif()
  set_property(GLOBAL APPEND PROPERTY WEFT_INSTALLED_MODULES ${name})

  if(WEFT_TESTS)
    file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/*.cpp)
    if(tests)
      weft_test(weft_${name}_tests SOURCES ${tests} DEPENDS ${name} ${arg_TEST_DEPENDS})
      target_include_directories(weft_${name}_tests PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
    endif()
  endif()
endfunction()

# weft_test(<target> SOURCES <file>... [DEPENDS <module or target>...] [TIMEOUT <seconds>] [ENVIRONMENT <K=V>...]
#           [DEADLINE <seconds>] [OPTIMISED])
# A GoogleTest program, run as one ctest entry; its cases are counted from the XML report it leaves in test-reports/.
# A test that takes longer than DEADLINE, half of TIMEOUT or 60 s without either, is named and aborted (tests/harness/watchdog.cpp).
# OPTIMISED is for those that run for longer than they compile.
function(weft_test target)
  cmake_parse_arguments(arg "OPTIMISED" "TIMEOUT;DEADLINE" "SOURCES;DEPENDS;ENVIRONMENT" ${ARGN})
  if(arg_TIMEOUT AND NOT arg_DEADLINE)
    math(EXPR arg_DEADLINE "${arg_TIMEOUT} / 2")  # of one test, in a program that is known to take long
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(arg_DEADLINE)
    list(APPEND arg_ENVIRONMENT WEFT_TEST_DEADLINE=${arg_DEADLINE})
  endif()
  weft_test_watchdog()
  add_executable(${target} ${arg_SOURCES})
  target_compile_definitions(${target} PRIVATE WEFT_AWAITED_RESULTS_MAY_BE_IGNORED)
  target_compile_options(${target} PRIVATE ${WEFT_WARNINGS})
  target_link_libraries(${target} PRIVATE $<TARGET_OBJECTS:weft_test_watchdog>)
  target_link_libraries(${target} PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
  foreach(dependency IN LISTS arg_DEPENDS)
    if(dependency IN_LIST WEFT_MODULES)  # perhaps one that is added later
      target_link_libraries(${target} PRIVATE weft::${dependency})
    else()
      target_link_libraries(${target} PRIVATE ${dependency})
    endif()
  endforeach()
  if(arg_OPTIMISED)
    weft_test_pch(${target} weft_optimised_test_pch "")
  else()
    weft_test_pch(${target} weft_test_pch "${WEFT_QUICK_TO_BUILD}")
  endif()
  target_compile_definitions(${target} PRIVATE WEFT_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                             WEFT_TEST_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
  add_test(NAME ${target} COMMAND ${target} --gtest_output=xml:${PROJECT_BINARY_DIR}/test-reports/${target}.xml)
  set_tests_properties(${target} PROPERTIES TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${arg_ENVIRONMENT}")
endfunction()

# An object rather than a library: nothing refers to it, so that a linker would leave it out.
function(weft_test_watchdog)
  if(NOT TARGET weft_test_watchdog)
    add_library(weft_test_watchdog OBJECT ${PROJECT_SOURCE_DIR}/tests/harness/watchdog.cpp)
    target_compile_features(weft_test_watchdog PRIVATE cxx_std_23)
    target_compile_options(weft_test_watchdog PRIVATE ${WEFT_WARNINGS})
    target_link_libraries(weft_test_watchdog PRIVATE GTest::gtest)
  endif()
endfunction()

# The files of tests, examples and the like are compiled without optimisation in a build for debugging: that halves what
# they take to compile, and the modules' files that they use are optimised all the same.
set(WEFT_QUICK_TO_BUILD $<$<CONFIG:Debug>:-O0>)

# All tests with the same options share one precompiled header: GoogleTest and the standard library, nothing of weft's.
function(weft_test_pch target carrier options)
  if(NOT TARGET ${carrier})
    file(WRITE ${PROJECT_BINARY_DIR}/${carrier}.cpp "// Carries the precompiled header that the tests share; a program, since only those are position independent alike.\nint main() {}\n")
    add_executable(${carrier} ${PROJECT_BINARY_DIR}/${carrier}.cpp)
    target_link_libraries(${carrier} PRIVATE GTest::gtest GTest::gmock)
    target_compile_options(${carrier} PRIVATE ${options})
    target_precompile_headers(${carrier} PRIVATE
      <gmock/gmock.h> <gtest/gtest.h> <chrono> <coroutine> <expected> <functional> <map> <memory> <optional> <span>
      <string> <string_view> <variant> <vector>)
    weft_pch_checksum(${carrier})
  endif()
  target_compile_options(${target} PRIVATE ${options})
  weft_use_pch(${target} ${carrier})
endfunction()

# The modules' sources share another one: those headers of the standard library that nearly all of them read.
function(weft_module_pch target)
  if(NOT WEFT_PCH)
    return()
  endif()
  if(NOT TARGET weft_module_pch)
    file(WRITE ${PROJECT_BINARY_DIR}/weft_module_pch.cpp "// Carries the precompiled header that the modules share.\n")
    add_library(weft_module_pch STATIC ${PROJECT_BINARY_DIR}/weft_module_pch.cpp)
    target_precompile_headers(weft_module_pch PRIVATE
      <algorithm> <array> <atomic> <charconv> <chrono> <coroutine> <cstddef> <cstdint> <deque> <expected> <functional>
      <map> <memory> <optional> <ranges> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>)
    weft_pch_checksum(weft_module_pch)
  endif()
  weft_use_pch(${target} weft_module_pch)
endfunction()

# As target_precompile_headers(REUSE_FROM) does it, but for clang under Ninja with a path that is the same in every build
# folder: ccache takes the arguments of -Xclang as they are, so that what one folder compiled would be found by no other.
function(weft_use_pch target carrier)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR NOT CMAKE_GENERATOR STREQUAL "Ninja")
    target_precompile_headers(${target} REUSE_FROM ${carrier})
    return()
  endif()
  get_target_property(folder ${carrier} BINARY_DIR)
  set(header ${folder}/CMakeFiles/${carrier}.dir/cmake_pch.hxx.pch)
  file(RELATIVE_PATH path ${CMAKE_BINARY_DIR} ${header})  # Ninja compiles in the build folder
  target_compile_options(${target} PRIVATE "SHELL:-include-pch ${path}")
  get_target_property(sources ${target} SOURCES)
  set_property(SOURCE ${sources} APPEND PROPERTY OBJECT_DEPENDS ${header})
endfunction()

# A precompiled header holds the path of its build folder, so by its bytes ccache would find nothing that another folder
# compiled. What it was made of stands for it instead: the text of all its headers, as the preprocessor gives it.
function(weft_pch_checksum carrier)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    return()
  endif()
  get_target_property(headers ${carrier} PRECOMPILE_HEADERS)
  list(TRANSFORM headers PREPEND "#include ")
  list(JOIN headers "\n" text)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${carrier}.dir)
  file(WRITE ${folder}/checksum.cpp "${text}\n")
  separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} -std=c++23 -E -P ${folder}/checksum.cpp
                  OUTPUT_VARIABLE text ERROR_QUIET RESULT_VARIABLE status)
  if(status EQUAL 0)
    string(SHA256 sum "${text}")
    file(WRITE ${folder}/cmake_pch.hxx.pch.sum "${sum}\n")
  endif()
endfunction()
