import java.util.List;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.ViewVarCharVector;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.unsafe.types.VariantVal;

/** Creates types and values that Spark 3 lacks. */
final class SparkTypes {
  static final List<DataType> NEW = List.of(DataTypes.VariantType);

  /** Returns a value of each new type. */
  static List<Object> values(int k) {
    return List.of(new VariantVal(new byte[] {12, (byte) k}, new byte[] {1, 0, 0}));
  }

  static DataType collated(String collation) {
    return StringType.apply(collation);
  }

  static FieldVector views() {
    return new ViewVarCharVector("c", Vectors.ARROW);
  }

  static void setView(FieldVector views, int row, byte[] bytes) {
    ((ViewVarCharVector) views).setSafe(row, bytes);
  }
}
