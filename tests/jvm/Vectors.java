import io.sparkweld.columns.NativeColumnVector;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Random;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.*;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.util.TransferPair;
import org.apache.spark.sql.execution.vectorized.*;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.unsafe.Platform;

/** Creates column vectors of every kind with random values, for the checks. */
final class Vectors {
  static final DataType[] TYPES = {DataTypes.BooleanType, DataTypes.ByteType, DataTypes.ShortType,
      DataTypes.IntegerType, DataTypes.LongType, DataTypes.FloatType, DataTypes.DoubleType, DataTypes.DateType,
      DataTypes.TimestampType, DataTypes.TimestampNTZType, DataTypes.createDayTimeIntervalType()};
  static final RootAllocator ARROW = new RootAllocator();

  /** Creates a vector of a kind. `random` determines the values, isNull the NULL rows. */
  interface Maker {
    ColumnVector make(DataType type, boolean[] isNull, Random random);
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

  /** Whether the values have the primitive type long: numbers, or microseconds. */
  static boolean isLong(DataType type) {
    return type == DataTypes.LongType || type == DataTypes.TimestampType || type == DataTypes.TimestampNTZType
        || type instanceof DayTimeIntervalType;
  }

  static long bits(ColumnVector v, DataType type, int i) {
    if (type == DataTypes.BooleanType) return v.getBoolean(i) ? 1 : 0;
    if (type == DataTypes.ByteType) return v.getByte(i);
    if (type == DataTypes.ShortType) return v.getShort(i);
    if (isLong(type)) return v.getLong(i);
    if (type == DataTypes.FloatType) return Float.floatToRawIntBits(v.getFloat(i));
    if (type == DataTypes.DoubleType) return Double.doubleToRawLongBits(v.getDouble(i));
    return v.getInt(i);
  }

  static int width(DataType type) {
    return type == DataTypes.BooleanType ? 1 : type.defaultSize();
  }

  // ---- Spark's vectors

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
    else if (isLong(type)) v.putLong(i, value);
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

  /** Fills lazily decoded values; ids of NULL rows are garbage, as they are after Parquet's reader. */
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
    for (Method method : WritableColumnVector.class.getMethods()) { // setAllNull in Spark 4.0, setMissing later
      if (!method.getName().matches("setAllNull|setMissing")) continue;
      try {
        method.invoke(v); // a column that the file lacks: the null bytes are not set
      } catch (ReflectiveOperationException error) {
        throw new AssertionError(error);
      }
    }
    return v;
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
    else if (isLong(type)) v.setLong(value);
    else if (type == DataTypes.FloatType) v.setFloat(Float.intBitsToFloat((int) value));
    else if (type == DataTypes.DoubleType) v.setDouble(Double.longBitsToDouble(value));
    else v.setInt((int) value);
  }

  // ---- Arrow's vectors

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
      else if (made instanceof TimeStampVector v) v.set(i, values[i]);
      else if (made instanceof DurationVector v) v.set(i, values[i]);
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
    if (type == DataTypes.TimestampType) return new TimeStampMicroTZVector("c", ARROW, "UTC");
    if (type == DataTypes.TimestampNTZType) return new TimeStampMicroVector("c", ARROW);
    if (type instanceof DayTimeIntervalType)
      return new DurationVector("c", FieldType.nullable(new ArrowType.Duration(TimeUnit.MICROSECOND)), ARROW);
    return new DateDayVector("c", ARROW);
  }

  /** Slices rows 3 to the end of a longer vector: its values start inside a buffer. */
  static ColumnVector arrowSliced(DataType type, boolean[] isNull, Random random) {
    boolean[] longer = new boolean[isNull.length + 3];
    System.arraycopy(isNull, 0, longer, 3, isNull.length);
    FieldVector whole = arrow(type, longer, random);
    TransferPair slice = whole.getTransferPair(ARROW);
    slice.splitAndTransfer(3, isNull.length);
    whole.close();
    return new ArrowColumnVector(slice.getTo());
  }

  /** Creates values at an unaligned address, as buffers imported from other libraries may have them. */
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

  // ---- SparkWeld's vectors

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
}
