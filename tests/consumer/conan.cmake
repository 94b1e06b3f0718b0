# Creates the Conan package without any remote and builds its test_package, without xsimd and with
# the system's (declared to Conan as the platform's own, because nothing may be fetched).
include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")

find_program(CONAN conan)
if(NOT CONAN)
    message("skipped: conan not found")
    return()
endif()
set(ENV{CONAN_HOME} "${WORK}/home")
set(ENV{CXX} "${CXX}")
file(COPY "${SOURCE_DIR}/packaging/conan/test_package" DESTINATION "${WORK}")
set(create "${CONAN}" create "${SOURCE_DIR}/packaging/conan" --no-remote
    --test-folder "${WORK}/test_package")

run("conan profile detect" "${CONAN}" profile detect)
run("conan create" ${create} -o "&:simd=False" -s compiler.cppstd=20)
expect_greeting()

if(XSIMD STREQUAL "/usr/include")
    file(WRITE "${WORK}/platform" "include(default)\n[platform_requires]\nxsimd/14.0.0\n")
    run("conan create with xsimd" ${create} -pr "${WORK}/platform" -s compiler.cppstd=20)
    expect_greeting()
endif()

execute_process(COMMAND ${create} -o "&:simd=False" -s compiler.cppstd=17
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0 OR NOT output MATCHES "cppstd")
    message(FATAL_ERROR "C++17 was not refused, or not for that:\n${output}")
endif()
