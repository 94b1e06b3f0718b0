# Installs the overlay port with what the system has and builds app/ against it. The port's version is
# checked in any case.
include("${CMAKE_CURRENT_LIST_DIR}/run.cmake")

file(READ "${SOURCE_DIR}/packaging/vcpkg/ports/nibble/vcpkg.json" manifest)
string(JSON port_version GET "${manifest}" version-semver)
if(NOT port_version STREQUAL VERSION)
    message(FATAL_ERROR "vcpkg.json says version ${port_version}, version.hpp ${VERSION}")
endif()

find_program(VCPKG vcpkg HINTS "$ENV{VCPKG_ROOT}")
if(NOT VCPKG)
    message("skipped: vcpkg not found")
    return()
endif()
set(ENV{VCPKG_FORCE_SYSTEM_BINARIES} 1)
set(ENV{NIBBLE_VCPKG_SOURCE} "${SOURCE_DIR}")
run("vcpkg install" "${VCPKG}" install nibble --classic
    "--overlay-ports=${SOURCE_DIR}/packaging/vcpkg/ports"
    "--overlay-triplets=${SOURCE_DIR}/packaging/vcpkg/triplets"
    --triplet=nibble-host --host-triplet=nibble-host
    "--x-install-root=${WORK}/installed" "--x-buildtrees-root=${WORK}/buildtrees"
    "--x-packages-root=${WORK}/packages")
set(PREFIX "${WORK}/installed/nibble-host")
run("configure" "${CMAKE_COMMAND}" -G "${GENERATOR}" "-DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}"
    -S "${CMAKE_CURRENT_LIST_DIR}/app" -B "${WORK}/app" "-DCMAKE_CXX_COMPILER=${CXX}"
    "-DCMAKE_PREFIX_PATH=${PREFIX}" -DROUTE=find_package)
run("build" "${CMAKE_COMMAND}" --build "${WORK}/app")
run("app" "${WORK}/app/app")
expect_greeting()
