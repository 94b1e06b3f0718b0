# The include check: `cmake -D ROOT=<folder that holds nibble/> -P layers.cmake`.
#
# A header may include its own folder (without cycles) and any folder of strictly lower rank; folders
# of one rank do not see each other. Third-party and system headers are touched only where the table
# below says so. Everything is declared in nibble::inline NIBBLE_ARCH. No header passes 300 lines. Each offence is printed as file:line: reason.
cmake_minimum_required(VERSION 3.22)

set(rank_value 0)
set(rank_store 1)
set(rank_quant 2)
foreach(folder IN ITEMS kernel vulkan io mpi)
    set(rank_${folder} 3)
endforeach()
foreach(folder IN ITEMS layer neuro fixed)
    set(rank_${folder} 4)
endforeach()
foreach(folder IN ITEMS optim ptq)
    set(rank_${folder} 5)
endforeach()
foreach(folder IN ITEMS train model)
    set(rank_${folder} 6)
endforeach()
set(rank_runtime 7)

set(max_lines 300)

# "what is included" "which headers may": regular expressions, first match of the left decides.
# Names without a dot or a slash are the standard library and free to all but for the last row.
set(marks
    "xsimd/"                                     "kernel/simd[.]hpp"
    "(imm|[ens]mm|x86|avx[0-9a-z]*|fma)intrin[.]h|arm_neon[.]h|arm_sve[.]h"  "kernel/(arch_[a-z0-9_]+|fused|math_x86|pairs|quantize_group_x86|shorts|transpose)[.]hpp"
    "omp[.]h"                                    "kernel/executor[.]hpp"
    "nlohmann/"                                  "io/.*"
    "vulkan/"                                    "vulkan/implementation[.]hpp"
    "mpi[.]h"                                    "mpi/.*"
    "(sys/.*|fcntl|unistd|windows|io)[.]h"       "store/memory[.]hpp|io/(file|atomic_file)[.]hpp|train/memory[.]hpp|runtime/.*"
    "(cpuid|intrin|sched|pthread)[.]h"           "kernel/executor[.]hpp|runtime/.*"
    # Slow to parse, or (execution) a library to link as soon as it is included.
    "(iostream|regex|execution)$"                "none"
)

set(offences 0)
function(offence file line reason)
    message("${file}:${line}: ${reason}")
    math(EXPR offences "${offences} + 1")
    set(offences ${offences} PARENT_SCOPE)
endfunction()

get_filename_component(ROOT "${ROOT}" ABSOLUTE)
file(GLOB_RECURSE headers RELATIVE "${ROOT}/nibble" "${ROOT}/nibble/*.hpp")
list(SORT headers)
list(LENGTH headers count)
if(count EQUAL 0)
    message(FATAL_ERROR "no headers under ${ROOT}/nibble")
endif()

foreach(header IN LISTS headers)
    set(path "${ROOT}/nibble/${header}")
    set(name "nibble/${header}")
    get_filename_component(folder "${header}" DIRECTORY)
    string(REGEX REPLACE "/.*" "" top "${folder}")
    if(folder AND NOT DEFINED rank_${top})
        offence("${name}" 1 "folder '${top}' has no rank")
    endif()

    file(READ "${path}" text)
    # Protect what CMake lists treat specially, then walk line by line.
    string(REGEX REPLACE "[][;]" " " text "${text}")
    string(REPLACE "\\" " " text "${text}")
    string(REGEX REPLACE "\n$" "" text "${text}")
    string(REPLACE "\n" " ;" lines "${text}")
    list(LENGTH lines length)
    if(length GREATER max_lines)
        offence("${name}" ${length} "${length} lines, at most ${max_lines}")
    endif()

    set(edges_${header} "")
    set(number 0)
    foreach(line IN LISTS lines)
        math(EXPR number "${number} + 1")
        if(line MATCHES "^namespace nibble" AND NOT line MATCHES "^namespace nibble::inline NIBBLE_ARCH")
            offence("${name}" ${number} "the namespace is nibble::inline NIBBLE_ARCH (see version.hpp)")
        endif()
        if(NOT line MATCHES "^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]")
            continue()
        endif()
        set(quote "${CMAKE_MATCH_1}")
        set(what "${CMAKE_MATCH_2}")
        if(what MATCHES " ")
            continue()  # a sentence: how version.hpp stops a compiler that is too old
        endif()

        # One of ours: by its full name, or quoted and relative to this header.
        set(ours "")
        if(what MATCHES "^nibble/(.*)$")
            set(ours "${CMAKE_MATCH_1}")
        elseif(quote STREQUAL "\"")
            get_filename_component(full "${what}" ABSOLUTE BASE_DIR "${ROOT}/nibble/${folder}")
            file(RELATIVE_PATH ours "${ROOT}/nibble" "${full}")
        endif()
        if(ours)
            list(APPEND edges_${header} "${ours}")
            if(NOT EXISTS "${ROOT}/nibble/${ours}")
                offence("${name}" ${number} "'${what}' does not exist")
            elseif(ours STREQUAL "version.hpp" OR header STREQUAL "nibble.hpp")
                # version.hpp is for all, nibble.hpp sees all.
            else()
                string(REGEX REPLACE "/.*" "" target "${ours}")
                if(NOT ours MATCHES "/")
                    offence("${name}" ${number} "'${what}' is for users, not for headers below it")
                elseif(NOT folder)
                    offence("${name}" ${number} "only nibble.hpp includes folders from the top level")
                elseif(NOT target STREQUAL top AND DEFINED rank_${top} AND DEFINED rank_${target}
                       AND NOT rank_${target} LESS rank_${top})
                    offence("${name}" ${number} "'${top}' (rank ${rank_${top}}) must not include \
'${what}' (rank ${rank_${target}})")
                endif()
            endif()
            continue()
        endif()

        set(allowed "")
        set(marked "${marks}")
        while(marked)
            list(POP_FRONT marked pattern where)
            if(what MATCHES "^(${pattern})")
                set(allowed "${where}")
                break()
            endif()
        endwhile()
        if(allowed)
            if(NOT header MATCHES "^(${allowed})$")
                offence("${name}" ${number} "<${what}> is not for this header, only for: ${allowed}")
            endif()
        elseif(what MATCHES "[./]")
            offence("${name}" ${number} "<${what}> is neither standard C++ nor in the table of marks")
        endif()
    endforeach()
endforeach()

# Cycles: take away headers that include nothing left, until nothing changes.
set(left ${headers})
set(changed TRUE)
while(changed)
    set(changed FALSE)
    foreach(header IN LISTS left)
        set(waits FALSE)
        foreach(edge IN LISTS edges_${header})
            if(edge IN_LIST left)
                set(waits TRUE)
                break()
            endif()
        endforeach()
        if(NOT waits)
            list(REMOVE_ITEM left "${header}")
            set(changed TRUE)
        endif()
    endforeach()
endwhile()
foreach(header IN LISTS left)
    offence("nibble/${header}" 1 "is in a cycle of includes or above one")
endforeach()

if(offences GREATER 0)
    message(FATAL_ERROR "${offences} offences in ${count} headers")
endif()
message("${count} headers, no offence")
