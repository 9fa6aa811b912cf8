import io.sparkweld.compile.CpuWatch;
import io.sparkweld.compile.ServiceProcess;
import io.sparkweld.compile.ServiceStuck;
import java.nio.file.Files;
import java.nio.file.Path;

/** Checks the limits of a child process: CPU time, and idle time observed by the JVM. */
public final class CpuWatchCheck {
  private static long cpuMs = 0;
  private static long nanos = 0;

  public static void main(String[] args) {
    Checks.check("watch-cpu", CpuWatchCheck::cpu);
    Checks.check("watch-sleep", CpuWatchCheck::sleep);
    Checks.check("watch-suspended", CpuWatchCheck::suspended);
    Checks.check("watch-ended", CpuWatchCheck::ended);
  }

  private static CpuWatch watch() {
    return new CpuWatch(1000L, () -> cpuMs, () -> nanos);
  }

  /** Whether the watch ends the child within `seconds`, checking every tenth of a second. */
  private static boolean endsAfter(CpuWatch watch, int seconds) {
    for (int i = 0; i < 10 * seconds; i++) {
      nanos += 100_000_000L;
      try {
        watch.check();
      } catch (ServiceStuck stuck) {
        return stuck.slept();
      }
    }
    return false;
  }

  private static void cpu() {
    CpuWatch watch = watch();
    cpuMs += 999;
    watch.check();
    cpuMs += 2;
    try {
      watch.check();
      throw new AssertionError("it has used more CPU time than it may");
    } catch (ServiceStuck stuck) {
      Checks.equal(false, stuck.slept());
    }
  }

  private static void sleep() {
    CpuWatch watch = watch();
    Checks.equal(false, endsAfter(watch, 14));
    cpuMs += 1;
    Checks.equal(false, endsAfter(watch, 14));
    Checks.equal(true, endsAfter(watch, 2));
  }

  /** Checks that time in which the JVM was suspended does not count as idle time of the child, which was suspended too. */
  private static void suspended() {
    CpuWatch watch = watch();
    nanos += 3_600_000_000_000L;
    watch.check();
    Checks.equal(1000L, watch.idle());
    Checks.equal(true, endsAfter(watch, 15));
  }

  /** Checks that a child which has ended uses no CPU time: its age counts only where the system reports no CPU time at all. */
  private static void ended() throws Exception {
    Path program = Files.createTempFile("program", ".sh");
    Files.write(program, "#!/bin/sh\nexec sleep 0.5\n".getBytes());
    if (!program.toFile().setExecutable(true)) throw new AssertionError("it cannot be executed");
    ServiceProcess child = new ServiceProcess(program.toString(), scala.collection.immutable.Map$.MODULE$.empty());
    child.cpuMs();
    while (child.isAlive()) Thread.sleep(10);
    Thread.sleep(1000);
    if (child.cpuMs() > 400) throw new AssertionError(child.cpuMs() + " ms of CPU time");
    Files.delete(program);
  }
}
