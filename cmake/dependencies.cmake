# What nibble can use and how it is found. Included by the build and, once installed, by
# nibble-config.cmake, so both treat dependencies alike.

# nibble::xsimd: xsimd's include directory and nothing else. Debian's xsimd target links a library
# `xtl` that does not exist, so the found target is read and not linked.
function(nibble_find_xsimd)
    if(TARGET nibble::xsimd)
        return()
    endif()
    if(NOT TARGET xsimd AND NOT TARGET xsimd::xsimd)
        find_package(xsimd QUIET)
    endif()
    foreach(target IN ITEMS xsimd::xsimd xsimd)
        if(TARGET ${target})
            get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
            break()
        endif()
    endforeach()
    if(NOT directories)
        # A copy of the headers without a CMake package.
        find_path(NIBBLE_XSIMD_INCLUDE_DIR xsimd/xsimd.hpp)
        mark_as_advanced(NIBBLE_XSIMD_INCLUDE_DIR)
        set(directories ${NIBBLE_XSIMD_INCLUDE_DIR})
    endif()
    if(directories)
        add_library(nibble::xsimd INTERFACE IMPORTED GLOBAL)
        set_target_properties(nibble::xsimd PROPERTIES
            INTERFACE_INCLUDE_DIRECTORIES "${directories}")
    endif()
endfunction()

# Links OpenMP to the target where it is found.
function(nibble_add_openmp core)
    find_package(OpenMP QUIET COMPONENTS CXX)
    if(OpenMP_CXX_FOUND)
        target_link_libraries(${core} INTERFACE "$<BUILD_INTERFACE:OpenMP::OpenMP_CXX>")
    else()
        message(STATUS "nibble: OpenMP not found, loops run serially")
    endif()
endfunction()

# Gives the targets what NIBBLE_SIMD and NIBBLE_OPENMP ask for and what is found. The links are
# wrapped in BUILD_INTERFACE: an installed nibble looks for its dependencies again, where it is used.
function(nibble_add_dependencies core json)
    if(NIBBLE_SIMD)
        nibble_find_xsimd()
        if(TARGET nibble::xsimd)
            target_link_libraries(${core} INTERFACE "$<BUILD_INTERFACE:nibble::xsimd>")
        else()
            message(STATUS "nibble: xsimd not found, compiling the scalar path")
        endif()
    else()
        target_compile_definitions(${core} INTERFACE "$<BUILD_INTERFACE:NIBBLE_SIMD=0>")
    endif()

    if(NIBBLE_OPENMP)
        nibble_add_openmp(${core})
    endif()

    if(NOT TARGET nlohmann_json::nlohmann_json)
        find_package(nlohmann_json 3.9 QUIET)
    endif()
    if(TARGET nlohmann_json::nlohmann_json)
        target_link_libraries(${json} INTERFACE "$<BUILD_INTERFACE:nlohmann_json::nlohmann_json>")
    else()
        message(STATUS "nibble: nlohmann-json not found, nibble::json is not usable")
    endif()
endfunction()
