import static java.nio.charset.StandardCharsets.UTF_8;

import io.sparkweld.columns.CacheAdvice;
import io.sparkweld.columns.OffHeapBuffer;
import io.sparkweld.columns.RowCache;
import io.sparkweld.columns.RowCaches;
import io.sparkweld.nativelib.Shim$;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.apache.spark.unsafe.Platform;
import scala.Option;

/**
 * Checks the row cache against maps: hits return the stored values, least recently found entries are evicted, and tasks use
 * the cache when advised to. Prints "ok NAME" or "FAILED NAME: why"; test_native.py reads these lines.
 */
public final class RowCacheCheck {
  private static final int ROWS = 200;

  public static void main(String[] args) throws Exception {
    Checks.check("row-cache-values", RowCacheCheck::values);
    Checks.check("row-cache-keeps", RowCacheCheck::keepsWhatIsFound);
    Checks.check("row-cache-long", RowCacheCheck::longStrings);
    Checks.check("row-cache-shared", RowCacheCheck::shared);
    Checks.check("row-cache-advice", RowCacheCheck::advice);
  }

  /** Passes batches of a string column and an int64 column through a cache; the output is a number derived from both. */
  private static final class Run implements AutoCloseable {
    final RowCache cache;
    final OffHeapBuffer[] memory = new OffHeapBuffer[13];
    int found;

    Run(long bytes) {
      cache = new RowCache(bytes);
      cache.clear();
      for (int i = 0; i < memory.length; i++) memory[i] = new OffHeapBuffer(true);
    }

    static double output(byte[] text, long number) {
      long made = number * 31;
      if (text != null) for (byte b : text) made = made * 31 + b;
      return Double.longBitsToDouble(made); // any bits, NaN among them
    }

    static byte[] label(byte[] text, long number) {
      return text == null ? new byte[0] : ("label " + text.length % 9 + "abcdef".substring((int) (number % 6))).getBytes(UTF_8);
    }

