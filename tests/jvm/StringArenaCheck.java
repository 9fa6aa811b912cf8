import io.sparkweld.columns.OffHeapBuffer;
import io.sparkweld.columns.StringArena;
import org.apache.spark.unsafe.Platform;

/** Checks arena allocation as in a kernel. Prints "ok NAME" or "FAILED NAME: why" for each check. */
public final class StringArenaCheck {
  public static void main(String[] args) {
    Checks.check("arena-grows", StringArenaCheck::grows);
    Checks.check("arena-expected-size", StringArenaCheck::expectedSize);
    Checks.check("arena-without-memory", StringArenaCheck::withoutMemory);
    Checks.check("arena-limit", StringArenaCheck::limit);
  }

  /** Checks that an overflow is counted, that it fits after `grow`, and that large arenas are released. */
  private static void grows() {
    long before = OffHeapBuffer.liveBytes();
    try (StringArena arena = new StringArena(16, 1L << 30)) {
      arena.start(10);
      long size = Platform.getLong(null, arena.address() + 8) - Platform.getLong(null, arena.address());
      take(arena, size);
      Checks.equal(false, arena.overflowed());
      take(arena, 1);
      Checks.equal(true, arena.overflowed());
      Checks.equal(true, arena.grow());
      Checks.equal(false, arena.overflowed());
      take(arena, size + 1);
      Checks.equal(false, arena.overflowed());
      take(arena, 200L << 20);
      Checks.equal(true, arena.grow());
      take(arena, 200L << 20);
      Checks.equal(false, arena.overflowed());
      arena.start(10);
      Checks.equal(true, OffHeapBuffer.liveBytes() - before > 200L << 20); // the previous batch required it
      arena.start(10);
      Checks.equal(true, OffHeapBuffer.liveBytes() - before < 1L << 20);
      take(arena, (1L << 30) + 1);
      Checks.equal(true, arena.overflowed());
      Checks.equal(false, arena.grow());
      Checks.equal(true, arena.overflowed());
      arena.start(10);
      Checks.equal(false, arena.overflowed());
    }
    Checks.equal(before, OffHeapBuffer.liveBytes());
  }

  /** Checks that the bytes per row of earlier batches are reserved, up to the limit. */
  private static void expectedSize() {
    try (StringArena arena = new StringArena(0, 1000)) {
      arena.start(100, 4.0);
      take(arena, 500);
      Checks.equal(false, arena.overflowed());
      arena.start(1000, 4.0);
      take(arena, 1000);
      Checks.equal(false, arena.overflowed());
      take(arena, 1);
      Checks.equal(false, arena.grow());
    }
  }

  /** Checks an arena that has no memory before the first string. */
  private static void withoutMemory() {
    try (StringArena arena = new StringArena(0, 1000)) {
      arena.start(10);
      Checks.equal(false, arena.overflowed());
      take(arena, 3);
      Checks.equal(true, arena.overflowed());
      Checks.equal(true, arena.grow());
      take(arena, 3);
      Checks.equal(false, arena.overflowed());
      arena.start(10);
      Checks.equal(false, arena.overflowed());
    }
  }

  /** Checks that an arena at its limit overflows. */
  private static void limit() {
    try (StringArena arena = new StringArena(16, 1000)) {
      arena.start(1000);
      take(arena, 1000);
      Checks.equal(false, arena.overflowed());
      take(arena, 1);
      Checks.equal(true, arena.overflowed());
    }
  }

  static void take(StringArena arena, long bytes) {
    Platform.putLong(null, arena.address(), Platform.getLong(null, arena.address()) + bytes);
  }
}
