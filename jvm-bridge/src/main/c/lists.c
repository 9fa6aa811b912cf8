/* Converts arrays of Spark's vectors and of Arrow to list views: the address of the first element, and the length. */
#include "shim.h"
#include <math.h>

/* Returns the view of n elements from `start`. With a NULL among them the length is ~n; kernels leave such rows to Python. */
static inline View list_view(int64_t base, int width, const uint8_t *is_null, int64_t start, int64_t n) {
    bool complete = is_null == NULL || memchr(is_null + start, 1, (size_t)n) == NULL;
    return (View){base + start * width, complete ? n : ~n};
}

/* filled(base, width, nulls, n, out): copies n floats of 4 or 8 bytes, with NaN for NULL. */
JNIEXPORT void JNICALL SHIM(filled)(JNIEnv *env, jobject self, jlong base, jint width, jlong nulls, jlong n, jlong out) {
    (void)env, (void)self;
    const uint8_t *is_null = AT(uint8_t, nulls);
    memcpy(AT(void, out), AT(void, base), (size_t)(n * width));
    for (int64_t i = 0; i < n; i++) {
        if (!is_null[i]) continue;
        if (width == sizeof(double)) AT(double, out)[i] = NAN;
        else AT(float, out)[i] = NAN;
    }
}

/*
 * listEnd(offsets, lengths, nulls or 0, n): returns the largest end, in elements of the child, of the rows that are not NULL; -1
 * when one of them has a negative offset or length.
 */
JNIEXPORT jlong JNICALL SHIM(listEnd)(JNIEnv *env, jobject self, jlong offsets, jlong lengths, jlong nulls, jlong n) {
    (void)env, (void)self;
    const int32_t *offset = AT(int32_t, offsets), *length = AT(int32_t, lengths);
    const uint8_t *is_null = AT(uint8_t, nulls);
    int64_t end = 0;
    int32_t wrong = 0;
    for (int64_t i = 0; i < n; i++) { /* offsets and lengths of NULL rows are left over from earlier batches */
        int64_t last = is_set(is_null, i) ? 0 : (int64_t)offset[i] + length[i];
        wrong |= is_set(is_null, i) ? 0 : offset[i] | length[i];
        end = last > end ? last : end;
    }
    return wrong < 0 ? -1 : end;
}

/*
 * lists(base, width, elementNulls or 0, offsets, lengths, nulls or 0, n, out): writes views from int32 offsets and lengths, in
 * elements. The caller has checked with `listEnd` that all are within the child.
 */
JNIEXPORT void JNICALL SHIM(lists)(JNIEnv *env, jobject self, jlong base, jint width, jlong elementNulls, jlong offsets,
                                   jlong lengths, jlong nulls, jlong n, jlong out) {
    (void)env, (void)self;
    const int32_t *offset = AT(int32_t, offsets), *length = AT(int32_t, lengths);
    const uint8_t *is_null = AT(uint8_t, nulls), *is_element_null = AT(uint8_t, elementNulls);
    View *view = AT(View, out);
    for (int64_t i = 0; i < n; i++)
        view[i] = is_set(is_null, i) ? (View){0, 0} : list_view(base, width, is_element_null, offset[i], length[i]);
}

/*
 * arrowLists(base, width, elementNulls or 0, count, offsets, nulls or 0, n, out): writes views from Arrow's n + 1 int32 offsets
 * into `count` elements; returns whether all are ordered and within these. If not, no view may be used.
 */
JNIEXPORT jboolean JNICALL SHIM(arrowLists)(JNIEnv *env, jobject self, jlong base, jint width, jlong elementNulls, jlong count,
                                            jlong offsets, jlong nulls, jlong n, jlong out) {
    (void)env, (void)self;
    const int32_t *offset = AT(int32_t, offsets);
    const uint8_t *is_null = AT(uint8_t, nulls), *is_element_null = AT(uint8_t, elementNulls);
    View *view = AT(View, out);
    bool right = true;
    for (int64_t i = 0; i < n; i++) {
        int64_t start = offset[i], end = offset[i + 1];
        view[i] = (View){0, 0};
        if (is_set(is_null, i)) continue;
        if (unordered(start, end, count) < 0) right = false;
        else view[i] = list_view(base, width, is_element_null, start, end - start);
    }
    return right;
}
