import io.sparkweld.columns.InputColumn;
import io.sparkweld.columns.NativeColumnVector;
import io.sparkweld.columns.OffHeapBuffer;
import io.sparkweld.columns.SelectedColumnVector;
import io.sparkweld.columns.SelectionBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.*;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.util.TransferPair;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.datasources.parquet.VectorizedParquetRecordReader;
import org.apache.spark.sql.execution.vectorized.*;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.Platform;

/**
 * Checks that a kernel would see what a vector's getters give: `java ColumnCheck.java FOLDER`.
 *
 * FOLDER holds the Parquet files of test_native_bridge.py. Prints "ok NAME" or "FAILED NAME: why" for each check.
 */
public final class ColumnCheck {
  static final DataType[] TYPES = {DataTypes.BooleanType, DataTypes.ByteType, DataTypes.ShortType,
      DataTypes.IntegerType, DataTypes.LongType, DataTypes.FloatType, DataTypes.DoubleType, DataTypes.DateType};
  static final int[] ROWS = {0, 1, 7, 8, 63, 64, 65, 1000, 4096};
  static final String[] NULLS = {"none", "some", "all", "last"};
  static final RootAllocator ARROW = new RootAllocator();

  interface Check {
    void run() throws Exception;
  }

  /** Makes a vector of a kind. `random` decides the values, isNull which rows are NULL. */
  interface Maker {
    ColumnVector make(DataType type, boolean[] isNull, Random random);
  }

  public static void main(String[] args) throws Exception {
    Platform.allocateMemory(8); // starts Spark's off-heap classes before the first count
    check("off-heap", () -> kind((t, n, r) -> written(new OffHeapColumnVector(Math.max(n.length, 1), t), n, r)));
    check("on-heap", () -> kind((t, n, r) -> written(new OnHeapColumnVector(Math.max(n.length, 1), t), n, r)));
    check("off-heap-dictionary",
        () -> kind((t, n, r) -> dictionary(new OffHeapColumnVector(Math.max(n.length, 1), t), n, r)));
    check("on-heap-dictionary",
        () -> kind((t, n, r) -> dictionary(new OnHeapColumnVector(Math.max(n.length, 1), t), n, r)));
    check("missing", () -> kind((t, n, r) -> missing(n.length % 2 == 0
        ? new OffHeapColumnVector(Math.max(n.length, 1), t) : new OnHeapColumnVector(Math.max(n.length, 1), t))));
    check("stale-nulls", ColumnCheck::staleNulls);
    check("constant", () -> kind(ColumnCheck::constant));
    check("constant-changes", ColumnCheck::constantChanges);
    check("arrow", () -> kind((t, n, r) -> new ArrowColumnVector(arrow(t, n, r))));
    check("arrow-sliced", () -> kind(ColumnCheck::arrowSliced));
    check("arrow-unaligned", () -> kind(ColumnCheck::arrowUnaligned));
    check("native", () -> kind(ColumnCheck::nativeVector));
    check("selected", () -> kind(ColumnCheck::selected));
    check("other-type", ColumnCheck::otherType);
    check("mixed", ColumnCheck::mixedKinds);
    check("zero-copy", ColumnCheck::zeroCopy);
    check("unsupported", ColumnCheck::unsupported);
    check("parquet-off-heap", () -> parquet(args[0], true));
    check("parquet-on-heap", () -> parquet(args[0], false));
    check("memory", ColumnCheck::memory);
  }

  static void check(String name, Check body) {
    long before = OffHeapBuffer.liveBytes();
    try {
      body.run();
      if (OffHeapBuffer.liveBytes() != before)
        throw new AssertionError((OffHeapBuffer.liveBytes() - before) + " bytes were not freed");
      System.out.println("ok " + name);
    } catch (Throwable e) {
      System.out.println("FAILED " + name + ": " + e);
      e.printStackTrace();
    }
  }

  /** One InputColumn per type over all sizes and null patterns of a kind. */
  static void kind(Maker maker) {
    for (DataType type : TYPES) {
      try (InputColumn column = new InputColumn(type, true)) {
        Random random = new Random(7);
        for (int rows : ROWS)
          for (String pattern : NULLS) bindAndCompare(column, maker, type, rows, pattern, random);
      }
    }
  }

