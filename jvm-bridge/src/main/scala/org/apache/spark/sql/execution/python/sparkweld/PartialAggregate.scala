package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, JoinedRow, MutableProjection, UnsafeProjection}
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateExpression, DeclarativeAggregate}
import org.apache.spark.sql.execution.aggregate.TungstenAggregationIterator
import org.apache.spark.sql.execution.metric.SQLMetric

/**
 * Spark's own partial hash aggregation of rows of `input`, made on the driver and run in tasks. Its rows are the keys and
 * the buffers.
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

  /** The aggregate of these rows, which it takes all at once. Without keys there is one row, also for no rows. */
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

  /** What the buffers of a group (`group`: its keys, then these) are after one more row. Raises what Spark raises. */
  def update(group: InternalRow, row: InternalRow): InternalRow = {
    val functions = aggregates.map(_.aggregateFunction.asInstanceOf[DeclarativeAggregate])
    val schema = grouping.map(_.newInstance()) ++ functions.flatMap(_.aggBufferAttributes) ++ input
    UnsafeProjection.create(functions.flatMap(_.updateExpressions), schema)(new JoinedRow(group, row))
  }
}