    /** Looks rows up, stores the missing ones except every seventh, and compares all hits with the expected values. */
    void batch(byte[][] strings, long[] numbers) {
      int n = strings.length;
      long total = 1;
      for (byte[] text : strings) total += text == null ? 0 : text.length;
      long views = memory[0].reserve(16L * n), stringNulls = memory[1].reserve(n), bytes = memory[2].reserve(total);
      long longs = memory[3].reserve(8L * n), zeros = memory[4].reserve(n), out = memory[5].reserve(8L * n);
      long outNulls = memory[6].reserve(n), ids = memory[7].reserve(4L * n), misses = memory[8].reserve(4L * n);
      long work = memory[9].reserve(8L * n + 16L * n);
      Platform.setMemory(zeros, (byte) 0, n);
      for (int i = 0; i < n; i++) {
        Platform.putByte(null, stringNulls + i, (byte) (strings[i] == null ? 1 : 0));
        Platform.putLong(null, views + 16L * i, strings[i] == null ? 0 : bytes);
        Platform.putLong(null, views + 16L * i + 8, strings[i] == null ? 0 : strings[i].length);
        Platform.putLong(null, longs + 8L * i, numbers[i]);
        if (strings[i] != null) {
          Platform.copyMemory(strings[i], Platform.BYTE_ARRAY_OFFSET, null, bytes, strings[i].length);
          bytes += strings[i].length;
        }
      }
      long slots = Integer.highestOneBit(n) * 4L, table = work + 8L * n;
      Platform.setMemory(table, (byte) 0, 16L * Integer.highestOneBit(n));
      long labels = memory[10].reserve(16L * n), labelBytes = memory[11].reserve(32L * n), room = memory[12].reserve(16 + 6L * n);
      Platform.putLong(null, room, room + 16);
      Platform.putLong(null, room + 8, room + 16 + 6L * n); // space for half of them: the others count as missing
      long[] inputs = {views, stringNulls, 16, longs, zeros, 8}, outputs = {out, outNulls, 8, labels, outNulls, 16};
      int missed = (int) Shim$.MODULE$.cacheFind(cache.address(), inputs, outputs, n, ids, misses, work, table, slots, room);
      HashSet<Integer> flagged = new HashSet<>();
      for (int m = 0; m < missed; m++) {
        int row = Platform.getInt(null, misses + 4L * m);
        Platform.putDouble(null, out + 8L * m, output(strings[row], numbers[row]));
        Platform.putByte(null, outNulls + m, (byte) (numbers[row] & 1));
        byte[] label = label(strings[row], numbers[row]);
        Platform.copyMemory(label, Platform.BYTE_ARRAY_OFFSET, null, labelBytes + 32L * m, label.length);
        Platform.putLong(null, labels + 16L * m, labelBytes + 32L * m);
        Platform.putLong(null, labels + 16L * m + 8, label.length);
        Platform.putByte(null, zeros + m, (byte) (row % 7 == 6 ? 1 : 0));
        if (row % 7 == 6) flagged.add(m);
      }
      long[] kept = {views, stringNulls, 16, longs, memory[1].address(), 8};
      HashMap<String, Integer> first = new HashMap<>();
      for (int i = 0; i < n; i++) {
        int at = Platform.getInt(null, ids + 4L * i);
        if ((numbers[i] & 1) == 0) {
          long wanted = Double.doubleToRawLongBits(output(strings[i], numbers[i]));
          Checks.equal(wanted, Platform.getLong(null, out + 8L * at));
          byte[] found = new byte[(int) Platform.getLong(null, labels + 16L * at + 8)];
          Platform.copyMemory(null, Platform.getLong(null, labels + 16L * at), found, Platform.BYTE_ARRAY_OFFSET, found.length);
          Checks.equal(new String(label(strings[i], numbers[i]), UTF_8), new String(found, UTF_8));
        }
        Checks.equal((byte) (numbers[i] & 1), Platform.getByte(null, outNulls + at));
        String key = (strings[i] == null ? "-" : "+" + new String(strings[i], UTF_8)) + numbers[i];
        Checks.equal(at, first.computeIfAbsent(key, k -> at)); // equal rows have one result
        if (at >= missed) found++;
      }
      long flags = memory[4].address();
      OffHeapBuffer none = new OffHeapBuffer(true);
      long noNulls = none.reserve(n);
      Platform.setMemory(noNulls, (byte) 0, n);
      kept[4] = noNulls;
      Shim$.MODULE$.cacheKeep(cache.address(), kept, outputs, flags, missed, misses, work);
      none.close();
    }

    @Override
    public void close() {
      cache.close();
      for (OffHeapBuffer each : memory) each.close();
    }
  }

  private static byte[] text(long key) {
    if (key % 17 == 0) return null;
    return "é".repeat((int) (key % 13)).concat(Long.toString(key / 3)).getBytes(UTF_8);
  }

  /** Checks few and many keys in small and large caches: whatever is evicted and repeats, hits are right. */
  private static void values() {
    Random random = new Random(1);
    for (int bytes : new int[] {2048, 1 << 16, 1 << 20})
      for (int keys : new int[] {1, 50, 3000, 1 << 30})
        try (Run run = new Run(bytes)) {
          for (int b = 0; b < 60; b++) {
            int n = 1 + random.nextInt(ROWS);
            byte[][] strings = new byte[n][];
            long[] numbers = new long[n];
            for (int i = 0; i < n; i++) {
              int key = random.nextInt(keys);
              strings[i] = text(key);
              numbers[i] = key % 3;
            }
            run.batch(strings, numbers);
          }
          if (keys == 50 && bytes > 1 << 15 && run.found < 1000) throw new AssertionError("found " + run.found);
        }
  }

