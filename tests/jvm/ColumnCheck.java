import io.sparkweld.columns.InputColumn;
import io.sparkweld.columns.NativeColumnVector;
import io.sparkweld.columns.OffHeapBuffer;
import io.sparkweld.columns.SelectedColumnVector;
import io.sparkweld.columns.SelectionBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.apache.arrow.vector.FieldVector;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.datasources.parquet.VectorizedParquetRecordReader;
import org.apache.spark.sql.execution.vectorized.*;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.Platform;

/**
 * Checks that a kernel would read the values of a vector's getters: `java ColumnCheck FOLDER`.
 *
 * FOLDER holds the Parquet files of test_native.py. Prints "ok NAME" or "FAILED NAME: why" for each check.
 */
public final class ColumnCheck {
  static final int[] ROWS = {0, 1, 7, 8, 63, 64, 65, 1000};
  static final String[] NULLS = {"none", "some", "all", "last"};

  public static void main(String[] args) throws Exception {
    Checks.check("off-heap", () -> kind((t, n, r) -> Vectors.written(offHeap(t, n), n, r)));
    Checks.check("on-heap", () -> kind((t, n, r) -> Vectors.written(onHeap(t, n), n, r)));
    Checks.check("off-heap-dictionary", () -> kind((t, n, r) -> Vectors.dictionary(offHeap(t, n), n, r)));
    Checks.check("on-heap-dictionary", () -> kind((t, n, r) -> Vectors.dictionary(onHeap(t, n), n, r)));
    Checks.check("dictionary-grows", ColumnCheck::dictionaryGrows);
    Checks.check("missing", () -> kind((t, n, r) -> Vectors.missing(n.length % 2 == 0 ? offHeap(t, n) : onHeap(t, n))));
    Checks.check("stale-nulls", ColumnCheck::staleNulls);
    Checks.check("constant", () -> kind(Vectors::constant));
    Checks.check("constant-changes", ColumnCheck::constantChanges);
    Checks.check("arrow", () -> kind((t, n, r) -> new ArrowColumnVector(Vectors.arrow(t, n, r))));
    Checks.check("arrow-sliced", () -> kind(Vectors::arrowSliced));
    Checks.check("arrow-unaligned", () -> kind(Vectors::arrowUnaligned));
    Checks.check("native", () -> kind(Vectors::nativeVector));
    Checks.check("selected", () -> kind(ColumnCheck::selected));
    Checks.check("other-type", ColumnCheck::otherType);
    Checks.check("mixed", ColumnCheck::mixedKinds);
    Checks.check("zero-copy", ColumnCheck::zeroCopy);
    Checks.check("unsupported", ColumnCheck::unsupported);
    Checks.check("parquet-off-heap", () -> parquet(args[0], true));
    Checks.check("parquet-on-heap", () -> parquet(args[0], false));
    Checks.check("memory", ColumnCheck::memory);
  }

  static WritableColumnVector offHeap(DataType type, boolean[] isNull) {
    return new OffHeapColumnVector(Math.max(isNull.length, 1), type);
  }

  static WritableColumnVector onHeap(DataType type, boolean[] isNull) {
    return new OnHeapColumnVector(Math.max(isNull.length, 1), type);
  }

  /** Binds one InputColumn per type to all sizes and null patterns of a kind. */
  static void kind(Vectors.Maker maker) {
    for (DataType type : Vectors.TYPES) {
      try (InputColumn column = InputColumn.of(type, true)) {
        Random random = new Random(7);
        for (int rows : ROWS)
          for (String pattern : NULLS) bindAndCompare(column, maker, type, rows, pattern, random);
      }
    }
  }

  static void bindAndCompare(
      InputColumn column, Vectors.Maker maker, DataType type, int rows, String pattern, Random random) {
    ColumnVector vector = maker.make(type, Vectors.pattern(pattern, rows, random), random);
    try {
      for (int n : new int[] {rows, rows / 2, rows}) {
        column.bind(vector, n);
        compare(type + " " + rows + " rows, nulls " + pattern + ", first " + n, column, vector, n);
      }
    } finally {
      vector.close();
    }
  }