  static void bindAndCompare(InputColumn column, Maker maker, DataType type, int rows, String pattern, Random random) {
    ColumnVector vector = maker.make(type, pattern(pattern, rows, random), random);
    try {
      for (int n : new int[] {rows, rows / 2, rows}) {
        column.bind(vector, n);
        compare(type + " " + rows + " rows, nulls " + pattern + ", first " + n, column, vector, n);
      }
    } finally {
      vector.close();
    }
  }

  static boolean[] pattern(String name, int rows, Random random) {
    boolean[] isNull = new boolean[rows];
    for (int i = 0; i < rows; i++)
      isNull[i] = switch (name) {
        case "none" -> false;
        case "all" -> true;
        case "last" -> i == rows - 1;
        default -> random.nextInt(3) == 0;
      };
    return isNull;
  }

  static void compare(String label, InputColumn column, ColumnVector vector, int rows) {
    boolean anyNull = false;
    for (int i = 0; i < rows; i++) {
      boolean isNull = vector.isNullAt(i);
      anyNull |= isNull;
      byte nullByte = Platform.getByte(null, column.nullsAddress() + i);
      if (nullByte != (isNull ? 1 : 0)) throw new AssertionError(label + ": null byte " + nullByte + " in row " + i);
      if (isNull) continue;
      long wanted = bits(vector, vector.dataType(), i), got = stored(column, i);
      if (wanted != got) throw new AssertionError(label + ": row " + i + " is " + got + ", not " + wanted);
    }
    if (column.hasNull() != anyNull) throw new AssertionError(label + ": hasNull is " + column.hasNull());
  }

  static long bits(ColumnVector v, DataType type, int i) {
    if (type == DataTypes.BooleanType) return v.getBoolean(i) ? 1 : 0;
    if (type == DataTypes.ByteType) return v.getByte(i);
    if (type == DataTypes.ShortType) return v.getShort(i);
    if (type == DataTypes.LongType) return v.getLong(i);
    if (type == DataTypes.FloatType) return Float.floatToRawIntBits(v.getFloat(i));
    if (type == DataTypes.DoubleType) return Double.doubleToRawLongBits(v.getDouble(i));
    return v.getInt(i);
  }

  static long stored(InputColumn column, int i) {
    long data = column.dataAddress();
    return switch (width(column.dataType())) {
      case 1 -> Platform.getByte(null, data + i);
      case 2 -> Platform.getShort(null, data + i * 2L);
      case 4 -> Platform.getInt(null, data + i * 4L);
      default -> Platform.getLong(null, data + i * 8L);
    };
  }

  static int width(DataType type) {
    return type == DataTypes.BooleanType ? 1 : type.defaultSize();
  }

  // ---- vectors of Spark

  static long value(DataType type, Random random) {
    int special = random.nextInt(8);
    if (type == DataTypes.BooleanType) return random.nextInt(2);
    if (type == DataTypes.FloatType)
      return Float.floatToRawIntBits(special == 0 ? Float.NaN : special == 1 ? -0.0f : (float) random.nextGaussian());
    if (type == DataTypes.DoubleType)
      return Double.doubleToRawLongBits(special == 0 ? Double.NaN : special == 1 ? -0.0 : random.nextGaussian());
    return special == 0 ? Long.MIN_VALUE : special == 1 ? -1 : random.nextLong();
  }

  static void put(WritableColumnVector v, int i, long value) {
    DataType type = v.dataType();
    if (type == DataTypes.BooleanType) v.putBoolean(i, value != 0);
    else if (type == DataTypes.ByteType) v.putByte(i, (byte) value);
    else if (type == DataTypes.ShortType) v.putShort(i, (short) value);
    else if (type == DataTypes.LongType) v.putLong(i, value);
    else if (type == DataTypes.FloatType) v.putFloat(i, Float.intBitsToFloat((int) value));
    else if (type == DataTypes.DoubleType) v.putDouble(i, Double.longBitsToDouble(value));
    else v.putInt(i, (int) value);
  }

