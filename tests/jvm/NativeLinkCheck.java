import io.sparkweld.host.SafeFiles$;
import io.sparkweld.nativelib.Kernel;
import io.sparkweld.nativelib.LlvmliteLocator$;
import io.sparkweld.nativelib.NativeError;
import io.sparkweld.nativelib.NativeRuntime;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;
import org.apache.spark.unsafe.Platform;
import scala.Function0;
import scala.Option;
import scala.runtime.AbstractFunction0;

/**
 * Checks the JIT linker in a separate JVM: `java NativeLinkCheck FOLDER PYTHON LLVMLITE CPU`.
 *
 * FOLDER holds kernel.o and imports.txt from test_native.py: out = exp(in) + {0.25, 0.5, 0.75, 1}[row % 4].
 * Prints "ok NAME" or "FAILED NAME: why" for each check; test_native.py reads these lines.
 */
public final class NativeLinkCheck {
  private static final String SYMBOL = "sw_check";
  private static final double[] TABLE = {0.25, 0.5, 0.75, 1.0};

  static final class Python extends AbstractFunction0<String> {
    final String path;
    int asked = 0;

    Python(String path) {
      this.path = path;
    }

    @Override
    public String apply() {
      asked++;
      return path;
    }
  }

  static NativeRuntime runtime;
  static byte[] object;
  static String[] imports;

  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    String python = args[1];
    String llvmlite = args[2];
    object = Files.readAllBytes(folder.resolve("kernel.o"));
    imports = Files.readAllLines(folder.resolve("imports.txt")).toArray(new String[0]);

