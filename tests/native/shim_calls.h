/* Declares the native methods that the fuzz calls, as the shim's sources define them. */
#ifndef SPARKWELD_SHIM_CALLS_H
#define SPARKWELD_SHIM_CALLS_H
#include "shim.h"
#define NATIVE(type, name) JNIEXPORT type JNICALL SHIM(name)
NATIVE(jlong, unpackValidity)(JNIEnv *, jobject, jlong bits, jlong n, jlong nulls);
NATIVE(void, unpackBooleans)(JNIEnv *, jobject, jlong bits, jlong n, jlong out);
NATIVE(jlong, countNulls)(JNIEnv *, jobject, jlong nulls, jlong n);
NATIVE(jlong, maxId)(JNIEnv *, jobject, jlong ids, jlong nulls, jlong n);
NATIVE(void, gather)(JNIEnv *, jobject, jint width, jlong table, jlong ids, jlong nulls, jlong n, jlong out);
NATIVE(void, fill)(JNIEnv *, jobject, jint width, jlong value, jlong n, jlong out);
NATIVE(jboolean, views)(JNIEnv *, jobject, jlong base, jlong size, jlong offsets, jlong lengths, jlong nulls, jlong n, jlong out);
NATIVE(jboolean, arrowStrings)(JNIEnv *, jobject, jint width, jlong base, jlong size, jlong offsets, jlong nulls, jlong n, jlong out);
NATIVE(jboolean, arrowViews)(JNIEnv *, jobject, jlong views, jlongArray buffers, jlongArray sizes, jlong nulls, jlong n, jlong out);
NATIVE(void, fillViews)(JNIEnv *, jobject, jlong address, jlong length, jlong n, jlong out);
NATIVE(void, clearNullViews)(JNIEnv *, jobject, jlong views, jlong nulls, jlong n);
NATIVE(jlong, stringEnds)(JNIEnv *, jobject, jlong views, jlong picked, jlong n, jlong used, jlong ends);
NATIVE(void, copyStrings)(JNIEnv *, jobject, jlong views, jlong picked, jlong n, jlong out);
NATIVE(void, filled)(JNIEnv *, jobject, jlong base, jint width, jlong nulls, jlong n, jlong out);
NATIVE(jlong, listEnd)(JNIEnv *, jobject, jlong offsets, jlong lengths, jlong nulls, jlong n);
NATIVE(void, lists)(JNIEnv *, jobject, jlong base, jint width, jlong elementNulls, jlong offsets, jlong lengths, jlong nulls, jlong n,
                    jlong out);
NATIVE(jboolean, arrowLists)(JNIEnv *, jobject, jlong base, jint width, jlong elementNulls, jlong count, jlong offsets, jlong nulls,
                             jlong n, jlong out);
NATIVE(jlong, rowField)(JNIEnv *, jobject, jlong rows, jlong n, jint fields, jint ordinal, jint width, jlong out, jlong nulls);
NATIVE(jlong, sizeRows)(JNIEnv *, jobject, jlong columns, jint count, jlong n, jlong fixed, jlong sizes);
NATIVE(jlong, writeRows)(JNIEnv *, jobject, jlong columns, jint count, jlong sizes, jlong fixed, jlong first, jlong n, jlong limit,
                         jlong out, jlong places);
NATIVE(void, cacheOpen)(JNIEnv *, jobject, jlong cache, jlong bytes, jlong seed);
NATIVE(jlong, cacheFind)(JNIEnv *, jobject, jlong cache, jlongArray inputs, jlongArray outputs, jlong n, jlong ids, jlong misses,
                         jlong hashes, jlong table, jlong slots, jlong texts);
NATIVE(void, cacheKeep)(JNIEnv *, jobject, jlong cache, jlongArray inputs, jlongArray outputs, jlong flags, jlong m, jlong misses,
                        jlong hashes);
NATIVE(void, mergeBlocks)(JNIEnv *, jobject, jlong kernel, jlong merger, jlongArray columns, jlongArray steps, jlongArray merged,
                          jlongArray widths, jlongArray own, jint outputs, jlongArray turn);
#endif
