# The compiler weft is built with, and why others are refused.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR
    "g++ ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines: a temporary aggregate or capturing lambda inside an "
    "expression with co_await is destroyed twice. Use clang++-19 (Debian: apt-get install clang-19, then "
    "-DCMAKE_CXX_COMPILER=clang++-19, or a preset) or g++ 13 or newer.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

set(WEFT_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize takes them")
if(WEFT_SANITIZE)
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
endif()

# clang writes a time stamp into a precompiled header, which would make every ccache look-up a miss.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

if(PROJECT_IS_TOP_LEVEL)
  find_program(WEFT_CCACHE ccache)
  if(WEFT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1 ${WEFT_CCACHE})
  endif()
  find_program(WEFT_LLD NAMES ld.lld-19 ld.lld)
  if(WEFT_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_link_options(--ld-path=${WEFT_LLD})
  endif()
endif()

set(WEFT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wimplicit-fallthrough
    -Wno-missing-field-initializers)
option(WEFT_WERROR "Treat warnings as errors" ${PROJECT_IS_TOP_LEVEL})
if(WEFT_WERROR)
  list(APPEND WEFT_WARNINGS -Werror)
endif()

option(WEFT_PCH "Share a precompiled header among the modules; off shows what a source forgets to include" ON)
