/* Fuzzes arrays by offsets, valid and invalid: every element of an accepted column is read. */
#include "harness.h"
#include <math.h>

static int32_t wild(int64_t count) {
    const int32_t numbers[] = {INT32_MAX, INT32_MIN, -1, (int32_t)count + 1, INT32_MAX - 1, -(int32_t)count};
    return numbers[between(0, 5)];
}

/* Checks the view of `n` elements from `start` on, and reads all of its elements. */
static void same_list(View view, const uint8_t *elements, int width, const uint8_t *missing, int64_t start, int64_t n) {
    bool complete = true;
    for (int64_t i = start; i < start + n; i++) complete &= !null_at(missing, i);
    CHECK(view.length == (complete ? n : ~n));
    if (n > 0) CHECK(!memcmp(AT(uint8_t, view.address), elements + start * width, (size_t)(n * width)));
}

static void spark_lists(int width, int64_t count, const uint8_t *elements, const uint8_t *missing) {
    int64_t n = between(0, 60), rarity = one_in(2) ? 0 : between(1, 60), last = 0;
    uint8_t *nulls = some_nulls(n);
    int32_t *offset = NEW(int32_t, n), *length = NEW(int32_t, n);
    View *view = NEW(View, n);
    bool negative = false;
    for (int64_t i = 0; i < n; i++) {
        offset[i] = (int32_t)between(0, count);
        length[i] = (int32_t)between(0, count - offset[i]);
        if (rarity > 0 && one_in(rarity)) offset[i] = wild(count);
        if (rarity > 0 && one_in(rarity)) length[i] = wild(count);
        if (null_at(nulls, i)) continue;
        negative |= offset[i] < 0 || length[i] < 0;
        if ((int64_t)offset[i] + length[i] > last) last = (int64_t)offset[i] + length[i];
    }
    int64_t end = SHIM(listEnd)(env, NULL, HERE(offset), HERE(length), HERE(nulls), n);
    CHECK(end == (negative ? -1 : last));
    if (end < 0 || end > count) return; /* the caller throws */
    SHIM(lists)(env, NULL, HERE(elements), width, HERE(missing), HERE(offset), HERE(length), HERE(nulls), n, HERE(view));
    for (int64_t i = 0; i < n; i++)
        same_list(view[i], elements, width, missing, null_at(nulls, i) ? 0 : offset[i], null_at(nulls, i) ? 0 : length[i]);
}

static void arrow_lists(int width, int64_t count, const uint8_t *elements, const uint8_t *missing) {
    int64_t n = between(0, 60), rarity = one_in(2) ? 0 : between(1, 60), at = 0;
    uint8_t *nulls = some_nulls(n);
    int32_t *end = NEW(int32_t, n + 1);
    View *view = NEW(View, n);
    bool right = true;
    for (int64_t i = 0; i <= n; i++) {
        end[i] = rarity > 0 && one_in(rarity) ? wild(count) : (int32_t)at;
        at = between(at, at + (count - at) / 3);
    }
    for (int64_t i = 0; i < n; i++)
        if (!null_at(nulls, i) && !(0 <= end[i] && end[i] <= end[i + 1] && end[i + 1] <= count)) right = false;
    bool found = SHIM(arrowLists)(env, NULL, HERE(elements), width, HERE(missing), count, HERE(end), HERE(nulls), n, HERE(view));
    CHECK(found == right);
    for (int64_t i = 0; right && i < n; i++)
        same_list(view[i], elements, width, missing, null_at(nulls, i) ? 0 : end[i], null_at(nulls, i) ? 0 : end[i + 1] - end[i]);
}

static void filled(void) {
    bool wide = one_in(2);
    int64_t n = between(0, 50), width = wide ? 8 : 4;
    uint8_t *floats = some_bytes(n * width), *nulls = some_nulls(n), *out = NEW(uint8_t, n * width);
    if (nulls == NULL) return; /* the caller uses the floats as they are */
    SHIM(filled)(env, NULL, HERE(floats), (jint)width, HERE(nulls), n, HERE(out));
    for (int64_t i = 0; i < n; i++) {
        if (!nulls[i]) CHECK(!memcmp(out + i * width, floats + i * width, (size_t)width));
        else CHECK(isnan(wide ? ((double *)out)[i] : (double)((float *)out)[i]));
    }
}

void fuzz_lists(void) {
    static const int widths[] = {1, 2, 4, 8, 16};
    int width = widths[between(0, 4)];
    int64_t count = between(0, 120);
    uint8_t *elements = some_bytes(count * width), *missing = some_nulls(count);
    spark_lists(width, count, elements, missing);
    arrow_lists(width, count, elements, missing);
    filled();
}
