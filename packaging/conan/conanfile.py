"""nibble for Conan 2: conan create packaging/conan"""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class NibbleConan(ConanFile):
    name = "nibble"
    description = "Low-precision neural computing in C++20"
    license = "BSL-1.0"
    topics = ("neural-networks", "quantization", "low-precision", "simd", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"simd": [True, False], "json": [True, False], "vulkan": [True, False]}
    default_options = {"simd": True, "json": False, "vulkan": False}
    no_copy_source = True

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._root, "include", "nibble", "version.hpp"))
        self.version = re.search(r'define\s+NIBBLE_VERSION\s+"([^"]+)"', text).group(1)

    def export_sources(self):
        copy(self, "LICENSE", self._root, self.export_sources_folder)
        copy(self, "include/*", self._root, self.export_sources_folder)

    def layout(self):
        basic_layout(self, src_folder=".")

    def requirements(self):
        if self.options.simd:
            self.requires("xsimd/[>=8.1 <15]", transitive_headers=True)
        if self.options.json:
            self.requires("nlohmann_json/[>=3.9 <4]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)
        if self.options.vulkan:
            # The name is reserved: a target without a device behind it would only mislead.
            raise ConanInvalidConfiguration(
                "nibble has no Vulkan device yet: leave the option vulkan at False")

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"),
             os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "nibble")
        self.cpp_info.set_property("pkg_config_name", "nibble")

        core = self.cpp_info.components["nibble"]
        core.set_property("cmake_target_name", "nibble::nibble")
        core.bindirs = []
        core.libdirs = []
        if not self.options.simd:
            core.defines = ["NIBBLE_SIMD=0"]
        # A dependency replaced by the platform's own is not there to be named.
        elif "xsimd" in self.dependencies:
            core.requires = ["xsimd::xsimd"]

        if self.options.json:
            json = self.cpp_info.components["json"]
            json.set_property("cmake_target_name", "nibble::json")
            json.bindirs = []
            json.libdirs = []
            json.requires = ["nibble"]
            if "nlohmann_json" in self.dependencies:
                json.requires.append("nlohmann_json::nlohmann_json")
