package io.sparkweld
package plan

import scala.collection.mutable

import io.sparkweld.columns.{ColumnLayout, FieldColumnVector, InputColumn, JoinedBatches, NativeColumnVector, NestedColumns}
import io.sparkweld.columns.{PartOfGroup, SelectedColumnVector, SelectionBuffer, StringArena, VectorColumn}
import io.sparkweld.compile.{FormKey, FormUnavailable, ModelFiles, WorkerModules}
import io.sparkweld.contract.ModelFile
import io.sparkweld.nativelib.{NativeError, NoMemory, Shim}
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Mode, Refusal, WarnOnce}

import org.apache.spark.TaskContext
import org.apache.spark.internal.Logging
import org.apache.spark.sql.types.BooleanType
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}

/**
 * Runs the batches of one partition through the kernel.
 *
 * A batch that no kernel may decide (no form for its NULLs, a guard that fired) runs through the original chain instead; where
 * functions are row-local, only its flagged rows do. When that happens often, or no kernel can run here, the rest of the
 * partition does. An output batch is valid until the next one is requested. All native memory is freed when the task ends. When
 * the kernel does not decide a joined batch, its original batches are run one by one.
 *
 * @param merger takes rows block by block, without batches of them; see [[BlockMerge]]
 */
final class WeldTask(
    plan: TaskPlan,
    input: Iterator[ColumnarBatch],
    partition: Int,
    context: TaskContext,
    merger: Option[BlockMerge] = None)
  extends Iterator[ColumnarBatch] with Logging {

  private val kernel = plan.kernel
  private val streams = plan.ahead && !plan.keepsBatches
  private val linkable = WeldTask.linkable() && WeldTask.loadsTheSame(kernel.files, kernel.modules)
  private lazy val fallback = new Fallback(plan.fallback, partition, context)
  private val lane = plan.race.filter(_ => streams).map { turn =>
    new Lane(Races.of(kernel.requestKey, turn), kernel.requestKey, plan.shadow.udfs, !plan.fallback.isCut, madeFallback)
  }
  private var on = Breakers.known(kernel.requestKey, ask = plan.shadow.fraction > 0).isEmpty
  private val joined = Option.when(linkable && !plan.keepsBatches && kernel.batchRows > 0 && plan.shadow.fraction == 0 &&
    JoinedBatches.supports(plan.fallback.input.map(_.dataType))) {
    val deciding = kernel.inputs.filter(!_.nulls.isRead).map(_.path(0)).toSet
    new JoinedBatches(input, plan.fallback.input.map(_.dataType), deciding, kernel.batchRows)
  }
  private val batches = joined.getOrElse(input)
  private lazy val inputs = kernel.inputs.map(in => InputColumn.of(in.dataType, nullable = in.nulls != NullPolicy.Python, in.part))
  private val outputs = kernel.outputTypes.map(new NativeColumnVector(_, 0))
  private val nested = kernel.nested.map(made => NestedColumns.vector(made.dataType, made.columns.toSeq.map(outputs(_))))
  private val vectors = kernel.vectors.map(v => new VectorColumn(outputs.slice(v.first, v.first + v.size), v.form))
  private val doubts = outputs.takeRight(kernel.watched.length)
  private val made: Array[ColumnVector] = outputs.dropRight(kernel.vectors.map(_.size).sum + doubts.length) ++ nested
  private val flags = Option.when(kernel.flags)(new NativeColumnVector(BooleanType, 0))
  private val stored = outputs ++ flags
  private val selection = new SelectionBuffer
  private val arena = new StringArena(
    if ((kernel.inputs.map(_.dataType) ++ kernel.outputTypes).exists(ColumnLayout.holdsViews)) WeldTask.StringBytesPerRow else 0,
    plan.maxStringBytes)
  private val selected = kernel.layout.map { source =>
    if (kernel.filtered && source >= 0) new SelectedColumnVector(selection) else null
  }
  private val result = new Array[Long](2 + stored.length)
  private val bound = new Array[Boolean](kernel.inputs.length)
  private val forms = mutable.HashMap.empty[Set[Int], Option[KernelLease]]
  private val cached = new CachedCalls(plan)
  private var fallbackMade = false
  private val shadow = new Shadow(plan, partition)
  private val full = plan.shadow.full.map(new Fallback(_, partition, context))
  private var inARow = 0
  private var seen, left = 0L // groups, and those that ran in Python
  private var current: ColumnarBatch = _
  private var ready: Option[ColumnarBatch] = None
  private var held: HeldRows = _
  private var released: Iterator[ColumnarBatch] = Iterator.empty // batches of held rows
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
    plan.metrics.outputBatches += 1
    plan.metrics.outputRows += batch.numRows().toLong
    batch
  }

  /** Processes one input batch; false when there are no more. */
  private def advance(): Boolean = {
    CurrentSpark.killTaskIfInterrupted(context)
    streaming match {
      case Some(rest) =>
        val more = rest.hasNext
        if (more) ready = Some(rest.next()).filter(_.numRows() > 0)
        more
      case None if released.hasNext =>
        ready = Some(released.next())
        true
      case None =>
        if (current != null) CurrentSpark.closeIfFreeable(current) // as ColumnarToRow does once a batch is read
        current = null
        val more = batches.hasNext
        if (more) {
          current = batches.next()
          if (current.numRows() > 0) run(current)
        } else released = stillHeld()
        more || released.hasNext
    }
  }

  private def run(batch: ColumnarBatch): Unit = {
    if (batch.isInstanceOf[PartOfGroup]) return streamGroups(batch)
    seen += 1
    java.util.Arrays.fill(bound, false)
    on = on && !lane.exists(_.isLost)
    var form = Option.empty[KernelLease]
    val found = linkable && on && whileRoom { form = formFor(batch); form.isDefined }
    def runs = whileRoom(call(form.get, batch))
    val done = found && lane.fold(runs)(_.timed(batch)(runs))
    if (done) inARow = 0
    else if (streaming.isEmpty && !joined.exists(_.takeApart())) deoptimise(batch)
  }

  /**
   * Runs `body`. Without memory for the batch, frees the task's buffers and returns false; no rows are returned before all memory
   * is there.
   */
  private def whileRoom(body: => Boolean): Boolean =
    try body
    catch { case full: NoMemory =>
      (inputs ++ stored ++ vectors :+ selection :+ arena).foreach(_.close())
      WeldTask.warnOfMemory(full, context.stageId(), plan.fallback.elsewhere)
      false
    }

  /** Returns the form for the NULLs of this batch; None when the batch must run in Python. */
  private def formFor(batch: ColumnarBatch): Option[KernelLease] = {
    var nullable = Set.empty[Int]
    var i = 0
    while (i < inputs.length) {
      val policy = kernel.inputs(i).nulls
      if (!policy.isRead || kernel.inputs(i).path.length > 1) {
        if (!bind(i, batch)) return None
        if (inputs(i).hasNull) {
          if (policy == NullPolicy.Python) return None
          if (policy == NullPolicy.OtherForm) nullable += i
        }
      }
      i += 1
    }
    forms.getOrElseUpdate(nullable, lease(nullable))
  }

  private def lease(nullable: Set[Int]): Option[KernelLease] = {
    val started = System.nanoTime()
    try Some(KernelLease.acquire(FormKey(kernel.requestKey, nullable), kernel.origin, plan.models, stored.length))
    catch {
      case unavailable: FormUnavailable =>
        WarnOnce(s"form:${unavailable.refusal.code}:${unavailable.refusal.message}",
          s"SparkWeld: batches of stage ${context.stageId()} run ${plan.fallback.elsewhere}. ${unavailable.refusal.text}")
        if (unavailable.environment && streams) stream()
        None
    } finally plan.metrics.compileTime += (System.nanoTime() - started) / 1000000
  }

  /** Binds this batch's column to input `i`; false for a field of a struct that is NULL in some row, unless its policy reads that. */
  private def bind(i: Int, batch: ColumnarBatch): Boolean = {
    if (bound(i)) return true
    val path = kernel.inputs(i).path
    var vector = batch.column(path(0))
    var depth = 1
    while (depth < path.length) {
      val field = vector.getChild(path(depth))
      vector =
        if (!vector.hasNull) field
        else if (kernel.inputs(i).nulls == NullPolicy.ReadWithStruct) new FieldColumnVector(vector, field)
        else return false
      depth += 1
    }
    inputs(i).bind(vector, batch.numRows())
    bound(i) = true
    true
  }

  /**
   * Calls the kernel; false when a guard flagged a row or its strings exceed their memory limit. Nothing that it wrote is used
   * then.
   */
  private def call(held: KernelLease, batch: ColumnarBatch): Boolean = {
    val form = held.form
    val rows = batch.numRows()
    val started = System.nanoTime()
    if (merger.exists(_.takes(form)) && nothingHeld && cached.without(form, rows)(merge(held, batch))) {
      plan.metrics.kernelTime += System.nanoTime() - started
      plan.metrics.kernelBatches += 1
      return true
    }
    val columns = addresses(held, batch, rows)
    cached.call(form, columns, rows, result) { rows =>
      form.kernel.call(columns, rows, result)
      while (arena.overflowed && arena.grow()) form.kernel.call(columns, rows, result)
      // between stages, a small group takes many bytes for each row
      if (!arena.overflowed && !plan.groups) form.recordStringBytes(arena.taken, rows)
      !arena.overflowed && result(1) == 0
    }
    plan.metrics.kernelTime += System.nanoTime() - started
    if (arena.overflowed) { // its guards may have read strings that overflowed
      val refusal = Refusal("SW340", "limit" -> plan.maxStringBytes.toString)
      val where = plan.fallback.elsewhere
      WarnOnce(s"text:${plan.maxStringBytes}:$where", s"SparkWeld: some batches of stage ${context.stageId()} run $where. ${refusal.text}")
      return false
    }
    val alone = if (kernel.flags) result(2 + outputs.length).toInt else 0
    val decided = result(1) == 0 && alone.toLong * (if (plan.keepsBatches) rows + 1 else HeldRows.Few) <= rows
    lane.foreach(_.flagged(rows, result(1), alone, decided))
    if (decided || !joined.exists(_.isJoined)) plan.metrics.guardedRows += result(1) + alone
    if (decided) {
      val made = assemble(batch, result(0).toInt)
      plan.metrics.kernelBatches += 1
      val flagged = flags.filter(_ => alone > 0)
      doubts.indices.foreach { k =>
        plan.metrics.watchedRows += (rows - alone).toLong
        plan.metrics.unsureRows += plan.drifts(k).count(doubts(k), rows, flagged)
      }
      compared(made, flagged)
    }
    decided
  }

  /** Returns the kernel's addresses for this batch, with outputs for `room` rows. */
  private def addresses(held: KernelLease, batch: ColumnarBatch, room: Int): Array[Long] = {
    held.form.inputs.foreach(bind(_, batch))
    stored.foreach(_.ensureCapacity(room))
    if (kernel.filtered) selection.ensureCapacity(room)
    arena.start(room, held.form.stringBytesPerRow)
    held.addresses(inputs, stored, if (kernel.filtered) selection.address else 0, arena, plan.cacheMode != Mode.Never)
  }

  /** Passes the rows of a batch to `merger`; false when it did not take all of them. */
  private def merge(held: KernelLease, batch: ColumnarBatch): Boolean = {
    val columns = addresses(held, batch, BlockMerge.Rows)
    val taken = merger.get.merge(new BlockCall(kernel, held.form, columns, outputs, arena), batch)
    if (taken >= 0) plan.metrics.outputRows += taken.toLong
    taken >= 0
  }

  /** Returns the kernel's rows; if the batch is in the sample and differs, those of Python. */
  private def compared(made: ColumnarBatch, flags: Option[ColumnVector]): Unit =
    if (!shadow.picks()) give(made, flags)
    else {
      fallbackMade = true
      val other = shadow.otherwise(made, flags)(fallback.batch(current))
      on = other.isEmpty
      if (on) {
        full.foreach(full => shadow.againstFull(made, flags)(full.batch(current)))
        give(made, flags)
      } else give(other.get)
    }

  /** Makes a batch ready, or holds it back when some of its rows are flagged, or earlier rows are held. */
  private def give(made: ColumnarBatch, flags: Option[ColumnVector] = None): Unit =
    if (flags.isEmpty && nothingHeld) ready = Some(made).filter(_.numRows() > 0)
    else {
      fallbackMade = true
      if (held == null) held = new HeldRows(plan.fallback.output, fallback)
      held.add(made, current, flags)
      if (held.isFull) released = lane.fold(held.take())(_.apart(held.take()))
    }

  private def assemble(batch: ColumnarBatch, rows: Int): ColumnarBatch = {
    var j = 0
    while (j < outputs.length) {
      outputs(j).setNullCount(result(2 + j).toInt)
      j += 1
    }
    val filled = vectors.map(_.fill(rows))
    val columns = new Array[ColumnVector](kernel.layout.length)
    var k = 0
    while (k < columns.length) {
      val source = kernel.layout(k)
      columns(k) =
        if (source < -made.length) filled(-source - 1 - made.length)
        else if (source < 0) made(-source - 1)
        else if (selected(k) == null) batch.column(source)
        else {
          selected(k).reset(batch.column(source), batch.numRows())
          selected(k)
        }
      k += 1
    }
    new ColumnarBatch(columns, rows)
  }

  private def deoptimise(batch: ColumnarBatch): Unit = {
    inARow += 1
    left += 1
    if (streams && (!linkable || !on || inARow >= plan.streamAfter || leavesManyGroups)) stream()
    else {
      plan.metrics.deoptimisedBatches += 1
      fallbackMade = true
      give(counted(fallback.batch(batch)))
    }
  }

  /** Whether a run of Python for each group that the kernel does not decide costs more than one run for all groups. */
  private def leavesManyGroups: Boolean = plan.groups && left >= plan.streamAfter && left * WeldTask.GroupsForOneRun > seen

  private def madeFallback: Fallback = {
    fallbackMade = true
    fallback
  }

  private def stillHeld(): Iterator[ColumnarBatch] = if (nothingHeld) Iterator.empty else held.take()

  private def nothingHeld: Boolean = held == null || held.isEmpty

  /** Passes a group that is too large for one batch, and all that follow, to Spark's own node, which finds the groups itself. */
  private def streamGroups(batch: ColumnarBatch): Unit = {
    val refusal = Refusal("SW341", "reason" -> s"a group has more than ${batch.numRows()} rows")
    WarnOnce("groups", s"SparkWeld: groups of stage ${context.stageId()} run ${plan.fallback.elsewhere}. ${refusal.text}")
    stream()
  }

  /** Runs the current batch and all that follow through one Python run. */
  private def stream(): Unit = {
    val before = stillHeld()
    val again = joined.exists(_.takeApart())
    streaming = Some(before ++ fallbackOf(if (again) batches else Iterator.single(current) ++ batches))
  }

  private def fallbackOf(batches: Iterator[ColumnarBatch]): Iterator[ColumnarBatch] = {
    fallbackMade = true
    fallback.batches(batches.filter(_.numRows() > 0).map { batch =>
      plan.metrics.deoptimisedBatches += 1
      batch
    }).map(counted)
  }

  private def counted(made: ColumnarBatch): ColumnarBatch = {
    plan.metrics.otherRows += made.numRows().toLong
    made
  }

  private def close(): Unit = {
    for (form <- forms.values.flatten) {
      plan.metrics.stringLookups += form.stringCounts._1
      plan.metrics.stringHits += form.stringCounts._2
      form.close()
    }
    forms.clear()
    joined.foreach(_.close())
    if (linkable) inputs.foreach(_.close())
    outputs.foreach(_.close())
    flags.foreach(_.close())
    if (held != null) held.close()
    vectors.foreach(_.close())
    selection.close()
    cached.close()
    arena.close()
    if (fallbackMade) fallback.close()
    full.foreach(_.close())
  }
}

