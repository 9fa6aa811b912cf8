import io.sparkweld.columns.InputColumn;
import io.sparkweld.columns.MalformedVector;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.vector.*;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.parquet.bytes.BytesInput;
import org.apache.parquet.column.Encoding;
import org.apache.parquet.column.page.DictionaryPage;
import org.apache.parquet.column.values.dictionary.PlainValuesDictionary;
import org.apache.spark.sql.execution.datasources.parquet.ParquetDictionary;
import org.apache.spark.sql.execution.vectorized.*;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.unsafe.Platform;

/**
 * Checks that columns with out-of-range offsets, ids or sizes are refused before any read, and that values of NULL rows are
 * ignored. Prints "ok NAME" or "FAILED NAME: why" for each check.
 */
public final class MalformedCheck {
  private static final DataType TEXT = DataTypes.StringType;
  private static final DataType LISTS = new ArrayType(DataTypes.LongType, true);
  private static final int ROWS = 20;
  /** Numbers that are invalid as any offset. */
  private static final int[] WILD = {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 1 << 30, 100_000};

  public static void main(String[] args) {
    Checks.check("malformed-arrow-strings", MalformedCheck::arrowStrings);
    Checks.check("malformed-arrow-large-strings", MalformedCheck::arrowLargeStrings);
    Checks.check("malformed-arrow-views", MalformedCheck::arrowViews);
    Checks.check("malformed-arrow-lists", MalformedCheck::arrowLists);
    Checks.check("malformed-arrow-short", MalformedCheck::shortBuffers);
    Checks.check("malformed-arrow-unaligned", MalformedCheck::unaligned);
    Checks.check("malformed-off-heap", () -> sparkVectors(true));
    Checks.check("malformed-on-heap", () -> sparkVectors(false));
    Checks.check("malformed-dictionary", MalformedCheck::dictionaries);
  }

  // ---- expectations

  private static void right(DataType type, ColumnVector vector, int rows) {
    try (InputColumn column = InputColumn.of(type, true)) {
      column.bind(vector, rows);
    }
  }

  /** Checks that the column is refused, and that the same object accepts a valid one afterwards. */
  private static void wrong(DataType type, ColumnVector vector, int rows, String... words) {
    try (InputColumn column = InputColumn.of(type, true)) {
      try {
        column.bind(vector, rows);
      } catch (MalformedVector | IndexOutOfBoundsException e) {
        for (String word : words)
          if (!e.getMessage().contains(word)) throw new AssertionError("no '" + word + "' in: " + e.getMessage());
        try (OnHeapColumnVector nothing = new OnHeapColumnVector(1, type)) {
          nothing.putNull(0);
          column.bind(nothing, 1);
        }
        return;
      }
      throw new AssertionError("a malformed " + vector.getClass().getSimpleName() + " of " + type + " was taken");
    }
  }

  private interface Damage {
    void set(int row, int number);
  }

  /** Checks that each invalid number in place of each of `places` numbers is refused, unless its rows are NULL. */
  private static void eachPlace(DataType type, ColumnVector vector, ArrowBuf numbers, int places, int width) {
    right(type, vector, ROWS);
    for (int place = 0; place < places; place++)
      for (int number : WILD) {
        long kept = width == 8 ? numbers.getLong(place * 8L) : numbers.getInt(place * 4L);
        if (width == 8) numbers.setLong(place * 8L, number == Integer.MAX_VALUE ? Long.MAX_VALUE : number);
        else numbers.setInt(place * 4L, number);
        wrong(type, vector, ROWS, "malformed", type.catalogString());
        if (width == 8) numbers.setLong(place * 8L, kept);
        else numbers.setInt(place * 4L, (int) kept);
      }
    right(type, vector, ROWS);
  }

  // ---- Arrow

  private static <V extends BaseVariableWidthVector> V strings(V vector) {
    vector.allocateNew(1000, ROWS);
    for (int i = 0; i < ROWS; i++) vector.setSafe(i, ("text " + i).getBytes());
    vector.setValueCount(ROWS);
    return vector;
  }

