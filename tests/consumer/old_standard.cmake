# A compiler set to C++17 gets one readable line, whichever header comes first.
include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")

file(GLOB_RECURSE headers RELATIVE "${SOURCE_DIR}/include" "${SOURCE_DIR}/include/nibble/*.hpp")
list(FILTER headers EXCLUDE REGEX "^nibble/(vulkan|mpi)/")
foreach(header IN LISTS headers)
    file(WRITE "${WORK}/old.cpp" "#include <${header}>\n")
    execute_process(
        COMMAND "${CXX}" -std=c++17 -fsyntax-only -I "${SOURCE_DIR}/include" "${WORK}/old.cpp"
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(result EQUAL 0)
        message(FATAL_ERROR "<${header}> compiles as C++17")
    endif()
    string(REGEX MATCHALL "error:" errors "${output}")
    list(LENGTH errors count)
    if(NOT count EQUAL 1 OR NOT output MATCHES "error: [^\n]*needs C[+][+]20")
        message(FATAL_ERROR "<${header}> as C++17: ${count} errors\n${output}")
    endif()
endforeach()
message("${output}")
