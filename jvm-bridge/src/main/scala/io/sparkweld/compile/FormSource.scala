package io.sparkweld
package compile

import io.sparkweld.nativelib.NativeRuntime
import io.sparkweld.support.Refusal

/**
 * The data needed to link a form. `blocks`: digests of its constants. `llvmlite`: the path of the library on the driver, a hint
 * for this host.
 */
final case class FormCode(
    inputs: Array[Int],
    program: String,
    hash: String,
    repeatable: Boolean,
    piecewise: Boolean,
    outputs: Int,
    blocks: Array[String],
    code: ObjectCode,
    llvmlite: Option[String])

/** Serves the code of forms from the driver half to tasks. */
final class FormServer(compiler: Compiler, timeoutMs: Long) {

  /** Returns the code of the form, or throws FormUnavailable. */
  def form(key: FormKey): FormCode = compiler.compileKnown(key.request, key.nullable, Patience.upTo(timeoutMs)) match {
    case None => throw unavailable(Refusal("SW407"), lasting = false)
    case Some((_, Refused(refusals, lasting))) =>
      throw unavailable(refusals.head, lasting && refusals.head.category != "environment")
    case Some((request, program: Compiled)) =>
      try {
        val code = compiler.objectCode(request.service, program.program, program.hash)
        FormCode(program.inputs, program.program, program.hash, program.repeatable, program.piecewise, program.stored,
          program.blocks.toArray, code, compiler.llvmlite(request.service))
      } catch { case gone: ServiceUnavailable => throw new FormUnavailable(gone.refusal, lasting = false, environment = true) }
  }

  /** Answers a message of [[FormMessages]]; null for an unknown one. */
  def receive(message: AnyRef): AnyRef = FormMessages.decode(message) match {
    case None => null
    case Some(key) =>
      try FormMessages.encode(form(key))
      catch { case problem: FormUnavailable => FormMessages.encode(problem) }
  }

  private def unavailable(refusal: Refusal, lasting: Boolean): FormUnavailable =
    new FormUnavailable(refusal, lasting, environment = false)
}

/**
 * Encodes and decodes the messages between the halves of the plugin.
 *
 * They consist of JDK classes only: the RPC layer deserializes them with a class loader that need not know the classes of
 * `--jars`.
 */
object FormMessages {
  private val Ask = "sparkweld-form"
  private val Code = "code"
  private val Unavailable = "unavailable"

  def encode(key: FormKey): AnyRef = Array[AnyRef](Ask, key.request, key.nullable.toArray.sorted)

  def decode(message: AnyRef): Option[FormKey] = message match {
    case Array(Ask, request: String, nullable: Array[Int]) => Some(FormKey(request, nullable.toSet))
    case _ => None
  }

  def encode(form: FormCode): AnyRef = Array[AnyRef](Code, form.inputs, form.program, form.hash, form.blocks, form.code.symbol,
    form.code.imports, form.code.cpu, Array(form.code.memory, form.outputs.toLong), Array(form.repeatable, form.piecewise),
    form.code.bytes, form.llvmlite.orNull)

  def encode(problem: FormUnavailable): AnyRef = {
    val refusal = problem.refusal
    Array[AnyRef](Unavailable, Array(refusal.code, refusal.title, refusal.message, refusal.hint, refusal.place),
      Array(problem.lasting, problem.environment))
  }

  /** Returns the form in an answer. Throws FormUnavailable when the answer is one. */
  def read(answer: AnyRef): FormCode = answer match {
    case Array(Code, inputs: Array[Int], program: String, hash: String, blocks: Array[String], symbol: String,
        imports: Array[String], cpu: String, Array(memory: Long, outputs: Long),
        Array(repeatable: Boolean, piecewise: Boolean), bytes: Array[Byte], llvmlite) =>
      val code = ObjectCode(symbol, imports, cpu, memory, bytes)
      FormCode(inputs, program, hash, repeatable, piecewise, outputs.toInt, blocks, code, Option(llvmlite).map(_.toString))
    case Array(Unavailable, Array(code: String, title: String, message: String, hint: String, place: String),
        flags: Array[Boolean]) =>
      throw new FormUnavailable(Refusal(code, title, message, hint, place), flags(0), flags(1))
    case other =>
      val refusal = Refusal("SW512", "what" -> s"the driver answered $other")
      throw new FormUnavailable(refusal, lasting = false, environment = true)
  }
}

/**
 * Links forms in this JVM.
 *
 * It uses the driver's object code when that was made for this CPU; otherwise this JVM's own compile service makes it from the
 * program's text form. `local`: driver and tasks share this JVM, so the code always fits.
 */
final class FormLoader(fetch: FormKey => FormCode, own: Compiler, local: Boolean) {

  /** Links a form. Throws FormUnavailable or NativeError. */
  def load(key: FormKey, origin: FormOrigin): LinkedForm = {
    val form = fetch(key)
    val runtime = NativeRuntime.get(form.llvmlite, origin.service.python)
    val code =
      if (local || runtime.cpu == form.code.cpu) form.code
      else
        try own.objectCode(origin.service, form.program, form.hash)
        catch { case gone: ServiceUnavailable => throw new FormUnavailable(gone.refusal, lasting = false, environment = true) }
    new LinkedForm(runtime.link(code.bytes, code.symbol, code.imports), form.hash, form.repeatable, form.piecewise, form.outputs,
      form.inputs, form.blocks, code.memory)
  }
}
