# The way from a benchmark to a page: JSON of two repetitions, the page, its table and its chart.
cmake_minimum_required(VERSION 3.22)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "failed (${result}): ${ARGN}\n${output}")
    endif()
endfunction()
run("${PROGRAM}" --benchmark_min_time=0.0001 --benchmark_repetitions=2 --benchmark_filter=memcpy
    "--benchmark_out=${WORK}/quantize.json" --benchmark_out_format=json)
file(WRITE "${WORK}/made.json" [[{"context": {"processor": "a <b>", "num_cpus": 2, "caches": []},
"benchmarks": [
{"name": "Eigen/x", "run_type": "iteration", "cpu_time": 2.0, "real_time": 3.0, "time_unit": "us",
 "of_peak": 0.25, "bytes": 1.5e9},
{"name": "y/manual_time", "run_type": "iteration", "cpu_time": 2.0, "real_time": 3.0,
 "time_unit": "us", "vs_oneDNN": 1.25}]}]])
run("${REPORT}" "${SOURCES}" "${WORK}" "${WORK}/quantize.json" "${WORK}/made.json")
file(READ "${WORK}/performance.md" page)
foreach(wanted IN ITEMS "## quantize" "| memcpy |" "| Eigen/x | 2 us | 1.5 G | 0.25 |  |"
        "| y | 3 us |  |  | 1.25 |" "performance-made-floor.svg" "performance-made-peers.svg")
    string(FIND "${page}" "${wanted}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "the page lacks '${wanted}':\n${page}")
    endif()
endforeach()
file(READ "${WORK}/performance-made-floor.svg" chart)
if(NOT chart MATCHES "Eigen/x of_peak" OR NOT chart MATCHES "</svg>")
    message(FATAL_ERROR "the chart: ${chart}")
endif()
