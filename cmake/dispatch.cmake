# One program for several instruction sets.
#
#   nibble_add_dispatched(<target>
#       SOURCES <unit.cpp>...        compiled once for each instruction set
#       HEADER <header.hpp>          declares the table and the function
#       TABLE <type>                 a struct of pointers to functions
#       FUNCTION <name>              const <type>& <name>(): the table of the set that is chosen
#       [ISAS <name>...])            default: each that the compiler has flags for
#
# The units say, once,
#
#   extern const <type> NIBBLE_DISPATCHED;
#   const <type> NIBBLE_DISPATCHED = {...};
#
# where NIBBLE_DISPATCHED is a name of its own in each compilation, and keep everything else of theirs in
# an unnamed namespace. <name>() takes the best set that the processor and the system have, at its first
# call, or the one that the environment variable NIBBLE_ISA names; it throws nibble::Error when that one
# is unknown or does not run here. The first of ISAS must run on every machine of the kind.
#
# Names on x86: sse2 sse4.1 avx2 avx-vnni avx512 avx512-vnni avx512-bf16; on AArch64: neon neon-dotprod
# neon-i8mm.
include(CheckCXXCompilerFlag)

# The instruction sets in ascending order, and the flags of each: no more than runtime/cpu.hpp checks.
function(nibble_isa_flags isa out)
    set(sse2 -march=x86-64)
    set(sse4.1 ${sse2} -mssse3 -msse4.1)
    set(avx2 ${sse4.1} -mavx2 -mfma -mf16c)
    set(avx-vnni ${avx2} -mavxvnni)
    set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
    set(avx512-vnni ${avx512} -mavx512vnni)
    set(avx512-bf16 ${avx512-vnni} -mavx512bf16)
    set(neon -march=armv8-a)
    set(neon-dotprod -march=armv8.2-a+dotprod)
    set(neon-i8mm -march=armv8.2-a+dotprod+i8mm)
    set(${out} "${${isa}}" PARENT_SCOPE)
endfunction()

function(nibble_add_dispatched target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADER;TABLE;FUNCTION" "SOURCES;ISAS")
    foreach(wanted IN ITEMS SOURCES HEADER TABLE FUNCTION)
        if(NOT arg_${wanted})
            message(FATAL_ERROR "nibble_add_dispatched(${target}): ${wanted} is missing")
        endif()
    endforeach()
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR
            "nibble_add_dispatched(${target}): unknown argument ${arg_UNPARSED_ARGUMENTS}")
    endif()

    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|i.86)$")
        set(known sse2 sse4.1 avx2 avx-vnni avx512 avx512-vnni avx512-bf16)
        set(isas sse2 avx2 avx-vnni avx512 avx512-vnni avx512-bf16)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
        set(known neon neon-dotprod neon-i8mm)
        set(isas ${known})
    else()
        set(known scalar)
        set(isas scalar)
    endif()
    if(arg_ISAS)
        foreach(isa IN LISTS arg_ISAS)
            if(NOT isa IN_LIST known)
                message(FATAL_ERROR "nibble_add_dispatched(${target}): instruction set '${isa}' is \
not one of ${known}")
            endif()
        endforeach()
        set(isas "")
        foreach(isa IN LISTS known)  # in ascending order
            if(isa IN_LIST arg_ISAS)
                list(APPEND isas ${isa})
            endif()
        endforeach()
    endif()

    # Without flags for the others (MSVC) there is one variant, with the program's own.
    set(built "")
    foreach(isa IN LISTS isas)
        nibble_isa_flags("${isa}" flags)
        string(MAKE_C_IDENTIFIER "NIBBLE_CXX_HAS_${isa}" has)
        string(REPLACE ";" " " joined "${flags}")
        check_cxx_compiler_flag("${joined}" ${has})
        if(${has})
            list(APPEND built "${isa}")
        else()
            message(STATUS "nibble: the compiler has no flags for ${isa}, ${target} is built without")
        endif()
    endforeach()
    if(NOT built)
        list(GET isas 0 built)
    endif()

    get_filename_component(header "${arg_HEADER}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    set(table "${arg_TABLE}")
    set(function "${arg_FUNCTION}")
    set(declarations "")
    set(names "")
    set(tables "")
    set(objects "")
    get_target_property(pic ${target} POSITION_INDEPENDENT_CODE)
    get_target_property(type ${target} TYPE)
    if(type MATCHES "SHARED|MODULE")
        set(pic ON)
    endif()
    foreach(isa IN LISTS built)
        string(REGEX REPLACE "[-.]" "_" id "${isa}")
        string(REGEX REPLACE "^.*::" "" plain "${function}")
        set(symbol "${plain}_${id}")
        set(unit "${target}_${plain}_${id}")
        nibble_isa_flags("${isa}" flags)
        string(MAKE_C_IDENTIFIER "NIBBLE_CXX_HAS_${isa}" has)
        if(NOT ${has})
            set(flags "")
        endif()
        add_library(${unit} OBJECT ${arg_SOURCES})
        target_link_libraries(${unit} PRIVATE nibble::nibble)
        target_compile_definitions(${unit} PRIVATE "NIBBLE_DISPATCHED=${symbol}"
            "$<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>")
        target_include_directories(${unit} PRIVATE
            "$<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>")
        # The last word: after the program's own -march, and so instead of it.
        target_compile_options(${unit} PRIVATE
            "$<TARGET_PROPERTY:${target},COMPILE_OPTIONS>" ${flags})
        set_target_properties(${unit} PROPERTIES POSITION_INDEPENDENT_CODE "${pic}")
        string(APPEND declarations "extern const ${table} ${symbol};\n")
        list(APPEND names "\"${isa}\"")
        list(APPEND tables "&${symbol}")
        list(APPEND objects "$<TARGET_OBJECTS:${unit}>")
    endforeach()
    list(JOIN names ", " names)
    list(JOIN tables ", " tables)
    set(dispatcher "${CMAKE_CURRENT_BINARY_DIR}/${target}_${plain}.cpp")
    configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/dispatch.cpp.in" "${dispatcher}" @ONLY)

    # The order matters: of a function that several units carry (a template of the standard library) the
    # linker takes the first, which must run everywhere.
    target_sources(${target} PRIVATE "${dispatcher}" ${objects})
    target_link_libraries(${target} PRIVATE nibble::nibble)
endfunction()
