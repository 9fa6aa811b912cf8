package io.sparkweld
package spark

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, JoinedRow, MutableProjection, UnsafeProjection}
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateExpression, DeclarativeAggregate}
import org.apache.spark.sql.execution.aggregate.TungstenAggregationIterator
import org.apache.spark.sql.execution.metric.SQLMetric

/**
 * Runs Spark's own partial hash aggregation over rows of `input`.
 *
 * It is made on the driver and runs in tasks; its rows are the keys and the buffers.
 */
final case class PartialAggregate(
    grouping: Seq[Attribute],
    aggregates: Seq[AggregateExpression],
    input: Seq[Attribute],
    converter: RowConverter,
    rows: SQLMetric,
    peakMemory: SQLMetric,
    spillSize: SQLMetric,
    avgHashProbe: SQLMetric,
    sortFallbacks: SQLMetric) {

  /** Aggregates all of these rows. Without keys the result is one row, also for no input. */
  def aggregate(partition: Int, some: Iterator[InternalRow]): Iterator[InternalRow] = {
    val hasInput = some.hasNext
    if (!hasInput && grouping.nonEmpty) Iterator.empty
    else {
      val toRow = UnsafeProjection.create(input, input)
      val made = new TungstenAggregationIterator(partition, grouping, aggregates, aggregates.map(_.resultAttribute), 0,
        grouping ++ aggregates.flatMap(_.aggregateFunction.inputAggBufferAttributes),
        (expressions, schema) => MutableProjection.create(expressions, schema), input, some.map(toRow), None, rows, peakMemory,
        spillSize, avgHashProbe, sortFallbacks)
      if (hasInput) made else Iterator.single(made.outputForEmptyGroupingKeyWithoutInput())
    }
  }

  /** Returns the buffers of a group (`group`: its keys, then the buffers) after one more row. Raises Spark's errors. */
  def update(group: InternalRow, row: InternalRow): InternalRow = {
    val functions = aggregates.map(_.aggregateFunction.asInstanceOf[DeclarativeAggregate])
    val schema = grouping.map(_.newInstance()) ++ functions.flatMap(_.aggBufferAttributes) ++ input
    UnsafeProjection.create(functions.flatMap(_.updateExpressions), schema)(new JoinedRow(group, row))
  }
}