  static void compare(String label, InputColumn column, ColumnVector vector, int rows) {
    boolean anyNull = false;
    for (int i = 0; i < rows; i++) {
      boolean isNull = vector.isNullAt(i);
      anyNull |= isNull;
      byte nullByte = Platform.getByte(null, column.nullsAddress() + i);
      if (nullByte != (isNull ? 1 : 0)) throw new AssertionError(label + ": null byte " + nullByte + " in row " + i);
      if (isNull) continue;
      long wanted = Vectors.bits(vector, vector.dataType(), i), got = stored(column, i);
      if (wanted != got) throw new AssertionError(label + ": row " + i + " is " + got + ", not " + wanted);
    }
    if (column.hasNull() != anyNull) throw new AssertionError(label + ": hasNull is " + column.hasNull());
  }

  static long stored(InputColumn column, int i) {
    long data = column.dataAddress();
    return switch (Vectors.width(column.dataType())) {
      case 1 -> Platform.getByte(null, data + i);
      case 2 -> Platform.getShort(null, data + i * 2L);
      case 4 -> Platform.getInt(null, data + i * 4L);
      default -> Platform.getLong(null, data + i * 8L);
    };
  }

  /** Returns every second row of a vector, through a selection. */
  static ColumnVector selected(DataType type, boolean[] isNull, Random random) {
    boolean[] all = new boolean[isNull.length * 2];
    for (int i = 0; i < isNull.length; i++) all[i * 2 + 1] = isNull[i];
    ColumnVector base = Vectors.written(new OffHeapColumnVector(Math.max(all.length, 1), type), all, random);
    SelectionBuffer selection = new SelectionBuffer();
    selection.ensureCapacity(isNull.length);
    for (int i = 0; i < isNull.length; i++) Platform.putInt(null, selection.address() + i * 4L, i * 2 + 1);
    SelectedColumnVector view = new SelectedColumnVector(selection);
    view.reset(base, all.length);
    ColumnVector copy = new OnHeapColumnVector(Math.max(isNull.length, 1), type);
    for (int i = 0; i < isNull.length; i++) {
      if (view.isNullAt(i)) ((WritableColumnVector) copy).putNull(i);
      else Vectors.put((WritableColumnVector) copy, i, Vectors.bits(view, type, i));
    }
    try (InputColumn column = InputColumn.of(type, true)) {
      column.bind(view, isNull.length);
      compare("selected " + type, column, copy, isNull.length);
    }
    base.close();
    selection.close();
    return copy;
  }

