package io.sparkweld.plan

import scala.collection.mutable
import scala.util.control.NonFatal

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.columns.{ColumnLayout, InputColumn, NativeColumnVector, OffHeapBuffer, SelectedColumnVector, SelectionBuffer, StructColumnVector, TextArena}
import io.sparkweld.compile.{FormKey, FormOrigin, FormUnavailable, Lease, LinkedForm, ModelCopy}
import io.sparkweld.nativelib.{NativeError, Shim}
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.TaskContext
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.internal.Logging
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}

/**
 * What a task of a WeldExec gets from the driver. `models`: the constants that kernels read, by digest. `stages`: the same
 * chain in parts, for batches that need it.
 */
final case class TaskPlan(
    kernel: KernelPlan,
    fallback: FallbackPlan,
    streamAfter: Int,
    maxTextBytes: Long,
    models: Map[String, Broadcast[Array[Byte]]],
    metrics: WeldMetrics,
    stages: Seq[TaskPlan])

final case class WeldMetrics(
    outputRows: SQLMetric,
    outputBatches: SQLMetric,
    kernelBatches: SQLMetric,
    kernelTime: SQLMetric,
    compileTime: SQLMetric,
    guardedRows: SQLMetric,
    deoptimisedBatches: SQLMetric) extends Serializable

/**
 * Batches of one partition through the kernel. A batch that a kernel may not decide (no form for its NULLs, a guard
 * that fired) runs through the original chain instead; when that happens often, or no kernel can run here, so does the
 * rest of the partition. An output batch holds until the next one is asked for. All native memory is freed when the
 * task ends.
 *
 * @param isStage this is one of the stages of another WeldTask: batches are counted there, and it never streams
 */
