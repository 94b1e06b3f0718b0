# What tests need when CMAKE_CXX_FLAGS turn a sanitizer on (presets asan and tsan).
#   nibble_sanitizer              thread, address or empty
#   nibble_sanitizer_environment  of every test
#   nibble_sanitizer_slowdown     how many times longer a test may take
set(nibble_sanitizer "")
set(nibble_sanitizer_environment "")
set(nibble_sanitizer_slowdown 1)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=thread")
    set(nibble_sanitizer thread)
    set(nibble_sanitizer_slowdown 6)
    # Archer teaches the sanitizer what OpenMP's runtime synchronises.
    get_filename_component(llvm_bin "${CMAKE_CXX_COMPILER}" REALPATH)
    get_filename_component(llvm_bin "${llvm_bin}" DIRECTORY)
    find_file(NIBBLE_ARCHER libarcher.so HINTS "${llvm_bin}/../lib")
    mark_as_advanced(NIBBLE_ARCHER)
    if(NIBBLE_ARCHER)
        set(nibble_sanitizer_environment "OMP_TOOL_LIBRARIES=${NIBBLE_ARCHER}"
            "TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:allocator_may_return_null=1")
    endif()
elseif(CMAKE_CXX_FLAGS MATCHES "-fsanitize=address")
    set(nibble_sanitizer address)
    set(nibble_sanitizer_slowdown 3)
    set(nibble_sanitizer_environment
        "UBSAN_OPTIONS=print_stacktrace=1" "ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1")
endif()