  /** Checks Zipf-distributed keys beyond the capacity: nearly as many hits as with an LRU of equal capacity. */
  private static void keepsWhatIsFound() {
    Random random = new Random(2);
    int bytes = 1 << 16, capacity = 0;
    int lru = 0;
    try (Run run = new Run(bytes)) {
      capacity = 650; // (2^16 - slots) / 72 bytes an entry; an entry of 20 bytes of string takes less
      final int most = capacity;
      Map<Long, Boolean> model = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Boolean> eldest) {
          return size() > most;
        }
      };
      for (int b = 0; b < 400; b++) {
        byte[][] strings = new byte[100][];
        long[] numbers = new long[100];
        HashSet<Long> fresh = new HashSet<>();
        for (int i = 0; i < 100; i++) {
          long key = (long) Math.exp(random.nextDouble() * Math.log(5000)); // P(key) ~ 1/key
          strings[i] = String.format("%020d", key).getBytes(UTF_8);
          if (model.get(key) != null && !fresh.contains(key)) lru++;
          else fresh.add(key);
          model.put(key, true);
        }
        run.batch(strings, numbers);
      }
      System.err.println("found " + run.found + ", LRU " + lru);
      if (run.found < 0.95 * lru) throw new AssertionError("found " + run.found + " of 40000 rows, an LRU " + lru);
    }
  }

  /** Checks that strings that would fill the cache are not stored, and that slightly shorter ones wrap around the ring. */
  private static void longStrings() {
    Random random = new Random(3);
    try (Run run = new Run(1 << 16)) {
      for (int b = 0; b < 300; b++) {
        byte[][] strings = new byte[8][];
        for (int i = 0; i < 8; i++) strings[i] = ("" + (char) ('a' + random.nextInt(26))).repeat(random.nextInt(9000)).getBytes(UTF_8);
        if (b % 3 == 0) for (int i = 0; i < 8; i++) strings[i] = ("" + (char) ('a' + i)).repeat(3000 + i).getBytes(UTF_8);
        run.batch(strings, new long[8]);
      }
      if (run.found < 200) throw new AssertionError("found " + run.found);
    }
  }

  /** Checks that two tasks of one form have two caches; returned ones are reused; no third, and no more memory. */
  private static void shared() {
    long before = OffHeapBuffer.liveBytes();
    RowCaches caches = new RowCaches(1 << 20, 2);
    RowCache one = caches.take("a").get(), two = caches.take("a").get();
    Checks.equal(Option.empty(), caches.take("a"));
    caches.giveBack("a", one);
    Checks.equal(one, caches.take("a").get());
    caches.giveBack("a", one);
    caches.giveBack("a", two);
    Checks.equal(one, caches.take("b").get()); // the least recently used one
    if (OffHeapBuffer.liveBytes() - before > (1 << 20) + 256) throw new AssertionError("more memory than the limit");
    caches.giveBack("b", one);
    caches.close();
    Checks.equal(Option.empty(), new RowCaches(0, 2).take("a"));
  }

  /** Checks that cheap kernels never ask for it; others try it, keep it when it pays, and retry less often when it does not. */
  private static void advice() {
    CacheAdvice cheap = new CacheAdvice(), expensive = new CacheAdvice();
    for (int i = 0; i < 5000; i++) {
      if (cheap.requiresCache()) throw new AssertionError("a cheap kernel asked for a cache");
      cheap.plain(1000 * 50, 1000);
    }
    int through = 0;
    for (int i = 0; i < 1000; i++) { // a hit rate of one in twenty saves 24 ns a row and costs 60
      if (expensive.requiresCache()) {
        expensive.cached(1000, 950, 1000 * 60 + 950 * 480, 950 * 480);
        through++;
      } else expensive.plain(1000 * 480, 1000);
    }
    if (through < 50 || through > 200) throw new AssertionError(through + " of 1000 batches where it does not pay");
    CacheAdvice pays = new CacheAdvice();
    for (int i = 0; i < 1000; i++) { // under varying machine load
      int slow = i % 100 > 50 ? 7 : 1, missed = i < 5 ? 900 : i % 3 * 200;
      if (pays.requiresCache()) pays.cached(1000, missed, slow * (1000 * 60 + missed * 480), slow * missed * 480);
      else if (i > 2) throw new AssertionError("it does without, batch " + i);
      else pays.plain(1000 * 480, 1000);
    }
  }
}
