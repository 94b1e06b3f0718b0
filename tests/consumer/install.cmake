# Installs BUILD to STAGE and moves it to PREFIX. The tree must not name the place it came from.
include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")

file(REMOVE_RECURSE "${STAGE}" "${PREFIX}")
run("install" "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${STAGE}")
file(RENAME "${STAGE}" "${PREFIX}")

file(GLOB_RECURSE files "${PREFIX}/*")
foreach(file IN LISTS files)
    file(READ "${file}" text)
    foreach(place IN ITEMS "${STAGE}" "${SOURCE_DIR}" "${BUILD}")
        string(FIND "${text}" "${place}" found)
        if(NOT found EQUAL -1)
            message(FATAL_ERROR "${file} names ${place}")
        endif()
    endforeach()
endforeach()

# Every header, and the licence.
file(GLOB_RECURSE wanted RELATIVE "${SOURCE_DIR}" "${SOURCE_DIR}/include/nibble/*.hpp")
list(FILTER wanted EXCLUDE REGEX "/nibble/(vulkan|mpi)/")
foreach(file IN LISTS wanted ITEMS share/licenses/nibble/LICENSE share/pkgconfig/nibble.pc)
    if(NOT EXISTS "${PREFIX}/${file}")
        message(FATAL_ERROR "${file} is not installed")
    endif()
endforeach()
