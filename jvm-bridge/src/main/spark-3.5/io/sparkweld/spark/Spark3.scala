package io.sparkweld
package spark

import java.lang.reflect.Method
import java.nio.charset.CharacterCodingException
import java.nio.charset.StandardCharsets.UTF_8

import org.apache.arrow.memory.ArrowBuf
import org.apache.arrow.vector.ValueVector
import org.apache.spark.SparkContext
import org.apache.spark.sql.{Dataset, SparkSession, SparkSessionExtensionsProvider}
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, PythonMapInArrow}
import org.apache.spark.sql.execution.{LocalTableScanExec, QueryExecution, SparkPlan}
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.execution.python.{MapInPandasExec, PythonMapInArrowExec}
import org.apache.spark.sql.execution.python.sparkweld.{PrivateSession, PythonNodes}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{BinaryType, DataType}
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.types.UTF8String

/** Implements what Spark 3 has in another form than Spark 4. */
abstract class Spark3 extends SparkLine {

  override type Session = SparkSession

  override def activeSession: Session = SparkSession.active

  override def withActive[T](session: Session)(body: => T): T = PrivateSession.withActive(session)(body)

  override def queryExecution(query: Dataset[_]): QueryExecution = query.queryExecution

  /** Sessions of Python and R read only this list. Those of Scala and Java also load services, so they may apply it twice. */
  override def loadExtensions(context: SparkContext, provider: Class[_ <: SparkSessionExtensionsProvider]): Unit =
    appendToList(context, "spark.sql.extensions", provider.getName)

  override def emptyTable(output: Seq[Attribute]): SparkPlan = LocalTableScanExec(output, Nil)

  override def mapNode(function: PythonUDF, output: Seq[Attribute], child: SparkPlan): SparkPlan =
    if (function.evalType == EvalTypes.MapPandas) MapInPandasExec(function, output, child, isBarrier = false)
    else PythonMapInArrowExec(function, output, child, isBarrier = false)

  override def mapOf(plan: SparkPlan): Option[(PythonUDF, Seq[Attribute])] = plan match {
    case MapInPandasExec(function: PythonUDF, output, _, false) => Some((function, output))
    case PythonMapInArrowExec(function: PythonUDF, output, _, false) => Some((function, output))
    case _ => None
  }

  override def mapInArrow(function: PythonUDF, output: Seq[Attribute], child: LogicalPlan): LogicalPlan =
    PythonMapInArrow(function, output, child, isBarrier = false)

  /** SQL accepts names, and then fails to evaluate them. */
  override def passesNamedArguments: Boolean = false

  override def pythonEvaluator(
      udfs: Seq[PythonUDF],
      childOutput: Seq[Attribute],
      resultAttrs: Seq[Attribute],
      evalType: Int,
      columnarInput: Boolean,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): PythonEvaluator =
    PythonNodes.evaluator(udfs, resultAttrs, emptyTable(childOutput), evalType, metrics)

  override def mapEvaluator(
      function: PythonUDF,
      childOutput: Seq[Attribute],
      output: Seq[Attribute],
      evalType: Int,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): MapEvaluator = PythonNodes.mapEvaluator(function, childOutput, output, evalType, conf, metrics)

  override def pythonMetrics(context: SparkContext): Map[String, SQLMetric] = PythonNodes.metrics(context)

  override def pythonException(error: String): RuntimeException = PythonNodes.exception(error)

  /** This line has no limit. */
  override def arrowBytesPerBatch(conf: SQLConf): Long = Long.MaxValue

  override def arrowSize(types: Seq[DataType], inStruct: Boolean, zone: String, largeStrings: Boolean): ArrowSize =
    throw new IllegalStateException("no Arrow batch has a limit of bytes")

  /** Decoding replaces each malformed sequence, and so changes the bytes. */
  override def isValidUtf8(column: Expression): Expression =
    EqualTo(Cast(column, BinaryType), Cast(StringDecode(Cast(column, BinaryType), Literal(UTF_8.name)), BinaryType))

  override def isValidUtf8(value: UTF8String): Boolean =
    try {
      UTF_8.newDecoder().decode(value.getByteBuffer) // it reports malformed input
      true
    } catch { case _: CharacterCodingException => false }

  /** This line has no collations. */
  override def isBinaryStable(dataType: DataType): Boolean = true

  override def closeIfFreeable(batch: ColumnarBatch): Unit = freeBatch.foreach(_.invoke(batch))

  override def closeIfFreeable(column: ColumnVector): Unit = freeColumn.foreach(_.invoke(column))

  /** None in releases before 3.5.4, whose ColumnarToRow frees nothing. */
  private lazy val freeBatch = methodOf(classOf[ColumnarBatch], "closeIfFreeable")
  private lazy val freeColumn = methodOf(classOf[ColumnVector], "closeIfFreeable")

  private def methodOf(of: Class[_], name: String): Option[Method] = of.getMethods.find(_.getName == name)

  override def intervalsNeedChildren: Boolean = true

  /** This line's Arrow has no vectors of string views. */
  override def stringViews(vector: ValueVector): Option[(ArrowBuf, Seq[ArrowBuf])] = None
}
