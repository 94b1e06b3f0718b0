# This machine, release only, nothing downloaded: file names under share/ make vcpkg look for
# patchelf, which a header-only library has no use for.
execute_process(COMMAND uname -m OUTPUT_VARIABLE machine OUTPUT_STRIP_TRAILING_WHITESPACE)
if(machine MATCHES "^(aarch64|arm64)$")
    set(VCPKG_TARGET_ARCHITECTURE arm64)
else()
    set(VCPKG_TARGET_ARCHITECTURE x64)
endif()
set(VCPKG_CRT_LINKAGE dynamic)
set(VCPKG_LIBRARY_LINKAGE static)
set(VCPKG_CMAKE_SYSTEM_NAME Linux)
set(VCPKG_BUILD_TYPE release)
set(VCPKG_FIXUP_ELF_RPATH OFF)
