# Runs the include check over ROOT and compares its report with ROOT/expected.txt.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND "${CMAKE_COMMAND}" -D "ROOT=${ROOT}" -P "${CHECK}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "the check passed a tree with planted offences")
endif()
string(REGEX MATCHALL "nibble/[a-z_/.]+:[0-9]+:" found "${output}")
file(STRINGS "${ROOT}/expected.txt" expected)
if(NOT found STREQUAL expected)
    message(FATAL_ERROR "expected ${expected}\nfound    ${found}\n${output}")
endif()
