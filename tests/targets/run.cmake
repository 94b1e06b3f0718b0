# Builds one program for a target and runs it, or measures it:
#     cmake -D BUILD=<command> -D OUT=<file> -D RUN=<command> -P run.cmake
#     cmake -D BUILD=<command> -D OUT=<file> -D SIZE=<size> -D NM=<nm> -D LARGEST=<bytes> -P run.cmake
cmake_minimum_required(VERSION 3.22)
foreach(tool IN ITEMS SIZE NM)
    if(DEFINED ${tool} AND NOT ${tool})
        message("skipped: the program for ${tool} not found")
        return()
    endif()
endforeach()
execute_process(COMMAND ${BUILD} -o "${OUT}" RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "does not build")
endif()

if(RUN)
    # An emulator reads its standard input for ever unless it is told that there is none.
    execute_process(COMMAND ${RUN} "${OUT}" INPUT_FILE /dev/null TIMEOUT 120
        OUTPUT_VARIABLE text ERROR_VARIABLE text RESULT_VARIABLE result)
    message("${text}")
    if(NOT text MATCHES "PASSED")
        message(FATAL_ERROR "did not pass (${result})")
    endif()
endif()

if(SIZE)
    execute_process(COMMAND "${SIZE}" "${OUT}" OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCH "\n *([0-9]+)[ \t]+([0-9]+)[ \t]+([0-9]+)" found "${text}")
    message("${CMAKE_MATCH_1} bytes of code and constants, ${CMAKE_MATCH_2} of initial values, "
        "${CMAKE_MATCH_3} of zeros; at most ${LARGEST} of code and constants")
    if(NOT found OR CMAKE_MATCH_1 GREATER LARGEST)
        message(FATAL_ERROR "too large")
    endif()
    execute_process(COMMAND "${NM}" "${OUT}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "__aeabi_([fd][a-z0-9]+|u?[il]2[fd])|__[a-z]+[sd]f[23]?|malloc|sbrk|_Zn[wa][a-z]*"
        bad "${symbols}")
    if(bad)
        message(FATAL_ERROR "there is floating point or a heap in it: ${bad}")
    endif()
endif()
