/* Fuzzes strings by offsets, valid and invalid: every view of an accepted column is read to its end. */
#include "harness.h"

/* Returns a number that no writer would store there. */
static int64_t wild(int64_t size, bool wide) {
    switch (between(0, 5)) {
    case 0: return size + between(1, 5);
    case 1: return -between(1, 5);
    case 2: return INT32_MAX;
    case 3: return INT32_MIN;
    case 4: return wide ? INT64_MAX - between(0, 3) : INT32_MAX - between(0, 3);
    default: return wide ? INT64_MIN + between(0, 3) : INT32_MIN + between(0, 3);
    }
}

static void same_text(View view, const uint8_t *from, int64_t length) {
    CHECK(view.length == length);
    if (length > 0) CHECK(!memcmp(AT(uint8_t, view.address), from, (size_t)length));
}

static void spark_texts(void) {
    int64_t n = between(0, 80), size = between(0, 300);
    uint8_t *bytes = some_bytes(size), *nulls = some_nulls(n);
    int32_t *offset = NEW(int32_t, n), *length = NEW(int32_t, n);
    View *view = NEW(View, n);
    int64_t rarity = one_in(2) ? 0 : between(1, 100);
    bool right = true;
    for (int64_t i = 0; i < n; i++) {
        offset[i] = (int32_t)between(0, size);
        length[i] = (int32_t)between(0, size - offset[i]);
        if (rarity > 0 && one_in(rarity)) offset[i] = (int32_t)wild(size, false);
        if (rarity > 0 && one_in(rarity)) length[i] = (int32_t)wild(size, false);
        bool inside = offset[i] >= 0 && length[i] >= 0 && (__int128)offset[i] + length[i] <= size;
        if (!null_at(nulls, i) && !inside) right = false;
    }
    CHECK(SHIM(views)(env, NULL, HERE(bytes), size, HERE(offset), HERE(length), HERE(nulls), n, HERE(view)) == right);
    for (int64_t i = 0; right && i < n; i++) same_text(view[i], bytes + offset[i] * !null_at(nulls, i), null_at(nulls, i) ? 0 : length[i]);
}

static void arrow_texts(bool wide) {
    int64_t n = between(0, 80), size = between(0, 300), at = between(0, size);
    uint8_t *bytes = some_bytes(size), *nulls = some_nulls(n);
    int64_t *end = NEW(int64_t, n + 1);
    int32_t *narrow = NEW(int32_t, n + 1);
    View *view = NEW(View, n);
    int64_t rarity = one_in(2) ? 0 : between(1, 100);
    bool right = true;
    for (int64_t i = 0; i <= n; i++) {
        end[i] = rarity > 0 && one_in(rarity) ? wild(size, wide) : at;
        narrow[i] = (int32_t)end[i];
        at = between(at, at + (size - at) / 4);
    }
    for (int64_t i = 0; i < n; i++)
        if (!null_at(nulls, i) && !(0 <= end[i] && end[i] <= end[i + 1] && end[i + 1] <= size)) right = false;
    void *offsets = wide ? (void *)end : (void *)narrow;
    CHECK(SHIM(arrowStrings)(env, NULL, wide ? 8 : 4, HERE(bytes), size, HERE(offsets), HERE(nulls), n, HERE(view)) == right);
    for (int64_t i = 0; right && i < n; i++)
        same_text(view[i], null_at(nulls, i) ? bytes : bytes + end[i], null_at(nulls, i) ? 0 : end[i + 1] - end[i]);
}

