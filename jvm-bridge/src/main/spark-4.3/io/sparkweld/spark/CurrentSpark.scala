package io.sparkweld.spark

import scala.jdk.CollectionConverters._

import org.apache.arrow.memory.ArrowBuf
import org.apache.arrow.vector.{ValueVector, ViewVarCharVector}
import org.apache.spark.SparkContext
import org.apache.spark.sql.{classic, Dataset, SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateFunction, Sum}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, MapInArrow}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF, TRANSPILED_PYTHON_UDF}
import org.apache.spark.sql.catalyst.util.UnsafeRowUtils
import org.apache.spark.sql.execution.{LocalTableScanExec, QueryExecution, SparkPlan}
import org.apache.spark.sql.execution.arrow.ArrowWriter
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.execution.python.{MapInArrowExec, MapInPandasExec}
import org.apache.spark.sql.execution.python.sparkweld.PythonNodes
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DataType, StructType}
import org.apache.spark.unsafe.types.UTF8String

/** Implements the interface to Spark for the line 4.3. */
object CurrentSpark extends SparkLine {
  override val line: String = "4.3"

  override type Session = classic.SparkSession

  override def activeSession: Session = classic.SparkSession.active

  override def queryExecution(query: Dataset[_]): QueryExecution = query.asInstanceOf[classic.Dataset[_]].queryExecution

  override def injectRuleBeforeOptimizer(extensions: SparkSessionExtensions, rule: SparkSession => Rule[LogicalPlan]): Unit =
    extensions.injectPreOperatorOptimizationRule(rule(_))

  override def containsExtractedPython(plan: LogicalPlan): Boolean =
    plan.containsAnyPattern(EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF, TRANSPILED_PYTHON_UDF)

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

  override def pythonEvaluator(
      udfs: Seq[PythonUDF],
      childOutput: Seq[Attribute],
      resultAttrs: Seq[Attribute],
      evalType: Int,
      columnarInput: Boolean,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): PythonEvaluator =
    PythonNodes.evaluator(udfs, childOutput, resultAttrs, evalType, columnarInput, conf, metrics)

  override def mapEvaluator(
      function: PythonUDF,
      childOutput: Seq[Attribute],
      output: Seq[Attribute],
      evalType: Int,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): MapEvaluator =
    PythonNodes.mapEvaluator(function, childOutput, output, evalType, conf, metrics)

  override def pythonMetrics(context: SparkContext): Map[String, SQLMetric] = PythonNodes.metrics(context)

  override def pythonException(error: String): RuntimeException = PythonNodes.exception(error)

  override def feedsColumnarBatches(conf: SQLConf): Boolean = conf.arrowPySparkUDFColumnarInputEnabled

  override def arrowBytesPerBatch(conf: SQLConf): Long = conf.arrowMaxBytesPerBatch

  private val wraps = NumericEvalContext(EvalMode.LEGACY, allowDecimalPrecisionLoss = true)

  override val wrapping: Map[String, (Expression, Expression) => Expression] = Map(
    "Add" -> (Add(_, _, wraps)),
    "IntegralDivide" -> (IntegralDivide(_, _, wraps)),
    "Multiply" -> (Multiply(_, _, wraps)),
    "Pmod" -> (Pmod(_, _, wraps)),
    "Remainder" -> (Remainder(_, _, wraps)),
    "Subtract" -> (Subtract(_, _, wraps)))

  override def wrappingSum(value: Expression): AggregateFunction = Sum(value, wraps)

  override def evalMode(arithmetic: BinaryArithmetic): EvalMode.Value = arithmetic.evalMode

  override def evalMode(sum: Sum): EvalMode.Value = sum.evalContext.evalMode

  override def isValidUtf8(column: Expression): Expression = IsValidUTF8(column)

  override def isValidUtf8(value: UTF8String): Boolean = value.isValid

  override def isBinaryStable(dataType: DataType): Boolean = UnsafeRowUtils.isBinaryStable(dataType)

  override def arrowWriter(schema: StructType, zone: String, largeStrings: Boolean): ArrowWriter =
    ArrowWriter.create(schema, zone, errorOnDuplicatedFieldNames = false, largeStrings)

  override def stringViews(vector: ValueVector): Option[(ArrowBuf, Seq[ArrowBuf])] = vector match {
    case views: ViewVarCharVector => Some((views.getDataBuffer, views.getDataBuffers.asScala.toSeq))
    case _ => None
  }
}
