#!/usr/bin/env bash
# Time to parse headers, as a share of the time for <xsimd/xsimd.hpp> alone: budget.sh COMPILER ARGS...
# The compiler's own processor time (the system's share varies with the machine's memory), the least of
# several runs, so that a busy machine does not decide.
set -euo pipefail
export LC_ALL=C
runs=9

seconds() { # seconds INCLUDE...: parse a file with these includes
    local least="" now TIMEFORMAT='%U seconds'
    for ((i = 0; i < runs; ++i)); do
        now="$( { time printf '#include <%s>\n' "${includes[@]}" | "${command[@]}" -x c++ - ; } 2>&1 |
            awk 'NF == 2 && $1 + 0 == $1 { print $1; next } { print > "/dev/stderr" }')"
        least="$(awk -v a="$now" -v b="${least:-1e9}" 'BEGIN { print (a < b ? a : b) }')"
    done
    echo "$least"
}

command=("$@")
includes=(xsimd/xsimd.hpp)
xsimd="$(seconds)"
echo "xsimd alone: $xsimd s"
failed=0

check() { # check SHARE HEADER...
    local share=$1 time
    shift
    includes=("$@")
    time="$(seconds)"
    awk -v t="$time" -v x="$xsimd" -v s="$share" -v what="$*" 'BEGIN {
        over = t > s * x
        printf "%s: %.2f s, %.2f of xsimd, at most %.2f%s\n", what, t, t / x, s, over ? "  <-- over" : ""
        exit over
    }' || failed=1
}

# Under 0.4 s on the machine where xsimd took 0.92 s.
check 0.43 nibble/value/list.hpp nibble/store/span.hpp
check 1.30 nibble/nibble.hpp
exit $failed
