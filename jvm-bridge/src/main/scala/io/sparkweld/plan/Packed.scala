package io.sparkweld
package plan

import java.nio.ByteBuffer

import scala.reflect.ClassTag

import org.apache.spark.SparkEnv
import org.apache.spark.sql.execution.metric.SQLMetric

/**
 * Holds a part of a task's plan as bytes, which the task reads only where it needs that part.
 *
 * Spark reports every metric that a task has read to the tab SQL, also those that nothing was added to. The tab hides a metric
 * that no task reports.
 */
final class Packed[T: ClassTag] private (bytes: Array[Byte]) extends Serializable {
  /** The part. The first call must be on the task's own thread. */
  @transient lazy val value: T =
    SparkEnv.get.closureSerializer.newInstance().deserialize[T](ByteBuffer.wrap(bytes), Thread.currentThread.getContextClassLoader)
}

object Packed {
  /** Packs a part on the driver. */
  def of[T: ClassTag](part: T): Packed[T] = {
    val buffer = SparkEnv.get.closureSerializer.newInstance().serialize(part)
    val bytes = new Array[Byte](buffer.remaining)
    buffer.get(bytes)
    new Packed[T](bytes)
  }
}

/** A metric that most tasks never count: those report none of it. */
final class RareMetric private (metric: Packed[SQLMetric]) extends Serializable {
  def +=(count: Long): Unit = if (count != 0) metric.value += count
}

object RareMetric {
  def of(metric: SQLMetric): RareMetric = new RareMetric(Packed.of(metric))
}
