/* Converts column layouts of Spark and Arrow to the kernel's layout. */
#include "shim.h"
#include <stdlib.h>

/* Returns eight bits, lowest first, as eight bytes 0 or 1. */
static inline uint64_t spread_bits(uint8_t bits) {
    uint64_t picked = (bits * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
    /* a picked byte is 0 or a single bit: adding 0x7f sets its top bit exactly when it is not 0, and never carries out */
    return ((picked + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101);
}

static jlong unpack_bits(const uint8_t *bits, int64_t n, uint8_t *out, uint8_t flip) {
    int64_t set = 0, whole = n / 8;
    for (int64_t i = 0; i < whole; i++) {
        uint8_t eight = bits[i] ^ flip;
        uint64_t bytes = spread_bits(eight);
        memcpy(out + i * 8, &bytes, 8); /* little endian: bit 0 is the first byte */
        set += __builtin_popcount(eight);
    }
    for (int64_t i = whole * 8; i < n; i++) {
        uint8_t bit = ((bits[i / 8] ^ flip) >> (i % 8)) & 1;
        out[i] = bit;
        set += bit;
    }
    return set;
}

/* unpackValidity(bits, n, nulls): converts Arrow validity (1 = valid) to null bytes (1 = NULL); returns the NULL count. */
JNIEXPORT jlong JNICALL SHIM(unpackValidity)(JNIEnv *env, jobject self, jlong bits, jlong n, jlong nulls) {
    (void)env, (void)self;
    return unpack_bits(AT(uint8_t, bits), n, AT(uint8_t, nulls), 0xff);
}

/* unpackBooleans(bits, n, out): converts Arrow boolean bits to bytes 0 or 1. */
JNIEXPORT void JNICALL SHIM(unpackBooleans)(JNIEnv *env, jobject self, jlong bits, jlong n, jlong out) {
    (void)env, (void)self;
    unpack_bits(AT(uint8_t, bits), n, AT(uint8_t, out), 0);
}

/* countNulls(nulls, n): returns the number of null bytes that are set. */
JNIEXPORT jlong JNICALL SHIM(countNulls)(JNIEnv *env, jobject self, jlong nulls, jlong n) {
    (void)env, (void)self;
    const uint8_t *bytes = AT(uint8_t, nulls);
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += bytes[i] != 0;
    return count;
}

/* maxId(ids, nulls or 0, n): returns the largest id, as unsigned, of the rows that are not NULL; -1 when there are none. */
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
    for (int64_t i = 0; i < n; i++) { /* ids of NULL rows are left over from earlier batches */
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
            for (int64_t i = 0; i < n; i++) { /* branchless: NULLs are at random */                     \
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

/* gather(width, table, ids, nulls or 0, n, out): see gather_values. maxId has checked the ids. */
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

/* fill(width, value, n, out): writes n copies of the low `width` bytes of value. */
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

/* ---- strings ----------------------------------------------------------------------------------------------------- */

/* Offsets come from files, other processes and other libraries: a view outside the column's memory must not be read. */

/*
 * views(base, size, offsets, lengths, nulls or 0, n, out): writes views of strings with int32 offsets and lengths in `size`
 * bytes; returns whether all lie within these. If not, no view may be used.
 */
JNIEXPORT jboolean JNICALL SHIM(views)(JNIEnv *env, jobject self, jlong base, jlong size, jlong offsets, jlong lengths, jlong nulls,
                                       jlong n, jlong out) {
    (void)env, (void)self;
    const int32_t *offset = AT(int32_t, offsets), *length = AT(int32_t, lengths);
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, out);
    int64_t wrong = 0;
    if (is_null == NULL) {
        for (int64_t i = 0; i < n; i++) {
            wrong |= outside(offset[i], length[i], size);
            view[i] = (View){base + offset[i], length[i]};
        }
        return wrong >= 0;
    }
    for (int64_t i = 0; i < n; i++) { /* offsets and lengths of NULL rows are left over from earlier batches */
        int64_t keep = (int64_t)(is_null[i] != 0) - 1;
        wrong |= outside(offset[i], length[i], size) & keep;
        view[i] = (View){(base + offset[i]) & keep, length[i] & keep};
    }
    return wrong >= 0;
}

#define ARROW_TEXTS(type)                                                                       \
    do {                                                                                        \
        const type *ends = AT(type, offsets);                                                   \
        if (is_null == NULL)                                                                    \
            for (int64_t i = 0; i < n; i++) {                                                   \
                int64_t start = ends[i], end = ends[i + 1];                                     \
                wrong |= unordered(start, end, size);                                           \
                view[i] = (View){sum_of(base, start), difference(end, start)};                  \
            }                                                                                   \
        else                                                                                    \
            for (int64_t i = 0; i < n; i++) {                                                   \
                int64_t keep = (int64_t)(is_null[i] != 0) - 1, start = ends[i], end = ends[i + 1]; \
                wrong |= unordered(start, end, size) & keep;                                    \
                view[i] = (View){sum_of(base, start) & keep, difference(end, start) & keep};    \
            }                                                                                   \
    } while (0)

/*
 * arrowStrings(width, base, size, offsets, nulls or 0, n, out): writes views from Arrow's n + 1 offsets, int32 (width 4) or int64
 * (width 8), into `size` bytes; returns whether all are ordered and within these. If not, no view may be used.
 */
JNIEXPORT jboolean JNICALL SHIM(arrowStrings)(JNIEnv *env, jobject self, jint width, jlong base, jlong size, jlong offsets,
                                            jlong nulls, jlong n, jlong out) {
    (void)env, (void)self;
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, out);
    int64_t wrong = 0;
    if (width == 8) ARROW_TEXTS(int64_t);
    else ARROW_TEXTS(int32_t);
    return wrong >= 0;
}

/*
 * arrowViews(views, buffers, sizes, nulls or 0, n, out): writes views from Arrow's string views. One has sixteen bytes: the
 * length, then up to 12 bytes inline, or the first 4 bytes, the buffer number and the offset in that buffer. Returns whether all
 * strings lie within their buffers. If not, no view may be used.
 */
JNIEXPORT jboolean JNICALL SHIM(arrowViews)(JNIEnv *env, jobject self, jlong views, jlongArray buffers, jlongArray sizes, jlong nulls,
                                            jlong n, jlong out) {
    (void)self;
    enum { INLINE = 12 };
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, out);
    jsize count = (*env)->GetArrayLength(env, buffers);
    jlong *places = malloc((size_t)(2 * count + 1) * sizeof *places); /* `count` addresses of buffers, then their sizes */
    if (places == NULL) return throw_out_of_memory(env), JNI_FALSE;
    (*env)->GetLongArrayRegion(env, buffers, 0, count, places);
    (*env)->GetLongArrayRegion(env, sizes, 0, count, places + count);
    bool right = true;
    for (int64_t i = 0; i < n; i++) {
        const int32_t *words = AT(int32_t, views) + i * 4; /* Arrow aligns views */
        int64_t length = words[0], buffer = words[2], offset = words[3];
        view[i] = (View){0, 0};
        if (is_set(is_null, i)) continue;
        if (0 <= length && length <= INLINE) view[i] = (View){(int64_t)(intptr_t)(words + 1), length};
        else if (buffer < 0 || buffer >= count || outside(offset, length, places[count + buffer]) < 0) right = false;
        else view[i] = (View){places[buffer] + offset, length};
    }
    free(places);
    return right;
}

/* fillViews(address, length, n, out): writes n views of one string. */
JNIEXPORT void JNICALL SHIM(fillViews)(JNIEnv *env, jobject self, jlong address, jlong length, jlong n, jlong out) {
    (void)env, (void)self;
    View *view = AT(View, out);
    for (int64_t i = 0; i < n; i++) view[i] = (View){address, length};
}

/* clearNullViews(views, nulls, n): sets the views of NULL rows to (0, 0), because a kernel may leave any value there. */
JNIEXPORT void JNICALL SHIM(clearNullViews)(JNIEnv *env, jobject self, jlong views, jlong nulls, jlong n) {
    (void)env, (void)self;
    const uint8_t *is_null = AT(uint8_t, nulls);
    View *view = AT(View, views);
    for (int64_t i = 0; i < n; i++)
        if (is_null[i]) view[i] = (View){0, 0};
}

/*
 * stringEnds(views, picked or 0, n, used, ends): writes the int32 ends of strings that start at `used`; returns the last, as int64.
 */
JNIEXPORT jlong JNICALL SHIM(stringEnds)(JNIEnv *env, jobject self, jlong views, jlong picked, jlong n, jlong used, jlong ends) {
    (void)env, (void)self;
    const View *view = AT(View, views);
    const int32_t *row = AT(int32_t, picked);
    int32_t *end = AT(int32_t, ends);
    for (int64_t i = 0; i < n; i++) {
        used += view[row != NULL ? row[i] : i].length;
        end[i] = (int32_t)used; /* may wrap: the caller checks the last end first */
    }
    return used;
}

/* copyStrings(views, picked or 0, n, out): copies the strings' bytes, adjacent ones with one memcpy. */
JNIEXPORT void JNICALL SHIM(copyStrings)(JNIEnv *env, jobject self, jlong views, jlong picked, jlong n, jlong out) {
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
