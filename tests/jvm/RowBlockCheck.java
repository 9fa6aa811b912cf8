import io.sparkweld.columns.InputColumn;
import io.sparkweld.columns.JoinedBatches;
import io.sparkweld.columns.NativeColumnVector;
import io.sparkweld.columns.RowColumns;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.catalyst.types.DataTypeUtils;
import org.apache.spark.sql.catalyst.util.GenericArrayData;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.types.UTF8String;
import scala.collection.JavaConverters;
import scala.collection.immutable.Seq;

/** Checks that blocks of rows return the rows' values, to getters and to kernels. */
public final class RowBlockCheck {
  static final int CAPACITY = 1000;

  public static void main(String[] args) {
    Checks.check("row-block-one-word", () -> blocks(1));
    Checks.check("row-block-many-words", () -> blocks(15)); // more fields than a word of null bits has
    Checks.check("row-block-pieces", RowBlockCheck::pieces);
    Checks.check("joined-batches", () -> joined(false));
    Checks.check("joined-batches-apart", () -> joined(true));
  }

  static Object value(DataType type, Random random) {
    if (random.nextInt(4) == 0) return null;
    if (type == DataTypes.StringType) return UTF8String.fromString(StringCheck.text(random));
    if (type == DataTypes.BinaryType) return StringCheck.text(random).getBytes(StandardCharsets.UTF_8);
    if (type instanceof DecimalType d)
      return Decimal.apply(new java.math.BigDecimal(java.math.BigInteger.valueOf(random.nextInt(1 << 28)), d.scale()), d.precision(), d.scale());
    long bits = Vectors.value(type, random);
    if (type == DataTypes.BooleanType) return bits != 0;
    if (type == DataTypes.ByteType) return (byte) bits;
    if (type == DataTypes.ShortType) return (short) bits;
    if (type == DataTypes.FloatType) return Float.intBitsToFloat((int) bits);
    if (type == DataTypes.DoubleType) return Double.longBitsToDouble(bits);
    return Vectors.isLong(type) ? (Object) bits : (Object) (int) bits;
  }

