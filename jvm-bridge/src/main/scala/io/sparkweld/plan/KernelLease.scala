package io.sparkweld
package plan

import scala.collection.mutable
import scala.util.control.NonFatal

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.columns.{InputColumn, NativeColumnVector, OffHeapBuffer, StringArena}
import io.sparkweld.compile.{FormKey, FormOrigin, FormUnavailable, Lease, LinkedForm, ModelCopy}
import io.sparkweld.contract.Constants
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.Refusal

import org.apache.spark.broadcast.Broadcast
import org.apache.spark.unsafe.Platform

/** Holds a form for a task, with the blocks of constants that its kernel reads, and its memory. */
private final class KernelLease(lease: Lease[LinkedForm], models: Array[Lease[ModelCopy]]) extends AutoCloseable {
  import KernelLease.{Keeps, Words}

  private val memory = new OffHeapBuffer

  def form: LinkedForm = lease.value

  /**
   * Returns the kernel's addresses: of its inputs, the columns that it stores, the filter's selection (0: none), the arena, the
   * blocks, and its own memory. `keeps`: whether it may cache strings in that memory, for repetitions.
   */
  def addresses(
      inputs: Array[InputColumn],
      stored: Array[NativeColumnVector],
      selection: Long,
      arena: StringArena,
      keeps: Boolean): Array[Long] = {
    val columns = form.inputs.flatMap(i => Array(inputs(i).dataAddress, inputs(i).nullsAddress)) ++
      stored.flatMap(output => Array(output.dataAddress, output.nullsAddress)) ++ Array(selection, arena.address)
    if (models.isEmpty) columns
    else columns ++ models.map(_.value.address) :+ memoryAt(keeps)
  }

  private def memoryAt(keeps: Boolean): Long = {
    val size = math.max(form.memory, 8L * 3 * Words)
    val isNew = !memory.holds(size)
    val head = memory.reserve(size)
    if (isNew) for (k <- 0 until 3 * Words) Platform.putLong(null, head + 8 * k, if (keeps && 0 < k && k < Words) Keeps else 0L)
    head
  }

  /** Returns how many strings calls have looked up in the kernel's cache, and how many they found. */
  def stringCounts: (Long, Long) =
    if (memory.address == 0) (0L, 0L) else (total(memory.address + 8 * Words), total(memory.address + 16 * Words))

  private def total(first: Long): Long = (0 until Words).map(k => Platform.getLong(null, first + 8 * k)).sum

  override def close(): Unit = {
    memory.close()
    models.foreach(_.close())
    lease.close()
  }
}

private object KernelLease {
  /**
   * Head of a kernel's memory (sparkweld/ir/layouts/model_memory.py): `Words` states, then as many lookup counters, then as many
   * hit counters.
   */
  private val Words = Constants.shared.modelMemory.headWords
  private val Keeps = Constants.shared.modelMemory.keeps.toLong

  /** Returns the form, which must store `outputs` columns. Throws FormUnavailable. */
  def acquire(key: FormKey, origin: FormOrigin, models: Map[String, Broadcast[Array[Byte]]], outputs: Int): KernelLease = {
    val lease = SparkWeldRuntime.kernels.acquire(key, origin)
    if (lease.value.outputs != outputs) { // its writes would not match the columns
      val refusal = Refusal("SW512", "what" -> s"a form of its kernel has ${lease.value.outputs} columns, not $outputs")
      lease.close()
      throw new FormUnavailable(refusal, lasting = true, environment = false)
    }
    val held = mutable.ArrayBuffer.empty[Lease[ModelCopy]]
    try {
      lease.value.blocks.foreach(digest => held += SparkWeldRuntime.models.acquire(digest, () => read(models(digest))))
      new KernelLease(lease, held.toArray)
    } catch {
      case problem: Throwable => // also when the task is killed: nothing else frees them
        held.foreach(_.close())
        lease.close()
        throw unavailable(problem)
    }
  }

  private def unavailable(problem: Throwable): Throwable = problem match {
    case NonFatal(_) | _: OutOfMemoryError => // of the heap: a broadcast is read into one array
      new FormUnavailable(Refusal("SW870", "reason" -> problem.toString), lasting = false, environment = true)
    case other => other
  }

  /**
   * Returns the bytes of a broadcast and drops Spark's copy in this executor, which is not needed once the bytes are off-heap.
   */
  private def read(broadcast: Broadcast[Array[Byte]]): Array[Byte] = {
    val bytes = broadcast.value
    CurrentSpark.dropLocalCopy(broadcast)
    bytes
  }
}
