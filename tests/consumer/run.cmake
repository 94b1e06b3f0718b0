# run(WHAT command...): runs a command; when it fails, so does the test, with all that was printed.
cmake_minimum_required(VERSION 3.22)
set(ENV{LC_ALL} C)

function(run what)
    execute_process(COMMAND ${ARGN}
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${what} failed (${result}):\n${ARGN}\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_greeting)
    if(NOT output MATCHES "nibble ${VERSION}: 2[.]6 is stored as 3")
        message(FATAL_ERROR "the program printed: ${output}")
    endif()
    message("${output}")
endfunction()

if(WORK)
    file(REMOVE_RECURSE "${WORK}")
    file(MAKE_DIRECTORY "${WORK}")
endif()
