// INCRBYFLOAT as Redis computes it: C's long double, whose width differs by platform and which Swift lacks on some.
#pragma once
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum hearth_float_result {
    hearth_float_ok = 0,
    hearth_float_invalid = 1,   // the text is not a float
    hearth_float_infinite = 2,  // the sum is NaN or infinite
};

// Reads text as Redis's string2ld does: no leading space, nothing left over, not NaN.
static inline int hearth_parse_long_double(const char *text, size_t count, long double *value) {
    char buffer[5 * 1024];  // MAX_LONG_DOUBLE_CHARS of Redis: a sum printed in full must be read again
    if (count == 0 || count >= sizeof(buffer)) return 0;
    memcpy(buffer, text, count);
    buffer[count] = '\0';
    char *end;
    errno = 0;
    *value = strtold(buffer, &end);
    if (isspace((unsigned char)buffer[0]) || end != buffer + count) return 0;
    if (errno == ERANGE && (*value == HUGE_VALL || *value == -HUGE_VALL || fpclassify(*value) == FP_ZERO)) return 0;
    if (errno == EINVAL || isnan(*value)) return 0;
    return 1;
}

// Adds two decimal texts; writes the sum as Redis prints it (LD_STR_HUMAN: 17 decimals, trailing zeros cut).
// `out` takes at least 5 KiB + 32 bytes: a long double may have 4,933 digits before the point.
static inline int hearth_add_long_doubles(
    const char *a, size_t a_count, const char *b, size_t b_count, char *out, size_t out_size, size_t *out_count) {
    long double x, y;
    if (!hearth_parse_long_double(a, a_count, &x) || !hearth_parse_long_double(b, b_count, &y))
        return hearth_float_invalid;
    long double sum = x + y;
    if (isnan(sum) || isinf(sum)) return hearth_float_infinite;
    int count = snprintf(out, out_size, "%.17Lf", sum);
    if (count <= 0 || (size_t)count >= out_size) return hearth_float_infinite;
    if (strchr(out, '.')) {
        while (count > 0 && out[count - 1] == '0') count--;
        if (count > 0 && out[count - 1] == '.') count--;
    }
    if (count == 2 && out[0] == '-' && out[1] == '0') { out[0] = '0'; count = 1; }
    *out_count = (size_t)count;
    return hearth_float_ok;
}
