/*
 * Turns relocatable object code into a callable kernel inside the JVM, and column layouts of Spark and Arrow into the
 * kernel's layout.
 *
 * The linker is LLVM's LLJIT out of llvmlite's shared library, which is opened at run time: nothing here is built or
 * linked against LLVM. The signatures below are those of llvmlite's own binding (llvmlite/binding/orcjit.py and
 * targets.py). Every failure becomes an io.sparkweld.nativelib.NativeError that carries LLVM's or the loader's text.
 *
 * All functions are native methods of the Scala object io.sparkweld.nativelib.Shim. None of them checks addresses: the
 * Scala side owns every buffer and its length.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <jni.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define SHIM(name) Java_io_sparkweld_nativelib_Shim_00024_##name
#define MESSAGE_BYTES 2048
#define STACK_WORDS 512

typedef void (*Kernel)(const int64_t *columns, int64_t n, int64_t *result);

/* llvmlite.binding.orcjit: _LinkElement and _SymbolAddress */
typedef struct {
    uint8_t kind;
    const char *value;
    size_t length;
} LinkElement;
typedef struct {
    const char *name;
    uint64_t address;
} SymbolAddress;
enum { ELEMENT_OBJECT = 2 };

/* One opened llvmlite with one LLJIT in it. */
typedef struct {
    void *library;
    void *jit;
    void (*dispose_string)(const char *);
    void *(*link)(void *jit, const char *name, LinkElement *elements, size_t element_count, SymbolAddress *imports,
                  size_t import_count, SymbolAddress *exports, size_t export_count, const char **error);
    bool (*dispose_tracker)(void *tracker, const char **error);
    const char *cpu_name;
    const char *cpu_features;
} Runtime;

/* ---- errors ---------------------------------------------------------------------------------------------------- */

/* Throws NativeError(text). Bytes outside ASCII become '?': ThrowNew wants modified UTF-8, and LLVM promises nothing. */
__attribute__((format(printf, 2, 3))) static void throw_error(JNIEnv *env, const char *format, ...) {
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != 0; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    jclass type = (*env)->FindClass(env, "io/sparkweld/nativelib/NativeError");
    if (type != NULL) (*env)->ThrowNew(env, type, text); /* else NoClassDefFoundError is pending already */
}

static void throw_out_of_memory(JNIEnv *env) {
    jclass type = (*env)->FindClass(env, "java/lang/OutOfMemoryError");
    if (type != NULL) (*env)->ThrowNew(env, type, "native memory of the SparkWeld shim");
}

/* A NUL-terminated copy of a Java byte array, to be freed; NULL with an exception pending. */
static char *copy_text(JNIEnv *env, jbyteArray bytes) {
    jsize length = (*env)->GetArrayLength(env, bytes);
    char *text = malloc((size_t)length + 1);
    if (text == NULL) {
        throw_out_of_memory(env);
        return NULL;
    }
    (*env)->GetByteArrayRegion(env, bytes, 0, length, (jbyte *)text);
    text[length] = 0;
    return text;
}

/* ---- opening llvmlite ------------------------------------------------------------------------------------------ */

static void *find_symbol(JNIEnv *env, void *library, const char *path, const char *name) {
    void *address = dlsym(library, name);
    if (address == NULL)
        throw_error(env, "%s has no function %s: it is not an llvmlite that SparkWeld knows (0.44 or newer is needed)",
                    path, name);
    return address;
}

/* Declares the function pointer `result` of a type; leaves the caller with the exception when there is none. */
#define FIND(result, type, name)                                                                   \
    __typeof__(type) result = (__typeof__(type))find_symbol(env, runtime->library, path, name); \
    if (result == NULL) return false