  static ColumnVector written(WritableColumnVector v, boolean[] isNull, Random random) {
    for (int i = 0; i < isNull.length; i++) {
      put(v, i, value(v.dataType(), random));
      if (isNull[i]) v.putNull(i);
    }
    return v;
  }

  static final class Entries implements Dictionary {
    final long[] values;

    Entries(long[] values) {
      this.values = values;
    }

    public int decodeToInt(int id) {
      return (int) values[id];
    }

    public long decodeToLong(int id) {
      return values[id];
    }

    public float decodeToFloat(int id) {
      return Float.intBitsToFloat((int) values[id]);
    }

    public double decodeToDouble(int id) {
      return Double.longBitsToDouble(values[id]);
    }

    public byte[] decodeToBinary(int id) {
      throw new UnsupportedOperationException();
    }
  }

  /** Lazily decoded values; ids of NULL rows are garbage, as they are after Parquet's reader. */
  static ColumnVector dictionary(WritableColumnVector v, boolean[] isNull, Random random) {
    if (v.dataType() == DataTypes.BooleanType) return written(v, isNull, random); // Spark has no boolean dictionaries
    long[] entries = new long[1 + random.nextInt(300)];
    for (int i = 0; i < entries.length; i++) entries[i] = value(v.dataType(), random);
    v.setDictionary(new Entries(entries));
    WritableColumnVector ids = v.reserveDictionaryIds(Math.max(isNull.length, 1));
    for (int i = 0; i < isNull.length; i++) {
      ids.putInt(i, isNull[i] ? (i % 2 == 0 ? -5 : Integer.MAX_VALUE) : random.nextInt(entries.length));
      if (isNull[i]) v.putNull(i);
    }
    return v;
  }

  static ColumnVector missing(WritableColumnVector v) {
    v.setMissing(); // a column that the file lacks: the null bytes are not set
    return v;
  }

  /** Counts of NULLs that no longer hold: rows made valid again, and rows past the batch. */
  static void staleNulls() {
    for (boolean offHeap : new boolean[] {true, false}) {
      WritableColumnVector v = offHeap
          ? new OffHeapColumnVector(100, DataTypes.IntegerType) : new OnHeapColumnVector(100, DataTypes.IntegerType);
      try (InputColumn column = new InputColumn(DataTypes.IntegerType, true)) {
        for (int i = 0; i < 100; i++) v.putInt(i, i);
        v.putNull(3);
        v.putNull(90);
        column.bind(v, 100);
        compare("two NULLs", column, v, 100);
        v.putNotNulls(0, 10); // leaves numNulls at 2
        column.bind(v, 50);
        compare("a NULL past the rows", column, v, 50);
        v.putNotNulls(0, 100);
        column.bind(v, 100);
        compare("none, but numNulls is " + v.numNulls(), column, v, 100);
        v.reset();
        for (int i = 0; i < 100; i++) v.putInt(i, -i);
        v.putNulls(20, 30);
        column.bind(v, 100);
        compare("after reset", column, v, 100);
      } finally {
        v.close();
      }
    }
  }

  static ConstantColumnVector constant(DataType type, boolean[] isNull, Random random) {
    ConstantColumnVector v = new ConstantColumnVector(isNull.length, type);
    if (isNull.length > 0 && isNull[isNull.length - 1]) v.setNull();
    else set(v, value(type, random));
    return v;
  }

  static void set(ConstantColumnVector v, long value) {
    DataType type = v.dataType();
    v.setNotNull();
    if (type == DataTypes.BooleanType) v.setBoolean(value != 0);
    else if (type == DataTypes.ByteType) v.setByte((byte) value);
    else if (type == DataTypes.ShortType) v.setShort((short) value);
    else if (type == DataTypes.LongType) v.setLong(value);
    else if (type == DataTypes.FloatType) v.setFloat(Float.intBitsToFloat((int) value));
    else if (type == DataTypes.DoubleType) v.setDouble(Double.longBitsToDouble(value));
    else v.setInt((int) value);
  }

