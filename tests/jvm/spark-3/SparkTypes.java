import java.util.List;
import org.apache.arrow.vector.FieldVector;
import org.apache.spark.sql.types.DataType;

/** States that Spark 3 lacks types and values which Spark 4 has. */
final class SparkTypes {
  static final List<DataType> NEW = List.of();

  static List<Object> values(int k) {
    return List.of();
  }

  static DataType collated(String collation) {
    throw new Checks.Absent();
  }

  static FieldVector views() {
    throw new Checks.Absent();
  }

  static void setView(FieldVector views, int row, byte[] bytes) {
    throw new Checks.Absent();
  }
}
