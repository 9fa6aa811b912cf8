package io.sparkweld.plan

import scala.collection.mutable
import scala.util.control.NonFatal

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.columns.OffHeapBuffer
import io.sparkweld.compile.{FormKey, FormOrigin, FormUnavailable, Lease, LinkedForm, ModelCopy}
import io.sparkweld.support.Refusal

import org.apache.spark.broadcast.Broadcast
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals

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

  /** The form, which stores `outputs` columns. Throws FormUnavailable. */
  def acquire(key: FormKey, origin: FormOrigin, models: Map[String, Broadcast[Array[Byte]]], outputs: Int): HeldForm = {
    val lease = SparkWeldRuntime.kernels.acquire(key, origin)
    if (lease.value.outputs != outputs) { // it would write, or not write, where it must not
      val refusal = Refusal("SW512", "what" -> s"a form of its kernel has ${lease.value.outputs} columns, not $outputs")
      lease.close()
      throw new FormUnavailable(refusal, lasting = true, environment = false)
    }
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
