package io.sparkweld
package plan

import scala.collection.mutable.ArrayBuffer
import scala.jdk.CollectionConverters._

import io.sparkweld.spark.{CurrentSpark, MapEvaluator, PythonCall, PythonEvaluator, RowConverter}

import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.execution.vectorized.{OnHeapColumnVector, WritableColumnVector}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DataType, StructField, StructType, UserDefinedType}
import org.apache.spark.sql.vectorized.ColumnarBatch

/** A step as a task interprets it, with its input attributes. */
sealed trait FallbackStep extends Serializable

final case class FallbackFilter(condition: Expression, input: Seq[Attribute]) extends FallbackStep

final case class FallbackProject(columns: Seq[Expression], input: Seq[Attribute]) extends FallbackStep

final case class FallbackPython(udfs: Seq[PythonUDF], results: Seq[Attribute], input: Seq[Attribute], evaluator: PythonEvaluator)
  extends FallbackStep

final case class FallbackMap(evaluator: MapEvaluator, input: Seq[Attribute]) extends FallbackStep

/**
 * The original chain, which Spark's own evaluators run inside a task. Made on the driver.
 *
 * @param isCut whether it leaves some results to functions above; see [[Step.isCut]]
 * @param elsewhere where it runs, for messages
 */
final case class FallbackPlan(
    input: Seq[Attribute],
    steps: Packed[Seq[FallbackStep]],
    output: Seq[Attribute],
    converter: RowConverter,
    isCut: Boolean,
    elsewhere: String) {
  def schema: StructType = Fallback.schemaOf(output)
}

object Fallback {
  /** Rows of a batch made from a stream of rows. */
  val BatchRows = 4096

  def schemaOf(attributes: Seq[Attribute]): StructType =
    StructType(attributes.map(a => StructField(a.name, stored(a.dataType), a.nullable)))

  /** Returns the same columns with the types that rows store. */
  def storedAs(attributes: Seq[Attribute]): Seq[Attribute] =
    attributes.map(a => AttributeReference(a.name, stored(a.dataType), a.nullable, a.metadata)(a.exprId, a.qualifier))

  /** Returns the type that rows store: Spark cannot convert columns of a user-defined type, only those of its storage type. */
  def stored(dataType: DataType): DataType = dataType match {
    case custom: UserDefinedType[_] => custom.sqlType
    case other => other
  }

  /** @param columnarInput whether Spark would feed the first step whole batches of the child */
  def plan(
      steps: Seq[Step],
      input: Seq[Attribute],
      columnarInput: Boolean,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): FallbackPlan = {
    var attributes = input
    val made = steps.zipWithIndex.map {
      case (FilterStep(condition), _) => FallbackFilter(condition, attributes)
      case (ProjectStep(columns), _) =>
        val step = FallbackProject(columns, attributes)
        attributes = columns.map(_.toAttribute)
        step
      case (PythonStep(_, results, _, true), _) =>
        val step = FallbackProject(attributes ++ results.map(result => Literal(null, result.dataType)), attributes)
        attributes = attributes ++ results
        step
      case (PythonStep(udfs, results, evalType, _), i) =>
        val whole = columnarInput && i == 0
        val evaluator = CurrentSpark.pythonEvaluator(udfs, attributes, results, evalType, whole, conf, metrics)
        val step = FallbackPython(udfs, results, attributes, evaluator)
        attributes = attributes ++ results
        step
      case (MapStep(function, output, evalType), _) =>
        val evaluator = CurrentSpark.mapEvaluator(function, attributes, output, evalType, conf, metrics)
        val step = FallbackMap(evaluator, attributes)
        attributes = output
        step
      case (groups: GroupStep, _) =>
        val step = FallbackMap(GroupEvaluator.of(groups.over(RowSourceExec(attributes))), attributes)
        attributes = groups.output
        step
    }
    val isCut = Step.isCut(steps)
    val elsewhere = Step.elsewhere(isCut || made.exists {
      case _: FallbackPython | _: FallbackMap => true
      case _ => false
    })
    FallbackPlan(input, Packed.of(made), attributes, CurrentSpark.rowConverter(schemaOf(attributes)), isCut, elsewhere)
  }
}

/**
 * Runs batches through the original chain: UDFs in Spark's Python workers, Filter and Project by Spark's own projections.
 *
 * Values and exceptions are those of Spark's own plan because its own code makes them. Serves one task; `close` frees its
 * vectors.
 */
final class Fallback(plan: FallbackPlan, partition: Int, context: TaskContext) extends AutoCloseable {
  private val steps = plan.steps.value
  private val toRow = UnsafeProjection.create(plan.input, plan.input)
  private lazy val runners: Seq[Array[InternalRow] => Array[InternalRow]] = steps.map(runner)
  private var vectors: Array[WritableColumnVector] = Array.empty
  private var capacity = 0