static void arrow_views(void) {
    enum { MOST = 4 };
    int64_t n = between(0, 60), buffers = between(0, MOST), rarity = one_in(2) ? 0 : between(1, 60);
    jlong places[MOST], sizes[MOST];
    for (int64_t b = 0; b < buffers; b++) places[b] = HERE(some_bytes(sizes[b] = between(13, 200)));
    uint8_t *nulls = some_nulls(n);
    int32_t *words = NEW(int32_t, 4 * n);
    View *view = NEW(View, n);
    bool right = true;
    for (int64_t i = 0; i < n; i++) {
        int32_t *word = words + 4 * i;
        for (int k = 1; k < 4; k++) word[k] = (int32_t)next_random();
        if (buffers == 0 || one_in(2)) word[0] = (int32_t)between(0, 12);
        else {
            word[2] = (int32_t)between(0, buffers - 1);
            word[0] = (int32_t)between(13, sizes[word[2]]);
            word[3] = (int32_t)between(0, sizes[word[2]] - word[0]);
        }
        if (rarity > 0 && one_in(rarity)) word[2 * between(0, 1)] = (int32_t)wild(buffers, false);
        if (rarity > 0 && one_in(rarity)) word[3] = (int32_t)wild(200, false);
        bool inside = word[0] >= 0 && (word[0] <= 12 || (word[2] >= 0 && word[2] < buffers && word[3] >= 0 &&
                                                         (int64_t)word[3] + word[0] <= sizes[word[2]]));
        if (!null_at(nulls, i) && !inside) right = false;
    }
    bool found = SHIM(arrowViews)(env, NULL, HERE(words), array_of(places, buffers), array_of(sizes, buffers), HERE(nulls), n, HERE(view));
    CHECK(found == right);
    for (int64_t i = 0; right && i < n; i++) {
        const int32_t *word = words + 4 * i;
        const uint8_t *from = word[0] <= 12 || null_at(nulls, i) ? (const uint8_t *)(word + 1) : AT(uint8_t, places[word[2]]) + word[3];
        same_text(view[i], from, null_at(nulls, i) ? 0 : word[0]);
    }
}

/* Creates views, some adjacent, into one buffer. */
static void copied_texts(void) {
    int64_t texts = between(1, 40), n = between(0, 60), size = between(0, 200), used = between(0, 100), total = used;
    uint8_t *bytes = some_bytes(size);
    View *view = NEW(View, texts);
    int64_t at = 0;
    for (int64_t i = 0; i < texts; i++) {
        if (one_in(4)) at = between(0, size);
        int64_t length = between(0, size - at < 10 ? size - at : 10);
        view[i] = (View){HERE(bytes) + at, length};
        at += length;
    }
    int32_t *picked = one_in(2) ? NULL : NEW(int32_t, n), *end = NEW(int32_t, n);
    if (picked == NULL && n > texts) n = texts;
    for (int64_t i = 0; picked != NULL && i < n; i++) picked[i] = (int32_t)between(0, texts - 1);
    for (int64_t i = 0; i < n; i++) total += view[picked != NULL ? picked[i] : i].length;
    CHECK(SHIM(stringEnds)(env, NULL, HERE(view), HERE(picked), n, used, HERE(end)) == total);
    uint8_t *out = NEW(uint8_t, total - used);
    SHIM(copyStrings)(env, NULL, HERE(view), HERE(picked), n, HERE(out));
    for (int64_t i = 0, from = 0; i < n; i++) {
        View text = view[picked != NULL ? picked[i] : i];
        if (text.length > 0) CHECK(!memcmp(out + from, AT(uint8_t, text.address), (size_t)text.length));
        from += text.length;
        CHECK(end[i] == used + from);
    }
}

static void other_views(void) {
    int64_t n = between(0, 50);
    View *view = NEW(View, n);
    SHIM(fillViews)(env, NULL, 1234, 7, n, HERE(view));
    for (int64_t i = 0; i < n; i++) CHECK(view[i].address == 1234 && view[i].length == 7);
    uint8_t *nulls = some_nulls(n);
    if (nulls != NULL) SHIM(clearNullViews)(env, NULL, HERE(view), HERE(nulls), n);
    for (int64_t i = 0; i < n; i++) CHECK(view[i].length == (null_at(nulls, i) ? 0 : 7));
}

void fuzz_texts(void) {
    spark_texts();
    arrow_texts(false);
    arrow_texts(true);
    arrow_views();
    copied_texts();
    other_views();
}
