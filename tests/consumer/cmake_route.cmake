# Configures, builds and runs app/ with CMake by the route named ROUTE.
include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")

string(REGEX MATCH "^[0-9]+[.][0-9]+" wanted "${VERSION}")
set(arguments -D "NIBBLE_SIMD=${SIMD}")
if(ROUTE STREQUAL "find_package_scalar")
    set(arguments -D NIBBLE_SIMD=OFF)
endif()
if(ROUTE STREQUAL "fetchcontent_installed" AND CMAKE_VERSION VERSION_LESS 3.24)
    message("skipped: FIND_PACKAGE_ARGS needs CMake 3.24")
    return()
endif()

run("configure" "${CMAKE_COMMAND}" -G "${GENERATOR}" "-DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}"
    -S "${CMAKE_CURRENT_LIST_DIR}/app" -B "${WORK}"
    "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_PREFIX_PATH=${PREFIX};${CMAKE_PREFIX_PATH}"
    "-DROUTE=${ROUTE}" "-DNIBBLE_SOURCE=${SOURCE_DIR}" "-DNIBBLE_WANTED=${wanted}" ${arguments})
run("build" "${CMAKE_COMMAND}" --build "${WORK}")
run("app" "${WORK}/app")
expect_greeting()
if(EXISTS "${WORK}/app_dispatched")
    run("app_dispatched" "${CMAKE_COMMAND}" -E env NIBBLE_ISA=sse2 "${WORK}/app_dispatched")
    if(NOT output MATCHES "chosen: (sse2|scalar)")
        message(FATAL_ERROR "app_dispatched printed: ${output}")
    endif()
endif()