/* Fills the runtime: targets, LLJIT, CPU strings. False with an exception pending. */
static bool start_llvm(JNIEnv *env, Runtime *runtime, const char *path) {
    FIND(dispose_string, void (*)(const char *), "LLVMPY_DisposeString");
    FIND(initialize_target, int (*)(void), "LLVMPY_InitializeNativeTarget");
    FIND(initialize_printer, int (*)(void), "LLVMPY_InitializeNativeAsmPrinter");
    FIND(default_triple, void (*)(const char **), "LLVMPY_GetDefaultTargetTriple");
    FIND(cpu_name, void (*)(const char **), "LLVMPY_GetHostCPUName");
    FIND(cpu_features, int (*)(const char **), "LLVMPY_GetHostCPUFeatures");
    FIND(target_from_triple, void *(*)(const char *, const char **), "LLVMPY_GetTargetFromTriple");
    FIND(create_machine,
         void *(*)(void *, const char *, const char *, const char *, int, const char *, const char *, int, int,
                   const char *),
         "LLVMPY_CreateTargetMachine");
    FIND(dispose_machine, void (*)(void *), "LLVMPY_DisposeTargetMachine");
    FIND(create_jit, void *(*)(void *, bool, bool, const char **), "LLVMPY_CreateLLJITCompiler");
    FIND(link, void *(*)(void *, const char *, LinkElement *, size_t, SymbolAddress *, size_t, SymbolAddress *, size_t,
                         const char **),
         "LLVMPY_LLJIT_Link");
    FIND(dispose_tracker, bool (*)(void *, const char **), "LLVMPY_LLJIT_Dylib_Tracker_Dispose");
    runtime->dispose_string = dispose_string;
    runtime->link = link;
    runtime->dispose_tracker = dispose_tracker;

    initialize_target();
    initialize_printer();
    cpu_name(&runtime->cpu_name);
    if (!cpu_features(&runtime->cpu_features)) runtime->cpu_features = NULL; /* unknown features: the empty list */

    const char *triple = NULL, *error = NULL;
    default_triple(&triple);
    void *target = target_from_triple(triple, &error);
    void *machine = NULL;
    if (target != NULL) machine = create_machine(target, triple, "", "", 2, "pic", "jitdefault", 0, 1, "");
    /*
     * The machine is a template, LLJIT copies its settings. JITLink (the third argument) lays a kernel's sections out in
     * one piece, so that they can always reach each other. LLVM may print: of a failed link it returns only that it
     * failed, and prints what was missing.
     */
    if (machine != NULL) runtime->jit = create_jit(machine, false, true, &error);
    if (runtime->jit == NULL)
        throw_error(env, "LLVM in %s cannot make a JIT linker for %s: %s", path, triple ? triple : "this host",
                    error ? error : (target ? "no target machine" : "no such target"));
    if (machine != NULL) dispose_machine(machine);
    if (error != NULL) dispose_string(error);
    if (triple != NULL) dispose_string(triple);
    return runtime->jit != NULL;
}

/* open(path): the address of a Runtime, which lives as long as the process. */
JNIEXPORT jlong JNICALL SHIM(open)(JNIEnv *env, jobject self, jbyteArray path_bytes) {
    (void)self;
    char *path = copy_text(env, path_bytes);
    if (path == NULL) return 0;
    Runtime *runtime = calloc(1, sizeof *runtime);
    if (runtime == NULL) throw_out_of_memory(env);
    if (runtime != NULL) {
        runtime->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (runtime->library == NULL) throw_error(env, "cannot open llvmlite's library: %s", dlerror());
    }
    bool ready = runtime != NULL && runtime->library != NULL && start_llvm(env, runtime, path);
    free(path);
    if (ready) return (jlong)(intptr_t)runtime;
    /* The library stays open when LLVM was started in it: its static state cannot be unloaded safely. */
    if (runtime != NULL && runtime->library != NULL && runtime->cpu_name == NULL) dlclose(runtime->library);
    free(runtime);
    return 0;
}

/* cpuName(runtime), cpuFeatures(runtime): LLVM's texts, "" when LLVM does not know. */
JNIEXPORT jstring JNICALL SHIM(cpuName)(JNIEnv *env, jobject self, jlong handle) {
    (void)self;
    Runtime *runtime = (Runtime *)(intptr_t)handle;
    return (*env)->NewStringUTF(env, runtime->cpu_name ? runtime->cpu_name : "");
}

JNIEXPORT jstring JNICALL SHIM(cpuFeatures)(JNIEnv *env, jobject self, jlong handle) {
    (void)self;
    Runtime *runtime = (Runtime *)(intptr_t)handle;
    return (*env)->NewStringUTF(env, runtime->cpu_features ? runtime->cpu_features : "");
}

/* ---- linking and calling --------------------------------------------------------------------------------------- */

/* Where a kernel's imports may come from, in this order. A library that the host lacks is skipped. */
static const char *const IMPORT_LIBRARIES[] = {"libm.so.6", "libmvec.so.1", "libc.so.6"};

static const char *libc_version(void) {
#ifdef __GLIBC__
    return gnu_get_libc_version();
#else
    return "unknown";
#endif
}

