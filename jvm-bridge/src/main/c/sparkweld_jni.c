/*
 * Links relocatable object code into callable kernels inside the JVM.
 *
 * The linker is LLVM's LLJIT from llvmlite's shared library, which is opened at run time: nothing here is built or linked against
 * LLVM. The signatures below are those of llvmlite's own binding (llvmlite/binding/orcjit.py and targets.py). Failures throw
 * io.sparkweld.nativelib.NativeError with the message of LLVM or the loader.
 */
#define _GNU_SOURCE
#include "shim.h"
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define MESSAGE_BYTES 2048
#define STACK_WORDS 512

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

/* An opened llvmlite with its one LLJIT. */
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

/* Throws NativeError. Bytes outside ASCII become '?': ThrowNew requires modified UTF-8, which LLVM does not promise. */
__attribute__((format(printf, 2, 3))) void throw_error(JNIEnv *env, const char *format, ...) {
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != 0; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    jclass type = (*env)->FindClass(env, "io/sparkweld/nativelib/NativeError");
    if (type != NULL) (*env)->ThrowNew(env, type, text); /* otherwise a NoClassDefFoundError is already pending */
}

void throw_out_of_memory(JNIEnv *env) {
    jclass type = (*env)->FindClass(env, "io/sparkweld/nativelib/NoMemory"); /* OutOfMemoryError would end the executor */
    if (type != NULL) (*env)->ThrowNew(env, type, "the system has no memory for the native shim");
}

/* Returns a NUL-terminated copy of a Java byte array, which the caller frees; NULL with an exception pending. */
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

/* Declares the function pointer `result` of a type; returns false with an exception pending when it is missing. */
#define FIND(result, type, name)                                                                   \
    __typeof__(type) result = (__typeof__(type))find_symbol(env, runtime->library, path, name); \
    if (result == NULL) return false

/* Fills the runtime: function pointers, LLJIT and CPU strings. False with an exception pending. */
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
     * LLJIT copies the settings of the machine. JITLink (the third argument) allocates a kernel's sections contiguously, so that
     * they can always reach each other. Of a failed link LLVM returns only that it failed, and prints the missing symbol.
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

/* open(path): returns the address of a Runtime, which lives as long as the process. */
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
    /* The library stays open once LLVM was started in it: its static state cannot be unloaded safely. */
    if (runtime != NULL && runtime->library != NULL && runtime->cpu_name == NULL) dlclose(runtime->library);
    free(runtime);
    return 0;
}

/* cpuName(runtime), cpuFeatures(runtime): return LLVM's strings, "" when unknown. */
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

/* The libraries that may provide a kernel's imports, in this order. One that the host lacks is skipped. */
static const char *const IMPORT_LIBRARIES[] = {"libm.so.6", "libmvec.so.1", "libc.so.6"};

static const char *libc_version(void) {
#ifdef __GLIBC__
    return gnu_get_libc_version();
#else
    return "unknown";
#endif
}

/* resolve(name): returns the address of a function of libm, libmvec or libc. */
JNIEXPORT jlong JNICALL SHIM(resolve)(JNIEnv *env, jobject self, jbyteArray name_bytes) {
    (void)self;
    char *name = copy_text(env, name_bytes);
    if (name == NULL) return 0;
    void *address = NULL;
    for (size_t i = 0; address == NULL && i < sizeof IMPORT_LIBRARIES / sizeof *IMPORT_LIBRARIES; i++) {
        /* Never closed: dlopen of a loaded library only increments its count, and kernels use the addresses. */
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
 * link(runtime, library, object, symbol, importNames, importAddresses, out): links the object as a library of that name, which
 * must be unused. out[0] = address of the symbol, out[1] = tracker for unlink.
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
 * call(kernel, columns, n, result): runs the kernel. The arrays are copied, not pinned, because pinned arrays would block the
 * garbage collector while the kernel runs.
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
