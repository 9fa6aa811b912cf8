import io.sparkweld.SparkWeldRuntime$;
import io.sparkweld.compile.FormKey;
import io.sparkweld.compile.FormOrigin;
import io.sparkweld.compile.FormUnavailable;
import io.sparkweld.compile.KernelRegistry;
import io.sparkweld.compile.Lease;
import io.sparkweld.compile.LinkedForm;
import io.sparkweld.compile.ModelMemory;
import io.sparkweld.compile.ServiceCommand;
import io.sparkweld.nativelib.Kernel;
import io.sparkweld.plan.KernelLease$;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import scala.Option;
import scala.collection.immutable.Map$;
import scala.collection.immutable.Set$;
import scala.runtime.AbstractFunction2;

/**
 * Checks the kernel cache: loaded once, evicted when unused over the limit, kept while in use, failures by kind.
 * `java RegistryCheck CODE MODEL`: the codes of an internal error, and of a model whose constants are unreachable.
 * Prints "ok NAME" or "FAILED NAME: why" for each check; test_native.py reads these lines.
 */
public final class RegistryCheck {
  private static final FormOrigin ORIGIN = new FormOrigin(new ServiceCommand("python3", Map$.MODULE$.empty()));

  /** Loads kernels without machine code. A closed one throws when it is called. */
  private static final class Loads extends AbstractFunction2<FormKey, FormOrigin, LinkedForm> {
    final AtomicInteger count = new AtomicInteger();
    final List<Kernel> kernels = new ArrayList<>();
    final String[] blocks;
    RuntimeException problem = null;
    long tracker = 0L;

    Loads(String... blocks) {
      this.blocks = blocks;
    }

    @Override
    public synchronized LinkedForm apply(FormKey key, FormOrigin origin) {
      count.incrementAndGet();
      if (problem != null) throw problem;
      Kernel kernel = new Kernel(null, key.request(), 1L, tracker);
      kernels.add(kernel);
      return new LinkedForm(kernel, key.request(), false, false, 0, new int[0], blocks, 0L);
    }
  }

  public static void main(String[] args) throws Exception {
    Checks.check("registry-once", RegistryCheck::loadedOnce);
    Checks.check("registry-threads", RegistryCheck::threads);
    Checks.check("registry-capacity", RegistryCheck::capacity);
    Checks.check("registry-held", RegistryCheck::held);
    Checks.check("registry-unfreed", RegistryCheck::unfreed);
    Checks.check("registry-failure", () -> failure(args[0]));
    Checks.check("registry-killed", RegistryCheck::killed);
    Checks.check("registry-models", () -> withoutModel(args[1]));
  }

  /** Checks a kernel whose constants have no broadcast: no form, the kernel is released, and the model is requested again. */
  private static void withoutModel(String code) {
    Loads loads = new Loads("gone");
    KernelRegistry registry = new KernelRegistry(2, loads);
    ModelMemory models = new ModelMemory(1000);
    SparkWeldRuntime$.MODULE$.setExecutor(Option.apply(registry), Option.apply(models), Option.empty());
    for (int i = 0; i < 2; i++) {
      try {
        KernelLease$.MODULE$.acquire(key("a"), ORIGIN, Map$.MODULE$.empty(), 0);
        throw new AssertionError("a form without its constants was acquired");
      } catch (FormUnavailable problem) {
        Checks.equal(code, problem.refusal().code());
        Checks.equal(true, problem.environment() && !problem.lasting());
      }
    }
    Checks.equal(0, models.size());
    registry.close();
    Checks.equal(0, registry.size());
    SparkWeldRuntime$.MODULE$.setExecutor(Option.empty(), Option.empty(), Option.empty());
  }

  private static FormKey key(String name) {
    return new FormKey(name, Set$.MODULE$.empty());
  }

  private static void loadedOnce() {
    Loads loads = new Loads();
    KernelRegistry registry = new KernelRegistry(4, loads);
    Lease<LinkedForm> first = registry.acquire(key("a"), ORIGIN);
    Lease<LinkedForm> second = registry.acquire(key("a"), ORIGIN);
    Checks.equal(true, first.value() == second.value());
    Checks.equal(1, loads.count.get());
    first.close();
    first.close(); // a second close of one lease must not count for the other
    registry.close();
    Checks.equal(1, registry.size());
    second.close();
    registry.close();
    Checks.equal(0, registry.size());
  }