  static void constantChanges() {
    try (InputColumn column = new InputColumn(DataTypes.LongType, true)) {
      ConstantColumnVector v = new ConstantColumnVector(100, DataTypes.LongType);
      WritableColumnVector other = new OnHeapColumnVector(100, DataTypes.LongType);
      for (int i = 0; i < 100; i++) other.putLong(i, i);
      long[] values = {5, 5, 0, -1, 5};
      for (int k = 0; k < values.length; k++) {
        set(v, values[k]);
        column.bind(v, 50 + k);
        compare("constant " + values[k], column, v, 50 + k);
        if (k == 0) { // overwrites the filled scratch
          column.bind(other, 100);
          compare("on-heap after a constant", column, other, 100);
        }
      }
      v.setNull();
      column.bind(v, 100);
      compare("constant NULL", column, v, 100);
      other.close();
    }
  }

  // ---- vectors of Arrow

  static FieldVector arrow(DataType type, boolean[] isNull, Random random) {
    int rows = isNull.length;
    long[] values = new long[rows];
    for (int i = 0; i < rows; i++) values[i] = value(type, random);
    BaseFixedWidthVector made = emptyArrow(type);
    made.allocateNew(Math.max(rows, 1));
    for (int i = 0; i < rows; i++) {
      if (made instanceof BitVector v) v.set(i, (int) values[i]);
      else if (made instanceof TinyIntVector v) v.set(i, (byte) values[i]);
      else if (made instanceof SmallIntVector v) v.set(i, (short) values[i]);
      else if (made instanceof IntVector v) v.set(i, (int) values[i]);
      else if (made instanceof BigIntVector v) v.set(i, values[i]);
      else if (made instanceof Float4Vector v) v.set(i, Float.intBitsToFloat((int) values[i]));
      else if (made instanceof Float8Vector v) v.set(i, Double.longBitsToDouble(values[i]));
      else ((DateDayVector) made).set(i, (int) values[i]);
      if (isNull[i]) made.setNull(i);
    }
    made.setValueCount(rows);
    return made;
  }

  static BaseFixedWidthVector emptyArrow(DataType type) {
    if (type == DataTypes.BooleanType) return new BitVector("c", ARROW);
    if (type == DataTypes.ByteType) return new TinyIntVector("c", ARROW);
    if (type == DataTypes.ShortType) return new SmallIntVector("c", ARROW);
    if (type == DataTypes.IntegerType) return new IntVector("c", ARROW);
    if (type == DataTypes.LongType) return new BigIntVector("c", ARROW);
    if (type == DataTypes.FloatType) return new Float4Vector("c", ARROW);
    if (type == DataTypes.DoubleType) return new Float8Vector("c", ARROW);
    return new DateDayVector("c", ARROW);
  }

  /** Rows 3 to the end of a longer vector: its values start inside a buffer. */
  static ColumnVector arrowSliced(DataType type, boolean[] isNull, Random random) {
    boolean[] longer = new boolean[isNull.length + 3];
    System.arraycopy(isNull, 0, longer, 3, isNull.length);
    FieldVector whole = arrow(type, longer, random);
    TransferPair slice = whole.getTransferPair(ARROW);
    slice.splitAndTransfer(3, isNull.length);
    whole.close();
    return new ArrowColumnVector(slice.getTo());
  }

  /** Values at an odd address, as buffers imported from other libraries may have them. */
  static ColumnVector arrowUnaligned(DataType type, boolean[] isNull, Random random) {
    FieldVector source = arrow(type, isNull, random);
    int rows = isNull.length;
    ArrowBuf validity = source.getValidityBuffer(), values = source.getDataBuffer();
    long bytes = values.capacity();
    ArrowBuf moved = ARROW.buffer(bytes + 1);
    moved.setBytes(1, values, 0, bytes);
    ArrowBuf odd = moved.slice(1, bytes);
    BaseFixedWidthVector target = emptyArrow(type);
    target.loadFieldBuffers(new ArrowFieldNode(rows, source.getNullCount()), Arrays.asList(validity, odd));
    moved.close();
    source.close();
    if (type != DataTypes.BooleanType && rows > 0 && target.getDataBufferAddress() % 2 == 0)
      throw new AssertionError("the buffer is aligned, the check is vacuous");
    return new ArrowColumnVector(target);
  }