object WeldTask {
  private val StringBytesPerRow = 16

  /** To start a run of Python for one group costs about as much as this number of groups within a run. */
  private val GroupsForOneRun = 10

  /** Whether the files that functions load, and the modules that they import, are the same here as when the query was planned. */
  def loadsTheSame(files: Seq[ModelFile], modules: Seq[WorkerModules]): Boolean =
    files.flatMap(ModelFiles.difference).headOption.orElse(modules.flatMap(_.difference).headOption) match {
    case None => true
    case Some(refusal) =>
      WarnOnce(s"file:${refusal.message}", s"SparkWeld: UDFs run in Python in this executor. ${refusal.text}")
      false
  }

  /** Whether this JVM has the native shim; without it, no kernel runs. */
  def linkable(): Boolean =
    try {
      Shim.load()
      true
    } catch {
      case missing: NativeError =>
        val refusal = Refusal("SW406", "reason" -> missing.getMessage)
        val what = "UDFs run in Python and functions of Spark's ML library as Spark planned them"
        WarnOnce("shim", s"SparkWeld: $what in this executor. ${refusal.text}")
        false
    }

  private def warnOfMemory(full: NoMemory, stage: Int, where: String): Unit = WarnOnce(s"memory:$where",
    s"SparkWeld: some batches of stage $stage run $where. ${Refusal("SW341", "reason" -> full.getMessage).text}")
}