  private static void threads() throws Exception {
    Loads loads = new Loads();
    KernelRegistry registry = new KernelRegistry(2, loads);
    Checks.inThreads(8, 200, i -> {
      String name = "k" + i % 5;
      try (Lease<LinkedForm> lease = registry.acquire(key(name), ORIGIN)) {
        Checks.equal(name, lease.value().kernel().symbol());
      }
    });
    Checks.equal(true, registry.size() <= 2);
  }

  private static void capacity() {
    Loads loads = new Loads();
    KernelRegistry registry = new KernelRegistry(2, loads);
    for (String name : new String[] {"a", "b", "a", "c"}) registry.acquire(key(name), ORIGIN).close();
    Checks.equal(2, registry.size());
    registry.acquire(key("a"), ORIGIN).close();
    Checks.equal(3, loads.count.get()); // b was least recently used and is evicted
  }

  private static void held() {
    Loads loads = new Loads();
    KernelRegistry registry = new KernelRegistry(1, loads);
    Lease<LinkedForm> held = registry.acquire(key("a"), ORIGIN);
    for (String name : new String[] {"b", "c", "d"}) registry.acquire(key(name), ORIGIN).close();
    registry.acquire(key("a"), ORIGIN).close();
    Checks.equal(4, loads.count.get());
    held.close();
  }

  /** Checks that a kernel that cannot be freed (its linker is null) affects neither its holder nor later callers. */
  private static void unfreed() {
    Loads loads = new Loads();
    loads.tracker = 1L;
    KernelRegistry registry = new KernelRegistry(1, loads);
    Lease<LinkedForm> first = registry.acquire(key("a"), ORIGIN);
    Lease<LinkedForm> second = registry.acquire(key("b"), ORIGIN);
    first.close();
    Checks.equal("c", registry.acquire(key("c"), ORIGIN).value().kernel().symbol());
    second.close();
    Checks.equal(1, registry.size());
  }

  /** Checks that when the loading task is killed, the waiting one loads the kernel, and so does a later one. */
  private static void killed() throws Exception {
    CountDownLatch loading = new CountDownLatch(1);
    AtomicInteger count = new AtomicInteger();
    KernelRegistry registry = new KernelRegistry(2, new AbstractFunction2<FormKey, FormOrigin, LinkedForm>() {
      @Override
      public LinkedForm apply(FormKey key, FormOrigin origin) {
        if (count.incrementAndGet() == 1) {
          loading.countDown();
          LockSupport.park(); // wakes by the interrupt, which Spark's RPC wraps into an exception of its own
          throw new IllegalStateException("interrupted");
        }
        return new LinkedForm(new Kernel(null, key.request(), 1L, 0L), key.request(), false, false, 0, new int[0], new String[0], 0L);
      }
    });
    Thread first = new Thread(() -> {
      try {
        registry.acquire(key("a"), ORIGIN);
      } catch (FormUnavailable expected) {
        return;
      }
    });
    first.start();
    loading.await();
    AtomicReference<Object> found = new AtomicReference<>();
    Thread second = new Thread(() -> {
      try {
        found.set(registry.acquire(key("a"), ORIGIN).value().kernel().symbol());
      } catch (Throwable problem) {
        found.set(problem);
      }
    });
    second.start();
    while (second.getState() != Thread.State.WAITING) Thread.sleep(5);
    first.interrupt();
    first.join();
    second.join();
    Checks.equal("a", found.get());
    Checks.equal("a", registry.acquire(key("a"), ORIGIN).value().kernel().symbol());
    Checks.equal(2, count.get());
  }

  private static void failure(String code) {
    Loads loads = new Loads();
    loads.problem = new IllegalStateException("a bug");
    KernelRegistry registry = new KernelRegistry(2, loads);
    for (int i = 0; i < 3; i++) {
      try {
        registry.acquire(key("a"), ORIGIN);
        throw new AssertionError("a kernel that cannot be loaded was acquired");
      } catch (FormUnavailable problem) {
        Checks.equal(code, problem.refusal().code());
        Checks.equal(true, problem.environment());
      }
    }
    Checks.equal(1, loads.count.get()); // the next try is half a minute away
  }
}
