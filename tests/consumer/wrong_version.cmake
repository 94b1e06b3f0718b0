# find_package must refuse a version that the installed one does not promise to replace.
include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")

string(REPLACE "." ";" parts "${VERSION}")
list(GET parts 0 major)
list(GET parts 1 minor)
math(EXPR next_minor "${minor} + 1")
math(EXPR next_major "${major} + 1")
foreach(wanted IN ITEMS "${major}.${next_minor}" "${next_major}.0")
    execute_process(COMMAND "${CMAKE_COMMAND}" -G "${GENERATOR}"
            "-DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}"
            -S "${CMAKE_CURRENT_LIST_DIR}/app" -B "${WORK}/${wanted}"
            "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_PREFIX_PATH=${PREFIX}"
            -DROUTE=find_package "-DNIBBLE_WANTED=${wanted}"
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(result EQUAL 0 OR NOT output MATCHES "version: ${VERSION}")
        message(FATAL_ERROR "version ${wanted} was not refused, or not for that:\n${output}")
    endif()
endforeach()
