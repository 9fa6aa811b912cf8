/* Turns column layouts of Spark and Arrow into the kernel's layout. */
#include "shim.h"

/* Eight bits, lowest first, as eight bytes 0 or 1. */
static inline uint64_t spread_bits(uint8_t bits) {
    uint64_t picked = (bits * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
    /* a picked byte is 0 or one bit: adding 0x7f sets its top bit exactly when it is not 0, and never carries out */
    return ((picked + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101);
}

static jlong unpack_bits(const uint8_t *bits, int64_t n, uint8_t *out, uint8_t flip) {
    int64_t set = 0, whole = n / 8;
    for (int64_t i = 0; i < whole; i++) {
        uint8_t eight = bits[i] ^ flip;
        uint64_t bytes = spread_bits(eight);
        memcpy(out + i * 8, &bytes, 8); /* little endian: bit 0 lands in the first byte */
        set += __builtin_popcount(eight);
    }
    for (int64_t i = whole * 8; i < n; i++) {
        uint8_t bit = ((bits[i / 8] ^ flip) >> (i % 8)) & 1;
        out[i] = bit;
        set += bit;
    }
    return set;
}

/* unpackValidity(bits, n, nulls): Arrow validity (1 = valid) to null bytes (1 = NULL); returns the NULL count. */
JNIEXPORT jlong JNICALL SHIM(unpackValidity)(JNIEnv *env, jobject self, jlong bits, jlong n, jlong nulls) {
    (void)env, (void)self;
    return unpack_bits(AT(uint8_t, bits), n, AT(uint8_t, nulls), 0xff);
}

/* unpackBooleans(bits, n, out): Arrow boolean bits to bytes 0 or 1. */
JNIEXPORT void JNICALL SHIM(unpackBooleans)(JNIEnv *env, jobject self, jlong bits, jlong n, jlong out) {
    (void)env, (void)self;
    unpack_bits(AT(uint8_t, bits), n, AT(uint8_t, out), 0);
}

/* countNulls(nulls, n): how many null bytes are set. */
JNIEXPORT jlong JNICALL SHIM(countNulls)(JNIEnv *env, jobject self, jlong nulls, jlong n) {
    (void)env, (void)self;
    const uint8_t *bytes = AT(uint8_t, nulls);
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += bytes[i] != 0;
    return count;
}

/* maxId(ids, nulls or 0, n): the largest id, as unsigned, of the rows that are not NULL; -1 when there are none. */
JNIEXPORT jlong JNICALL SHIM(maxId)(JNIEnv *env, jobject self, jlong ids, jlong nulls, jlong n) {
    (void)env, (void)self;
    const uint32_t *id = AT(uint32_t, ids);
    const uint8_t *is_null = AT(uint8_t, nulls);
    uint32_t most = 0;
    if (is_null == NULL) {
        for (int64_t i = 0; i < n; i++) most = id[i] > most ? id[i] : most;
        return n > 0 ? (jlong)most : -1;
    }
    int64_t valid = 0;
    for (int64_t i = 0; i < n; i++) { /* ids of NULL rows are leftovers of earlier batches */
        uint32_t keep = (uint32_t)(is_null[i] != 0) - 1;
        uint32_t seen = id[i] & keep;
        most = seen > most ? seen : most;
        valid += keep & 1;
    }
    return valid > 0 ? (jlong)most : -1;
}

#define GATHER(type)                                                                                    \
    do {                                                                                                \
        const type *from = AT(type, table);                                                             \
        type *to = AT(type, out);                                                                       \
        if (is_null == NULL)                                                                            \
            for (int64_t i = 0; i < n; i++) to[i] = from[id[i]];                                        \
        else                                                                                            \
            for (int64_t i = 0; i < n; i++) { /* no branch: NULLs come at random */                     \
                int32_t keep = (int32_t)(is_null[i] != 0) - 1;                                          \
                to[i] = from[id[i] & keep] & (type)(int64_t)keep;                                       \
            }                                                                                           \
    } while (0)

static void gather_views(const View *table, const int32_t *id, const uint8_t *is_null, int64_t n, View *out) {
    if (is_null == NULL) {
        for (int64_t i = 0; i < n; i++) out[i] = table[id[i]];
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int32_t keep = (int32_t)(is_null[i] != 0) - 1;
        View view = table[id[i] & keep];
        out[i] = (View){view.address & keep, view.length & keep};
    }
}

bool gather_values(int width, int64_t table, const int32_t *id, const uint8_t *is_null, int64_t n, int64_t out) {
    switch (width) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    case 16: gather_views(AT(View, table), id, is_null, n, AT(View, out)); break;
    default: return false;
    }
    return true;
}

/* gather(width, table, ids, nulls or 0, n, out): see gather_values. Ids were checked by maxId. */
JNIEXPORT void JNICALL SHIM(gather)(JNIEnv *env, jobject self, jint width, jlong table, jlong ids, jlong nulls, jlong n,
                                    jlong out) {
    (void)self;
    if (!gather_values(width, table, AT(int32_t, ids), AT(uint8_t, nulls), n, out))
        throw_error(env, "gather: no values of %d bytes", (int)width);
}

#define FILL(type)                                               \
    do {                                                         \
        type *to = AT(type, out);                                \
        for (int64_t i = 0; i < n; i++) to[i] = (type)value;     \
    } while (0)

/* fill(width, value, n, out): n copies of the low bytes of value. */
JNIEXPORT void JNICALL SHIM(fill)(JNIEnv *env, jobject self, jint width, jlong value, jlong n, jlong out) {
    (void)self;
    switch (width) {
    case 1: FILL(uint8_t); break;
    case 2: FILL(uint16_t); break;
    case 4: FILL(uint32_t); break;
    case 8: FILL(uint64_t); break;
    default: throw_error(env, "fill: no values of %d bytes", (int)width);
    }
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

/* views(base, offsets, lengths, nulls or 0, n, out): int32 offsets and lengths of texts in one piece of memory. */
JNIEXPORT void JNICALL SHIM(views)(JNIEnv *env, jobject self, jlong base, jlong offsets, jlong lengths, jlong nulls,
                                   jlong n, jlong out) {
    (void)env, (void)self;
    const int32_t *offset = AT(int32_t, offsets), *length = AT(int32_t, lengths);
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, out);
    for (int64_t i = 0; i < n; i++) /* offsets and lengths of NULL rows are leftovers of earlier batches */
        view[i] = is_set(is_null, i) ? (View){0, 0} : (View){base + offset[i], length[i]};
}

/* arrowTexts(width, base, offsets, nulls or 0, n, out): Arrow's n + 1 offsets, int32 (width 4) or int64 (width 8). */
JNIEXPORT void JNICALL SHIM(arrowTexts)(JNIEnv *env, jobject self, jint width, jlong base, jlong offsets, jlong nulls,
                                        jlong n, jlong out) {
    (void)env, (void)self;
    const int32_t *narrow = AT(int32_t, offsets);
    const int64_t *wide = AT(int64_t, offsets);
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, out);
    for (int64_t i = 0; i < n; i++) {
        int64_t start = width == 8 ? wide[i] : narrow[i], end = width == 8 ? wide[i + 1] : narrow[i + 1];
        view[i] = is_set(is_null, i) ? (View){0, 0} : (View){base + start, end - start};
    }
}

