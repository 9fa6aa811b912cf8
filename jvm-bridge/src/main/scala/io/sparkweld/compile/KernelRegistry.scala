package io.sparkweld
package compile

import scala.util.control.NonFatal

import io.sparkweld.nativelib.{Kernel, NativeError}
import io.sparkweld.support.{Refusal, WarnOnce}

/** Identifies a form of a pipeline: the request's key, and the inputs that have NULLs in the batch. */
final case class FormKey(request: String, nullable: Set[Int])

/**
 * A linked form: its kernel, the request inputs that it loads, the digests of its blocks, and the bytes of memory that a call
 * needs. Inputs and blocks are in ABI order. `hash`: of its program, without the blocks. `repeatable`: equal rows have equal
 * results in any batch. `piecewise`: no row decides whether the kernel may run those before it. `outputs`: the number of columns
 * that it stores.
 */
final class LinkedForm(
    val kernel: Kernel,
    hash: String,
    val repeatable: Boolean,
    val piecewise: Boolean,
    val outputs: Int,
    val inputs: Array[Int],
    val blocks: Array[String],
    val memory: Long) {
  /**
   * Identifies the forms that map equal rows to equal results. It includes the blocks, which change when a model is fitted anew.
   */
  val identity: String = (hash +: blocks).mkString(" ")

  /** Moving average of the bytes of new strings and lists per row, over all tasks. From it each task sizes its arena. */
  @volatile private var stringBytes = 0.0

  def stringBytesPerRow: Double = stringBytes

  def recordStringBytes(bytes: Long, rows: Int): Unit = stringBytes += (bytes.toDouble / rows - stringBytes) / 4
}

/**
 * Reports that a form has no kernel. `lasting`: a retry has the same result (refused); otherwise it is retried after a while.
 * `environment`: no kernel at all can run here, for any batch.
 */
final class FormUnavailable(val refusal: Refusal, val lasting: Boolean, val environment: Boolean)
  extends RuntimeException(refusal.text)

/** Holds the kernels of this JVM, at most `capacity`: each form is linked once and shared by all tasks. */
final class KernelRegistry(capacity: Int, load: (FormKey, FormOrigin) => LinkedForm)
  extends SharedStore[FormKey, LinkedForm](capacity.toLong) {

  /** Returns the form, loaded if needed. Throws FormUnavailable. */
  def acquire(key: FormKey, origin: FormOrigin): Lease[LinkedForm] = lease(key, loaded(key, origin))

  override protected def weigh(form: LinkedForm): Long = 1

  /** Unloads a kernel. If LLVM cannot free it, the memory leaks; that must not fail a task. */
  override protected def free(form: LinkedForm): Unit =
    try form.kernel.close()
    catch { case NonFatal(problem) => WarnOnce("free", "SparkWeld: the code of a kernel could not be freed and stays in memory.", problem) }

  override protected def remembered(problem: Throwable): Long = problem match {
    case unavailable: FormUnavailable if unavailable.lasting => Long.MaxValue
    case _ => KernelRegistry.RetryNanos
  }

  private def loaded(key: FormKey, origin: FormOrigin): LinkedForm =
    try load(key, origin)
    catch {
      case unavailable: FormUnavailable => throw unavailable
      case problem: NativeError =>
        throw new FormUnavailable(Refusal("SW406", "reason" -> problem.getMessage), lasting = true, environment = true)
      case NonFatal(problem) =>
        throw new FormUnavailable(Refusal("SW510", "reason" -> problem.toString), lasting = false, environment = true)
    }
}

object KernelRegistry {
  private val RetryNanos = java.util.concurrent.TimeUnit.SECONDS.toNanos(30)
}

/**
 * Identifies the compile service of a form: the interpreter of the function's workers and what their environment adds.
 * Serializable.
 */
final case class FormOrigin(service: ServiceCommand)