  private static void arrowStrings() {
    try (VarCharVector vector = strings(new VarCharVector("c", Vectors.ARROW))) {
      ColumnVector column = new ArrowColumnVector(vector);
      eachPlace(TEXT, column, vector.getOffsetBuffer(), ROWS + 1, 4);
      vector.setNull(4);
      vector.setNull(5);
      vector.getOffsetBuffer().setInt(5 * 4L, -7); // between two NULL rows: never read
      right(TEXT, column, ROWS);
    }
  }

  private static void arrowLargeStrings() {
    try (LargeVarCharVector vector = new LargeVarCharVector("c", Vectors.ARROW)) {
      vector.allocateNew(1000, ROWS);
      for (int i = 0; i < ROWS; i++) vector.setSafe(i, ("text " + i).getBytes());
      vector.setValueCount(ROWS);
      eachPlace(TEXT, new ArrowColumnVector(vector), vector.getOffsetBuffer(), ROWS + 1, 8);
    }
  }

  private static void arrowViews() {
    try (FieldVector vector = SparkTypes.views()) {
      vector.setInitialCapacity(ROWS);
      vector.allocateNew();
      for (int i = 0; i < ROWS; i++) SparkTypes.setView(vector, i, (i % 2 == 0 ? "short" : "a text of more than twelve bytes").getBytes());
      vector.setValueCount(ROWS);
      ColumnVector column = new ArrowColumnVector(vector);
      right(TEXT, column, ROWS);
      for (int word : new int[] {0, 2, 3})
        for (int number : WILD) {
          long place = 16L + 4 * word; // of row 1, a long string
          int kept = vector.getDataBuffer().getInt(place);
          vector.getDataBuffer().setInt(place, number);
          wrong(TEXT, column, ROWS, "malformed");
          vector.getDataBuffer().setInt(place, kept);
        }
      right(TEXT, column, ROWS);
    }
  }

  private static ListVector lists() {
    ListVector vector = ListVector.empty("c", Vectors.ARROW);
    var writer = vector.getWriter();
    for (int i = 0; i < ROWS; i++) {
      writer.setPosition(i);
      writer.startList();
      for (int k = 0; k < 3; k++) writer.bigInt().writeBigInt(k);
      writer.endList();
    }
    vector.setValueCount(ROWS);
    return vector;
  }

  private static void arrowLists() {
    try (ListVector vector = lists()) {
      ColumnVector column = new ArrowColumnVector(vector);
      eachPlace(LISTS, column, vector.getOffsetBuffer(), ROWS + 1, 4);
      vector.getDataVector().setValueCount(10); // fewer elements than the arrays have
      wrong(LISTS, column, ROWS, "malformed");
    }
  }

  /** Checks buffers that end before the rows do, as a message of another process may have them. */
  private static void shortBuffers() {
    try (VarCharVector whole = strings(new VarCharVector("c", Vectors.ARROW)); BigIntVector numbers = new BigIntVector("n", Vectors.ARROW)) {
      ArrowBuf validity = whole.getValidityBuffer(), offsets = whole.getOffsetBuffer(), data = whole.getDataBuffer();
      try (VarCharVector cut = new VarCharVector("c", Vectors.ARROW)) {
        cut.loadFieldBuffers(new ArrowFieldNode(ROWS, 1), List.of(validity, offsets.slice(0, ROWS * 4L), data));
        wrong(TEXT, new ArrowColumnVector(cut), ROWS, "offsets");
        cut.loadFieldBuffers(new ArrowFieldNode(ROWS, 1), List.of(validity.slice(0, 1), offsets, data));
        wrong(TEXT, new ArrowColumnVector(cut), ROWS, "validity");
        cut.loadFieldBuffers(new ArrowFieldNode(ROWS, 1), List.of(validity, offsets, data.slice(0, 30)));
        wrong(TEXT, new ArrowColumnVector(cut), ROWS, "malformed");
      }
      numbers.allocateNew(ROWS);
      for (int i = 0; i < ROWS; i++) numbers.set(i, i);
      numbers.setValueCount(ROWS);
      try (BigIntVector cut = new BigIntVector("n", Vectors.ARROW)) {
        cut.loadFieldBuffers(new ArrowFieldNode(ROWS, 1),
            List.of(numbers.getValidityBuffer(), numbers.getDataBuffer().slice(0, ROWS * 8L - 1)));
        wrong(DataTypes.LongType, new ArrowColumnVector(cut), ROWS, "values");
        right(DataTypes.LongType, new ArrowColumnVector(cut), ROWS - 1);
      }
    }
  }