/*
 * arrowViews(views, buffers, nulls or 0, n, out): Arrow's string views. Sixteen bytes: the length, then up to 12 bytes of
 * text, or its first 4, the number of its buffer and its offset there.
 */
JNIEXPORT void JNICALL SHIM(arrowViews)(JNIEnv *env, jobject self, jlong views, jlongArray buffers, jlong nulls, jlong n,
                                        jlong out) {
    (void)self;
    enum { INLINE = 12 };
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, out);
    jlong *bases = (*env)->GetLongArrayElements(env, buffers, NULL);
    if (bases == NULL) return; /* OutOfMemoryError is pending */
    for (int64_t i = 0; i < n; i++) {
        const int32_t *words = AT(int32_t, views) + i * 4; /* Arrow aligns views */
        if (is_set(is_null, i)) view[i] = (View){0, 0};
        else if (words[0] <= INLINE) view[i] = (View){(int64_t)(intptr_t)(words + 1), words[0]};
        else view[i] = (View){bases[words[2]] + words[3], words[0]};
    }
    (*env)->ReleaseLongArrayElements(env, buffers, bases, JNI_ABORT);
}

/* fillViews(address, length, n, out): n views of one text. */
JNIEXPORT void JNICALL SHIM(fillViews)(JNIEnv *env, jobject self, jlong address, jlong length, jlong n, jlong out) {
    (void)env, (void)self;
    View *view = AT(View, out);
    for (int64_t i = 0; i < n; i++) view[i] = (View){address, length};
}

/* clearNullViews(views, nulls, n): length 0 for NULL rows, whatever a kernel left there. */
JNIEXPORT void JNICALL SHIM(clearNullViews)(JNIEnv *env, jobject self, jlong views, jlong nulls, jlong n) {
    (void)env, (void)self;
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, views);
    for (int64_t i = 0; i < n; i++)
        if (is_null[i]) view[i] = (View){0, 0};
}

/* textEnds(views, picked or 0, n, used, ends): int32 ends of texts behind `used` bytes; returns the last, which need not fit. */
JNIEXPORT jlong JNICALL SHIM(textEnds)(JNIEnv *env, jobject self, jlong views, jlong picked, jlong n, jlong used, jlong ends) {
    (void)env, (void)self;
    const View *view = AT(View, views);
    const int32_t *row = AT(int32_t, picked);
    int32_t *end = AT(int32_t, ends);
    for (int64_t i = 0; i < n; i++) {
        used += view[row != NULL ? row[i] : i].length;
        end[i] = (int32_t)used; /* the caller looks at the last first */
    }
    return used;
}

/* copyTexts(views, picked or 0, n, out): the texts' bytes, those that lie behind each other together. */
JNIEXPORT void JNICALL SHIM(copyTexts)(JNIEnv *env, jobject self, jlong views, jlong picked, jlong n, jlong out) {
    (void)env, (void)self;
    const View *view = AT(View, views);
    const int32_t *row = AT(int32_t, picked);
    View next = {0, 0};
    for (int64_t i = 0; i < n; i++) {
        View text = view[row != NULL ? row[i] : i];
        if (text.length == 0) continue;
        if (text.address != next.address + next.length) {
            if (next.length > 0) memcpy(AT(uint8_t, out), AT(uint8_t, next.address), (size_t)next.length);
            out += next.length;
            next = (View){text.address, 0};
        }
        next.length += text.length;
    }
    if (next.length > 0) memcpy(AT(uint8_t, out), AT(uint8_t, next.address), (size_t)next.length);
}