  /**
   * Runs one batch through the chain; the result (perhaps of zero rows) is valid until the next call. The UDFs at the bottom see
   * the batch as Spark would show it: whole, where Spark feeds batches to them, regardless of its size.
   */
  def batch(input: ColumnarBatch): ColumnarBatch = {
    val rows =
      if (takesBatches) stream(Iterator.single(input)).map(_.copy()).toArray
      else this.rows(input.rowIterator().asScala.map(copyOf).toArray)
    pack(rows.iterator, math.max(rows.length, 1))
  }

  /** Returns a copy of an input row that outlives its batch. */
  def copyOf(row: InternalRow): InternalRow = toRow(row).copy()

  /** Runs rows through the chain. */
  def rows(input: Array[InternalRow]): Array[InternalRow] =
    runners.foldLeft(input)((rows, run) => if (rows.isEmpty) rows else run(rows))

  /** Runs all of `batches` through one run of the chain; each returned batch is valid until the next. */
  def batches(batches: Iterator[ColumnarBatch]): Iterator[ColumnarBatch] = {
    val rows = stream(batches)
    new Iterator[ColumnarBatch] {
      override def hasNext: Boolean = rows.hasNext
      override def next(): ColumnarBatch = pack(rows, Fallback.BatchRows)
    }
  }

  override def close(): Unit = {
    vectors.foreach(_.close())
    vectors = Array.empty
    capacity = 0
  }

  /** Whether Spark feeds batches to the first step. */
  private val takesBatches = steps.headOption.exists {
    case python: FallbackPython => python.evaluator.takesColumnarInput
    case _ => false
  }

  private def stream(batches: Iterator[ColumnarBatch]): Iterator[InternalRow] = {
    val (start, rest) = steps match {
      case FallbackPython(_, _, _, evaluator) +: rest if evaluator.takesColumnarInput =>
        (evaluator.evalBatches(partition, batches).flatMap(_.rowIterator().asScala), rest)
      case all => (batches.flatMap(_.rowIterator().asScala).map(row => toRow(row): InternalRow), all)
    }
    rest.foldLeft(start) {
      case (rows, FallbackFilter(condition, attributes)) =>
        val predicate = predicateOf(condition, attributes)
        rows.filter(predicate.eval)
      case (rows, FallbackProject(columns, attributes)) =>
        val projection = projectionOf(columns, attributes)
        rows.map(projection)
      case (rows, FallbackPython(_, _, attributes, evaluator)) =>
        val projection = projectionOf(attributes, attributes)
        evaluator.evalRows(partition, rows.map(projection))
      case (rows, FallbackMap(evaluator, attributes)) =>
        val projection = projectionOf(attributes, attributes)
        evaluator.evalRows(partition, rows.map(projection))
    }
  }

  private def runner(step: FallbackStep): Array[InternalRow] => Array[InternalRow] = step match {
    case FallbackFilter(condition, attributes) =>
      val predicate = predicateOf(condition, attributes)
      rows => rows.filter(predicate.eval)
    case FallbackProject(columns, attributes) =>
      val projection = projectionOf(columns, attributes)
      rows => rows.map(row => projection(row).copy(): InternalRow)
    case python: FallbackPython => pythonRunner(python)
    case FallbackMap(evaluator, _) => rows => evaluator.evalRows(partition, rows.iterator).map(_.copy()).toArray
  }

  /**
   * Gathers arguments as Spark's evaluator does, but without its row queue, which would hold memory for every batch until the
   * task ends.
   */
  private def pythonRunner(step: FallbackPython): Array[InternalRow] => Array[InternalRow] = {
    val call = new PythonCall(step.udfs)
    val projection = projectionOf(call.arguments, step.input)
    val output = step.input ++ step.results
    val join = projectionOf(output, output)
    val joined = new JoinedRow
    rows => {
      val results = step.evaluator.evalCall(call, rows.iterator.map(projection), context)
      val out = new ArrayBuffer[InternalRow](rows.length)
      results.foreach(result => out += join(joined(rows(out.length), result)).copy())
      out.toArray
    }
  }

  private def projectionOf(columns: Seq[Expression], attributes: Seq[Attribute]): UnsafeProjection = {
    val projection = UnsafeProjection.create(columns, attributes)
    projection.initialize(partition)
    projection
  }

  private def predicateOf(condition: Expression, attributes: Seq[Attribute]): BasePredicate = {
    val predicate = Predicate.create(condition, attributes)
    predicate.initialize(partition)
    predicate
  }

  private def pack(rows: Iterator[InternalRow], limit: Int): ColumnarBatch = {
    if (limit > capacity) {
      close()
      vectors = OnHeapColumnVector.allocateColumns(limit, plan.schema).toArray
      capacity = limit
    }
    vectors.foreach(_.reset())
    var count = 0
    while (count < limit && rows.hasNext) {
      plan.converter.convert(rows.next(), vectors)
      count += 1
    }
    new ColumnarBatch(vectors.toArray, count)
  }
}