  /** Checks blocks of several sizes in sequence, of rows whose columns are `times` times those of every type. */
  static void blocks(int times) {
    List<DataType> types = new ArrayList<>();
    for (int k = 0; k < times; k++) {
      types.addAll(List.of(Vectors.TYPES));
      types.addAll(List.of(DataTypes.StringType, DataTypes.BinaryType, new DecimalType(9, 2), new DecimalType(30, 4)));
    }
    StructType schema = new StructType();
    for (int j = 0; j < types.size(); j++) schema = schema.add("c" + j, types.get(j), true);
    UnsafeProjection toUnsafe = UnsafeProjection.create(schema);
    Random random = new Random(9);
    try (RowColumns columns = new RowColumns(attributes(schema), CAPACITY)) {
      for (int rows : new int[] {1, 7, CAPACITY, 64, 3}) {
        List<InternalRow> wanted = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
          Object[] values = new Object[types.size()];
          for (int j = 0; j < values.length; j++) values[j] = value(types.get(j), random);
          wanted.add(new GenericInternalRow(values));
        }
        boolean unsafe = random.nextBoolean(); // one row object for all, as Spark's operators use it
        Iterator<InternalRow> given = wanted.stream().map(row -> unsafe ? toUnsafe.apply(row) : row).iterator();
        scala.collection.Iterator<InternalRow> input = JavaConverters.asScalaIterator(given);
        ColumnarBatch batch = columns.fill(input);
        Checks.equal(rows, batch.numRows());
        for (int j = 0; j < types.size(); j++) column(batch.column(j), wanted, j);
        Checks.equal(false, input.hasNext());
      }
    }
  }

  @SuppressWarnings("unchecked") // Scala's sequences are covariant
  static Seq<Attribute> attributes(StructType schema) {
    return ((scala.collection.Seq<Attribute>) (scala.collection.Seq<?>) DataTypeUtils.toAttributes(schema)).toList();
  }

  static void column(ColumnVector vector, List<InternalRow> wanted, int ordinal) {
    DataType type = vector.dataType();
    int nulls = 0;
    for (int i = 0; i < wanted.size(); i++) {
      InternalRow row = wanted.get(i);
      Checks.equal(row.isNullAt(ordinal), vector.isNullAt(i));
      nulls += row.isNullAt(ordinal) ? 1 : 0;
      if (row.isNullAt(ordinal)) continue;
      Object want = row.get(ordinal, type);
      if (type == DataTypes.StringType) Checks.equal(want, vector.getUTF8String(i));
      else if (type == DataTypes.BinaryType) Checks.equal(UTF8String.fromBytes((byte[]) want), UTF8String.fromBytes(vector.getBinary(i)));
      else if (type instanceof DecimalType d) Checks.equal(want, vector.getDecimal(i, d.precision(), d.scale()));
      else if (type == DataTypes.FloatType) Checks.equal(Float.floatToRawIntBits((float) want), (int) Vectors.bits(vector, type, i));
      else if (type == DataTypes.DoubleType) Checks.equal(Double.doubleToRawLongBits((double) want), Vectors.bits(vector, type, i));
      else Checks.equal(want instanceof Boolean b ? (b ? 1L : 0L) : ((Number) want).longValue(), Vectors.bits(vector, type, i));
    }
    Checks.equal(nulls, vector.numNulls());
    Checks.equal(nulls > 0, vector.hasNull());
    if (type == DataTypes.BinaryType || type instanceof DecimalType) return;
    try (InputColumn column = InputColumn.of(type, true)) {
      column.bind(vector, wanted.size());
      if (type == DataTypes.StringType) StringCheck.compare("column " + ordinal, column, vector, wanted.size());
      else ColumnCheck.compare("column " + ordinal + " of type " + type, column, vector, wanted.size());
    }
  }

  /** Checks joined batches, whose memory later ones overwrite, and optionally their separation: the rows keep their order. */
  @SuppressWarnings("unchecked")
  static void joined(boolean apart) {
    List<DataType> types = new ArrayList<>(List.of(Vectors.TYPES));
    types.addAll(List.of(DataTypes.StringType, DataTypes.IntegerType));
    StructType schema = new StructType();
    for (int j = 0; j < types.size(); j++) schema = schema.add("c" + j, types.get(j), true);
    int[] sizes = {100, 100, 0, 100, 70, 30, 100, 7, 500, 60, 1, 1, 1, 97, 200, 200, 200, 5};
    int deciding = types.size() - 1, withNull = 9;
    Random random = new Random(9);
    List<InternalRow> all = new ArrayList<>();
    for (int k = 0; k < sizes.length; k++)
      for (int i = 0; i < sizes[k]; i++) {
        Object[] values = new Object[types.size()];
        for (int j = 0; j < deciding; j++) values[j] = value(types.get(j), random);
        if (k != withNull) values[deciding] = i;
        all.add(new GenericInternalRow(values));
      }
    scala.collection.Iterator<InternalRow> rows = JavaConverters.asScalaIterator(all.iterator());
    List<Integer> made = new ArrayList<>();
    try (RowColumns columns = new RowColumns(attributes(schema), CAPACITY)) {
      Iterator<Integer> left = java.util.Arrays.stream(sizes).iterator();
      Iterator<ColumnarBatch> batches = new Iterator<>() {
        public boolean hasNext() { return left.hasNext(); }
        public ColumnarBatch next() {
          List<InternalRow> some = new ArrayList<>();
          for (int k = left.next(); k > 0; k--) some.add(rows.next());
          return columns.fill(JavaConverters.asScalaIterator(some.iterator()));
        }
      };
      Seq<DataType> of = JavaConverters.asScalaBuffer(types).toList();
      try (JoinedBatches joined = new JoinedBatches(JavaConverters.asScalaIterator(batches), of,
          JavaConverters.asScalaSet(java.util.Set.<Object>of(deciding)).toSet(), 400)) {
        int from = 0;
        while (joined.hasNext()) {
          ColumnarBatch batch = joined.next();
          made.add(batch.numRows());
          Checks.equal(batch.column(0) instanceof NativeColumnVector, joined.isJoined() || apart && (made.size() == 5 || made.size() == 6));
          if (apart && made.size() == 4) Checks.equal(true, joined.takeApart());
          else {
            for (int j = 0; j < types.size(); j++) column(batch.column(j), all.subList(from, from + batch.numRows()), j);
            from += batch.numRows();
          }
          if (apart && made.size() == 5) Checks.equal(false, joined.takeApart()); // another part remains
          if (apart && made.size() == 7) break; // the remaining batches come unjoined
        }
        if (apart) {
          while (joined.hasNext()) made.add(joined.next().numRows());
        } else Checks.equal(all.size(), from);
      }
    }
    Checks.equal(apart ? APART : JOINED, made);
  }

  // A batch is alone while earlier ones are too few, where it is too large, and where its NULLs decide.
  static final List<Integer> JOINED = List.of(100, 100, 200, 107, 500, 60, 300, 400, 5);
  static final List<Integer> APART = List.of(100, 100, 200, 107, 100, 7, 500, 60, 1, 1, 1, 97, 200, 200, 200, 5);

  /** Checks that a block takes the rows that it has space for; arrays beside fields use Spark's converter. */
  static void pieces() {
    StructType schema = new StructType().add("a", DataTypes.createArrayType(DataTypes.LongType)).add("b", DataTypes.LongType);
    List<InternalRow> all = new ArrayList<>();
    for (long i = 0; i < 25; i++) all.add(new GenericInternalRow(new Object[] {new GenericArrayData(new long[] {i, -i}), i}));
    scala.collection.Iterator<InternalRow> input = JavaConverters.asScalaIterator(all.iterator());
    try (RowColumns columns = new RowColumns(attributes(schema), 10)) {
      for (int first = 0; first < 25; first += 10) {
        ColumnarBatch batch = columns.fill(input);
        Checks.equal(Math.min(10, 25 - first), batch.numRows());
        for (int i = 0; i < batch.numRows(); i++) {
          Checks.equal((long) first + i, batch.column(1).getLong(i));
          Checks.equal(-(long) first - i, batch.column(0).getArray(i).getLong(1));
        }
      }
      Checks.equal(0, columns.fill(input).numRows());
    }
  }
}
