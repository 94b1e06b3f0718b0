# Included by the toolchain files: xsimd and doctest are headers, so those of this machine do for another.
# They are linked into a folder of their own, because the rest of /usr/include is for this machine alone.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(headers "${CMAKE_BINARY_DIR}/headers")
foreach(name IN ITEMS xsimd doctest)
    foreach(prefix IN ITEMS /usr/include /usr/local/include)
        if(NOT EXISTS "${headers}/${name}" AND IS_DIRECTORY "${prefix}/${name}")
            file(MAKE_DIRECTORY "${headers}")
            file(CREATE_LINK "${prefix}/${name}" "${headers}/${name}" SYMBOLIC)
        endif()
    endforeach()
endforeach()
if(IS_DIRECTORY "${headers}/xsimd")
    set(NIBBLE_XSIMD_INCLUDE_DIR "${headers}" CACHE PATH "xsimd's headers")
endif()
# doctest's package names /usr/include as a whole.
file(WRITE "${headers}/doctestConfig.cmake" "
if(NOT TARGET doctest::doctest)
    add_library(doctest::doctest INTERFACE IMPORTED)
    set_target_properties(doctest::doctest PROPERTIES INTERFACE_INCLUDE_DIRECTORIES \"${headers}\")
endif()
")
set(doctest_DIR "${headers}" CACHE PATH "doctest's package")
