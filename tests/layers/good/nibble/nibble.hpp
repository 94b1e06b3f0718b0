#pragma once
#include <nibble/kernel/codec.hpp>
#include <nibble/store/span.hpp>
