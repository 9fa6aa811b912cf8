package io.sparkweld.compile

import scala.util.control.NonFatal

import io.sparkweld.nativelib.{Kernel, NativeError}
import io.sparkweld.support.{Refusal, WarnOnce}

/** One form of one pipeline: the request's key and which of its inputs have NULLs in the batch. */
final case class FormKey(request: String, nullable: Set[Int])

/**
 * A linked form: its kernel, which request inputs it loads and the digests of the blocks that it reads, in ABI order, and the
 * bytes of memory that a call of it wants. `hash`: of its program, whatever is in the blocks; `repeatable`: it gives equal rows equal
 * results in any batch; `piecewise`: no row decides whether the kernel may run those before it; `outputs`: how many columns it stores.
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
  /** Forms that give equal rows equal results have one: of a model that was fitted anew, the blocks are others. */
  val identity: String = (hash +: blocks).mkString(" ")

  /** Bytes of new texts and lists that it has made for a row, of late; of all tasks, which each begin with an arena of their own. */
  @volatile private var textBytes = 0.0

  def textBytesARow: Double = textBytes

  def tookTextBytes(bytes: Long, rows: Int): Unit = textBytes += (bytes.toDouble / rows - textBytes) / 4
}

/**
 * There is no kernel for a form. `lasting`: asking again gives the same (refused); otherwise it is tried again after a
 * while. `environment`: no kernel at all can run here, whatever the batch.
 */
final class FormUnavailable(val refusal: Refusal, val lasting: Boolean, val environment: Boolean)
  extends RuntimeException(refusal.text)

/** The kernels of this JVM, at most `capacity`: each form is linked once, and all of its tasks call it. */
final class KernelRegistry(capacity: Int, load: (FormKey, FormOrigin) => LinkedForm)
  extends SharedStore[FormKey, LinkedForm](capacity.toLong) {

  /** The form, loaded if need be. Throws FormUnavailable. */
  def acquire(key: FormKey, origin: FormOrigin): Lease[LinkedForm] = lease(key, loaded(key, origin))

  override protected def weigh(form: LinkedForm): Long = 1

  /** What LLVM cannot free is lost, and no reason to fail a task. */
  override protected def free(form: LinkedForm): Unit =
    try form.kernel.close()
    catch { case NonFatal(problem) => WarnOnce("free", "SparkWeld: the code of a kernel stays in memory.", problem) }

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
 * Where a form can be had again: the interpreter of the function's workers and what their environment adds.
 * Serialisable.
 */
final case class FormOrigin(service: ServiceCommand)
