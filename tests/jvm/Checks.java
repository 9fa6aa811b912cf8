import io.sparkweld.columns.OffHeapBuffer;
import io.sparkweld.nativelib.NativeError;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Runs named checks and prints "ok NAME", "absent NAME" or "FAILED NAME: why" for each; test_native.py reads these lines. */
public final class Checks {
  interface Check {
    void run() throws Exception;
  }

  /** Runs programs of checks in one JVM: `java Checks ARGUMENT PROGRAM...`. */
  public static void main(String[] args) throws Exception {
    for (String name : Arrays.asList(args).subList(1, args.length)) {
      System.out.println("program " + name);
      Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) new String[] {args[0]});
    }
  }

  /** States that this line of Spark lacks what a check is of. */
  static final class Absent extends RuntimeException {}

  /** Runs a check, which also fails when it leaks off-heap memory. */
  static void check(String name, Check body) {
    long before = OffHeapBuffer.liveBytes();
    try {
      body.run();
      if (OffHeapBuffer.liveBytes() != before)
        throw new AssertionError((OffHeapBuffer.liveBytes() - before) + " bytes were not freed");
      System.out.println("ok " + name);
    } catch (Absent e) {
      System.out.println("absent " + name);
    } catch (Throwable e) {
      System.out.println("FAILED " + name + ": " + e);
      e.printStackTrace();
    }
  }

  interface Task {
    void run(int i) throws Exception;
  }

  /** Runs tasks 0 until `count` in `size` threads, which start together; throws the exception of one of them. */
  static void inThreads(int size, int count, Task task) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(size);
    try {
      CountDownLatch start = new CountDownLatch(1);
      List<Future<?>> running = new ArrayList<>();
      for (int t = 0; t < count; t++) {
        int i = t;
        running.add(pool.submit(() -> {
          start.await();
          task.run(i);
          return null;
        }));
      }
      start.countDown();
      for (Future<?> one : running) one.get();
    } finally {
      pool.shutdown();
    }
  }

  static void equal(Object wanted, Object got) {
    if (!wanted.equals(got)) throw new AssertionError("wanted " + wanted + ", got " + got);
  }

  /** Checks that the call throws NativeError with a message that contains all words. */
  static void refused(Callable<?> call, String... words) throws Exception {
    try {
      call.call();
    } catch (NativeError e) {
      for (String word : words)
        if (!e.getMessage().contains(word)) throw new AssertionError("no '" + word + "' in: " + e.getMessage());
      return;
    }
    throw new AssertionError("no NativeError with " + Arrays.toString(words));
  }
}
