# Creates the Conan package without any remote and builds its test_package. xsimd comes from the
# system, because nothing may be fetched: the option simd is tried with a stand-in recipe elsewhere.
include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")

find_program(CONAN conan)
if(NOT CONAN)
    message("skipped: conan not found")
    return()
endif()
set(ENV{CONAN_HOME} "${WORK}/home")
set(ENV{CXX} "${CXX}")
run("conan profile detect" "${CONAN}" profile detect)
run("conan create" "${CONAN}" create "${SOURCE_DIR}/packaging/conan" --no-remote
    -o "&:simd=False" -s compiler.cppstd=20)
expect_greeting()

execute_process(COMMAND "${CONAN}" create "${SOURCE_DIR}/packaging/conan" --no-remote
        -o "&:simd=False" -s compiler.cppstd=17
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "C++17 was not refused")
endif()