/* resolve(name): the address of a function of libm, libmvec or libc. */
JNIEXPORT jlong JNICALL SHIM(resolve)(JNIEnv *env, jobject self, jbyteArray name_bytes) {
    (void)self;
    char *name = copy_text(env, name_bytes);
    if (name == NULL) return 0;
    void *address = NULL;
    for (size_t i = 0; address == NULL && i < sizeof IMPORT_LIBRARIES / sizeof *IMPORT_LIBRARIES; i++) {
        /* Never closed: dlopen of a loaded library only counts, and kernels keep the addresses. */
        void *library = dlopen(IMPORT_LIBRARIES[i], RTLD_NOW | RTLD_LOCAL);
        if (library != NULL) address = dlsym(library, name);
    }
    if (address == NULL)
        throw_error(env, "the kernel needs the function %s, which is in none of libm.so.6, libmvec.so.1 and libc.so.6 "
                    "of this host (glibc %s): the object code was made for another kind of host, compile it on this one",
                    name, libc_version());
    free(name);
    return (jlong)(intptr_t)address;
}

/*
 * link(runtime, library, object, symbol, importNames, importAddresses, out): links the object as a library of that
 * (never used before) name. out[0] = address of the symbol, out[1] = tracker that unlink frees.
 */
JNIEXPORT void JNICALL SHIM(link)(JNIEnv *env, jobject self, jlong handle, jbyteArray library_bytes, jbyteArray object,
                                  jbyteArray symbol_bytes, jobjectArray import_names, jlongArray import_addresses,
                                  jlongArray out) {
    (void)self;
    Runtime *runtime = (Runtime *)(intptr_t)handle;
    jsize count = (*env)->GetArrayLength(env, import_names);
    char *library = NULL, *symbol = NULL, *code = NULL;
    SymbolAddress *imports = NULL;
    jlong *addresses = NULL;
    const char *error = NULL;

    if ((library = copy_text(env, library_bytes)) == NULL) goto done;
    if ((symbol = copy_text(env, symbol_bytes)) == NULL) goto done;
    if ((code = copy_text(env, object)) == NULL) goto done;
    imports = calloc((size_t)count + 1, sizeof *imports);
    addresses = calloc((size_t)count + 1, sizeof *addresses);
    if (imports == NULL || addresses == NULL) {
        throw_out_of_memory(env);
        goto done;
    }
    (*env)->GetLongArrayRegion(env, import_addresses, 0, count, addresses);
    for (jsize i = 0; i < count; i++) {
        jbyteArray name = (jbyteArray)(*env)->GetObjectArrayElement(env, import_names, i);
        if (name == NULL || (imports[i].name = copy_text(env, name)) == NULL) goto done;
        (*env)->DeleteLocalRef(env, name);
        imports[i].address = (uint64_t)addresses[i];
    }

    LinkElement element = {ELEMENT_OBJECT, code, (size_t)(*env)->GetArrayLength(env, object)};
    SymbolAddress export = {symbol, 0};
    void *tracker = runtime->link(runtime->jit, library, &element, 1, imports, (size_t)count, &export, 1, &error);
    if (tracker == NULL) {
        throw_error(env, "LLVM cannot link the kernel %s (%zu bytes of object code, %d imports): %s%s", symbol,
                    element.length, (int)count, error ? error : "no reason given",
                    error && strstr(error, "materialize") ? " (what was missing is on the standard error)" : "");
        goto done;
    }
    jlong made[2] = {(jlong)export.address, (jlong)(intptr_t)tracker};
    (*env)->SetLongArrayRegion(env, out, 0, 2, made);

done:
    if (error != NULL) runtime->dispose_string(error);
    for (jsize i = 0; imports != NULL && i < count; i++) free((char *)imports[i].name);
    free(imports);
    free(addresses);
    free(code);
    free(symbol);
    free(library);
}

/* unlink(runtime, tracker): frees the code of one link. */
JNIEXPORT void JNICALL SHIM(unlink)(JNIEnv *env, jobject self, jlong handle, jlong tracker) {
    (void)self;
    Runtime *runtime = (Runtime *)(intptr_t)handle;
    const char *error = NULL;
    if (runtime->dispose_tracker((void *)(intptr_t)tracker, &error))
        throw_error(env, "LLVM cannot free a kernel: %s", error ? error : "no reason given");
    if (error != NULL) runtime->dispose_string(error);
}