final class WeldTask(
    plan: TaskPlan,
    input: Iterator[ColumnarBatch],
    partition: Int,
    context: TaskContext,
    isStage: Boolean = false)
  extends Iterator[ColumnarBatch] with Logging {

  private val kernel = plan.kernel
  private val linkable = WeldTask.linkable()
  private lazy val inputs = kernel.inputs.map(in => InputColumn.of(in.dataType, nullable = in.nulls != NullPolicy.Python))
  private val outputs = kernel.outputTypes.map(new NativeColumnVector(_, 0))
  private val made: Array[ColumnVector] =
    outputs ++ kernel.structs.map(s => new StructColumnVector(s.struct, s.fields.map(outputs(_): ColumnVector)))
  private val selection = new SelectionBuffer
  private val arena = new TextArena(
    if ((kernel.inputs.map(_.dataType) ++ kernel.outputTypes).exists(ColumnLayout.holdsViews)) WeldTask.TextBytesARow else 0,
    plan.maxTextBytes)
  private val selected = kernel.layout.map { source =>
    if (kernel.filtered && source >= 0) new SelectedColumnVector(selection) else null
  }
  private val result = new Array[Long](2 + outputs.length)
  private val bound = new Array[Boolean](kernel.inputs.length)
  private val forms = mutable.HashMap.empty[Set[Int], Option[HeldForm]]
  private val memory = new OffHeapBuffer
  private lazy val fallback = new Fallback(plan.fallback, partition, context)
  private var fallbackMade = false
  private lazy val stages = new StageRun(plan.stages, partition, context)
  private var inStages = false
  private var inARow = 0
  private var current: ColumnarBatch = _
  private var ready: Option[ColumnarBatch] = None
  private var streaming: Option[Iterator[ColumnarBatch]] = None

  context.addTaskCompletionListener[Unit](_ => close())

  override def hasNext: Boolean = {
    while (ready.isEmpty && advance()) ()
    ready.isDefined
  }

  override def next(): ColumnarBatch = {
    if (!hasNext) throw new NoSuchElementException("no more batches")
    val batch = ready.get
    ready = None
    if (!isStage) {
      plan.metrics.outputBatches += 1
      plan.metrics.outputRows += batch.numRows().toLong
    }
    batch
  }

  /** Takes one input batch; false when there are no more. */
  private def advance(): Boolean = {
    SparkInternals.killTaskIfInterrupted(context)
    streaming match {
      case Some(batches) =>
        val more = batches.hasNext
        if (more) ready = Some(batches.next()).filter(_.numRows() > 0)
        more
      case None if inStages =>
        if (stages.hasNext) ready = Some(stages.next()) else leaveStages()
        true
      case None =>
        if (current != null) current.closeIfFreeable() // as ColumnarToRow does once a batch is read
        current = null
        val more = input.hasNext
        if (more) {
          current = input.next()
          if (current.numRows() > 0) run(current)
        }
        more
    }
  }

  /** How many batches up to now had to run in Python one after the other. */
  def pythonInARow: Int = inARow

  private def run(batch: ColumnarBatch): Unit = {
    java.util.Arrays.fill(bound, false)
    val done = linkable && (formFor(batch) match {
      case Some(form) => call(form, batch)
      case None => inStages
    })
    if (done && !inStages) inARow = 0
    else if (!done && streaming.isEmpty) deoptimise(batch)
  }

  /** The form for the NULLs of this batch; None when the batch goes through the stages, or must run in Python. */
  private def formFor(batch: ColumnarBatch): Option[HeldForm] = {
    var nullable = Set.empty[Int]
    var staged = false
    var i = 0
    while (i < inputs.length) {
      val policy = kernel.inputs(i).nulls
      if (policy != NullPolicy.Read || kernel.inputs(i).path.length > 1) {
        if (!bind(i, batch)) return None
        if (inputs(i).hasNull) {
          if (policy == NullPolicy.Python) return None
          if (policy == NullPolicy.OtherForm) nullable += i
          if (policy == NullPolicy.Staged) staged = true
        }
      }
      i += 1
    }
    if (staged) {
      inStages = true
      stages.start(batch)
      return None
    }
    if (nullable.nonEmpty && kernel.rowLimit > 0 && batch.numRows() > kernel.rowLimit) return None
    forms.getOrElseUpdate(nullable, lease(nullable))
  }

  private def lease(nullable: Set[Int]): Option[HeldForm] = {
    val started = System.nanoTime()
    try Some(HeldForm.acquire(FormKey(kernel.requestKey, nullable), kernel.origin, plan.models))
    catch {
      case unavailable: FormUnavailable =>
        WarnOnce(s"form:${unavailable.refusal.code}:${unavailable.refusal.message}",
          s"SparkWeld: batches of stage ${context.stageId()} run in Python. ${unavailable.refusal.text}")
        if (unavailable.environment && !isStage) stream()
        None
    } finally plan.metrics.compileTime += (System.nanoTime() - started) / 1000000
  }

  /** Gives input `i` this batch's column; false when it is a field of a struct that is NULL as a whole in some row. */
  private def bind(i: Int, batch: ColumnarBatch): Boolean = {
    if (bound(i)) return true
    val path = kernel.inputs(i).path
    var vector = batch.column(path(0))
    var depth = 1
    while (depth < path.length) {
      if (vector.hasNull) return false
      vector = vector.getChild(path(depth))
      depth += 1
    }
    inputs(i).bind(vector, batch.numRows())
    bound(i) = true
    true
  }

  /**
   * Calls the kernel; false when a guard flagged a row or its texts need more memory than they may, and then nothing of
   * what it wrote is used.
   */
  private def call(held: HeldForm, batch: ColumnarBatch): Boolean = {
    val form = held.form
    val rows = batch.numRows()
    val started = System.nanoTime()
    val columns = new Array[Long](2 * form.inputs.length + 2 * outputs.length + 2 + held.extraEntries)
    var at = 0
    form.inputs.foreach { i =>
      bind(i, batch)
      columns(at) = inputs(i).dataAddress
      columns(at + 1) = inputs(i).nullsAddress
      at += 2
    }
    outputs.foreach { output =>
      output.ensureCapacity(rows)
      columns(at) = output.dataAddress
      columns(at + 1) = output.nullsAddress
      at += 2
    }
    if (kernel.filtered) {
      selection.ensureCapacity(rows)
      columns(at) = selection.address
    }
    arena.start(rows)
    columns(at + 1) = arena.address
    held.addresses(memory, columns, at + 2)
    form.kernel.call(columns, rows, result)
    while (arena.overflowed && arena.grow()) form.kernel.call(columns, rows, result)
    plan.metrics.kernelTime += System.nanoTime() - started
    if (arena.overflowed) { // its guards looked at texts that are not there
      val refusal = Refusal("SW340", "limit" -> plan.maxTextBytes.toString)
      WarnOnce(s"text:${plan.maxTextBytes}", s"SparkWeld: a batch of stage ${context.stageId()} runs in Python. ${refusal.text}")
      return false
    }
    plan.metrics.guardedRows += result(1)
    val decided = result(1) == 0
    if (decided) {
      plan.metrics.kernelBatches += 1
      ready = Some(assemble(batch, result(0).toInt)).filter(_.numRows() > 0)
    }
    decided
  }

  private def assemble(batch: ColumnarBatch, rows: Int): ColumnarBatch = {
    var j = 0
    while (j < outputs.length) {
      outputs(j).setNullCount(result(2 + j).toInt)
      j += 1
    }
    val vectors = new Array[ColumnVector](kernel.layout.length)
    var k = 0
    while (k < vectors.length) {
      val source = kernel.layout(k)
      vectors(k) =
        if (source < 0) made(-source - 1)
        else if (selected(k) == null) batch.column(source)
        else {
          selected(k).reset(batch.column(source), batch.numRows())
          selected(k)
        }
      k += 1
    }
    new ColumnarBatch(vectors, rows)
  }

  private def deoptimise(batch: ColumnarBatch): Unit = {
    inARow += 1
    if (!isStage && (!linkable || inARow >= plan.streamAfter)) stream()
    else {
      plan.metrics.deoptimisedBatches += 1
      fallbackMade = true
      ready = Some(fallback.batch(batch, kernel.rowLimit)).filter(_.numRows() > 0)
    }
  }

  /** From here on, the batch in hand and all that follow go through one Python run. */
  private def stream(): Unit = streaming = Some(fallbackOf(Iterator.single(current) ++ input))

  private def fallbackOf(batches: Iterator[ColumnarBatch]): Iterator[ColumnarBatch] = {
    fallbackMade = true
    fallback.batches(batches.filter(_.numRows() > 0).map { batch =>
      plan.metrics.deoptimisedBatches += 1
      batch
    })
  }

  /** The last output of the stages was read. When their batches keep running in Python, so does what follows. */
  private def leaveStages(): Unit = {
    inStages = false
    inARow = stages.pythonInARow
    if (inARow >= plan.streamAfter && !isStage) streaming = Some(fallbackOf(input))
  }

  private def close(): Unit = {
    forms.values.flatten.foreach(_.close())
    forms.clear()
    if (linkable) inputs.foreach(_.close())
    outputs.foreach(_.close())
    selection.close()
    arena.close()
    memory.close()
    if (fallbackMade) fallback.close()
  }
}

