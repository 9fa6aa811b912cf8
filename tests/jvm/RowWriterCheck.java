import io.sparkweld.columns.RowWriter;
import io.sparkweld.columns.SelectedColumnVector;
import io.sparkweld.columns.SelectionBuffer;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.sql.execution.vectorized.*;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;
import scala.collection.JavaConverters;

/** Checks that rows written from batches equal those of an UnsafeProjection byte for byte: `java RowWriterCheck`. */
public final class RowWriterCheck {
  static final DataType[] TYPES = Stream.concat(Arrays.stream(Vectors.TYPES), Stream.of(DataTypes.StringType, DataTypes.BinaryType,
      new DecimalType(9, 2), new DecimalType(18, 3), new DecimalType(38, 4), DataTypes.createYearMonthIntervalType(),
      DataTypes.createDayTimeIntervalType((byte) 1, (byte) 2))).toArray(DataType[]::new);
  static final String[] PATTERNS = {"none", "all", "last", "some"};

  public static void main(String[] args) {
    Checks.check("write-off-heap", () -> batches(1, (type, isNull, random) -> written(true, type, isNull, random)));
    Checks.check("write-on-heap", () -> batches(1, (type, isNull, random) -> written(false, type, isNull, random)));
    Checks.check("write-off-heap-ids", () -> batches(1, (type, isNull, random) -> ids(true, type, isNull, random)));
    Checks.check("write-on-heap-ids", () -> batches(1, (type, isNull, random) -> ids(false, type, isNull, random)));
    // more columns than a word of null bits has
    Checks.check("write-many", () -> batches(8, (type, isNull, random) -> written(true, type, isNull, random)));
    Checks.check("write-constant", () -> batches(1, RowWriterCheck::constant));
    Checks.check("write-arrow", () -> batches(1, RowWriterCheck::arrow));
    Checks.check("write-native", () -> batches(1, (type, isNull, random) ->
        Arrays.asList(Vectors.TYPES).contains(type) ? Vectors.nativeVector(type, isNull, random) : written(true, type, isNull, random)));
    Checks.check("write-selected", RowWriterCheck::selected);
    Checks.check("write-long", RowWriterCheck::longRows);
    Checks.check("write-types", RowWriterCheck::types);
  }

  /** Runs one writer over batches of several sizes and NULLs, with every type `times` times. */
  static void batches(int times, Vectors.Maker maker) {
    List<DataType> types = new ArrayList<>();
    for (int k = 0; k < times; k++) types.addAll(Arrays.asList(TYPES));
    Random random = new Random(5);
    try (RowWriter writer = writer(types)) {
      for (int rows : new int[] {1, 700, 0, 64, 5000 / times})
        for (String pattern : PATTERNS) {
          ColumnVector[] columns = new ColumnVector[types.size()];
          for (int j = 0; j < columns.length; j++)
            columns[j] = maker.make(types.get(j), Vectors.pattern(pattern, rows, random), random);
          same(writer, types, new ColumnarBatch(columns, rows));
          for (ColumnVector column : columns) column.close();
        }
    }
  }

  static RowWriter writer(List<DataType> types) {
    return new RowWriter(JavaConverters.asScalaBuffer(types).toList());
  }

  static void same(RowWriter writer, List<DataType> types, ColumnarBatch batch) {
    UnsafeProjection projection = UnsafeProjection.create(types.toArray(new DataType[0]));
    writer.start(batch);
    int row = 0;
    for (int filled = writer.fill(); filled > 0; filled = writer.fill())
      for (int i = 0; i < filled; i++, row++) {
        UnsafeRow wanted = projection.apply(batch.getRow(row)), got = writer.apply(i);
        if (!wanted.equals(got) || wanted.hashCode() != got.hashCode() || !got.copy().equals(wanted))
          throw new AssertionError("row " + row + ": wanted " + wanted + ", got " + got);
      }
    Checks.equal(batch.numRows(), row);
  }

  // ---- vectors, of Vectors' types and of others

  static byte[] bytes(Random random) {
    byte[] text = new byte[random.nextInt(8) == 0 ? random.nextInt(200) : random.nextInt(20)];
    random.nextBytes(text);
    return text;
  }

  static Decimal decimal(DecimalType type, Random random) {
    BigInteger bound = BigInteger.TEN.pow(1 + random.nextInt(type.precision()));
    BigInteger unscaled = new BigInteger(bound.bitLength() + 8, random).mod(bound);
    return Decimal.apply(new BigDecimal(random.nextBoolean() ? unscaled : unscaled.negate(), type.scale()), type.precision(), type.scale());
  }

  static WritableColumnVector vector(boolean offHeap, DataType type, int rows) {
    int capacity = Math.max(rows, 1);
    return offHeap ? new OffHeapColumnVector(capacity, type) : new OnHeapColumnVector(capacity, type);
  }

  static ColumnVector written(boolean offHeap, DataType type, boolean[] isNull, Random random) {
    WritableColumnVector v = vector(offHeap, type, isNull.length);
    for (int i = 0; i < isNull.length; i++) {
      put(v, i, type, random);
      if (isNull[i]) v.putNull(i);
    }
    return v;
  }

  static void put(WritableColumnVector v, int i, DataType type, Random random) {
    if (type == DataTypes.StringType || type == DataTypes.BinaryType) v.putByteArray(i, bytes(random));
    else if (type instanceof DecimalType d) v.putDecimal(i, decimal(d, random), d.precision());
    else if (type instanceof DayTimeIntervalType) v.putLong(i, random.nextLong());
    else Vectors.put(v, i, Vectors.value(type, random));
  }

