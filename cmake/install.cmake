# Install rules: headers, CMake package, pkg-config file, licence. The tree holds no absolute path
# and can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(nibble_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/nibble")

# One export per component, so that a package without nlohmann-json loads nibble::nibble alone.
if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.23)
    install(TARGETS nibble EXPORT nibble-targets FILE_SET HEADERS)
    install(TARGETS nibble_json EXPORT nibble-json-targets FILE_SET HEADERS)
else()
    install(TARGETS nibble EXPORT nibble-targets)
    install(TARGETS nibble_json EXPORT nibble-json-targets)
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/nibble"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
endif()
install(EXPORT nibble-targets NAMESPACE nibble:: DESTINATION "${nibble_package_dir}")
install(EXPORT nibble-json-targets NAMESPACE nibble:: DESTINATION "${nibble_package_dir}")

configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/nibble-config.cmake.in"
    "${PROJECT_BINARY_DIR}/nibble-config.cmake"
    INSTALL_DESTINATION "${nibble_package_dir}"
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/nibble-config-version.cmake"
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
    "${PROJECT_BINARY_DIR}/nibble-config.cmake"
    "${PROJECT_BINARY_DIR}/nibble-config-version.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/dependencies.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/dispatch.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/dispatch.cpp.in"
    "${PROJECT_SOURCE_DIR}/cmake/genome_table.cmake"
    "${PROJECT_SOURCE_DIR}/tools/genome_table.cpp"
    DESTINATION "${nibble_package_dir}")

# pkg-config: the prefix is found from where the file lies.
file(RELATIVE_PATH nibble_pc_prefix
    "/${CMAKE_INSTALL_DATADIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" nibble_pc_prefix "${nibble_pc_prefix}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/nibble.pc.in" "${PROJECT_BINARY_DIR}/nibble.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/nibble.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/nibble")
