import io.sparkweld.columns.OffHeapBuffer;
import io.sparkweld.compile.Lease;
import io.sparkweld.compile.ModelBlock;
import io.sparkweld.compile.ModelBlocks;
import io.sparkweld.compile.ModelCopy;
import io.sparkweld.compile.ModelMemory;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.unsafe.Platform;
import scala.runtime.AbstractFunction0;

/**
 * Checks model memory of executors and driver: one copy for all tasks, evicted when unused over the limit, kept while in use,
 * retried after a failure. Prints "ok NAME" or "FAILED NAME: why" for each check; test_native.py reads these lines.
 */
public final class ModelMemoryCheck {

  /** Loads `size` bytes of one value; counts the loads. */
  private static final class Load extends AbstractFunction0<byte[]> {
    final AtomicInteger count = new AtomicInteger();
    final byte[] bytes;
    RuntimeException problem = null;

    Load(int size, int value) {
      bytes = new byte[size];
      Arrays.fill(bytes, (byte) value);
    }

    @Override
    public byte[] apply() {
      count.incrementAndGet();
      if (problem != null) throw problem;
      return bytes;
    }
  }

  public static void main(String[] args) throws Exception {
    Checks.check("models-shared", ModelMemoryCheck::shared);
    Checks.check("models-threads", ModelMemoryCheck::threads);
    Checks.check("models-bound", ModelMemoryCheck::bound);
    Checks.check("models-held", ModelMemoryCheck::held);
    Checks.check("models-failure", ModelMemoryCheck::failure);
    Checks.check("models-driver", ModelMemoryCheck::driver);
  }

  private static void shared() {
    Load load = new Load(1000, 7);
    ModelMemory memory = new ModelMemory(1 << 20);
    Lease<ModelCopy> first = memory.acquire("a", load);
    Lease<ModelCopy> second = memory.acquire("a", load);
    Checks.equal(first.value().address(), second.value().address());
    Checks.equal(0L, first.value().address() % 64);
    Checks.equal((byte) 7, Platform.getByte(null, first.value().address() + 999));
    Checks.equal(1, load.count.get());
    first.close();
    first.close(); // a second close of one lease must not count for the other
    memory.close();
    Checks.equal(1, memory.size());
    second.close();
    memory.close();
    Checks.equal(0, memory.size());
    Checks.equal(0L, memory.weight());
  }

  private static void threads() throws Exception {
    Load[] loads = new Load[5];
    for (int i = 0; i < 5; i++) loads[i] = new Load(10_000, i);
    ModelMemory memory = new ModelMemory(20_000);
    Checks.inThreads(8, 400, i -> {
      try (Lease<ModelCopy> lease = memory.acquire("m" + i % 5, loads[i % 5])) {
        Checks.equal((byte) (i % 5), Platform.getByte(null, lease.value().address() + 9_999));
      }
    });
    Checks.equal(true, memory.weight() <= 20_000);
    memory.close();
  }

  /** Checks that a hundred models in sequence take no more memory than the limit. */
  private static void bound() {
    ModelMemory memory = new ModelMemory(250_000);
    long before = OffHeapBuffer.liveBytes();
    Load first = new Load(100_000, 1);
    memory.acquire("m0", first).close();
    for (int i = 1; i < 100; i++) {
      memory.acquire("m" + i, new Load(100_000, 1)).close();
      Checks.equal(true, OffHeapBuffer.liveBytes() - before <= 300_000);
    }
    Checks.equal(2, memory.size());
    memory.acquire("m0", first).close();
    Checks.equal(2, first.count.get());
    memory.close();
  }

  private static void held() {
    ModelMemory memory = new ModelMemory(1);
    Lease<ModelCopy> one = memory.acquire("a", new Load(1000, 1));
    Lease<ModelCopy> two = memory.acquire("b", new Load(1000, 2));
    Checks.equal((byte) 1, Platform.getByte(null, one.value().address()));
    Checks.equal(2, memory.size());
    one.close();
    Checks.equal(1, memory.size());
    two.close();
    Checks.equal(0, memory.size());
  }

  private static void failure() {
    Load load = new Load(10, 1);
    load.problem = new IllegalStateException("no broadcast");
    ModelMemory memory = new ModelMemory(100);
    for (int i = 0; i < 2; i++) {
      try {
        memory.acquire("a", load);
        throw new AssertionError("a model that cannot be read was acquired");
      } catch (IllegalStateException problem) {
        Checks.equal("no broadcast", problem.getMessage());
      }
    }
    Checks.equal(0, memory.size());
    load.problem = null;
    memory.acquire("a", load).close();
    Checks.equal(3, load.count.get());
    memory.close();
  }

  private static void driver() {
    ModelBlocks blocks = new ModelBlocks(250);
    for (String name : new String[] {"a", "b"}) blocks.put(new ModelBlock(name, 100, new byte[100]));
    blocks.put(new ModelBlock("a", 100, new byte[100])); // already present
    Checks.equal(200L, blocks.bytes());
    Checks.equal(true, blocks.get("a").isDefined()); // used last, so b is evicted
    blocks.put(new ModelBlock("c", 100, new byte[100]));
    Checks.equal(200L, blocks.bytes());
    Checks.equal(true, blocks.get("a").isDefined() && blocks.get("c").isDefined() && blocks.get("b").isEmpty());
    blocks.put(new ModelBlock("huge", 1000, new byte[1000]));
    Checks.equal(1000L, blocks.bytes()); // the one that a query is being planned with stays
  }
}