  /** Fills lazily decoded values; ids of NULL rows are garbage. */
  static ColumnVector ids(boolean offHeap, DataType type, boolean[] isNull, Random random) {
    if (type == DataTypes.BooleanType) return written(offHeap, type, isNull, random); // Spark has no boolean dictionaries
    int count = 1 + random.nextInt(50);
    long[] numbers = new long[count];
    byte[][] strings = new byte[count][];
    for (int i = 0; i < count; i++) {
      numbers[i] = type instanceof DecimalType d && d.precision() < 19 ? decimal(d, random).toUnscaledLong() : Vectors.value(type, random);
      strings[i] = type instanceof DecimalType d ? decimal(d, random).toJavaBigDecimal().unscaledValue().toByteArray() : bytes(random);
    }
    WritableColumnVector v = vector(offHeap, type, isNull.length);
    v.setDictionary(new Dictionary() {
      public int decodeToInt(int id) { return (int) numbers[id]; }
      public long decodeToLong(int id) { return numbers[id]; }
      public float decodeToFloat(int id) { return Float.intBitsToFloat((int) numbers[id]); }
      public double decodeToDouble(int id) { return Double.longBitsToDouble(numbers[id]); }
      public byte[] decodeToBinary(int id) { return strings[id]; }
    });
    WritableColumnVector ids = v.reserveDictionaryIds(Math.max(isNull.length, 1));
    for (int i = 0; i < isNull.length; i++) {
      ids.putInt(i, isNull[i] ? -5 : random.nextInt(count));
      if (isNull[i]) v.putNull(i);
    }
    return v;
  }

  static ColumnVector constant(DataType type, boolean[] isNull, Random random) {
    ConstantColumnVector v = new ConstantColumnVector(isNull.length, type);
    if (isNull.length > 0 && isNull[isNull.length - 1]) v.setNull();
    else if (type == DataTypes.StringType) v.setUtf8String(UTF8String.fromBytes(bytes(random)));
    else if (type == DataTypes.BinaryType) v.setBinary(bytes(random));
    else if (type instanceof DecimalType d) v.setDecimal(decimal(d, random), d.precision());
    else if (type instanceof DayTimeIntervalType) v.setLong(random.nextLong());
    else Vectors.set(v, Vectors.value(type, random));
    return v;
  }

  static ColumnVector arrow(DataType type, boolean[] isNull, Random random) {
    if (Arrays.asList(Vectors.TYPES).contains(type)) return new ArrowColumnVector(Vectors.arrow(type, isNull, random));
    if (type != DataTypes.BinaryType) return written(false, type, isNull, random);
    VarBinaryVector made = new VarBinaryVector("c", Vectors.ARROW);
    made.allocateNew();
    for (int i = 0; i < isNull.length; i++) {
      if (isNull[i]) made.setNull(i);
      else made.setSafe(i, bytes(random));
    }
    made.setValueCount(isNull.length);
    return new ArrowColumnVector(made);
  }

  // ---- beyond whole batches

  /** Checks columns read through a selection, of many and of few rows; in half of them the column's rows are unknown. */
  static void selected() {
    List<DataType> types = Arrays.asList(TYPES);
    Random random = new Random(6);
    int rows = 3000;
    try (RowWriter writer = writer(types); SelectionBuffer selection = new SelectionBuffer()) {
      selection.ensureCapacity(rows);
      for (int step : new int[] {1, 3, 40, 3001}) {
        int picked = 0;
        for (int i = step - 1; i < rows; i += step) Platform.putInt(null, selection.address() + 4L * picked++, i);
        SelectedColumnVector[] columns = new SelectedColumnVector[types.size()];
        for (int j = 0; j < columns.length; j++) {
          boolean[] isNull = Vectors.pattern(PATTERNS[random.nextInt(4)], rows, random);
          columns[j] = new SelectedColumnVector(selection);
          columns[j].reset(j % 3 == 0 ? constant(types.get(j), isNull, random) : j % 3 == 1 ? ids(true, types.get(j), isNull, random)
              : written(random.nextBoolean(), types.get(j), isNull, random), rows);
        }
        same(writer, types, new ColumnarBatch(columns, picked));
        for (SelectedColumnVector column : columns) column.shown().close();
      }
    }
  }

  /** Checks rows longer than the write buffer, followed by short ones. */
  static void longRows() {
    List<DataType> types = List.of(DataTypes.LongType, DataTypes.StringType, DataTypes.StringType);
    try (RowWriter writer = writer(types)) {
      for (int size : new int[] {3, 200_000, 9_000_000, 5}) {
        OffHeapColumnVector[] columns = OffHeapColumnVector.allocateColumns(20, new StructType().add("a", "long").add("b", "string").add("c", "string"));
        byte[] text = "x".repeat(size).getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < 20; i++) {
          columns[0].putLong(i, i);
          columns[1].putByteArray(i, text, 0, i % 3 == 0 ? size : i);
          columns[2].putByteArray(i, text, 0, i % 5);
        }
        same(writer, types, new ColumnarBatch(columns, 20));
        for (OffHeapColumnVector column : columns) column.close();
      }
    }
  }

  static void types() {
    for (DataType type : TYPES) Checks.equal(true, RowWriter.supports(type));
    for (DataType type : new DataType[] {DataTypes.NullType, DataTypes.CalendarIntervalType, DataTypes.createArrayType(DataTypes.LongType),
        new StructType().add("a", "int"), DataTypes.createMapType(DataTypes.LongType, DataTypes.LongType)})
      Checks.equal(false, RowWriter.supports(type));
    for (DataType type : SparkTypes.NEW) Checks.equal(false, RowWriter.supports(type));
  }
}
