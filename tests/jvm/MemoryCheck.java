import io.sparkweld.columns.InputColumn;
import io.sparkweld.columns.NativeColumnVector;
import io.sparkweld.columns.OffHeapBuffer;
import io.sparkweld.columns.RowColumns;
import io.sparkweld.columns.StringArena;
import io.sparkweld.nativelib.NoMemory;
import java.lang.reflect.Constructor;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskContext$;
import org.apache.spark.TaskContextImpl;
import org.apache.spark.memory.TaskMemoryManager;
import org.apache.spark.memory.UnifiedMemoryManager;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.ExprId;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.Platform;
import scala.collection.JavaConverters;

/**
 * Checks failing native allocations: the caller throws NoMemory, holds nothing, and works again once memory is available.
 * Also checks that a task's large areas are counted by Spark. Prints "ok NAME" or "FAILED NAME: why" for each check.
 */
public final class MemoryCheck {
  private static final long TOO_MUCH = 1L << 50;
  private static final long MB = 1L << 20;

  public static void main(String[] args) {
    Checks.check("memory-none", MemoryCheck::none);
    Checks.check("memory-column", MemoryCheck::column);
    Checks.check("memory-arena", MemoryCheck::arena);
    Checks.check("memory-asked", MemoryCheck::asked);
    Checks.check("memory-not-asked", MemoryCheck::notAsked);
    Checks.check("memory-given-back", MemoryCheck::givenBack);
    Checks.check("memory-rows", MemoryCheck::rows);
  }

  private static void noMemory(Runnable wants) {
    try {
      wants.run();
    } catch (NoMemory e) {
      return;
    }
    throw new AssertionError("there was memory");
  }

  /** Checks that a failed allocation is not an OutOfMemoryError, which would end an executor. */
  private static void none() {
    try (OffHeapBuffer buffer = new OffHeapBuffer(true)) {
      buffer.reserve(100);
      long before = OffHeapBuffer.liveBytes();
      noMemory(() -> buffer.reserve(TOO_MUCH));
      Checks.equal(true, OffHeapBuffer.liveBytes() < before);
      Checks.equal(0L, buffer.address());
      Checks.equal(false, buffer.holds(1));
      Platform.putLong(null, buffer.reserve(8), 5L);
    }
  }

  /** Checks that after a failed growth no row of the previous size is written to freed memory. */
  private static void column() {
    try (NativeColumnVector vector = new NativeColumnVector(DataTypes.LongType, 1000)) {
      inTask(8 * MB, manager -> {
        noMemory(() -> vector.ensureCapacity(1 << 28));
        Checks.equal(0L, vector.dataAddress());
        vector.ensureCapacity(1000);
        Platform.setMemory(vector.dataAddress(), (byte) 1, 8000);
        Platform.setMemory(vector.nullsAddress(), (byte) 0, 1000);
      });
    }
  }

  private static void arena() {
    inTask(8 * MB, manager -> {
      try (StringArena arena = new StringArena(16, 1L << 30)) {
        arena.start(10);
        StringArenaCheck.take(arena, 100 * MB);
        Checks.equal(true, arena.overflowed());
        noMemory(arena::grow);
        arena.start(10);
        Checks.equal(false, arena.overflowed());
        StringArenaCheck.take(arena, 2 * MB);
        Checks.equal(true, arena.grow());
        Checks.equal(true, manager.getMemoryConsumptionForThisTask() >= 2 * MB);
      }
    });
  }

  private interface Body {
    void run(TaskMemoryManager manager);
  }

  /** Returns the context of a task; the number of its CPUs is a BigDecimal from Spark 4.3 on. */
  private static TaskContextImpl context(TaskMemoryManager manager) {
    Constructor<?> constructor = TaskContextImpl.class.getConstructors()[0];
    Object cpus = constructor.getParameterTypes()[10] == int.class ? (Object) 1 : scala.math.BigDecimal.valueOf(1);
    try {
      return (TaskContextImpl) constructor.newInstance(0, 0, 0, 0L, 0, 1, manager, new Properties(), null, null, cpus,
          scala.collection.immutable.Map$.MODULE$.empty());
    } catch (ReflectiveOperationException error) {
      throw new AssertionError(error);
    }
  }

  /** Runs in a task of an executor with `offHeap` bytes of managed off-heap memory (0: none), and checks that all is released. */
  private static void inTask(long offHeap, Body body) {
    SparkConf conf = new SparkConf(false);
    if (offHeap > 0) conf.set("spark.memory.offHeap.enabled", "true").set("spark.memory.offHeap.size", Long.toString(offHeap));
    TaskMemoryManager manager = new TaskMemoryManager(new UnifiedMemoryManager(conf, 64 * MB, 32 * MB, 1), 0);
    TaskContextImpl context = context(manager);
    TaskContext$.MODULE$.setTaskContext(context);
    try {
      body.run(manager);
      Checks.equal(0L, manager.getMemoryConsumptionForThisTask());
      context.markTaskCompleted(scala.Option.empty());
      Checks.equal(0L, manager.cleanUpAllAllocatedMemory());
    } finally {
      TaskContext$.MODULE$.unset();
    }
  }