  // ---- our own vectors

  static ColumnVector nativeVector(DataType type, boolean[] isNull, Random random) {
    NativeColumnVector v = new NativeColumnVector(type, 1);
    v.ensureCapacity(isNull.length);
    WritableColumnVector source = new OnHeapColumnVector(Math.max(isNull.length, 1), type);
    int nullCount = 0;
    for (int i = 0; i < isNull.length; i++) {
      long value = value(type, random), to = v.dataAddress() + (long) i * width(type);
      put(source, i, value);
      switch (width(type)) {
        case 1 -> Platform.putByte(null, to, (byte) value);
        case 2 -> Platform.putShort(null, to, (short) value);
        case 4 -> Platform.putInt(null, to, (int) value);
        default -> Platform.putLong(null, to, value);
      }
      Platform.putByte(null, v.nullsAddress() + i, (byte) (isNull[i] ? 1 : 0));
      nullCount += isNull[i] ? 1 : 0;
      if (bits(v, type, i) != bits(source, type, i)) throw new AssertionError("getter of row " + i);
    }
    v.setNullCount(nullCount);
    if (v.hasNull() != nullCount > 0 || v.numNulls() != nullCount) throw new AssertionError("null count");
    v.closeIfFreeable(); // must not free: the owner writes the next batch into it
    source.close();
    return v;
  }

  /** Every second row of a vector, seen through a selection. */
  static ColumnVector selected(DataType type, boolean[] isNull, Random random) {
    boolean[] all = new boolean[isNull.length * 2];
    for (int i = 0; i < isNull.length; i++) all[i * 2 + 1] = isNull[i];
    ColumnVector base = written(new OffHeapColumnVector(Math.max(all.length, 1), type), all, random);
    SelectionBuffer selection = new SelectionBuffer();
    selection.ensureCapacity(isNull.length);
    for (int i = 0; i < isNull.length; i++) Platform.putInt(null, selection.address() + i * 4L, i * 2 + 1);
    SelectedColumnVector view = new SelectedColumnVector(selection);
    view.reset(base);
    ColumnVector copy = new OnHeapColumnVector(Math.max(isNull.length, 1), type);
    for (int i = 0; i < isNull.length; i++) {
      if (view.isNullAt(i)) ((WritableColumnVector) copy).putNull(i);
      else put((WritableColumnVector) copy, i, bits(view, type, i));
    }
    try (InputColumn column = new InputColumn(type, true)) {
      column.bind(view, isNull.length);
      compare("selected " + type, column, copy, isNull.length);
    }
    base.close();
    selection.close();
    return copy;
  }

  /** A vector whose own type is another one goes by the getters of the column's type. */
  static void otherType() {
    OffHeapColumnVector months = new OffHeapColumnVector(10, new YearMonthIntervalType((byte) 0, (byte) 1));
    try (InputColumn column = new InputColumn(DataTypes.IntegerType, true)) {
      for (int i = 0; i < 10; i++) months.putInt(i, i * 12);
      months.putNull(4);
      column.bind(months, 10);
      compare("months", column, months, 10);
    } finally {
      months.close();
    }
  }

  /** All kinds in turn through one InputColumn, as a union of sources gives them. */
  static void mixedKinds() {
    List<Maker> makers = new ArrayList<>(List.of(
        (t, n, r) -> written(new OffHeapColumnVector(Math.max(n.length, 1), t), n, r),
        (t, n, r) -> written(new OnHeapColumnVector(Math.max(n.length, 1), t), n, r),
        (t, n, r) -> dictionary(new OffHeapColumnVector(Math.max(n.length, 1), t), n, r),
        (t, n, r) -> dictionary(new OnHeapColumnVector(Math.max(n.length, 1), t), n, r),
        ColumnCheck::constant, (t, n, r) -> new ArrowColumnVector(arrow(t, n, r)), ColumnCheck::nativeVector,
        (t, n, r) -> missing(new OffHeapColumnVector(Math.max(n.length, 1), t))));
    Random random = new Random(11);
    for (DataType type : TYPES) {
      try (InputColumn column = new InputColumn(type, false)) {
        for (int round = 0; round < 20; round++) {
          Collections.shuffle(makers, random);
          for (Maker maker : makers) {
            String pattern = NULLS[random.nextInt(NULLS.length)];
            bindAndCompare(column, maker, type, 1 + random.nextInt(5000), pattern, random);
          }
        }
      }
    }
  }

