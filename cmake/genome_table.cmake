# A genome compiled at build time into a constant table for a brain on a chip (docs/embedded.md).
#
#   nibble_add_genome_table(<target>
#       GENOME <genome.json>
#       [HEADER <name.hpp>]         what the target's sources include (<NAME>.hpp)
#       [NAME <identifier>]         of the constant (the genome's file name, without its extension)
#       [PRECISION int8|int4]       of potentials (the genome's quantization_precision)
#       [WEIGHTS int8|int4]         of weights (as the potentials)
#       [SEED <number>] [EVERY_STEP])
#
# The header is written again when the genome changes. What was repaired in the genome and what a table
# leaves out is printed while building. The program that writes it is built for the machine that builds;
# when cross-compiling, give one that was built before in NIBBLE_GENOME_TABLE.
set(nibble_genome_table_source "${CMAKE_CURRENT_LIST_DIR}/genome_table.cpp")
if(NOT EXISTS "${nibble_genome_table_source}")
    set(nibble_genome_table_source "${CMAKE_CURRENT_LIST_DIR}/../tools/genome_table.cpp")
endif()

function(nibble_add_genome_table target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "EVERY_STEP" "GENOME;HEADER;NAME;PRECISION;WEIGHTS;SEED" "")
    if(NOT arg_GENOME)
        message(FATAL_ERROR "nibble_add_genome_table(${target}): GENOME is missing")
    endif()
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR
            "nibble_add_genome_table(${target}): unknown argument ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_NAME)
        get_filename_component(name "${arg_GENOME}" NAME_WE)
        string(MAKE_C_IDENTIFIER "${name}" arg_NAME)
    endif()
    if(NOT arg_HEADER)
        set(arg_HEADER "${arg_NAME}.hpp")
    endif()
    get_filename_component(genome "${arg_GENOME}" ABSOLUTE)

    if(NIBBLE_GENOME_TABLE)
        set(writer "${NIBBLE_GENOME_TABLE}")
    elseif(CMAKE_CROSSCOMPILING AND NOT TARGET nibble_genome_table)
        message(FATAL_ERROR "nibble_add_genome_table(${target}): cross-compiling needs "
            "NIBBLE_GENOME_TABLE, the program built from genome_table.cpp for this machine")
    else()
        if(NOT TARGET nibble_genome_table)
            add_executable(nibble_genome_table "${nibble_genome_table_source}")
            target_link_libraries(nibble_genome_table PRIVATE nibble::json)
        endif()
        set(writer nibble_genome_table)
    endif()

    set(options --name "${arg_NAME}")
    foreach(option IN ITEMS PRECISION WEIGHTS SEED)
        if(DEFINED arg_${option})
            string(TOLOWER "--${option}" flag)
            list(APPEND options "${flag}" "${arg_${option}}")
        endif()
    endforeach()
    if(arg_EVERY_STEP)
        list(APPEND options --every-step)
    endif()
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}_tables")
    file(MAKE_DIRECTORY "${folder}")
    add_custom_command(OUTPUT "${folder}/${arg_HEADER}"
        COMMAND ${writer} "${genome}" "${folder}/${arg_HEADER}" ${options}
        DEPENDS "${genome}" ${writer} COMMENT "Growing ${arg_NAME}" VERBATIM)
    target_sources(${target} PRIVATE "${folder}/${arg_HEADER}")
    target_include_directories(${target} PRIVATE "${folder}")
endfunction()
