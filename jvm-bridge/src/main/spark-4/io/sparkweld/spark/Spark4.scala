package io.sparkweld
package spark

import java.lang.reflect.Method

import scala.jdk.CollectionConverters._

import org.apache.arrow.memory.ArrowBuf
import org.apache.arrow.vector.{ValueVector, ViewVarCharVector}
import org.apache.spark.SparkContext
import org.apache.spark.sql.{classic, Dataset, SparkSessionExtensionsProvider}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, MapInArrow}
import org.apache.spark.sql.catalyst.util.UnsafeRowUtils
import org.apache.spark.sql.execution.{LocalTableScanExec, QueryExecution, SparkPlan}
import org.apache.spark.sql.execution.arrow.ArrowWriter
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.execution.python.{MapInArrowExec, MapInPandasExec}
import org.apache.spark.sql.execution.python.sparkweld.{NodeArguments, PythonNodes}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DataType, StructField, StructType}
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.types.UTF8String

/** Implements what is the same in all lines of Spark 4. */
abstract class Spark4 extends SparkLine {

  override type Session = classic.SparkSession

  override def activeSession: Session = classic.SparkSession.active

  override def withActive[T](session: Session)(body: => T): T = session.withActive(body)

  override def queryExecution(query: Dataset[_]): QueryExecution = query.asInstanceOf[classic.Dataset[_]].queryExecution

  override def loadExtensions(context: SparkContext, provider: Class[_ <: SparkSessionExtensionsProvider]): Unit = ()

  override def emptyTable(output: Seq[Attribute]): SparkPlan = LocalTableScanExec(output, Nil, None)

  override def mapNode(function: PythonUDF, output: Seq[Attribute], child: SparkPlan): SparkPlan =
    if (function.evalType == EvalTypes.MapPandas) MapInPandasExec(function, output, child, isBarrier = false, None)
    else MapInArrowExec(function, output, child, isBarrier = false, None)

  override def mapOf(plan: SparkPlan): Option[(PythonUDF, Seq[Attribute])] = plan match {
    case MapInPandasExec(function: PythonUDF, output, _, false, None) => Some((function, output))
    case MapInArrowExec(function: PythonUDF, output, _, false, None) => Some((function, output))
    case _ => None
  }

  override def mapInArrow(function: PythonUDF, output: Seq[Attribute], child: LogicalPlan): LogicalPlan =
    MapInArrow(function, output, child, isBarrier = false, None)

  override def passesNamedArguments: Boolean = true

  override def pythonEvaluator(
      udfs: Seq[PythonUDF],
      childOutput: Seq[Attribute],
      resultAttrs: Seq[Attribute],
      evalType: Int,
      columnarInput: Boolean,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): PythonEvaluator =
    PythonNodes.evaluator(NodeArguments(udfs, childOutput, childOutput ++ resultAttrs, evalType, conf, metrics), columnarInput)

  override def mapEvaluator(
      function: PythonUDF,
      childOutput: Seq[Attribute],
      output: Seq[Attribute],
      evalType: Int,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): MapEvaluator =
    PythonNodes.mapEvaluator(function, NodeArguments(Seq(function), childOutput, output, evalType, conf, metrics))

  override def pythonMetrics(context: SparkContext): Map[String, SQLMetric] = PythonNodes.metrics(context)

  override def pythonException(error: String): RuntimeException = PythonNodes.exception(error)

  override def arrowBytesPerBatch(conf: SQLConf): Long = conf.arrowMaxBytesPerBatch

  override def isValidUtf8(column: Expression): Expression = IsValidUTF8(column)

  override def isValidUtf8(value: UTF8String): Boolean = value.isValid

  override def isBinaryStable(dataType: DataType): Boolean = UnsafeRowUtils.isBinaryStable(dataType)

  override def arrowSize(types: Seq[DataType], inStruct: Boolean, zone: String, largeStrings: Boolean): ArrowSize =
    new WriterSize(types, inStruct, zone, largeStrings)

  override def closeIfFreeable(batch: ColumnarBatch): Unit = batch.closeIfFreeable()

  override def closeIfFreeable(column: ColumnVector): Unit = column.closeIfFreeable()

  override def intervalsNeedChildren: Boolean = false

  override def stringViews(vector: ValueVector): Option[(ArrowBuf, Seq[ArrowBuf])] = vector match {
    case views: ViewVarCharVector => Some((views.getDataBuffer, views.getDataBuffers.asScala.toSeq))
    case _ => None
  }
}

/** Measures the batch that Spark's own writer makes of rows. */
private final class WriterSize(types: Seq[DataType], inStruct: Boolean, zone: String, largeStrings: Boolean) extends ArrowSize {
  private val columns = StructType(types.zipWithIndex.map { case (of, i) => StructField(s"_$i", of) })
  private val schema = if (inStruct) StructType(Seq(StructField("struct", columns))) else columns
  private val writer = ArrowWriter.create(schema, zone, errorOnDuplicatedFieldNames = false, largeStrings)

  override def add(row: InternalRow): Long = {
    writer.write(if (inStruct) InternalRow(row) else row)
    WriterSize.SizeInBytes.invoke(writer).asInstanceOf[Number].longValue
  }

  override def reset(): Unit = writer.reset()

  override def close(): Unit = writer.root.close()
}

private object WriterSize {

  /** A method that returns an Int in the first releases of lines 4.0 and 4.1, and later a Long. */
  val SizeInBytes: Method = classOf[ArrowWriter].getMethod("sizeInBytes")
}