  /** Checks that large areas are requested and denied ones not taken; doubling falls back to the needed size. */
  private static void asked() {
    inTask(10 * MB, manager -> {
      try (OffHeapBuffer one = new OffHeapBuffer(true); OffHeapBuffer other = new OffHeapBuffer(true)) {
        one.reserve(MB / 2);
        Checks.equal(0L, manager.getMemoryConsumptionForThisTask());
        one.reserve(4 * MB);
        Checks.equal(4 * MB, manager.getMemoryConsumptionForThisTask());
        other.reserve(5 * MB);
        Checks.equal(9 * MB, manager.getMemoryConsumptionForThisTask());
        noMemory(() -> one.reserve(6 * MB));
        Checks.equal(5 * MB, manager.getMemoryConsumptionForThisTask());
        one.reserve(3 * MB);
        one.reserve(4 * MB); // doubling 3 MB would exceed the available memory
        Checks.equal(9 * MB, manager.getMemoryConsumptionForThisTask());
        long before = OffHeapBuffer.liveBytes();
        noMemory(() -> other.reserve(TOO_MUCH));
        Checks.equal(4 * MB, manager.getMemoryConsumptionForThisTask());
        Checks.equal(true, OffHeapBuffer.liveBytes() < before);
      }
    });
  }

  /** Checks that Spark is not asked without managed memory, outside tasks, or for memory that outlives the task or must exist. */
  private static void notAsked() {
    inTask(0, manager -> {
      try (OffHeapBuffer buffer = new OffHeapBuffer(true)) {
        buffer.reserve(40 * MB);
        Checks.equal(0L, manager.getMemoryConsumptionForThisTask());
      }
    });
    inTask(MB, manager -> {
      try (OffHeapBuffer buffer = new OffHeapBuffer(false)) {
        buffer.reserve(40 * MB);
        Checks.equal(0L, manager.getMemoryConsumptionForThisTask());
      }
    });
    inTask(MB, manager -> {
      try (OffHeapBuffer buffer = new OffHeapBuffer(true)) {
        OffHeapBuffer.unaccounted(() -> buffer.reserve(40 * MB));
        Checks.equal(0L, manager.getMemoryConsumptionForThisTask());
        noMemory(() -> buffer.reserve(80 * MB));
      }
    });
    try (OffHeapBuffer buffer = new OffHeapBuffer(true)) {
      buffer.reserve(40 * MB);
    }
  }

  /** Checks that memory that Spark grants and the system lacks is returned to Spark. */
  private static void givenBack() {
    inTask(1L << 60, manager -> {
      try (OffHeapBuffer buffer = new OffHeapBuffer(true)) {
        noMemory(() -> buffer.reserve(TOO_MUCH));
        Checks.equal(0L, manager.getMemoryConsumptionForThisTask());
      }
    });
  }

  /** Checks that rows without native memory are still in the batch, for getters and for kernels. */
  private static void rows() {
    List<Attribute> attributes = List.of(new AttributeReference("n", DataTypes.LongType, true, Metadata.empty(), new ExprId(1, null),
        JavaConverters.asScalaBuffer(List.<String>of()).toList()));
    inTask(3 * MB, manager -> {
      int count = 200_000; // 16 bytes each
      RowColumns columns = new RowColumns(JavaConverters.asScalaBuffer(attributes).toList(), count);
      try (columns; InputColumn input = InputColumn.of(DataTypes.LongType, true)) {
        List<InternalRow> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          UnsafeRow row = new UnsafeRow(1);
          row.pointTo(new byte[16], 16);
          if (i % 7 == 0) row.setNullAt(0);
          else row.setLong(0, i);
          rows.add(row);
        }
        for (int times = 0; times < 2; times++) {
          ColumnarBatch batch = columns.fill(JavaConverters.asScalaIterator(rows.iterator()));
          Checks.equal(count, batch.numRows());
          for (int i = 0; i < count; i++) {
            Checks.equal(i % 7 == 0, batch.column(0).isNullAt(i));
            if (i % 7 != 0) Checks.equal((long) i, batch.column(0).getLong(i));
          }
          noMemory(() -> input.bind(batch.column(0), count)); // the other 1.6 MB are granted to nobody
          input.bind(batch.column(0), 1000);
          Checks.equal(999L, Platform.getLong(null, input.dataAddress() + 999 * 8));
        }
      }
    });
  }
}
