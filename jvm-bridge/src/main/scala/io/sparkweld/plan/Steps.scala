package io.sparkweld.plan

import io.sparkweld.compile.{FormOrigin, ModelBlock, ModelFile, Watch, WorkerModules}
import io.sparkweld.support.Rewritten

import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, NamedExpression, PythonUDF}
import org.apache.spark.sql.execution.{FilterExec, ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.{ArrowEvalPythonExec, BatchEvalPythonExec, MapInArrowExec, MapInPandasExec}
import org.apache.spark.sql.execution.python.sparkweld.EvalTypes
import org.apache.spark.sql.types.{ArrayType, DataType, DayTimeIntervalType, DoubleType, FloatType, StringType, StructType}

/** One node of a chain without its child: what a WeldExec computes, and what the fallback interprets. */
sealed trait Step {

  /** The node as Spark had it, over `child`. */
  def over(child: SparkPlan): SparkPlan
}

final case class PythonStep(udfs: Seq[PythonUDF], results: Seq[Attribute], evalType: Int) extends Step {
  override def over(child: SparkPlan): SparkPlan =
    if (evalType == EvalTypes.Batched) BatchEvalPythonExec(udfs, results, child)
    else ArrowEvalPythonExec(udfs, results, child, evalType)
}

/** mapInPandas or mapInArrow: rows of `output` for rows of the child, perhaps fewer. */
final case class MapStep(function: PythonUDF, output: Seq[Attribute], evalType: Int) extends Step {
  override def over(child: SparkPlan): SparkPlan =
    if (evalType == EvalTypes.MapPandas) MapInPandasExec(function, output, child, isBarrier = false, None)
    else MapInArrowExec(function, output, child, isBarrier = false, None)
}

final case class FilterStep(condition: Expression) extends Step {
  override def over(child: SparkPlan): SparkPlan = FilterExec(condition, child)
}

final case class ProjectStep(columns: Seq[NamedExpression]) extends Step {
  override def over(child: SparkPlan): SparkPlan = ProjectExec(columns, child)
}

object Step {

  /** Where the rows run that a kernel does not decide, for messages: of steps that call Python, or of Spark's alone. */
  def elsewhere(inPython: Boolean): String = if (inPython) "in Python" else "as Spark planned them"

  /** The step that `node` is, when it can be a link of a chain. A map in barrier mode or with resources of its own cannot. */
  def of(node: SparkPlan): Option[Step] = node match {
    case python: ArrowEvalPythonExec => Some(PythonStep(python.udfs, python.resultAttrs, python.evalType))
    case python: BatchEvalPythonExec => Some(PythonStep(python.udfs, python.resultAttrs, EvalTypes.Batched))
    case MapInPandasExec(function: PythonUDF, output, _, false, None) => Some(MapStep(function, output, function.evalType))
    case MapInArrowExec(function: PythonUDF, _, _, _, _) if Rewritten.in(function).nonEmpty => None // ours already
    case MapInArrowExec(function: PythonUDF, output, _, false, None) => Some(MapStep(function, output, function.evalType))
    case FilterExec(condition, _) => Some(FilterStep(condition))
    case ProjectExec(columns, _) => Some(ProjectStep(columns))
    case _ => None
  }
}

/**
 * A request input: where a batch has it (`path`: column of the child, then fields of structs), and how its NULLs are
 * treated.
 */
final case class KernelInput(path: Array[Int], dataType: DataType, nulls: NullPolicy)

/** What a NULL in an input column of a batch means for the choice of a kernel. */
sealed trait NullPolicy extends Serializable

object NullPolicy {

  /** The kernel reads the null bytes: NULL is NaN or None of one dtype (floating point, strings). */
  case object Read extends NullPolicy

  /** pandas has another dtype, or parts of another dtype, when there are NULLs: there is another form for such a batch. */
  case object OtherForm extends NullPolicy

  /** The schema says that there are none: a batch that has some runs in Python. */
  case object Python extends NullPolicy

  /**
   * Of a nullable column that a function sees as a Series. pandas treats floats, intervals, strings and arrays the same with
   * NULLs and without: NULL is NaN or None in them. Parts of timestamps are integers, which are floats in a batch with a NaT.
   */
  def ofSeries(dataType: DataType): NullPolicy = dataType match {
    case FloatType | DoubleType | _: DayTimeIntervalType | StringType | _: ArrayType => Read
    case _ => OtherForm
  }
}

/**
 * What a WeldExec runs, beside its steps.
 *
 * @param layout for each output column: the child's column that passes through (>= 0), or -(j + 1) for the kernel's output j,
 *   counted on to `structs` and `vectors`
 * @param structs columns made of kernel outputs
 * @param vectors ML vectors made of the last kernel outputs, which `layout` does not count; it has them behind `structs`
 * @param flags whether the kernel stores one column more: NULL in rows that it did not decide, which run in Python alone
 * @param files what its functions load: a task where these are others runs in Python
 * @param modules what its functions import: a task whose Python would import others runs in Python
 * @param watched what the last outputs are held against, which are counted and in no batch
 * @param batchRows batches of fewer rows are joined to some of about as many (0: never): its models cost much for each batch
 * @param models the constants that the program reads; on the driver only, tasks get them as broadcasts
 */
final case class KernelPlan(
    requestKey: String,
    origin: FormOrigin,
    inputs: Array[KernelInput],
    outputTypes: Array[DataType],
    layout: Array[Int],
    structs: Array[StructOutput],
    vectors: Array[VectorOutput],
    filtered: Boolean,
    flags: Boolean,
    files: Seq[ModelFile],
    modules: Seq[WorkerModules],
    @transient models: Seq[ModelBlock],
    watched: Seq[Watch],
    batchRows: Int)

/** A struct whose fields are these outputs of the kernel. */
final case class StructOutput(struct: StructType, fields: Array[Int])

/** An ML vector whose numbers are these outputs of the kernel. `form`: see [[io.sparkweld.columns.VectorColumn]]. */
final case class VectorOutput(first: Int, size: Int, form: String)

/** What explain says of a WeldExec. */
final case class KernelSummary(
    hash: String,
    udfs: Seq[String],
    fused: Seq[String],
    kept: Seq[String],
    notes: Seq[String],
    guarded: Boolean)
