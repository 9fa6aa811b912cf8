import io.sparkweld.columns.SelectedColumnVector;
import io.sparkweld.columns.SelectionBuffer;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.catalyst.util.ArrayBasedMapData;
import org.apache.spark.sql.catalyst.util.GenericArrayData;
import org.apache.spark.sql.execution.RowToColumnConverter;
import org.apache.spark.sql.execution.vectorized.ConstantColumnVector;
import org.apache.spark.sql.execution.vectorized.OffHeapColumnVector;
import org.apache.spark.sql.execution.vectorized.OnHeapColumnVector;
import org.apache.spark.sql.execution.vectorized.WritableColumnVector;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.CalendarInterval;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Checks that rows read through a selection are the selected rows, for all of Spark's types: `java SelectedRowsCheck`.
 *
 * Rows are compared as UnsafeRows, the input of a row-based operator above a kernel.
 */
public final class SelectedRowsCheck {
  static final int ROWS = 300;
  static final StructType INNER = new StructType().add("i", "int").add("s", "string").add("d", "decimal(30,5)");
  static final StructType SCHEMA = withNewTypes(new StructType()
      .add("boolean", "boolean").add("byte", "byte").add("short", "short").add("int", "int").add("long", "long")
      .add("float", "float").add("double", "double").add("date", "date").add("timestamp", "timestamp")
      .add("string", "string").add("binary", "binary").add("small", "decimal(8,2)").add("medium", "decimal(15,2)")
      .add("large", "decimal(38,10)").add("interval", DataTypes.CalendarIntervalType)
      .add("array", "array<int>").add("strings", "array<string>").add("map", "map<string,int>")
      .add("struct", new StructType().add("a", "long").add("inner", INNER).add("list", "array<int>"))
      .add("structs", "array<struct<x:int,y:string>>"));

  public static void main(String[] args) {
    Checks.check("rows-off-heap", () -> rows(true));
    Checks.check("rows-on-heap", () -> rows(false));
    Checks.check("null-counts", SelectedRowsCheck::nullCounts);
    Checks.check("constants", SelectedRowsCheck::constants);
  }

  static Object[] values(int k, Random random) {
    UTF8String text = UTF8String.fromString("row " + k + " \u00e4\u4e16");
    InternalRow inner = new GenericInternalRow(new Object[] {k % 4 == 0 ? null : k, text, decimal(k * 7L, 30, 5)});
    GenericArrayData list = new GenericArrayData(new Object[] {k, null, k + 1});
    GenericArrayData keys = new GenericArrayData(new Object[] {text});
    Object map = new ArrayBasedMapData(keys, new GenericArrayData(new Object[] {k}));
    Object structs = new GenericArrayData(new Object[] {
        new GenericInternalRow(new Object[] {k, null}), null, new GenericInternalRow(new Object[] {null, text})});
    Object[] common = {k % 2 == 0, (byte) k, (short) (k * 3), k, k * 1000000007L, k / 3f, k / 7.0, k * 5, k * 999L,
        text, new byte[] {(byte) k, 1, 2}, decimal(k, 8, 2), decimal(k * 1000L, 15, 2), decimal(k * 77L, 38, 10),
        new CalendarInterval(k, k + 1, k + 2L), list, new GenericArrayData(new Object[] {text, null}), map,
        new GenericInternalRow(new Object[] {(long) k, k % 5 == 0 ? null : inner, list}), structs};
    return Stream.concat(Arrays.stream(common), SparkTypes.values(k).stream()).toArray();
  }

  static StructType withNewTypes(StructType schema) {
    for (DataType type : SparkTypes.NEW) schema = schema.add(type.typeName(), type);
    return schema;
  }

  static Decimal decimal(long unscaled, int precision, int scale) {
    Decimal made = Decimal.apply(new java.math.BigDecimal(java.math.BigInteger.valueOf(unscaled), scale));
    made.changePrecision(precision, scale);
    return made;
  }

  static WritableColumnVector[] columns(boolean offHeap, int rows, Random random) {
    WritableColumnVector[] columns = offHeap
        ? OffHeapColumnVector.allocateColumns(rows, SCHEMA) : OnHeapColumnVector.allocateColumns(rows, SCHEMA);
    RowToColumnConverter converter = new RowToColumnConverter(SCHEMA);
    for (int k = 0; k < rows; k++) {
      Object[] row = values(k, random);
      for (int c = 0; c < row.length; c++) if (random.nextInt(6) == 0) row[c] = null;
      converter.convert(new GenericInternalRow(row), columns);
    }
    return columns;
  }

  static void rows(boolean offHeap) {
    Random random = new Random(5);
    UnsafeProjection wanted = UnsafeProjection.create(SCHEMA), got = UnsafeProjection.create(SCHEMA);
    try (SelectionBuffer selection = new SelectionBuffer()) {
      SelectedColumnVector[] views = new SelectedColumnVector[SCHEMA.size()];
      for (int c = 0; c < views.length; c++) views[c] = new SelectedColumnVector(selection);
      for (int round = 0; round < 3; round++) { // views are reused over batches
        WritableColumnVector[] base = columns(offHeap, ROWS, random);
        int chosen = 0;
        selection.ensureCapacity(ROWS);
        for (int k = 0; k < ROWS; k++)
          if (random.nextInt(3) == 0) Platform.putInt(null, selection.address() + 4L * chosen++, k);
        for (int c = 0; c < views.length; c++) {
          views[c].reset(base[c], ROWS);
          if (!views[c].dataType().equals(base[c].dataType())) throw new AssertionError("data type of column " + c);
        }
        ColumnarBatch all = new ColumnarBatch(base, ROWS), some = new ColumnarBatch(views, chosen);
        for (int k = 0; k < chosen; k++) {
          InternalRow left = wanted.apply(all.getRow(selection.apply(k))), right = got.apply(some.getRow(k));
          if (!left.equals(right)) throw new AssertionError("round " + round + ", row " + k + " of " + chosen);
        }
        some.closeIfFreeable();
        all.close();
      }
    }
  }

  static void nullCounts() {
    OnHeapColumnVector base = new OnHeapColumnVector(10, DataTypes.IntegerType);
    try (SelectionBuffer selection = new SelectionBuffer()) {
      SelectedColumnVector view = new SelectedColumnVector(selection);
      selection.ensureCapacity(10);
      Platform.putInt(null, selection.address(), 5);
      view.reset(base, 10);
      if (view.hasNull() || view.numNulls() != 0) throw new AssertionError("no NULL in the column");
      base.putNull(5);
      if (!view.hasNull() || view.numNulls() != 1 || !view.isNullAt(0)) throw new AssertionError("one NULL");
    }
    base.close();
  }

  static void constants() {
    ConstantColumnVector base = new ConstantColumnVector(10, DataTypes.StringType);
    base.setUtf8String(UTF8String.fromString("same"));
    try (SelectionBuffer selection = new SelectionBuffer()) {
      SelectedColumnVector view = new SelectedColumnVector(selection);
      selection.ensureCapacity(1);
      Platform.putInt(null, selection.address(), 9);
      ColumnVector shown = view;
      view.reset(base, 10);
      if (!shown.getUTF8String(0).toString().equals("same")) throw new AssertionError("constant string");
    }
  }
}