/*
 * call(kernel, columns, n, result): runs the kernel. The arrays are copied rather than pinned, so that the garbage
 * collector is never held up while the kernel works.
 */
JNIEXPORT void JNICALL SHIM(call)(JNIEnv *env, jobject self, jlong kernel, jlongArray columns, jlong n,
                                  jlongArray result) {
    (void)self;
    size_t inputs = (size_t)(*env)->GetArrayLength(env, columns);
    size_t outputs = (size_t)(*env)->GetArrayLength(env, result);
    int64_t stack[STACK_WORDS];
    int64_t *words = inputs + outputs <= STACK_WORDS ? stack : malloc((inputs + outputs) * sizeof *words);
    if (words == NULL) {
        throw_out_of_memory(env);
        return;
    }
    (*env)->GetLongArrayRegion(env, columns, 0, (jsize)inputs, (jlong *)words);
    (*env)->GetLongArrayRegion(env, result, 0, (jsize)outputs, (jlong *)words + inputs);
    ((Kernel)(intptr_t)kernel)(words, n, words + inputs);
    (*env)->SetLongArrayRegion(env, result, 0, (jsize)outputs, (jlong *)words + inputs);
    if (words != stack) free(words);
}

/* ---- column layouts -------------------------------------------------------------------------------------------- */

#define AT(type, address) ((type *)(intptr_t)(address))

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

/* A text: where its bytes are and how many. NULL rows have the length 0. */
typedef struct {
    int64_t address;
    int64_t length;
} View;

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

/* gather(width, table, ids, nulls or 0, n, out): out[i] = table[ids[i]], 0 for NULL rows. Ids were checked by maxId. */
JNIEXPORT void JNICALL SHIM(gather)(JNIEnv *env, jobject self, jint width, jlong table, jlong ids, jlong nulls, jlong n,
                                    jlong out) {
    (void)self;
    const int32_t *id = AT(int32_t, ids);
    const uint8_t *is_null = AT(uint8_t, nulls);
    switch (width) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    case 16: gather_views(AT(View, table), id, is_null, n, AT(View, out)); break;
    default: throw_error(env, "gather: no values of %d bytes", (int)width);
    }
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

static inline bool is_set(const uint8_t *is_null, int64_t i) { return is_null != NULL && is_null[i] != 0; }

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

/* ---- rows ------------------------------------------------------------------------------------------------------- */

#define FIELD(type)                                                                            \
    do {                                                                                       \
        type *to = AT(type, out);                                                              \
        for (int64_t i = 0; i < n; i++) to[i] = *AT(type, row[i] + at);                        \
    } while (0)

static void text_field(const int64_t *row, int64_t at, const uint8_t *is_null, int64_t n, View *out) {
    for (int64_t i = 0; i < n; i++) {
        uint64_t place = *AT(uint64_t, row[i] + at); /* offset in the row, then size */
        out[i] = is_null[i] ? (View){0, 0} : (View){row[i] + (int64_t)(place >> 32), (int64_t)(uint32_t)place};
    }
}

/*
 * rowField(rows, n, fields, ordinal, width, out, nulls): a field of Spark's UnsafeRows, whose addresses lie at `rows`: a
 * bit a field (1 = NULL) in 8-byte words, then 8 bytes a field. Returns the number of NULLs. Width 16: a text.
 */
JNIEXPORT jlong JNICALL SHIM(rowField)(JNIEnv *env, jobject self, jlong rows, jlong n, jint fields, jint ordinal,
                                       jint width, jlong out, jlong nulls) {
    (void)self;
    const int64_t *row = AT(int64_t, rows);
    uint8_t *is_null = AT(uint8_t, nulls);
    int64_t word = ordinal / 64 * 8, at = ((int64_t)fields + 63) / 64 * 8 + (int64_t)ordinal * 8, count = 0;
    for (int64_t i = 0; i < n; i++) {
        is_null[i] = (*AT(uint64_t, row[i] + word) >> (ordinal % 64)) & 1;
        count += is_null[i];
    }
    switch (width) {
    case 1: FIELD(uint8_t); break;
    case 2: FIELD(uint16_t); break;
    case 4: FIELD(uint32_t); break;
    case 8: FIELD(uint64_t); break;
    case 16: text_field(row, at, is_null, n, AT(View, out)); break;
    default: throw_error(env, "rowField: no values of %d bytes", (int)width);
    }
    return count;
}
