# Compiles SOURCE with COMMAND as it is (must succeed) and with -DNIBBLE_BAD (must fail, and say what
# the file expects).
cmake_minimum_required(VERSION 3.22)
set(ENV{LC_ALL} C)  # plain quotes in diagnostics
file(STRINGS "${SOURCE}" expect REGEX "^// expect: ")
if(NOT expect)
    message(FATAL_ERROR "${SOURCE} has no line '// expect: <regex>'")
endif()
string(REGEX REPLACE "^// expect: " "" expect "${expect}")

execute_process(COMMAND ${COMMAND} "${SOURCE}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "the good half does not compile:\n${output}")
endif()

execute_process(COMMAND ${COMMAND} -DNIBBLE_BAD "${SOURCE}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "the bad half compiles")
endif()
if(NOT output MATCHES "${expect}")
    message(FATAL_ERROR "the diagnostic does not match '${expect}':\n${output}")
endif()
