# Configures and builds SOURCE in BUILD against the weft in PREFIX, with the compiler weft was built with; then runs
# PROGRAM, or the project's tests.
set(flags "")
if(SANITIZE)
  set(flags -fsanitize=${SANITIZE})
endif()

function(run what)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${what} failed (${status}):\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE ${BUILD}/CMakeCache.txt)
run("configuring ${SOURCE}" ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${PREFIX}
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DCMAKE_BUILD_TYPE=${BUILD_TYPE}
    -DCMAKE_CXX_FLAGS=${flags} -Dweft_DIR=)
run("building ${SOURCE}" ${CMAKE_COMMAND} --build ${BUILD} --parallel 2)
if(PROGRAM)
  run("running ${PROGRAM}" ${BUILD}/${PROGRAM})
  if(NOT output MATCHES "${EXPECT}")
    message(FATAL_ERROR "${PROGRAM} said\n${output}\nand not ${EXPECT}")
  endif()
else()
  run("testing ${SOURCE}" ${CMAKE_CTEST_COMMAND} --test-dir ${BUILD} --output-on-failure --no-tests=error)
endif()
message(STATUS "${SOURCE} builds and runs against the installed weft")