  /** Off-heap and Arrow values are used where they lie. */
  static void zeroCopy() {
    Random random = new Random(3);
    boolean[] none = new boolean[500];
    try (InputColumn column = new InputColumn(DataTypes.DoubleType, true)) {
      OffHeapColumnVector v = new OffHeapColumnVector(500, DataTypes.DoubleType);
      written(v, none, random);
      column.bind(v, 500);
      if (column.dataAddress() != v.valuesNativeAddress()) throw new AssertionError("off-heap values were copied");
      v.close();
      FieldVector arrow = arrow(DataTypes.DoubleType, none, random);
      column.bind(new ArrowColumnVector(arrow), 500);
      if (column.dataAddress() != arrow.getDataBufferAddress()) throw new AssertionError("Arrow values were copied");
      arrow.close();
    }
  }

  static void unsupported() {
    try {
      new InputColumn(DataTypes.StringType, true);
    } catch (IllegalArgumentException e) {
      if (e.getMessage().contains("string")) return;
    }
    throw new AssertionError("an InputColumn of strings");
  }

  // ---- Parquet, as Spark's vectorized reader gives it

  static void parquet(String folder, boolean offHeap) throws Exception {
    for (String file : new String[] {"dictionary.parquet", "plain.parquet", "mixed.parquet"}) {
      int dictionaries = 0, rows = 0;
      InputColumn[] columns = null;
      try (VectorizedParquetRecordReader reader = new VectorizedParquetRecordReader(offHeap, 1024)) {
        reader.initialize(folder + "/" + file, null);
        reader.initBatch(new StructType(), InternalRow.empty());
        while (reader.nextBatch()) {
          ColumnarBatch batch = reader.resultBatch();
          if (columns == null) {
            columns = new InputColumn[batch.numCols()];
            for (int c = 0; c < columns.length; c++) columns[c] = new InputColumn(batch.column(c).dataType(), true);
          }
          rows += batch.numRows();
          for (int c = 0; c < columns.length; c++) {
            if (((WritableColumnVector) batch.column(c)).hasDictionary()) dictionaries++;
            columns[c].bind(batch.column(c), batch.numRows());
            compare(file + " column " + c + " before row " + rows, columns[c], batch.column(c), batch.numRows());
          }
        }
      }
      if (columns == null) throw new AssertionError(file + " has no rows");
      for (InputColumn column : columns) column.close();
      System.out.println(file + ": " + rows + " rows, " + dictionaries + " lazily decoded column batches");
      if (!file.startsWith("plain") && dictionaries == 0) throw new AssertionError(file + " decoded nothing lazily");
    }
  }

  /** Memory is counted, freed once, and does not grow while batches of one size pass. */
  static void memory() {
    long before = OffHeapBuffer.liveBytes();
    InputColumn column = new InputColumn(DataTypes.LongType, true);
    WritableColumnVector v = new OnHeapColumnVector(4096, DataTypes.LongType);
    column.bind(v, 4096);
    long held = OffHeapBuffer.liveBytes();
    if (held <= before) throw new AssertionError("scratch memory is not counted");
    for (int i = 0; i < 1000; i++) column.bind(v, 4096);
    if (OffHeapBuffer.liveBytes() != held) throw new AssertionError("scratch memory grew");
    column.close();
    column.close();
    NativeColumnVector output = new NativeColumnVector(DataTypes.LongType, 10);
    output.close();
    output.close();
    v.close();
    if (OffHeapBuffer.liveBytes() != before) throw new AssertionError("memory was not freed");
  }
}
