# The port lies in nibble's own tree and packages that tree.
if(DEFINED ENV{NIBBLE_VCPKG_SOURCE})
    set(SOURCE_PATH "$ENV{NIBBLE_VCPKG_SOURCE}")
else()
    get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)
endif()

vcpkg_check_features(OUT_FEATURE_OPTIONS options FEATURES simd NIBBLE_SIMD)
set(VCPKG_BUILD_TYPE release)  # headers only

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${options}
        -DNIBBLE_BUILD_TESTS=OFF
        -DNIBBLE_BUILD_EXAMPLES=OFF
        -DNIBBLE_BUILD_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/nibble)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/licenses")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
