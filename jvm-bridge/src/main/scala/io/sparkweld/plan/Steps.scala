package io.sparkweld
package plan

import io.sparkweld.compile.{FormOrigin, ModelBlock, Watch, WorkerModules}
import io.sparkweld.contract.ModelFile
import io.sparkweld.spark.{CurrentSpark, EvalTypes, PythonAggregate}
import io.sparkweld.support.{CutChain, Rewritten}

import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, NamedExpression, PythonUDF}
import org.apache.spark.sql.execution.{FilterExec, ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.{ArrowEvalPythonExec, BatchEvalPythonExec, FlatMapGroupsInPandasExec}
import org.apache.spark.sql.types.{ArrayType, DataType, DayTimeIntervalType, DoubleType, FloatType, StringType, StructType}

/** One node of a chain without its child: a WeldExec computes it, and the fallback interprets it. */
sealed trait Step {

  /** Returns Spark's own node, over `child`. */
  def over(child: SparkPlan): SparkPlan
}

/** @param isCut whether functions in Python above compute the results of rows where they are NULL; see [[CutChain]] */
final case class PythonStep(udfs: Seq[PythonUDF], results: Seq[Attribute], evalType: Int, isCut: Boolean = false) extends Step {
  override def over(child: SparkPlan): SparkPlan =
    if (evalType == EvalTypes.Batched) BatchEvalPythonExec(udfs, results, child)
    else ArrowEvalPythonExec(udfs, results, child, evalType)
}

/** A mapInPandas or mapInArrow: maps rows of the child to rows of `output`, perhaps fewer. */
final case class MapStep(function: PythonUDF, output: Seq[Attribute], evalType: Int) extends Step {
  override def over(child: SparkPlan): SparkPlan = CurrentSpark.mapNode(function, output, child)
}

/** A node whose functions receive the rows of whole groups. Each group is one batch of the child. */
sealed trait GroupStep extends Step {
  def grouping: Seq[Expression]
  def output: Seq[Attribute]
}

/** An applyInPandas: maps the rows of each group to rows of `output`. */
final case class GroupMapStep(function: PythonUDF, grouping: Seq[Attribute], output: Seq[Attribute]) extends GroupStep {
  override def over(child: SparkPlan): SparkPlan = FlatMapGroupsInPandasExec(grouping, function, output, child)
}

/** Grouped aggregate pandas UDFs: makes one row of each group. */
final case class GroupAggregateStep(aggregate: PythonAggregate) extends GroupStep {
  override def grouping: Seq[Expression] = aggregate.grouping
  override def output: Seq[Attribute] = aggregate.columns.map(_.toAttribute)
  override def over(child: SparkPlan): SparkPlan = CurrentSpark.aggregateNode(aggregate, child)
}

final case class FilterStep(condition: Expression) extends Step {
  override def over(child: SparkPlan): SparkPlan = FilterExec(condition, child)
}

final case class ProjectStep(columns: Seq[NamedExpression]) extends Step {
  override def over(child: SparkPlan): SparkPlan = ProjectExec(columns, child)
}

object Step {

  /** Returns, for messages, where the rows run that a kernel does not decide: steps that call Python, or only Spark's own. */
  def elsewhere(inPython: Boolean): String = if (inPython) "in Python" else "as Spark planned them"

  /** Whether functions above `steps` compute the rows that a kernel of the steps does not decide. */
  def isCut(steps: Seq[Step]): Boolean = steps.exists {
    case python: PythonStep => python.isCut
    case _ => false
  }

  /** Whether functions of `steps` receive whole groups. */
  def takesGroups(steps: Seq[Step]): Boolean = steps.exists(_.isInstanceOf[GroupStep])

  /** Whether it is a mapInArrow that a rule of SparkWeld made. */
  private def isRewritten(function: PythonUDF) = function.evalType == EvalTypes.MapArrow && Rewritten.in(function).nonEmpty

  /**
   * Returns the step of `node`, when it can be part of a chain. A map in barrier mode or with its own resource profile cannot.
   */
  def of(node: SparkPlan): Option[Step] = node match {
    case python: ArrowEvalPythonExec => Some(PythonStep(python.udfs, python.resultAttrs, python.evalType, CutChain.isInner(python)))
    case python: BatchEvalPythonExec => Some(PythonStep(python.udfs, python.resultAttrs, EvalTypes.Batched, CutChain.isInner(python)))
    case FlatMapGroupsInPandasExec(grouping, function: PythonUDF, output, _) if function.evalType == EvalTypes.GroupedMapPandas =>
      Some(GroupMapStep(function, grouping, output))
    case FilterExec(condition, _) => Some(FilterStep(condition))
    case ProjectExec(columns, _) => Some(ProjectStep(columns))
    case other => CurrentSpark.mapOf(other).collect {
        case (function, output) if !isRewritten(function) => MapStep(function, output, function.evalType)
      }.orElse(CurrentSpark.aggregateOf(other).map(GroupAggregateStep(_)))
  }
}

/**
 * A request input: its location in a batch (`path`: column of the child, then fields of structs), and the treatment of its NULLs.
 *
 * @param part of a map, or of an array of structs, arrays or maps: the array that is read, see [[columns.NestedParts]]
 */
final case class KernelInput(path: Array[Int], dataType: DataType, nulls: NullPolicy, part: Seq[Int] = Nil)

/** Decides how NULLs in an input column of a batch affect the choice of a kernel. */
sealed trait NullPolicy extends Serializable {

  /** Whether the kernel itself reads the null bytes. */
  def isRead: Boolean = false
}

object NullPolicy {

  /** The kernel reads the null bytes: NULL is NaN or None, and the dtype is the same (floating point, strings). */
  case object Read extends NullPolicy {
    override def isRead: Boolean = true
  }

  /** As `Read`; a field is NULL where its struct is, too. With any other policy, a batch with a NULL struct runs in Python. */
  case object ReadWithStruct extends NullPolicy {
    override def isRead: Boolean = true
  }

  /** With NULLs, pandas has another dtype, at least for components: such a batch has another form. */
  case object OtherForm extends NullPolicy

  /** The schema rules out NULLs: a batch that has some runs in Python. */
  case object Python extends NullPolicy

  /**
   * Returns the policy of a nullable column that a function sees as a Series. pandas treats floats, intervals, strings and arrays
   * the same with and without NULLs: NULL is NaN or None in them. Components of timestamps are integers, which become floats in a
   * batch with a NaT.
   */
  def ofSeries(dataType: DataType): NullPolicy = dataType match {
    case FloatType | DoubleType | _: DayTimeIntervalType | StringType | _: ArrayType => Read
    case _ => OtherForm
  }
}

/**
 * The kernel of a WeldExec, without its steps.
 *
 * @param layout for each output column: the index of the child's column that passes through (>= 0), or -(j + 1) for the kernel's
 * output j, where `nested` and `vectors` follow the outputs
 * @param nested columns made of kernel outputs
 * @param vectors ML vectors made of the last kernel outputs, which `layout` does not count; they follow `nested`
 * @param flags whether the kernel stores one more column: NULL in rows that it did not decide, which run in Python alone
 * @param files the files that its functions load: a task with other files runs in Python
 * @param modules the modules that its functions import: a task whose Python would import others runs in Python
 * @param watched the certificates for the last outputs, which are counted and in no batch
 * @param batchRows smaller batches are joined to about this many rows (0: never), because its models cost much per batch
 * @param wholeBatches whether a row's result depends on all rows of its batch
 * @param models the constants that the program reads; on the driver only, tasks receive them as broadcasts
 */
final case class KernelPlan(
    requestKey: String,
    origin: FormOrigin,
    inputs: Array[KernelInput],
    outputTypes: Array[DataType],
    layout: Array[Int],
    nested: Array[NestedOutput],
    vectors: Array[VectorOutput],
    filtered: Boolean,
    flags: Boolean,
    files: Seq[ModelFile],
    modules: Seq[WorkerModules],
    @transient models: Seq[ModelBlock],
    watched: Seq[Watch],
    batchRows: Int,
    wholeBatches: Boolean)

/** A struct, a map, an array of structs, or a vector of Spark's ML library, made of these outputs of the kernel. */
final case class NestedOutput(dataType: DataType, columns: Array[Int]) {

  /** Whether a row converts like any other. Once pyarrow rejects a field, it converts the structs of a batch in another way. */
  def isRowLocal: Boolean = dataType match {
    case _: StructType | ArrayType(_: StructType, _) => false
    case _ => true
  }
}

/** An ML vector whose numbers are these outputs of the kernel. `form`: see [[io.sparkweld.columns.VectorColumn]]. */
final case class VectorOutput(first: Int, size: Int, form: String)

/** The description of a WeldExec for explain. */
final case class KernelSummary(
    hash: String,
    udfs: Seq[String],
    fused: Seq[String],
    approximate: Seq[String],
    singlePrecision: Boolean,
    notes: Seq[String],
    guarded: Boolean)
