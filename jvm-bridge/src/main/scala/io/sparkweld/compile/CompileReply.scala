package io.sparkweld
package compile

import io.sparkweld.contract
import io.sparkweld.contract.{ModelFile, VectorShape}
import io.sparkweld.support.Refusal

/** Represents the result of compiling a pipeline: a program or refusals. */
sealed trait CompileReply

/** A refused pipeline. `lasting`: a retry has the same result, which is false when the answer depends on files. */
final case class Refused(refusals: Seq[Refusal], lasting: Boolean = true) extends CompileReply

/**
 * A program in text form, with the columns that its kernel loads (`inputs`: positions in the request's "inputs", ABI order) and
 * stores.
 *
 * `flags`: it stores one more column, NULL in rows that it did not decide. `repeatable`: equal rows have equal results in any
 * batch. `singlePrecision`: an approximate operation results in 32-bit floats. `piecewise`: no row makes the whole batch run
 * elsewhere. `batchwise`: why a row's result may change when Spark would batch the rows of the request differently. `batchRows`: the number of rows from which a batch is cheap (0: any). `blocks`:
 * digests of the constants that it reads, ABI order; `models`: these constants, when a plan is made. `files`: the files that its
 * functions have loaded; `modules`: the modules that they import.
 */
final case class Compiled(
    program: String,
    hash: String,
    inputs: Array[Int],
    outputTypes: Seq[String],
    flags: Boolean,
    filtered: Boolean,
    guarded: Boolean,
    repeatable: Boolean,
    piecewise: Boolean,
    batchwise: Option[String],
    batchRows: Int,
    approximate: Seq[String],
    singlePrecision: Boolean,
    notes: Seq[String],
    fused: Seq[String],
    nodes: Int,
    blocks: Seq[String],
    vectors: Seq[VectorShape],
    watched: Seq[Watch],
    models: Seq[ModelBlock],
    files: Seq[ModelFile],
    modules: ModuleRecord) extends CompileReply {

  /** Returns the number of columns that its kernel stores. */
  def stored: Int = outputTypes.size + (if (flags) 1 else 0)
}

object CompileReply {
  /** Reads the reply to `request`, asked with the blocks of `has`. Refuses with SW512 a reply that does not fit its request. */
  def read(request: PipelineRequest, frame: Frame, has: Seq[ModelBlock]): CompileReply =
    frame.answer[contract.Compiled].flatMap(compiled(request, _, frame, has)).fold(Refused(_, frame.isLasting), identity)

  private def compiled(
      request: PipelineRequest,
      reply: contract.Compiled,
      frame: Frame,
      has: Seq[ModelBlock]): Either[Seq[Refusal], Compiled] = {
    val asked = request.message
    val names = asked.inputs.map(_.name).zipWithIndex.toMap
    val numbers = reply.outputs.size - asked.outputs.size - reply.watched.size
    val fits = reply.outputs.take(asked.outputs.size).map(_.name) == asked.outputs && reply.vectors.map(_.size).sum == numbers &&
      reply.vectors.size == asked.vectors.fold(0)(_.size)
    for {
      _ <- reply.inputs.find(!names.contains(_)).map(name => mismatch(s"it loads $name, which was not offered")).toLeft(())
      _ <- Either.cond(fits, (), mismatch("its outputs are not the requested ones"))
      // a map function decides for itself
      _ <- Either.cond(asked.mayFilter || reply.filtered == asked.filtered, (), mismatch("the reply and the plan disagree about a filter"))
      _ <- Either.cond(reply.program.nonEmpty, (), mismatch("it contains no program"))
      models <- modelsOf(reply.blocks, frame.blobs, has).toRight(mismatch("the bytes of its models do not match their description"))
      dependencies <- frame.dependencies
    } yield Compiled(
      program = reply.program,
      hash = reply.hash,
      inputs = reply.inputs.map(names).toArray,
      outputTypes = reply.outputs.map(_.`type`),
      flags = reply.flags,
      filtered = reply.filtered,
      guarded = reply.guarded,
      repeatable = reply.repeatable,
      piecewise = reply.piecewise,
      batchwise = reply.batchwise,
      batchRows = reply.batchRows,
      approximate = reply.kept.map(_.text),
      singlePrecision = reply.singlePrecision,
      notes = reply.udfs.map(udf => s"${udf.name}: ${udf.notes.mkString("; ")}").distinct,
      fused = reply.fused,
      nodes = reply.nodes,
      blocks = models.map(_.digest),
      vectors = reply.vectors,
      watched = reply.watched.map(Watch.of),
      models = models,
      files = dependencies.files.getOrElse(Nil),
      modules = ModuleRecord.of(dependencies))
  }

  /** Returns the program's blocks: those of `has`, and new ones from the frame's blobs, in their order. */
  private def modelsOf(blocks: Seq[contract.Block], blobs: Seq[Array[Byte]], has: Seq[ModelBlock]): Option[Seq[ModelBlock]] = {
    val known = has.map(block => block.digest -> block).toMap
    val rest = blobs.iterator
    val found = blocks.map { about =>
      known.get(about.digest).orElse(rest.nextOption().map(blob => new ModelBlock(about.digest, blob.length.toLong, blob)))
        .filter(_.size == about.bytes)
    }
    Option.when(found.forall(_.isDefined) && rest.isEmpty)(found.flatten)
  }

  private def mismatch(what: String): Seq[Refusal] = Seq(Refusal("SW512", "what" -> what))
}

/**
 * Machine code of one program for one kind of CPU, with the data needed to link it. `memory`: bytes that each call must receive,
 * when the program has blocks.
 */
final case class ObjectCode(symbol: String, imports: Array[String], cpu: String, memory: Long, bytes: Array[Byte])