/** A form that a task holds, and the blocks of constants that its kernel reads. */
private final class HeldForm(lease: Lease[LinkedForm], models: Array[Lease[ModelCopy]]) extends AutoCloseable {

  def form: LinkedForm = lease.value

  /** Entries of the kernel's `columns` behind that of the arena: the blocks, then memory for the call. */
  def extraEntries: Int = if (models.isEmpty) 0 else models.length + 1

  /** Writes their addresses; the task's `memory` is made large enough. */
  def addresses(memory: OffHeapBuffer, columns: Array[Long], from: Int): Unit = if (models.nonEmpty) {
    var i = 0
    while (i < models.length) {
      columns(from + i) = models(i).value.address
      i += 1
    }
    columns(from + i) = memory.reserve(math.max(form.memory, 1L))
  }

  override def close(): Unit = {
    models.foreach(_.close())
    lease.close()
  }
}

private object HeldForm {

  /** Throws FormUnavailable. */
  def acquire(key: FormKey, origin: FormOrigin, models: Map[String, Broadcast[Array[Byte]]]): HeldForm = {
    val lease = SparkWeldRuntime.kernels.acquire(key, origin)
    val held = mutable.ArrayBuffer.empty[Lease[ModelCopy]]
    try {
      lease.value.blocks.foreach(digest => held += SparkWeldRuntime.models.acquire(digest, () => read(models(digest))))
      new HeldForm(lease, held.toArray)
    } catch {
      case problem @ (NonFatal(_) | _: OutOfMemoryError) =>
        held.foreach(_.close())
        lease.close()
        throw new FormUnavailable(Refusal("SW870", "reason" -> problem.toString), lasting = false, environment = true)
    }
  }

  /** The bytes of a broadcast; Spark's own copy of them in this executor is not needed once they are off-heap. */
  private def read(broadcast: Broadcast[Array[Byte]]): Array[Byte] = {
    val bytes = broadcast.value
    SparkInternals.forgetHere(broadcast)
    bytes
  }
}

/** A batch through several WeldTasks, one over the other: what the last gives until it has no more. */
private final class StageRun(plans: Seq[TaskPlan], partition: Int, context: TaskContext) extends Iterator[ColumnarBatch] {
  private var waiting: Option[ColumnarBatch] = None

  private val source = new Iterator[ColumnarBatch] {
    override def hasNext: Boolean = waiting.isDefined
    override def next(): ColumnarBatch = {
      val batch = waiting.get
      waiting = None
      batch
    }
  }

  private val tasks = plans.scanLeft(Option.empty[WeldTask]) { (below, plan) =>
    Some(new WeldTask(plan, below.getOrElse(source), partition, context, isStage = true))
  }.flatten

  def start(batch: ColumnarBatch): Unit = waiting = Some(batch)

  def pythonInARow: Int = tasks.map(_.pythonInARow).max

  override def hasNext: Boolean = tasks.last.hasNext

  override def next(): ColumnarBatch = tasks.last.next()
}

object WeldTask {
  private val TextBytesARow = 16

  /** Whether this JVM has the native shim; without it, every batch runs in Python. */
  def linkable(): Boolean =
    try {
      Shim.load()
      true
    } catch {
      case missing: NativeError =>
        val refusal = Refusal("SW406", "reason" -> missing.getMessage)
        WarnOnce("shim", s"SparkWeld: UDFs run in Python in this executor. ${refusal.text}")
        false
    }
}