  /** Checks that offsets at an unaligned address are read and validated. */
  private static void unaligned() {
    try (VarCharVector whole = strings(new VarCharVector("c", Vectors.ARROW));
        ArrowBuf moved = Vectors.ARROW.buffer((ROWS + 1) * 4L + 1)) {
      for (int i = 0; i <= ROWS; i++) Platform.putInt(null, moved.memoryAddress() + 1 + i * 4L, whole.getOffsetBuffer().getInt(i * 4L));
      ArrowBuf odd = moved.slice(1, (ROWS + 1) * 4L);
      try (VarCharVector vector = new VarCharVector("c", Vectors.ARROW)) {
        vector.loadFieldBuffers(new ArrowFieldNode(ROWS, 1), Arrays.asList(whole.getValidityBuffer(), odd, whole.getDataBuffer()));
        if (vector.getOffsetBuffer().memoryAddress() % 4 == 0) throw new AssertionError("the buffer is aligned, the check is vacuous");
        ColumnVector column = new ArrowColumnVector(vector);
        try (InputColumn input = InputColumn.of(TEXT, true)) {
          input.bind(column, ROWS);
          Checks.equal(7L, Platform.getLong(null, input.dataAddress() + 15 * 16 + 8)); // "text 15"
        }
        Platform.putInt(null, odd.memoryAddress() + 12, -5);
        wrong(TEXT, column, ROWS, "malformed");
      }
    }
  }

  // ---- Spark

  private static void sparkVectors(boolean offHeap) {
    for (DataType type : new DataType[] {TEXT, LISTS}) {
      WritableColumnVector vector = offHeap ? ColumnCheck.offHeap(type, new boolean[ROWS]) : ColumnCheck.onHeap(type, new boolean[ROWS]);
      WritableColumnVector elements = vector.arrayData();
      if (type == TEXT) elements.appendBytes(100, (byte) 'a');
      else elements.appendLongs(100, 7L);
      for (int i = 0; i < ROWS; i++) vector.putArray(i, 5 * i, 5);
      right(type, vector, ROWS);
      for (int row = 0; row < ROWS; row++)
        for (int number : WILD) {
          vector.putArray(row, number, 5);
          wrong(type, vector, ROWS);
          vector.putArray(row, 5, number);
          wrong(type, vector, ROWS);
          vector.putArray(row, number, number);
          wrong(type, vector, ROWS);
          vector.putArray(row, 5 * row, 5);
        }
      vector.putArray(3, -1, 1 << 30);
      vector.putNull(3);
      right(type, vector, ROWS);
      wrong(type, vector, 1 << 20); // more rows than its memory holds
      vector.close();
    }
    WritableColumnVector numbers = offHeap ? new OffHeapColumnVector(ROWS, DataTypes.LongType) : new OnHeapColumnVector(ROWS, DataTypes.LongType);
    right(DataTypes.LongType, numbers, ROWS);
    wrong(DataTypes.LongType, numbers, ROWS + 1);
    numbers.close();
  }

  /** Checks that ids beyond a dictionary are refused before memory for a table of that size is allocated. */
  private static void dictionaries() throws Exception {
    byte[] entries = {1, 0, 0, 0, 'a', 2, 0, 0, 0, 'b', 'c'};
    var page = new DictionaryPage(BytesInput.from(entries), 2, Encoding.PLAIN);
    var dictionary = new ParquetDictionary(new PlainValuesDictionary.PlainBinaryDictionary(page), false);
    for (int id : new int[] {0, 1, 2, -1, 1 << 20, Integer.MAX_VALUE})
      for (WritableColumnVector vector : List.of(new OffHeapColumnVector(ROWS, TEXT), new OnHeapColumnVector(ROWS, TEXT))) {
        vector.setDictionary(dictionary);
        WritableColumnVector ids = vector.reserveDictionaryIds(ROWS);
        for (int i = 0; i < ROWS; i++) ids.putInt(i, i == 7 ? id : 0);
        if (id == 0 || id == 1) right(TEXT, vector, ROWS);
        else wrong(TEXT, vector, ROWS, "dictionary");
        vector.close();
      }
  }
}