    Checks.check("missing-llvmlite", () -> missingLlvmlite(folder));
    Checks.check("not-llvmlite", () -> notLlvmlite(folder));
    Checks.check("another-users", () -> anotherUsers(folder, python, llvmlite));
    Checks.check("locator", () -> locator(folder, python, llvmlite));
    Checks.check("start", () -> start(llvmlite, python));
    Checks.check("cpu", () -> Checks.equal(args[3], runtime.cpu()));
    Checks.check("call", NativeLinkCheck::callKernel);
    Checks.check("many-columns", NativeLinkCheck::manyColumns);
    Checks.check("threads", NativeLinkCheck::threads);
    Checks.check("wrong-symbol", NativeLinkCheck::wrongSymbol);
    Checks.check("missing-import", NativeLinkCheck::missingImport);
    Checks.check("undeclared-import", NativeLinkCheck::undeclaredImport);
    Checks.check("garbage-object", NativeLinkCheck::garbageObject);
    Checks.check("after-close", NativeLinkCheck::afterClose);
    Checks.check("no-growth", NativeLinkCheck::noGrowth);
  }

  static Path script(Path folder, String name, String body) throws Exception {
    Path file = folder.resolve(name);
    Files.writeString(file, "#!/bin/sh\n" + body + "\n");
    file.toFile().setExecutable(true);
    return file;
  }

  static void missingLlvmlite(Path folder) throws Exception {
    Python none = new Python(folder.resolve("no-python").toString());
    Option<String> hint = Option.apply(folder.resolve("no-llvmlite.so").toString());
    Checks.refused(() -> NativeRuntime.get(hint, none), "no-python");
    Checks.refused(() -> NativeRuntime.get(hint, none), "no-python");
    Checks.equal(1, none.asked); // the second call fails at once
  }

  static void notLlvmlite(Path folder) throws Exception {
    Python none = new Python(folder.resolve("no-python").toString());
    Path text = folder.resolve("text.so");
    Files.writeString(text, "not a library");
    Checks.refused(() -> NativeRuntime.get(Option.apply(text.toString()), none), "text.so", "no-python");
    Path shim = folder.resolve("other.so"); // a library that lacks LLVM
    Checks.refused(() -> NativeRuntime.get(Option.apply(shim.toString()), none), "other.so", "LLVMPY_", "no-python");
  }

  /** Checks that a hint that another user could have planted is not loaded: Python is asked. A group includes other users. */
  static void anotherUsers(Path folder, String python, String llvmlite) throws Exception {
    Path own = Files.createDirectory(folder.resolve("own"));
    Path library = Files.writeString(own.resolve("planted.so"), "planted");
    Set<PosixFilePermission> group = PosixFilePermissions.fromString("rwxrwxr-x");
    Checks.equal(true, SafeFiles$.MODULE$.isOwn(library));
    Files.setPosixFilePermissions(library, group);
    Checks.equal(false, SafeFiles$.MODULE$.isOwn(library));
    Files.setPosixFilePermissions(library, PosixFilePermissions.fromString("rw-r--r--"));
    Files.setPosixFilePermissions(own, group);
    Checks.equal(false, SafeFiles$.MODULE$.isOwn(library));
    Checks.equal(true, SafeFiles$.MODULE$.isSafe(library)); // a team's folder, which its owner declares safe
    Path link = Files.createSymbolicLink(folder.resolve("link.so"), library);
    Checks.equal(false, SafeFiles$.MODULE$.isOwn(link));
    Checks.equal(false, SafeFiles$.MODULE$.isOwn(own.resolve("nothing")));
    Python none = new Python(folder.resolve("no-python").toString());
    try {
      NativeRuntime.get(Option.apply(library.toString()), none);
      throw new AssertionError("a planted library was loaded");
    } catch (NativeError refused) {
      Checks.equal(false, refused.getMessage().contains("planted.so")); // it was not even opened
    }
    if (System.getProperty("user.name").equals("root")) {
      Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("rwxr-xr-x"));
      Checks.equal(true, SafeFiles$.MODULE$.isOwn(library));
      Files.setAttribute(own, "unix:uid", 12345);
      Checks.equal(false, SafeFiles$.MODULE$.isOwn(library));
    }
  }

  static void locator(Path folder, String python, String llvmlite) throws Exception {
    LlvmliteLocator$ locator = LlvmliteLocator$.MODULE$;
    Checks.equal(llvmlite, locator.locate(python, 20));
    Path failing = script(folder, "failing", "echo broken installation >&2; exit 3");
    Checks.refused(() -> locator.locate(failing.toString(), 20), "exit 3", "broken installation");
    Path silent = script(folder, "silent", "exit 0");
    Checks.refused(() -> locator.locate(silent.toString(), 20), "nothing");
    Path without = script(folder, "without", "echo sparkweld-llvmlite=");
    Checks.refused(() -> locator.locate(without.toString(), 20), "no llvmlite", "pip install numba");
    Path gone = script(folder, "gone", "echo sparkweld-llvmlite=/gone/libllvmlite.so");
    Checks.refused(() -> locator.locate(gone.toString(), 20), "/gone/libllvmlite.so is missing");
    Path hanging = script(folder, "hanging", "exec sleep 60");
    Checks.refused(() -> locator.locate(hanging.toString(), 1), "within 1 s");
  }

  static void start(String llvmlite, String python) {
    runtime = NativeRuntime.get(Option.apply("/no/such/libllvmlite.so"), new Python(python)); // finds it through Python
    Checks.equal(llvmlite, runtime.llvmlitePath());
    if (runtime != NativeRuntime.get(Option.apply(llvmlite), new Python("unused"))) throw new AssertionError("two");
  }

  static void run(Kernel kernel, int rows, double shift) {
    long in = Platform.allocateMemory(rows * 8L + 8), nulls = Platform.allocateMemory(rows + 8L);
    long out = Platform.allocateMemory(rows * 8L + 8), outNulls = Platform.allocateMemory(rows + 8L);
    try {
      for (int i = 0; i < rows; i++) Platform.putDouble(null, in + i * 8L, i * 0.01 + shift);
      Platform.setMemory(outNulls, (byte) 7, rows);
      long[] result = {-1, -1, -1};
      kernel.call(new long[] {in, nulls, out, outNulls}, rows, result);
      Checks.equal("[" + rows + ", 0, 0]", Arrays.toString(result));
      for (int i = 0; i < rows; i++) {
        double wanted = Math.exp(i * 0.01 + shift) + TABLE[i % 4], got = Platform.getDouble(null, out + i * 8L);
        if (Math.abs(got - wanted) > 8 * Math.ulp(wanted)) throw new AssertionError(i + ": " + wanted + " " + got);
        Checks.equal((byte) 0, Platform.getByte(null, outNulls + i));
      }
    } finally {
      for (long address : new long[] {in, nulls, out, outNulls}) Platform.freeMemory(address);
    }
  }

  static void callKernel() {
    Kernel kernel = runtime.link(object, SYMBOL, imports);
    Kernel again = runtime.link(object, SYMBOL, imports); // the same object may be linked more than once
    for (int rows : new int[] {0, 1, 3, 7, 8, 9, 64, 1000}) run(kernel, rows, -1);
    kernel.close();
    run(again, 100, 0);
    again.close();
  }

  /** Checks more column addresses than the shim stores on its stack. */
  static void manyColumns() {
    Kernel kernel = runtime.link(object, SYMBOL, imports);
    long memory = Platform.allocateMemory(64);
    Platform.putDouble(null, memory, 0.0);
    long[] columns = new long[4000];
    columns[0] = memory;
    columns[1] = memory + 16;
    columns[2] = memory + 32;
    columns[3] = memory + 48;
    kernel.call(columns, 1, new long[3]);
    Checks.equal(1.25, Platform.getDouble(null, memory + 32));
    Platform.freeMemory(memory);
    kernel.close();
  }

  static void threads() throws Exception {
    Kernel shared = runtime.link(object, SYMBOL, imports);
    Checks.inThreads(4, 4, shift -> {
      for (int round = 0; round < 10; round++) {
        run(shared, 500, shift);
        Kernel own = runtime.link(object, SYMBOL, imports);
        run(own, 10, shift);
        own.close();
      }
    });
    shared.close();
    Checks.equal(0, runtime.kernelsLinked());
  }

  static void wrongSymbol() throws Exception {
    Checks.refused(() -> runtime.link(object, "no_such_symbol", imports), "no_such_symbol");
  }

  static void undeclaredImport() throws Exception {
    Checks.refused(() -> runtime.link(object, SYMBOL, new String[0]), SYMBOL, "0 imports", "standard error");
  }

  static void missingImport() throws Exception {
    String[] more = Arrays.copyOf(imports, imports.length + 1);
    more[imports.length] = "no_such_function";
    Checks.refused(() -> runtime.link(object, SYMBOL, more), "no_such_function", "libmvec", "compile it on this one");
  }

  static void garbageObject() throws Exception {
    byte[] noise = new byte[4096];
    for (int i = 0; i < noise.length; i++) noise[i] = (byte) (i * 31);
    Checks.refused(() -> runtime.link(noise, SYMBOL, imports), SYMBOL, "LLVM cannot link");
    Checks.refused(() -> runtime.link(new byte[0], SYMBOL, imports), SYMBOL, "0 bytes");
    for (int length : new int[] {16, 64, 200, object.length / 2, object.length - 100}) {
      byte[] cut = Arrays.copyOf(object, length);
      Checks.refused(() -> runtime.link(cut, SYMBOL, imports), SYMBOL);
    }
    run(runtime.link(object, SYMBOL, imports), 10, 0); // the linker still works
  }

  static void afterClose() throws Exception {
    int before = runtime.kernelsLinked();
    Kernel kernel = runtime.link(object, SYMBOL, imports);
    Checks.equal(before + 1, runtime.kernelsLinked());
    kernel.close();
    kernel.close();
    Checks.equal(before, runtime.kernelsLinked());
    Checks.refused(() -> {
      kernel.call(new long[4], 0, new long[3]);
      return null;
    }, SYMBOL, "closed");
  }

  static long residentKb() throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/status")))
      if (line.startsWith("VmRSS:")) return Long.parseLong(line.replaceAll("\\D", ""));
    throw new AssertionError("no VmRSS");
  }

  static void noGrowth() throws Exception {
    for (int i = 0; i < 100; i++) runtime.link(object, SYMBOL, imports).close();
    System.gc();
    long before = residentKb();
    for (int i = 0; i < 200; i++) {
      Kernel kernel = runtime.link(object, SYMBOL, imports);
      run(kernel, 16, 0);
      kernel.close();
    }
    System.gc();
    long grown = residentKb() - before;
    System.out.println("grown by " + grown + " KB over 200 kernels of " + object.length + " bytes");
    if (grown > 8 << 10) throw new AssertionError("grown by " + grown + " KB over 200 kernels");
  }
}