  /** Checks outdated NULL counts: rows made valid again, and rows beyond the batch. */
  static void staleNulls() {
    for (boolean offHeap : new boolean[] {true, false}) {
      WritableColumnVector v = offHeap
          ? new OffHeapColumnVector(100, DataTypes.IntegerType) : new OnHeapColumnVector(100, DataTypes.IntegerType);
      try (InputColumn column = InputColumn.of(DataTypes.IntegerType, true)) {
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

  /** Checks one dictionary whose batches add larger ids: the table grows, often back to its previous address. */
  static void dictionaryGrows() {
    long[] entries = new long[4000];
    for (int i = 0; i < entries.length; i++) entries[i] = i * 7919L + 1;
    Vectors.Entries dictionary = new Vectors.Entries(entries);
    Random random = new Random(11);
    for (int round = 0; round < 300; round++) {
      try (InputColumn column = InputColumn.of(DataTypes.LongType, true);
           OffHeapColumnVector v = new OffHeapColumnVector(entries.length, DataTypes.LongType)) {
        v.setDictionary(dictionary);
        WritableColumnVector ids = v.reserveDictionaryIds(entries.length);
        for (int i = 0; i < entries.length; i++) ids.putInt(i, i);
        for (int rows = 1 + random.nextInt(40); rows <= entries.length; rows += 1 + random.nextInt(2 * rows)) {
          column.bind(v, rows);
          compare("a dictionary of " + rows + " entries so far", column, v, rows);
        }
      }
    }
  }

  static void constantChanges() {
    try (InputColumn column = InputColumn.of(DataTypes.LongType, true)) {
      ConstantColumnVector v = new ConstantColumnVector(100, DataTypes.LongType);
      WritableColumnVector other = new OnHeapColumnVector(100, DataTypes.LongType);
      for (int i = 0; i < 100; i++) other.putLong(i, i);
      long[] values = {5, 5, 0, -1, 5};
      for (int k = 0; k < values.length; k++) {
        Vectors.set(v, values[k]);
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

  /** Checks a vector whose own type differs: the getters of the column's type are used. */
  static void otherType() {
    OffHeapColumnVector months = new OffHeapColumnVector(10, new YearMonthIntervalType((byte) 0, (byte) 1));
    try (InputColumn column = InputColumn.of(DataTypes.IntegerType, true)) {
      for (int i = 0; i < 10; i++) months.putInt(i, i * 12);
      months.putNull(4);
      column.bind(months, 10);
      compare("months", column, months, 10);
    } finally {
      months.close();
    }
  }

  /** Binds all kinds alternately to one InputColumn, as a union of sources does. */
  static void mixedKinds() {
    List<Vectors.Maker> makers = new ArrayList<>(List.of(
        (t, n, r) -> Vectors.written(offHeap(t, n), n, r),
        (t, n, r) -> Vectors.written(onHeap(t, n), n, r),
        (t, n, r) -> Vectors.dictionary(offHeap(t, n), n, r),
        (t, n, r) -> Vectors.dictionary(onHeap(t, n), n, r),
        Vectors::constant, (t, n, r) -> new ArrowColumnVector(Vectors.arrow(t, n, r)), Vectors::nativeVector,
        (t, n, r) -> Vectors.missing(offHeap(t, n))));
    Random random = new Random(11);
    for (DataType type : Vectors.TYPES) {
      try (InputColumn column = InputColumn.of(type, false)) {
        for (int round = 0; round < 20; round++) {
          Collections.shuffle(makers, random);
          for (Vectors.Maker maker : makers) {
            String pattern = NULLS[random.nextInt(NULLS.length)];
            bindAndCompare(column, maker, type, 1 + random.nextInt(5000), pattern, random);
          }
        }
      }
    }
  }

  /** Checks that off-heap and Arrow values are used in place. */
  static void zeroCopy() {
    Random random = new Random(3);
    boolean[] none = new boolean[500];
    try (InputColumn column = InputColumn.of(DataTypes.DoubleType, true)) {
      OffHeapColumnVector v = new OffHeapColumnVector(500, DataTypes.DoubleType);
      Vectors.written(v, none, random);
      column.bind(v, 500);
      if (column.dataAddress() != v.valuesNativeAddress()) throw new AssertionError("off-heap values were copied");
      v.close();
      FieldVector arrow = Vectors.arrow(DataTypes.DoubleType, none, random);
      column.bind(new ArrowColumnVector(arrow), 500);
      if (column.dataAddress() != arrow.getDataBufferAddress()) throw new AssertionError("Arrow values were copied");
      arrow.close();
    }
  }

  static void unsupported() {
    try {
      InputColumn.of(DataTypes.CalendarIntervalType, true);
    } catch (IllegalArgumentException e) {
      if (e.getMessage().contains("interval")) return;
    }
    throw new AssertionError("an InputColumn of intervals");
  }

  // ---- Parquet, as Spark's vectorized reader returns it

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
            for (int c = 0; c < columns.length; c++) columns[c] = InputColumn.of(batch.column(c).dataType(), true);
          }
          rows += batch.numRows();
          for (int c = 0; c < columns.length; c++) {
            if (((WritableColumnVector) batch.column(c)).hasDictionary()) dictionaries++;
            columns[c].bind(batch.column(c), batch.numRows());
            String label = file + " column " + c + " before row " + rows;
            if (batch.column(c).dataType() instanceof StringType) StringCheck.compare(label, columns[c], batch.column(c), batch.numRows());
            else compare(label, columns[c], batch.column(c), batch.numRows());
          }
        }
      }
      if (columns == null) throw new AssertionError(file + " has no rows");
      for (InputColumn column : columns) column.close();
      System.out.println(file + ": " + rows + " rows, " + dictionaries + " lazily decoded column batches");
      if (!file.startsWith("plain") && dictionaries == 0) throw new AssertionError(file + " decoded nothing lazily");
    }
  }

  /** Checks that memory is counted, freed once, and constant over batches of one size. */
  static void memory() {
    long before = OffHeapBuffer.liveBytes();
    InputColumn column = InputColumn.of(DataTypes.LongType, true);
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
