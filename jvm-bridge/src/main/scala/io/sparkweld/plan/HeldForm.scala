package io.sparkweld.plan

import scala.collection.mutable
import scala.util.control.NonFatal

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.columns.{InputColumn, NativeColumnVector, OffHeapBuffer, TextArena}
import io.sparkweld.compile.{FormKey, FormOrigin, FormUnavailable, Lease, LinkedForm, ModelCopy}
import io.sparkweld.support.Refusal

import org.apache.spark.broadcast.Broadcast
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals

/** A form that a task holds, and the blocks of constants that its kernel reads. */
private final class HeldForm(lease: Lease[LinkedForm], models: Array[Lease[ModelCopy]]) extends AutoCloseable {

  def form: LinkedForm = lease.value

  /**
   * The addresses that the kernel takes: its inputs, the columns that it stores, the rows that a filter keeps (0: there is none), the
   * arena, the blocks, and the task's `memory`, which is made large enough.
   */
  def addresses(
      inputs: Array[InputColumn],
      stored: Array[NativeColumnVector],
      selection: Long,
      arena: TextArena,
      memory: OffHeapBuffer): Array[Long] = {
    val columns = form.inputs.flatMap(i => Array(inputs(i).dataAddress, inputs(i).nullsAddress)) ++
      stored.flatMap(output => Array(output.dataAddress, output.nullsAddress)) ++ Array(selection, arena.address)
    if (models.isEmpty) columns
    else columns ++ models.map(_.value.address) :+ memory.reserve(math.max(form.memory, 1L))
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
