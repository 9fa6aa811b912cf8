import static java.nio.charset.StandardCharsets.UTF_8;

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
import org.apache.arrow.vector.*;
import org.apache.arrow.vector.util.TransferPair;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.datasources.parquet.VectorizedParquetRecordReader;
import org.apache.spark.sql.execution.vectorized.*;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Checks that a kernel would read the strings of a vector's getters, and where its own are written: `java StringCheck FOLDER`.
 *
 * FOLDER holds the Parquet files of test_native.py. Prints "ok NAME" or "FAILED NAME: why" for each check.
 */
public final class StringCheck {
  static final DataType TEXT = DataTypes.StringType;
  /** Off-heap memory that a vector created here references, until its check ends. */
  static final List<AutoCloseable> HELD = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    check("string-off-heap", (n, r) -> written(ColumnCheck.offHeap(TEXT, n), n, r));
    check("string-on-heap", (n, r) -> written(ColumnCheck.onHeap(TEXT, n), n, r));
    check("string-off-heap-dictionary", (n, r) -> dictionary(ColumnCheck.offHeap(TEXT, n), n, r));
    check("string-on-heap-dictionary", (n, r) -> dictionary(ColumnCheck.onHeap(TEXT, n), n, r));
    check("string-missing", (n, r) -> Vectors.missing(n.length % 2 == 0 ? ColumnCheck.offHeap(TEXT, n) : ColumnCheck.onHeap(TEXT, n)));
    check("string-reused", StringCheck::reused);
    check("string-constant", StringCheck::constant);
    check("string-arrow", (n, r) -> arrow(new VarCharVector("c", Vectors.ARROW), n, r));
    check("string-arrow-large", (n, r) -> arrow(new LargeVarCharVector("c", Vectors.ARROW), n, r));
    check("string-arrow-view", (n, r) -> arrow(SparkTypes.views(), n, r));
    check("string-arrow-sliced", StringCheck::arrowSliced);
    check("string-native", StringCheck::nativeVector);
    check("string-selected", StringCheck::selected);
    check("string-getters", (n, r) -> new Plain(strings(n, r)));
    check("string-mixed", null);
    Checks.check("string-long", StringCheck::longStrings);
    Checks.check("string-zero-copy", StringCheck::zeroCopy);
    Checks.check("string-collations", () -> {
      unsupported(SparkTypes.collated("UTF8_LCASE"));
      InputColumn.of(SparkTypes.collated("UTF8_BINARY"), true).close();
    });
    Checks.check("string-other-types", () -> unsupported(CharType.apply(5), VarcharType.apply(5)));
    Checks.check("string-parquet-off-heap", () -> parquet(args[0], true));
    Checks.check("string-parquet-on-heap", () -> parquet(args[0], false));
  }

  interface Maker {
    ColumnVector make(boolean[] isNull, Random random);
  }

  /** Binds all sizes and null patterns of a kind to one column; alternates all kinds when `maker` is null. */
  static void check(String name, Maker maker) {
    Checks.check(name, () -> {
      List<Maker> makers = new ArrayList<>(maker == null ? ALL : List.of(maker));
      Random random = new Random(5);
      try (InputColumn column = InputColumn.of(TEXT, true)) {
        for (int rows : ColumnCheck.ROWS)
          for (String pattern : ColumnCheck.NULLS) {
            Collections.shuffle(makers, random);
            for (Maker each : makers) {
              ColumnVector vector = each.make(Vectors.pattern(pattern, rows, random), random);
              for (int n : new int[] {rows, rows / 2, rows}) {
                column.bind(vector, n);
                compare(name + " " + rows + " rows, nulls " + pattern + ", first " + n, column, vector, n);
              }
              vector.close();
            }
          }
      }
      for (AutoCloseable held : HELD) held.close();
      HELD.clear();
      if (maker != null) ALL.add(maker);
    });
  }

  static final List<Maker> ALL = new ArrayList<>();

  static byte[] stored(InputColumn column, int row) {
    long view = column.dataAddress() + row * 16L;
    byte[] bytes = new byte[(int) Platform.getLong(null, view + 8)];
    Platform.copyMemory(null, Platform.getLong(null, view), bytes, Platform.BYTE_ARRAY_OFFSET, bytes.length);
    return bytes;
  }

  static void compare(String label, InputColumn column, ColumnVector vector, int rows) {
    boolean anyNull = false;
    for (int i = 0; i < rows; i++) {
      boolean isNull = vector.isNullAt(i);
      anyNull |= isNull;
      Checks.equal((byte) (isNull ? 1 : 0), Platform.getByte(null, column.nullsAddress() + i));
      byte[] wanted = isNull ? new byte[0] : vector.getUTF8String(i).getBytes(), got = stored(column, i);
      if (!Arrays.equals(wanted, got))
        throw new AssertionError(label + ": row " + i + " is '" + new String(got, UTF_8) + "', not '" + new String(wanted, UTF_8) + "'");
    }
    Checks.equal(anyNull, column.hasNull());
  }

  // ---- strings and vectors

  static final String[] WORDS = {"", "a", "exactly 12 b", "thirteen byte", "Zürich", "日本語", "\u0000x", "😀", " padded "};

  static String text(Random random) {
    String word = WORDS[random.nextInt(WORDS.length)];
    return random.nextInt(4) == 0 ? word.repeat(random.nextInt(20)) : word;
  }

  /** Returns null where NULL. */
  static String[] strings(boolean[] isNull, Random random) {
    String[] strings = new String[isNull.length];
    for (int i = 0; i < strings.length; i++) strings[i] = isNull[i] ? null : text(random);
    return strings;
  }

  static ColumnVector written(WritableColumnVector v, boolean[] isNull, Random random) {
    String[] strings = strings(isNull, random);
    for (int i = 0; i < strings.length; i++) {
      if (strings[i] == null) v.putNull(i);
      else v.putByteArray(i, strings[i].getBytes(UTF_8));
    }
    return v;
  }

  record Entries(byte[][] values) implements Dictionary {
    public int decodeToInt(int id) {
      throw new UnsupportedOperationException();
    }

    public long decodeToLong(int id) {
      throw new UnsupportedOperationException();
    }

    public float decodeToFloat(int id) {
      throw new UnsupportedOperationException();
    }

    public double decodeToDouble(int id) {
      throw new UnsupportedOperationException();
    }

    public byte[] decodeToBinary(int id) {
      return values[id];
    }
  }

  static ColumnVector dictionary(WritableColumnVector v, boolean[] isNull, Random random) {
    byte[][] entries = new byte[1 + random.nextInt(3000)][];
    for (int i = 0; i < entries.length; i++) entries[i] = text(random).getBytes(UTF_8);
    v.setDictionary(new Entries(entries));
    WritableColumnVector ids = v.reserveDictionaryIds(Math.max(isNull.length, 1));
    for (int i = 0; i < isNull.length; i++) {
      ids.putInt(i, isNull[i] ? (i % 2 == 0 ? -5 : Integer.MAX_VALUE) : random.nextInt(entries.length));
      if (isNull[i]) v.putNull(i);
    }
    return v;
  }

  /** Reuses one vector for all batches, as scans do, so that NULL rows have offsets and lengths of earlier ones. */
  static ColumnVector reused(boolean[] isNull, Random random) {
    boolean[] none = new boolean[isNull.length];
    WritableColumnVector v = random.nextBoolean() ? ColumnCheck.offHeap(TEXT, none) : ColumnCheck.onHeap(TEXT, none);
    written(v, none, random);
    v.reset();
    return written(v, isNull, random);
  }

  static ColumnVector constant(boolean[] isNull, Random random) {
    ConstantColumnVector v = new ConstantColumnVector(isNull.length, TEXT);
    if (isNull.length > 0 && isNull[isNull.length - 1]) v.setNull();
    else {
      v.setNotNull();
      v.setUtf8String(UTF8String.fromString(text(random)));
    }
    return v;
  }

  static ColumnVector arrow(FieldVector made, boolean[] isNull, Random random) {
    String[] strings = strings(isNull, random);
    made.setInitialCapacity(Math.max(strings.length, 1));
    made.allocateNew();
    for (int i = 0; i < strings.length; i++) {
      byte[] bytes = strings[i] == null ? null : strings[i].getBytes(UTF_8);
      if (made instanceof VarCharVector v) {
        if (bytes == null) v.setNull(i);
        else v.setSafe(i, bytes);
      } else if (made instanceof LargeVarCharVector v) {
        if (bytes == null) v.setNull(i);
        else v.setSafe(i, bytes);
      } else if (bytes == null) {
        made.setNull(i);
      } else {
        SparkTypes.setView(made, i, bytes);
      }
    }
    made.setValueCount(strings.length);
    return new ArrowColumnVector(made);
  }

  static ColumnVector arrowSliced(boolean[] isNull, Random random) {
    boolean[] longer = new boolean[isNull.length + 3];
    System.arraycopy(isNull, 0, longer, 3, isNull.length);
    ArrowColumnVector whole = (ArrowColumnVector) arrow(new VarCharVector("c", Vectors.ARROW), longer, random);
    TransferPair slice = whole.getValueVector().getTransferPair(Vectors.ARROW);
    slice.splitAndTransfer(3, isNull.length);
    whole.close();
    return new ArrowColumnVector(slice.getTo());
  }

  /** Creates a kernel's output: views of memory that the vector does not own. The views of NULL rows are garbage. */
  static ColumnVector nativeVector(boolean[] isNull, Random random) {
    String[] strings = strings(isNull, random);
    NativeColumnVector v = new NativeColumnVector(TEXT, Math.max(strings.length, 1));
    int nullCount = 0;
    for (int i = 0; i < strings.length; i++) {
      byte[] bytes = (strings[i] == null ? "garbage" : strings[i]).getBytes(UTF_8);
      long memory = Platform.allocateMemory(Math.max(bytes.length, 1));
      HELD.add(() -> Platform.freeMemory(memory));
      Platform.copyMemory(bytes, Platform.BYTE_ARRAY_OFFSET, null, memory, bytes.length);
      Platform.putLong(null, v.dataAddress() + i * 16L, memory);
      Platform.putLong(null, v.dataAddress() + i * 16L + 8, bytes.length);
      Platform.putByte(null, v.nullsAddress() + i, (byte) (strings[i] == null ? 1 : 0));
      nullCount += strings[i] == null ? 1 : 0;
      UTF8String got = v.getUTF8String(i);
      if (strings[i] == null ? got != null : !strings[i].equals(got.toString())) throw new AssertionError("getter of row " + i);
      if (strings[i] != null && !Arrays.equals(bytes, v.getBinary(i))) throw new AssertionError("bytes of row " + i);
    }
    v.setNullCount(nullCount);
    return v;
  }

  /** Returns every second row of a vector, through a selection. */
  static ColumnVector selected(boolean[] isNull, Random random) {
    boolean[] all = new boolean[isNull.length * 2];
    for (int i = 0; i < isNull.length; i++) all[i * 2 + 1] = isNull[i];
    ColumnVector base = written(ColumnCheck.offHeap(TEXT, all), all, random);
    SelectionBuffer selection = new SelectionBuffer();
    selection.ensureCapacity(isNull.length);
    for (int i = 0; i < isNull.length; i++) Platform.putInt(null, selection.address() + i * 4L, i * 2 + 1);
    SelectedColumnVector view = new SelectedColumnVector(selection);
    view.reset(base, all.length);
    HELD.add(base);
    HELD.add(selection);
    return view;
  }

  /** A vector of another source, whose strings are stored on the JVM's heap. */
  static final class Plain extends ColumnVector {
    final String[] strings;

    Plain(String[] strings) {
      super(TEXT);
      this.strings = strings;
    }

    public void close() {}
    public boolean hasNull() { return Arrays.asList(strings).contains(null); }
    public int numNulls() { return Collections.frequency(Arrays.asList(strings), null); }
    public boolean isNullAt(int i) { return strings[i] == null; }
    public UTF8String getUTF8String(int i) { return UTF8String.fromString(strings[i]); }
    public boolean getBoolean(int i) { throw new UnsupportedOperationException(); }
    public byte getByte(int i) { throw new UnsupportedOperationException(); }
    public short getShort(int i) { throw new UnsupportedOperationException(); }
    public int getInt(int i) { throw new UnsupportedOperationException(); }
    public long getLong(int i) { throw new UnsupportedOperationException(); }
    public float getFloat(int i) { throw new UnsupportedOperationException(); }
    public double getDouble(int i) { throw new UnsupportedOperationException(); }
    public org.apache.spark.sql.vectorized.ColumnarArray getArray(int i) { throw new UnsupportedOperationException(); }
    public org.apache.spark.sql.vectorized.ColumnarMap getMap(int i) { throw new UnsupportedOperationException(); }
    public Decimal getDecimal(int i, int precision, int scale) { throw new UnsupportedOperationException(); }
    public byte[] getBinary(int i) { throw new UnsupportedOperationException(); }
    public ColumnVector getChild(int i) { throw new UnsupportedOperationException(); }
  }

  // ---- single checks

  /** Checks strings of 10 MB, and the memory that they leave allocated. */
  static void longStrings() {
    String large = "0123456789".repeat(1 << 20);
    for (WritableColumnVector v : new WritableColumnVector[] {new OffHeapColumnVector(3, TEXT), new OnHeapColumnVector(3, TEXT)}) {
      try (InputColumn column = InputColumn.of(TEXT, true)) {
        v.putByteArray(0, "before".getBytes(UTF_8));
        v.putByteArray(1, large.getBytes(UTF_8));
        v.putByteArray(2, "".getBytes(UTF_8));
        column.bind(v, 3);
        compare("a long text", column, v, 3);
        column.bind(new Plain(new String[] {large, null, large + "!"}), 3);
        compare("long texts by getters", column, new Plain(new String[] {large, null, large + "!"}), 3);
      } finally {
        v.close();
      }
    }
  }

  /** Checks that bytes outside the JVM's heap are used in place, and that a dictionary is decoded once. */
  static void zeroCopy() {
    Random random = new Random(3);
    boolean[] none = new boolean[500];
    try (InputColumn column = InputColumn.of(TEXT, true)) {
      OffHeapColumnVector v = (OffHeapColumnVector) written(new OffHeapColumnVector(500, TEXT), none, random);
      column.bind(v, 500);
      within(column, ((OffHeapColumnVector) v.arrayData()).valuesNativeAddress(), v.arrayData().getElementsAppended());
      v.close();
      ArrowColumnVector arrow = (ArrowColumnVector) arrow(new VarCharVector("c", Vectors.ARROW), none, random);
      column.bind(arrow, 500);
      ArrowBuf buffer = arrow.getValueVector().getDataBuffer();
      within(column, buffer.memoryAddress(), buffer.capacity());
      arrow.close();
      OffHeapColumnVector lazy = (OffHeapColumnVector) dictionary(new OffHeapColumnVector(500, TEXT), none, random);
      column.bind(lazy, 500);
      long before = OffHeapBuffer.liveBytes(), first = Platform.getLong(null, column.dataAddress());
      for (int i = 0; i < 100; i++) column.bind(lazy, 500);
      Checks.equal(first, Platform.getLong(null, column.dataAddress()));
      Checks.equal(before, OffHeapBuffer.liveBytes());
      lazy.close();
    }
  }

  static void within(InputColumn column, long start, long size) {
    for (int i = 0; i < 500; i++) {
      long address = Platform.getLong(null, column.dataAddress() + i * 16L);
      if (address < start || address > start + size) throw new AssertionError("the bytes of row " + i + " were copied");
    }
  }

  static void unsupported(DataType... types) {
    for (DataType type : types) {
      try {
        InputColumn.of(type, true).close();
      } catch (IllegalArgumentException refused) {
        continue;
      }
      throw new AssertionError("an InputColumn of " + type);
    }
  }

  static void parquet(String folder, boolean offHeap) throws Exception {
    for (String file : new String[] {"dictionary.parquet", "plain.parquet", "mixed.parquet"}) {
      int dictionaries = 0, rows = 0;
      try (InputColumn column = InputColumn.of(TEXT, true);
          VectorizedParquetRecordReader reader = new VectorizedParquetRecordReader(offHeap, 1024)) {
        reader.initialize(folder + "/" + file, List.of("string_none", "string_few", "string_many"));
        reader.initBatch(new StructType(), InternalRow.empty());
        while (reader.nextBatch()) {
          ColumnarBatch batch = reader.resultBatch();
          rows += batch.numRows();
          for (int c = 0; c < batch.numCols(); c++) {
            if (((WritableColumnVector) batch.column(c)).hasDictionary()) dictionaries++;
            column.bind(batch.column(c), batch.numRows());
            compare(file + " column " + c + " before row " + rows, column, batch.column(c), batch.numRows());
          }
        }
      }
      if (rows == 0) throw new AssertionError(file + " has no rows");
      if (!file.startsWith("plain") && dictionaries == 0) throw new AssertionError(file + " decoded nothing lazily");
    }
  }
}
