#pragma once
#include <nibble/version.hpp>
namespace nibble {
struct A;
}
